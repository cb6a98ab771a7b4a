"""Mixed precision: the products in bfloat16, everything else in float32.

Weights, their gradients' sums, potentials and the optimiser stay in float32, as in Micikevicius
et al. 2018, "Mixed precision training"; bfloat16 has the range of float32, so that losses need no
scale.  The integer stage is never run in it: its sums must be exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

PRODUCTS = (functional.linear, functional.conv2d)


class LowProducts(TorchFunctionMode):
    """Computes :data:`PRODUCTS` in bfloat16 and returns float32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func not in PRODUCTS:
            return func(*args, **(kwargs or {}))
        low = {k: _lower(v) for k, v in (kwargs or {}).items()}
        return func(*map(_lower, args), **low).float()


def _lower(value: Any) -> Any:
    floats = isinstance(value, Tensor) and value.is_floating_point()
    return value.to(torch.bfloat16) if floats else value


def products(precision: str, quantised: bool) -> AbstractContextManager[Any]:
    """Return the context in which a network's forward pass is computed.

    ``precision`` is that of the configuration; on integers it is always float32.
    """
    return LowProducts() if precision == "bfloat16" and not quantised else nullcontext()

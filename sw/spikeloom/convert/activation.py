"""An activation with the values that spike counts can have, for fine-tuning before conversion.

Bu, Fang, Ding, Dai, Yu and Huang 2022, "Optimal ANN-SNN conversion for high-accuracy and
ultra-low-latency spiking neural networks", eq. (15): quantisation, clip, floor, shift.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..spec.errors import UsageError

LEVELS_MAX = 1024


class _Floor(torch.autograd.Function):
    """floor, whose gradient is that of the identity (Bengio, Leonard and Courville 2013)."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.floor()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class ClipFloorShift(nn.Module):
    """limit * clip(floor(x * levels / limit + 1/2) / levels, 0, 1).

    That is what an integrate-and-fire neuron of threshold ``limit``, soft reset and initial
    potential limit / 2 sends in ``levels`` ticks of constant input x, per tick.

    Parameters
    ----------
    levels
        Steps between 0 and the limit, 1 to 1024; best the ticks of the spiking network.
    limit
        Above 0, float [] or [channels]: the greatest value, learnt from there on.  The
        channels are those of dimension 1 of the input [N, channels, ...].
    """

    def __init__(self, levels: int, limit: Tensor | float) -> None:
        super().__init__()
        if isinstance(levels, bool) or not isinstance(levels, int) or not 1 <= levels <= LEVELS_MAX:
            raise UsageError(f"levels must be an integer from 1 to {LEVELS_MAX}, not {levels!r}")
        start = torch.as_tensor(limit, dtype=torch.float32).clone()
        if start.ndim > 1 or not bool((start > 0).all()) or not bool(start.isfinite().all()):
            raise UsageError(f"limit must be one number above 0, or one per channel, not {limit!r}")
        self.levels = levels
        self.limit = nn.Parameter(start)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of x, [N, channels, ...], in the same shape."""
        limit = self.limit
        if limit.ndim:
            limit = limit.reshape(-1, *(1,) * (x.ndim - 2))
        share = _Floor.apply(x * (self.levels / limit) + 0.5) / self.levels
        return limit * share.clamp(0, 1)

"""A PyTorch model as a chain of layers, or every reason why it is none.

The model is traced symbolically (torch.fx), so that a class with a ``forward`` of its own
is read as well as an ``nn.Sequential``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from ..spec.errors import NetworkError
from .activation import ClipFloorShift

LAYERS = (
    *(nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
    *(nn.ReLU, ClipFloorShift, nn.Flatten),
)
"""The layers that have a place in a spiking network."""

IGNORED = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)
"""Layers that do nothing outside training."""

_RATES = "spike counts are never negative and at most one per tick; use ReLU"
_MAXIMUM = "a maximum of counts is not known before the last tick; use AvgPool2d or a stride"
_NORM = "it depends on each sample and cannot be folded into weights; use BatchNorm2d"
_FINAL = "leave it out: the greatest potential of the output decides"
_TIME = "it has a state of its own; train a spiking network with spikeloom train"

ADVICE: dict[str, str] = {
    **dict.fromkeys(
        ("LeakyReLU", "PReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh", "Softplus",
         "Hardswish", "Hardtanh", "ReLU6", "RReLU", "CELU", "Softsign",
         "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "relu6"), _RATES,
    ),
    **dict.fromkeys(
        ("MaxPool1d", "MaxPool2d", "MaxPool3d", "AdaptiveMaxPool2d", "max_pool2d",
         "boolean_dispatch"), _MAXIMUM,
    ),
    **dict.fromkeys(("LayerNorm", "GroupNorm", "InstanceNorm2d", "LocalResponseNorm"), _NORM),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Softmax2d", "softmax", "log_softmax"), _FINAL),
    **dict.fromkeys(("RNN", "LSTM", "GRU", "MultiheadAttention"), _TIME),
    **dict.fromkeys(
        ("add", "iadd"),
        "a sum of two branches is not a chain; leave the shortcut out, or train a spiking network",
    ),
    **dict.fromkeys(("view", "reshape"), "use nn.Flatten or torch.flatten(x, 1)"),
    "ConvTranspose2d": "use Conv2d",
    "Conv1d": "use Conv2d with a height of 1",
    "Conv3d": "use Conv2d",
}  # fmt: skip
"""What to do instead, by the name of a layer or function."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether ``m`` is one layer, not a part to look into."""
        return isinstance(m, ClipFloorShift) or super().is_leaf_module(m, module_qualified_name)


def _flatten(node: fx.Node) -> nn.Module:
    start, end = _arguments(node, ("start_dim", 0), ("end_dim", -1))
    return nn.Flatten(start, end)


def _average(node: fx.Node) -> nn.Module:
    names = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad",
             "divisor_override")  # fmt: skip
    values = _arguments(node, *zip(names, (2, None, 0, False, True, None), strict=True))
    return nn.AvgPool2d(*values)


def _arguments(node: fx.Node, *expected: tuple[str, Any]) -> list[Any]:
    given = dict(zip((name for name, _ in expected), node.args[1:], strict=False))
    return [node.kwargs.get(name, given.get(name, default)) for name, default in expected]


FUNCTIONS: dict[Any, Callable[[fx.Node], nn.Module]] = {
    torch.relu: lambda node: nn.ReLU(),
    functional.relu: lambda node: nn.ReLU(),
    torch.flatten: _flatten,
    functional.avg_pool2d: _average,
    functional.dropout: lambda node: nn.Identity(),
    "relu": lambda node: nn.ReLU(),
    "flatten": _flatten,
}
"""The functions and tensor methods that stand for a layer."""


def _layer(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module | str:
    """Return the layer of a node, or why it has none."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        if isinstance(module, (*LAYERS, *IGNORED)):
            return module
        return _refusal(f"layer {node.target} is a {type(module).__name__}", type(module).__name__)
    make = FUNCTIONS.get(node.target)
    if make is not None:
        return make(node)
    name = getattr(node.target, "__name__", str(node.target)).rstrip("_")
    return _refusal(f"{node.name} is a call of {name}", name)


def _refusal(what: str, name: str) -> str:
    return f"{what}: {ADVICE.get(name, 'there is no spiking counterpart')}"


def refuse(reasons: list[str]) -> None:
    """Raise :class:`NetworkError` with all ``reasons``, if there are any."""
    if reasons:
        raise NetworkError("the model cannot be converted: " + "; ".join(reasons))


def as_chain(model: nn.Module) -> list[nn.Module]:
    """Return the layers of ``model`` in order, those that do nothing left out.

    The modules are the model's own; functions such as ``torch.relu`` become modules.

    Raises
    ------
    NetworkError
        With every layer that is not supported or not in a chain, and what to use instead.
    """
    if isinstance(model, LAYERS):
        return [model]
    try:
        graph = _Tracer().trace(model)
    except Exception as error:  # whatever the model's own code raises on symbols
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkError(
            f"the model cannot be converted: its forward must be a fixed chain of layers, but "
            f"tracing it ended with: {reason}"
        ) from None
    modules = dict(model.named_modules(remove_duplicate=False))
    reasons: list[str] = []
    layers: list[nn.Module] = []
    values = 0
    for node in graph.nodes:
        if node.op == "placeholder":
            values += 1
            if values > 1 and node.users:
                reasons.append(f"{node.name} is a second input: one is possible")
        elif node.op == "get_attr":
            reasons.append(f"{node.target} is used outside a layer: use Conv2d or Linear")
        elif node.op != "output":
            found = _layer(node, modules)
            if isinstance(found, str):
                reasons.append(found)
            elif not isinstance(found, IGNORED):
                layers.append(found)
        if node.op != "output" and len(node.users) > 1 and not _is_reported(node):
            readers = ", ".join(user.name for user in node.users)
            reasons.append(f"{node.name} goes to {readers}: the layers must be one chain")
    refuse(reasons)
    return layers


def _is_reported(node: fx.Node) -> bool:
    """Return whether a reader of a fork is refused with a better reason of its own."""
    joins = (operator.add, operator.iadd, torch.add, torch.cat)
    return any(
        user.target in joins or (user.op == "call_method" and user.target in ("add", "size"))
        for user in node.users
    )


def to_sequential(model: nn.Module) -> nn.Sequential:
    """Return the chain of ``model`` as a Sequential; its layers share the model's tensors."""
    return nn.Sequential(*as_chain(model))

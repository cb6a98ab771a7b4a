"""The linear nodes of a graph, applied to real numbers in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Array, Node, Shape
from .shapes import spread, window


def apply_linear(node: Node, x: Array, bias: bool = True) -> Array:
    """Return what leaves a linear node, float64 of shape (N, *shape), without its delay.

    Parameters
    ----------
    x
        float64 of shape (N, *shape of what comes in).
    bias
        False to leave out the node's bias.
    """
    kind = node.kind
    if kind in ("Input", "Output", "Delay"):
        return x
    if kind == "Flatten":
        return x.reshape(len(x), *_flattened(node, x.shape[1:]))
    if kind == "Scale":
        return x * spread(node, "scale", x.shape[1:])
    if kind in ("Affine", "Linear"):
        y = x @ node.real("weight").T
    elif kind in ("Conv1d", "Conv2d"):
        y = _convolve(node, x)
    else:
        y = _pool(node, x)
    if bias and "bias" in node.fields:
        y = y + bias_of(node, y.shape[1:])
    return np.asarray(y, np.float64)


def bias_of(node: Node, shape: Shape) -> Array:
    """Return a node's bias, one per channel, with one value per element of ``shape``."""
    values = node.real("bias").reshape(-1)
    channels = np.broadcast_to(values, (shape[0],)).reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(channels, shape)


def _flattened(node: Node, shape: Shape) -> Shape:
    if len(shape) == 1:
        return shape
    first, last = (
        end + len(shape) if end < 0 else end
        for end in (node.fields["start_dim"][0], node.fields["end_dim"][0])
    )
    return (*shape[:first], int(np.prod(shape[first : last + 1])), *shape[last + 1 :])


def _windows(node: Node, x: Array) -> Array:
    """Return the windows of (N, C, H, W), of shape (N, C, places, places, taps, taps)."""
    axes = window(node, x.shape[2:])
    x = np.pad(x, [(0, 0), (0, 0), *(around for *_, around in axes)])
    spans = tuple(dilation * (kernel - 1) + 1 for kernel, _, dilation, _ in axes)
    view: Any = np.lib.stride_tricks.sliding_window_view
    seen: Array = view(x, spans, axis=(2, 3))
    (_, sy, dy, _), (_, sx, dx, _) = axes
    return seen[:, :, ::sy, ::sx, ::dy, ::dx]


def as_2d(node: Node) -> Node:
    """Return a Conv1d as the Conv2d over a height of 1 that it is."""
    if node.kind != "Conv1d":
        return node
    fields = dict(node.fields)
    fields["weight"] = fields["weight"][:, :, None, :]
    for name, other in (("stride", 1), ("dilation", 1), ("padding", 0)):
        if not isinstance(fields[name], str):
            fields[name] = (other, fields[name][0])
    return Node(node.name, "Conv2d", fields)


def _convolve(node: Node, x: Array) -> Array:
    if node.kind == "Conv1d":
        return _convolve(as_2d(node), x[:, :, None, :])[:, :, 0, :]
    seen, weight = _windows(node, x), node.real("weight")
    groups = node.fields["groups"][0]
    n_in, n_out = weight.shape[1], len(weight) // groups
    parts = [
        np.tensordot(
            seen[:, g * n_in : (g + 1) * n_in],
            weight[g * n_out : (g + 1) * n_out],
            axes=([1, 4, 5], [1, 2, 3]),
        )
        for g in range(groups)
    ]
    return np.moveaxis(np.concatenate(parts, axis=3), 3, 1)


def _pool(node: Node, x: Array) -> Array:
    total = _windows(node, x).sum(axis=(4, 5))
    kernel = node.fields["kernel_size"]
    return total / (kernel[0] * kernel[-1]) if node.kind == "AvgPool2d" else total

"""Shapes of what flows in a graph, from its inputs on; (channels, height, width) as in NIR."""

from __future__ import annotations

import math

import numpy as np

from .graph import NEURONS, Array, Graph, Node, Order, Problem, Shape

ELEMENTS_MAX = 1 << 24


def pair(value: tuple[int, ...]) -> tuple[int, int]:
    """Return (vertical, horizontal) of one or two numbers."""
    return (value[0], value[-1])


def window(node: Node, size: Shape) -> list[tuple[int, int, int, tuple[int, int]]]:
    """Return (kernel, stride, dilation, (before, after)) of each axis of a window.

    ``size`` is that of the source along these axes.  Padding is counted in positions;
    ``same`` pads as PyTorch does, the odd one behind.
    """
    fields = node.fields
    if "kernel_size" in fields:
        kernel = pair(fields["kernel_size"])
        dilation: tuple[int, ...] = (1, 1)
    else:
        kernel = fields["weight"].shape[2:]
        dilation = _axes(fields["dilation"], len(size))
    stride = _axes(fields["stride"], len(size))
    out = []
    for axis in range(len(size)):
        total = dilation[axis] * (kernel[axis] - 1)
        padding = fields["padding"]
        if padding == "valid":
            around = (0, 0)
        elif padding == "same":
            around = (total // 2, total - total // 2)
        else:
            around = (_axes(padding, len(size))[axis],) * 2
        out.append((kernel[axis], stride[axis], dilation[axis], around))
    return out


def _axes(value: tuple[int, ...], number: int) -> tuple[int, ...]:
    return tuple(value) if len(value) == number else (value[0],) * number


def infer_shapes(graph: Graph, order: Order, problems: list[Problem]) -> dict[str, Shape]:
    """Return the shape of what leaves every node; what does not fit goes to ``problems``.

    Shapes that the file states for convolutions are not needed.  A node whose shape cannot
    be known, as one before it is wrong, has none.
    """
    shapes: dict[str, Shape] = {}
    for name in order.names:
        node = graph.nodes[name]
        incoming = [shapes[b] for b in graph.before(name) if b in shapes]
        if node.kind == "Input" and not incoming:
            shape = node.fields["shape"]
            if not shape or min(shape) < 1 or math.prod(shape) > ELEMENTS_MAX:
                cause = f"shape must be positive sizes of at most {ELEMENTS_MAX} values"
                problems.append(Problem(name, f"{cause}, not {shape}"))
            else:
                shapes[name] = shape
            continue
        if not graph.before(name):
            problems.append(Problem(name, "nothing leads to it", "give it an Input node"))
            continue
        if not incoming:
            continue
        if len(set(incoming)) > 1:
            listed = ", ".join(map(str, incoming))
            problems.append(Problem(name, f"what leads to it must have one shape, not {listed}"))
            continue
        try:
            shapes[name] = _after(node, incoming[0])
        except _Misfit as misfit:
            problems.append(Problem(name, *misfit.args))
    for a, b in order.feedback:
        wanted = shapes.get(graph.before(b)[0]) if graph.before(b) else None
        if a in shapes and wanted is not None and shapes[a] != wanted:
            cause = f"{a} must come back to it with the shape {wanted}, not {shapes[a]}"
            problems.append(Problem(b, cause))
    return shapes


class _Misfit(Exception):
    """What does not fit, and what would help."""


def _after(node: Node, shape: Shape) -> Shape:
    if node.kind in NEURONS or node.kind in ("Scale", "Delay"):
        for field in node.fields:
            spread(node, field, shape)
        return shape
    if node.kind in ("Input", "Output"):
        stated = node.fields["shape"]
        if stated != shape and stated:
            raise _Misfit(
                f"its shape must be {shape}, that of what leads to it, not {stated}",
                "correct the shape in the file",
            )
        return shape
    if node.kind in ("Affine", "Linear"):
        return _linear(node, shape)
    if node.kind == "Flatten":
        return _flat(node, shape)
    return _windowed(node, shape)


def _linear(node: Node, shape: Shape) -> Shape:
    weight = node.fields["weight"]
    if weight.ndim != 2:
        raise _Misfit(f"weight must have two dimensions (out, in), not {weight.shape}")
    if shape != (weight.shape[1],):
        help_ = ""
        if len(shape) > 1 and math.prod(shape) == weight.shape[1]:
            help_ = "flatten from dimension 0: NIR counts dimensions without the batch"
        raise _Misfit(f"it takes {weight.shape[1]} values in one dimension, not {shape}", help_)
    _check_bias(node, weight.shape[0])
    return (weight.shape[0],)


def _check_bias(node: Node, channels: int) -> None:
    bias = node.fields.get("bias")
    if bias is not None and bias.size not in (1, channels):
        raise _Misfit(f"bias must have {channels} values, not {bias.shape}")


def _flat(node: Node, shape: Shape) -> Shape:
    ends = [node.fields[name][0] for name in ("start_dim", "end_dim")]
    first, last = (end + len(shape) if end < 0 else end for end in ends)
    if not 0 <= first <= last < len(shape):
        if len(shape) == 1 and first in (0, 1):
            return shape
        raise _Misfit(f"start_dim and end_dim must be dimensions of {shape}, not {ends}")
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def _windowed(node: Node, shape: Shape) -> Shape:
    number = 1 if node.kind == "Conv1d" else 2
    if len(shape) != number + 1:
        raise _Misfit(f"it takes (channels{', height' * (number - 1)}, width), not {shape}")
    channels = shape[0]
    if "weight" in node.fields:
        weight = node.fields["weight"]
        groups = node.fields["groups"][0]
        if weight.ndim != number + 2:
            raise _Misfit(f"weight must have {number + 2} dimensions, not {weight.shape}")
        if groups < 1 or channels != weight.shape[1] * groups or weight.shape[0] % groups:
            raise _Misfit(
                f"weight {weight.shape} with {groups} groups does not fit {channels} channels"
            )
        channels = weight.shape[0]
        _check_bias(node, channels)
        if min(node.fields["dilation"]) < 1:
            raise _Misfit("dilation must be positive")
    elif min(node.fields["kernel_size"]) < 1:
        raise _Misfit("kernel_size must be positive")
    if min(node.fields["stride"]) < 1:
        raise _Misfit("stride must be positive")
    padding = node.fields["padding"]
    if not isinstance(padding, str) and min(padding) < 0:
        raise _Misfit("padding must not be negative")
    if padding == "same" and max(node.fields["stride"]) > 1:
        raise _Misfit("padding 'same' needs the stride 1")
    sizes = []
    for size, (kernel, stride, dilation, around) in zip(
        shape[1:], window(node, shape[1:]), strict=True
    ):
        sizes.append((size + sum(around) - dilation * (kernel - 1) - 1) // stride + 1)
    if min(sizes) < 1:
        raise _Misfit(f"its window does not fit into {shape}")
    return (channels, *sizes)


def spread(node: Node, name: str, shape: Shape) -> Array:
    """Return a parameter with one value per element of ``shape``.

    One value stands for all; dimensions of size 1 in front are left out.
    """
    value = node.real(name)
    if value.size == 1:
        return np.full(shape, value.reshape(()))
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value[0]
    if value.shape != shape:
        raise _Misfit(f"{name} must have one value or the shape {shape}, not {value.shape}")
    return value

"""Chains of linear nodes as one projection in real numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..spec.kinds import Dense, Ends, Kind, OneToOne
from ..spec.sparse import Sparse
from ..spec.windows import Conv2d, Pool
from .graph import Array, Node, Shape
from .linear import apply_linear, as_2d
from .shapes import spread, window

MATRIX_MAX = 1 << 28
"""Most pairs of neurons for which a chain is written as a matrix."""

BATCH_VALUES = 1 << 22

Index = NDArray[np.intp]


class TooLargeError(Exception):
    """A chain has no form but a matrix that is too large."""


def place(shape: Shape) -> Shape:
    """Return the contract's shape of a population: channels last, (height, width, channels)."""
    if len(shape) == 3:
        return (shape[1], shape[2], shape[0])
    if len(shape) == 2:
        return (1, shape[1], shape[0])
    return (math.prod(shape),)


def order(shape: Shape) -> Index:
    """Return which of NIR's elements, channels first, each neuron of the contract is."""
    index = np.arange(math.prod(shape)).reshape(shape)
    if len(shape) in (2, 3):
        index = np.moveaxis(index, 0, -1)
    return np.asarray(index.reshape(-1), np.intp)


def synapses(
    chain: Sequence[Node], source: Shape, destination: Shape, gain: Array
) -> tuple[Kind, Array]:
    """Return the kind and the real weights of the projection that a chain of nodes is.

    Parameters
    ----------
    chain
        Linear nodes from the source to the destination; their biases do not count.
    source, destination
        NIR shapes of the populations.
    gain
        Factor of what arrives, of the destination's NIR shape.

    Raises
    ------
    TooLargeError
        If only a matrix of too many values would do.
    """
    ops = [node for node in chain if node.kind not in ("Input", "Output", "Delay")]
    shaped = [node for node in ops if node.kind != "Flatten" or len(source) > 1]
    channels = gain.reshape(len(gain), -1) if len(destination) > 1 else gain.reshape(-1, 1)
    per_channel = bool((channels == channels[:, :1]).all())
    if all(node.kind == "Scale" for node in shaped) and source == destination:
        factor = gain.copy()
        for node in shaped:
            factor = factor * spread(node, "scale", source)
        return OneToOne(), factor.reshape(-1)[order(destination)]
    kinds = [node.kind for node in shaped]
    if per_channel and kinds in (["Conv1d"], ["Conv2d"]):
        found = _convolution(shaped[0], source, channels[:, 0])
        if found:
            return found
    if per_channel and kinds in (["SumPool2d"], ["AvgPool2d"]):
        return _pool(shaped[0], channels[:, 0])
    if per_channel and kinds in (["SumPool2d", "Conv2d"], ["AvgPool2d", "Conv2d"]):
        found = _pooled_convolution(shaped[0], shaped[1], source, destination, channels[:, 0])
        if found:
            return found
    return _matrix(ops, source, destination, gain)


def _filters(node: Node, gain: Array) -> Array:
    """Return the weights of a Conv2d as (out, height, width, in / groups), times the gain."""
    return np.moveaxis(node.real("weight") * gain[:, None, None, None], 1, -1)


def _convolution(node: Node, source: Shape, gain: Array) -> tuple[Kind, Array] | None:
    node = as_2d(node)
    size = source[1:] if len(source) == 3 else (1, source[1])
    (_, sy, dy, py), (_, sx, dx, px) = window(node, size)
    lead = (py[1] - py[0], px[1] - px[0])  # taps of 0 in front make up for less padding there
    if min(lead) < 0 or (lead[0] and dy > 1) or (lead[1] and dx > 1):
        return None
    kind = Conv2d((sy, sx), (py[1], px[1]), (dy, dx), node.fields["groups"][0])
    return kind, np.pad(_filters(node, gain), ((0, 0), (lead[0], 0), (lead[1], 0), (0, 0)))


def _pool(node: Node, gain: Array) -> tuple[Kind, Array]:
    (ky, sy, _, py), (kx, sx, _, px) = window(node, (0, 0))
    factor = 1 / (ky * kx) if node.kind == "AvgPool2d" else 1.0
    if (gain == gain[0]).all():
        return Pool((ky, kx), (sy, sx), (py[0], px[0])), np.asarray(gain[0] * factor)
    weights = np.ones((len(gain), ky, kx, 1)) * (gain * factor)[:, None, None, None]
    return Conv2d((sy, sx), (py[0], px[0]), (1, 1), len(gain)), weights


def _pooled_convolution(
    pool: Node, node: Node, source: Shape, destination: Shape, gain: Array
) -> tuple[Kind, Array] | None:
    """Return the convolution that a pool and a convolution are together, if they are one.

    At the rim the padding of the convolution must not reach positions that the pool leaves
    out.
    """
    inner = window(pool, source[1:])
    pooled = tuple(
        (size - kernel) // stride + 1
        for size, (kernel, stride, _, _) in zip(source[1:], inner, strict=True)
    )
    outer = window(node, pooled)
    for size, places, (kp, sp, _, before), (_, _, dilation, (pad, behind)) in zip(
        source[1:], pooled, inner, outer, strict=True
    ):
        if before != (0, 0) or pad != behind or dilation != 1:
            return None
        if pad and (kp > sp or places * sp < size):
            return None
    (kpy, spy, _, _), (kpx, spx, _, _) = inner
    (kcy, scy, _, (py, _)), (kcx, scx, _, (px, _)) = outer
    filters = _filters(node, gain)
    factor = 1 / (kpy * kpx) if pool.kind == "AvgPool2d" else 1.0
    weights = np.zeros(
        (len(filters), (kcy - 1) * spy + kpy, (kcx - 1) * spx + kpx, filters.shape[3])
    )
    for y in range(kcy):
        for x in range(kcx):
            tap = filters[:, y, x][:, None, None] * factor
            weights[:, y * spy : y * spy + kpy, x * spx : x * spx + kpx] += tap
    kind = Conv2d((scy * spy, scx * spx), (py * spy, px * spx), (1, 1), node.fields["groups"][0])
    if kind.destination_shape("", place(source), weights) != place(destination):
        return None
    return kind, weights


def _matrix(
    chain: Sequence[Node], source: Shape, destination: Shape, gain: Array
) -> tuple[Kind, Array]:
    n_source, n_destination = math.prod(source), math.prod(destination)
    if n_source * n_destination > MATRIX_MAX:
        raise TooLargeError(f"{n_source} x {n_destination}")
    matrix = np.zeros((n_source, n_destination))
    step = max(1, BATCH_VALUES // max(n_source, n_destination))
    for start in range(0, n_source, step):
        stop = min(start + step, n_source)
        x = np.zeros((stop - start, n_source))
        x[np.arange(stop - start), np.arange(start, stop)] = 1
        y = x.reshape(-1, *source)
        for node in chain:
            y = apply_linear(node, y, bias=False)
        matrix[start:stop] = (y * gain).reshape(stop - start, -1)
    matrix = matrix[order(source)][:, order(destination)]
    joined = matrix != 0
    dense = any(node.kind in ("Affine", "Linear") for node in chain) or joined.mean() > 0.5
    if dense or not joined.any():
        return Dense(), matrix.T
    indptr = np.concatenate([[0], np.cumsum(joined.sum(axis=1))]).astype(np.int64)
    return Sparse(indptr, np.nonzero(joined)[1]), matrix[joined]


def destinations(kind: Kind, weights: Array, ends: Ends) -> Index | None:
    """Return which destination's step each weight is counted in.

    That is a channel for convolutions, else a neuron; the array has the shape of ``weights``
    or is broadcast to it.  None if one weight serves several destinations.
    """
    if isinstance(kind, Dense):
        return np.arange(ends.n_destination)[:, None]
    if isinstance(kind, Conv2d):
        return np.arange(len(weights))[:, None, None, None]
    if isinstance(kind, Sparse):
        return np.asarray(kind.indices, np.intp)
    if isinstance(kind, OneToOne):
        return np.arange(ends.n_destination)
    return None

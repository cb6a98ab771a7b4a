"""Kinds of projections that slide a window over a population: convolution and pooling.

Populations have the shape (height, width, channels).  Pairs are (vertical, horizontal).
The convolution is the cross-correlation of PyTorch's ``conv2d``:
output (y, x) sees input (y * stride - padding + tap * dilation, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import check_int, check_pair
from .errors import NetworkError
from .kinds import CHUNK_VALUES, Ends, Int64, Kind, ProjectionKind, Weights
from .numfmt import NEURONS_MAX


@dataclass(frozen=True)
class Axis:
    """A window along one axis: ``kernel`` taps over ``size`` positions, zeros outside."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    @property
    def n_outputs(self) -> int:
        """Number of places the window takes; 0 or less if it does not fit at all."""
        span = self.dilation * (self.kernel - 1) + 1
        return (self.size + 2 * self.padding - span) // self.stride + 1

    def views(self, position: int) -> list[tuple[int, int]]:
        """Return (output, tap) for every output that sees input ``position``."""
        found = []
        for tap in range(self.kernel):
            output, rest = divmod(position + self.padding - tap * self.dilation, self.stride)
            if rest == 0 and 0 <= output < self.n_outputs:
                found.append((output, tap))
        return found

    def slices(self, tap: int) -> tuple[slice, slice]:
        """Return the outputs whose ``tap`` lies inside, and the inputs they see there."""
        offset = tap * self.dilation - self.padding
        first = max(0, -(offset // self.stride))
        stop = min(self.n_outputs, (self.size - 1 - offset) // self.stride + 1)
        if stop <= first:
            return slice(0, 0), slice(0, 0)
        start = first * self.stride + offset
        return slice(first, stop), slice(start, (stop - 1) * self.stride + offset + 1, self.stride)

    def view_counts(self) -> Int64:
        """Return how many outputs see each input position, int64 of shape (size,)."""
        counts = np.zeros(self.size, np.int64)
        for tap in range(self.kernel):
            counts[self.slices(tap)[1]] += 1
        return counts


class Window(Kind):
    """What convolution and pooling share: two axes and channels-last populations."""

    stride: tuple[int, int]
    padding: tuple[int, int]

    def kernel_size(self, weights: Weights) -> tuple[int, int]:
        """Return (height, width) of the window."""
        raise NotImplementedError

    def axes(self, source: tuple[int, ...], kernel: tuple[int, int]) -> tuple[Axis, Axis]:
        """Return the vertical and the horizontal axis."""
        dilation = getattr(self, "dilation", (1, 1))
        vertical, horizontal = (
            Axis(source[i], kernel[i], self.stride[i], self.padding[i], dilation[i])
            for i in range(2)
        )
        return vertical, horizontal

    def window_shape(
        self, what: str, source: tuple[int, ...], kernel: tuple[int, int], channels: int
    ) -> tuple[int, ...]:
        """Return (height, width, channels) behind the window."""
        rows, columns = self.axes(source, kernel)
        if rows.n_outputs < 1 or columns.n_outputs < 1:
            raise NetworkError(
                f"{what} has a window that must fit into its source of {source[0]} x {source[1]} "
                f"neurons with padding {self.padding}, but leaves {max(rows.n_outputs, 0)} x "
                f"{max(columns.n_outputs, 0)} outputs"
            )
        return (rows.n_outputs, columns.n_outputs, channels)

    def check_ends(self, what: str, ends: Ends, weights: Weights) -> None:
        """See :meth:`Kind.check_ends`."""
        expected = self.destination_shape(what, ends.source, weights)
        if ends.destination != expected:
            raise NetworkError(
                f"destination of {what} must have shape (height, width, channels) = {expected}, "
                f"not {ends.destination}"
            )

    def views_of_inputs(self, ends: Ends, weights: Weights) -> Int64:
        """Return how many places of the window see each source neuron, int64 (n_source,)."""
        rows, columns = self.axes(ends.source, self.kernel_size(weights))
        places = np.multiply.outer(rows.view_counts(), columns.view_counts())
        return np.repeat(places.ravel(), ends.source[2])

    def _check_source(self, what: str, source: tuple[int, ...]) -> None:
        if len(source) != 3:
            raise NetworkError(
                f"source of {what} must have shape (height, width, channels), not {source}"
            )


@dataclass(frozen=True)
class Conv2d(Window):
    """Convolution; weights (out_channels, kernel_height, kernel_width, in_channels / groups).

    Output channel o belongs to group o // (out_channels / groups) and sees the input channels
    of that group only; ``groups`` = in_channels is a depthwise convolution.

    Parameters
    ----------
    stride, padding, dilation
        Pairs; one integer stands for both.  Padding adds zeros on both sides.
    groups
        Divides the numbers of input and of output channels.
    """

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    tag = ProjectionKind.CONV2D
    weights_form = "a four-dimensional integer array"
    weights_ndims = (4,)

    def __post_init__(self) -> None:
        for name, low in (("stride", 1), ("padding", 0), ("dilation", 1)):
            pair = check_pair(f"{name} of kind conv2d", getattr(self, name), low)
            object.__setattr__(self, name, pair)
        groups = check_int("groups of kind conv2d", self.groups, 1, NEURONS_MAX)
        object.__setattr__(self, "groups", groups)

    def kernel_size(self, weights: Weights) -> tuple[int, int]:
        """See :meth:`Window.kernel_size`."""
        return (weights.shape[1], weights.shape[2])

    def destination_shape(
        self, what: str, source: tuple[int, ...], weights: Weights
    ) -> tuple[int, ...]:
        """See :meth:`Kind.destination_shape`."""
        self._check_source(what, source)
        out_channels, *kernel, group_channels = weights.shape
        if min(weights.shape) < 1:
            raise NetworkError(f"weights of {what} must not be empty, not of {weights.shape}")
        if source[2] != group_channels * self.groups:
            raise NetworkError(
                f"weights of {what} must have in_channels / groups = {source[2]} / {self.groups} "
                f"as their last dimension, not {group_channels}"
            )
        if out_channels % self.groups:
            raise NetworkError(
                f"groups of {what} must divide its {out_channels} output channels, "
                f"not be {self.groups}"
            )
        return self.window_shape(what, source, (kernel[0], kernel[1]), out_channels)

    def fan_out(self, neuron: int, ends: Ends, weights: Weights) -> tuple[Int64, Int64]:
        """See :meth:`Kind.fan_out`."""
        rows, columns = self.axes(ends.source, self.kernel_size(weights))
        position, channel = divmod(neuron, ends.source[2])
        y, x = divmod(position, ends.source[1])
        out_channels, group_channels = weights.shape[0], weights.shape[3]
        group_outputs = out_channels // self.groups
        group, member = divmod(channel, group_channels)
        outputs = np.arange(group * group_outputs, (group + 1) * group_outputs)
        reached, found = [], []
        for (row, tap_y), (column, tap_x) in product(rows.views(y), columns.views(x)):
            reached.append((row * columns.n_outputs + column) * out_channels + outputs)
            found.append(weights[outputs, tap_y, tap_x, member])
        if not reached:  # a stride leaves gaps between the windows
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(reached), np.concatenate(found).astype(np.int64)

    def fan_out_sizes(self, ends: Ends, weights: Weights) -> Int64:
        """See :meth:`Kind.fan_out_sizes`."""
        return self.views_of_inputs(ends, weights) * (weights.shape[0] // self.groups)

    def sums(self, events: NDArray[Any], ends: Ends, weights: Weights) -> NDArray[Any]:
        """See :meth:`Kind.sums`."""
        height, width = self.kernel_size(weights)
        out_channels, group_channels = weights.shape[0], weights.shape[3]
        inputs = events.reshape(-1, *ends.source[:2], self.groups, group_channels)
        filters = weights.reshape(self.groups, out_channels // self.groups, -1)
        filters = np.ascontiguousarray(filters.transpose(0, 2, 1))
        out = np.empty((len(events), ends.n_destination), events.dtype)
        places = ends.destination[0] * ends.destination[1]
        step = max(1, CHUNK_VALUES // (places * height * width * ends.source[2]))
        for at in range(0, len(events), step):
            part = inputs[at : at + step]
            # a column holds what a filter sees at one place: (groups, samples, places, taps)
            columns = self._columns(part, ends, (height, width))
            found = columns.reshape(self.groups, len(part) * places, -1) @ filters
            out[at : at + step] = found.transpose(1, 0, 2).reshape(len(part), -1)
        return out

    def _columns(self, inputs: NDArray[Any], ends: Ends, kernel: tuple[int, int]) -> NDArray[Any]:
        rows, columns = self.axes(ends.source, kernel)
        shape = (len(inputs), *ends.destination[:2], *kernel, *inputs.shape[3:])
        seen = np.zeros(shape, inputs.dtype)
        for y, x in product(range(kernel[0]), range(kernel[1])):
            (rows_out, rows_in), (columns_out, columns_in) = rows.slices(y), columns.slices(x)
            seen[:, rows_out, columns_out, y, x] = inputs[:, rows_in, columns_in]
        return np.ascontiguousarray(np.moveaxis(seen, 5, 0))


@dataclass(frozen=True)
class Pool(Window):
    """Sum over a window in every channel, times one weight.

    An average pool is this with 1 / (kernel_height * kernel_width) folded into the weights
    that follow (rule Q5).

    Parameters
    ----------
    kernel
        Pair; one integer stands for both.
    stride
        Pair; the kernel if not given.
    padding
        Pair; zeros on both sides.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = None  # type: ignore[assignment]  # set below
    padding: tuple[int, int] = (0, 0)

    tag = ProjectionKind.POOL
    weights_form = "one integer"
    weights_ndims = (0,)

    def __post_init__(self) -> None:
        if self.stride is None:
            object.__setattr__(self, "stride", self.kernel)
        for name, low in (("kernel", 1), ("stride", 1), ("padding", 0)):
            pair = check_pair(f"{name} of kind pool", getattr(self, name), low)
            object.__setattr__(self, name, pair)

    def kernel_size(self, weights: Weights) -> tuple[int, int]:
        """See :meth:`Window.kernel_size`."""
        return self.kernel

    def destination_shape(
        self, what: str, source: tuple[int, ...], weights: Weights
    ) -> tuple[int, ...]:
        """See :meth:`Kind.destination_shape`."""
        self._check_source(what, source)
        return self.window_shape(what, source, self.kernel, source[2])

    def fan_out(self, neuron: int, ends: Ends, weights: Weights) -> tuple[Int64, Int64]:
        """See :meth:`Kind.fan_out`."""
        rows, columns = self.axes(ends.source, self.kernel)
        position, channel = divmod(neuron, ends.source[2])
        y, x = divmod(position, ends.source[1])
        reached = [
            (row * columns.n_outputs + column) * ends.source[2] + channel
            for (row, _), (column, _) in product(rows.views(y), columns.views(x))
        ]
        return np.array(reached, np.int64), np.full(len(reached), weights, np.int64)

    def fan_out_sizes(self, ends: Ends, weights: Weights) -> Int64:
        """See :meth:`Kind.fan_out_sizes`."""
        return self.views_of_inputs(ends, weights)

    def sums(self, events: NDArray[Any], ends: Ends, weights: Weights) -> NDArray[Any]:
        """See :meth:`Kind.sums`."""
        rows, columns = self.axes(ends.source, self.kernel)
        inputs = events.reshape(-1, *ends.source)
        out = np.zeros((len(events), *ends.destination), events.dtype)
        for y, x in product(range(self.kernel[0]), range(self.kernel[1])):
            (rows_out, rows_in), (columns_out, columns_in) = rows.slices(y), columns.slices(x)
            out[:, rows_out, columns_out] += inputs[:, rows_in, columns_in]
        sums: NDArray[Any] = out.reshape(len(events), -1) * weights
        return sums

"""Events of a camera in memory: four arrays of one length, in order of time."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..files import write_atomically
from ..spec.errors import DataError

SIDE_MAX = 1 << 16
"""Greatest width and height: coordinates are 16 bits wide."""

Times = NDArray[np.int64]
Coordinates = NDArray[np.uint16]
Polarities = NDArray[np.uint8]


class Block(NamedTuple):
    """Events as a reader finds them: integers of any type, nothing checked yet."""

    t: NDArray[Any]
    x: NDArray[Any]
    y: NDArray[Any]
    p: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one sensor, in order of time.

    Attributes
    ----------
    t
        int64 (events,), microseconds, 0 or more, never decreasing.
    x, y
        uint16 (events,), column and row, below ``width`` and ``height``.
    p
        uint8 (events,), 1 for ON (brighter), 0 for OFF.
    width, height
        Size of the sensor in pixels.
    format
        Name of the file format they came from, or "".

    Raises
    ------
    DataError
        If an array is not of whole numbers or not of one dimension, if lengths differ, or
        for the first event that breaks a range or the order, with its index.
    """

    t: Times
    x: Coordinates
    y: Coordinates
    p: Polarities
    width: int
    height: int
    format: str = ""

    def __post_init__(self) -> None:
        check_size(self.width, self.height)
        block = Block(*(whole_numbers(name, getattr(self, name)) for name in "txyp"))
        lengths = [len(array) for array in block]
        if len(set(lengths)) > 1:
            raise DataError(f"t, x, y and p must have one length, not {lengths}")
        check_values(block)
        check_inside(block, self.width, self.height)
        check_order(block.t)
        for name, array in zip("txyp", narrow(block), strict=True):
            object.__setattr__(self, name, array)

    @classmethod
    def checked(cls, block: Block, width: int, height: int, format: str = "") -> Events:
        """Return events whose arrays have been checked and narrowed already."""
        events = object.__new__(cls)
        values = {**block._asdict(), "width": width, "height": height, "format": format}
        for name, value in values.items():
            object.__setattr__(events, name, value)
        return events

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, index: slice) -> Events:
        """Return the events of a slice of indices (a view; steps must be positive)."""
        if not isinstance(index, slice) or (index.step is not None and index.step < 1):
            raise DataError(f"events are chosen with a slice of positive step, not {index!r}")
        block = Block(self.t[index], self.x[index], self.y[index], self.p[index])
        return self.checked(block, self.width, self.height, self.format)

    def between(self, start: int, stop: int) -> Events:
        """Return the events with start <= t < stop (microseconds; a view)."""
        first, last = np.searchsorted(self.t, [start, max(start, stop)])
        return self[int(first) : int(last)]

    def chunks(self, events: int) -> Iterator[Events]:
        """Yield views of ``events`` events each; the last may be shorter."""
        if events < 1:
            raise DataError(f"a chunk must have at least 1 event, not {events}")
        for start in range(0, len(self), events):
            yield self[start : start + events]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an npz file that :func:`read_events` reads: t, x, y, p, width, height."""
        buffer = io.BytesIO()
        np.savez(
            buffer, t=self.t, x=self.x, y=self.y, p=self.p, width=self.width, height=self.height
        )
        write_atomically(path, buffer.getvalue())


def check_size(width: int, height: int) -> None:
    """Refuse a sensor without pixels or with more than 65536 in a row or column."""
    for name, side in (("width", width), ("height", height)):
        if isinstance(side, bool) or not isinstance(side, int | np.integer):
            raise DataError(f"{name} must be an integer, not {side!r}")
        if not 1 <= side <= SIDE_MAX:
            raise DataError(f"{name} must be from 1 to {SIDE_MAX}, not {side}")


def whole_numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return ``values`` as an array of one dimension; only booleans and integers pass."""
    array = np.asarray(values)
    if array.dtype.kind not in "bui" or array.ndim != 1:
        raise DataError(
            f"{name} must be whole numbers in one dimension, not {array.dtype} of shape "
            f"{array.shape}"
        )
    return array


def first(bad: NDArray[np.bool_]) -> int | None:
    """Return the index of the first true element, or None."""
    return int(np.argmax(bad)) if bad.any() else None


def check_values(block: Block, base: int = 0) -> None:
    """Refuse times that are negative or beyond int64, and polarities other than 0 and 1."""
    t, p = block.t, block.p
    limit = np.iinfo(np.int64).max
    bad = t > limit if t.dtype == np.uint64 else t < 0
    if len(t) and (where := first(bad)) is not None:
        raise DataError(
            f"the time of event {base + where} must be from 0 to 2**63 - 1 us, not {t[where]}"
        )
    if len(p) and (where := first((p != 0) & (p != 1))) is not None:
        raise DataError(f"the polarity of event {base + where} must be 0 or 1, not {p[where]}")


def outside(block: Block, width: int, height: int) -> NDArray[np.bool_] | None:
    """Return which events lie outside the sensor, or None if none does."""
    if not len(block.t):
        return None
    x, y = block.x, block.y
    if x.max() < width and y.max() < height and x.min() >= 0 and y.min() >= 0:
        return None
    return np.asarray((x < 0) | (x >= width) | (y < 0) | (y >= height))


def check_inside(block: Block, width: int, height: int, base: int = 0) -> None:
    """Refuse the first event outside the sensor."""
    bad = outside(block, width, height)
    if bad is not None:
        where = int(np.argmax(bad))
        raise DataError(
            f"event {base + where} must be inside the sensor of {width} x {height}, not at "
            f"x {block.x[where]}, y {block.y[where]}; choose outside='drop' or 'clip', or give "
            "the right width and height"
        )


def check_order(t: NDArray[Any], base: int = 0, previous: int | None = None) -> None:
    """Refuse the first time that is before the one before it."""
    if previous is not None and len(t) and t[0] < previous:
        raise DataError(_backwards(base, int(t[0]), previous))
    where = first(t[1:] < t[:-1])
    if where is not None:
        raise DataError(_backwards(base + where + 1, int(t[where + 1]), int(t[where])))


def _backwards(index: int, found: int, before: int) -> str:
    return (
        f"event {index} must not be before event {index - 1}, at {before} us, but is at {found} "
        "us; choose order='sort' to put the events in order"
    )


def narrow(block: Block) -> Block:
    """Return checked arrays in the types of :class:`Events` (no copy where they fit)."""
    types = (np.int64, np.uint16, np.uint16, np.uint8)
    return Block(*(a.astype(d, copy=False) for a, d in zip(block, types, strict=True)))

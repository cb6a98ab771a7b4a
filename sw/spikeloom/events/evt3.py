"""Prophesee's RAW with EVT 3.0 words: 16 bits, each changing a state or giving events.

A word's top four bits are its kind.  ADDR_Y, TIME_LOW, TIME_HIGH and VECT_BASE_X set the
row, the two halves of the time, and the base column and polarity; ADDR_X is one event;
VECT_12 and VECT_8 are an event for each set bit, bit i at base + i, and move the base by 12
or 8.  The time is TIME_HIGH * 4096 + TIME_LOW as the words say, without any correction
(format description of Prophesee's Metavision documentation, "EVT 3.0").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .array import Block
from .prophesee import check_kinds, header, sensor
from .source import Source, Stream, Unwrap

ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8, TIME_LOW = 0, 2, 3, 4, 5, 6
CONTINUED_4, TIME_HIGH, TRIGGER, OTHERS, CONTINUED_12 = 7, 8, 10, 14, 15
KINDS = (
    *(ADDR_Y, ADDR_X, VECT_BASE_X, VECT_12, VECT_8, TIME_LOW),
    *(CONTINUED_4, TIME_HIGH, TRIGGER, OTHERS, CONTINUED_12),
)
MOVES = np.zeros(16, np.int64)
MOVES[VECT_12], MOVES[VECT_8] = 12, 8
BITS = np.zeros(16, np.uint16)
BITS[ADDR_X], BITS[VECT_12], BITS[VECT_8] = 1, 0xFFF, 0xFF


def evt3(source: Source, size: tuple[int, int] | None = None) -> Stream:
    """Open a RAW file of EVT 3.0.

    Events before the first TIME_HIGH, TIME_LOW or ADDR_Y, and vectors before the first
    VECT_BASE_X, have no time or place and are left out.
    """
    facts, start = header(source)
    width, height = size or sensor(source, facts)

    def blocks() -> Iterator[Block]:
        decoder = Decoder()
        for offset, data in source.blocks(start, 2, "word of 2 bytes"):
            words = data.view("<u2")
            check_kinds(source, offset, 2, (words >> 12).astype(np.uint8), KINDS)
            yield decoder(words)

    return Stream(width, height, blocks())


class Decoder:
    """The state of the format between two blocks."""

    def __init__(self) -> None:
        self.unwrap = Unwrap(12, jitter=True)
        self.y: int | None = None
        self.low: int | None = None
        self.high: int | None = None
        self.base: int | None = None
        self.on = 0

    def __call__(self, words: NDArray[np.uint16]) -> Block:
        """Return the events of ``words`` and move the state behind them."""
        kind = (words >> 12).astype(np.uint8)
        value = (words & 0xFFF).astype(np.int64)
        bits = np.where(kind == ADDR_X, 1, words) & BITS[kind]
        at = np.flatnonzero(bits)
        y, self.y = latest(kind == ADDR_Y, value & 0x7FF, self.y, at)
        low, self.low = latest(kind == TIME_LOW, value, self.low, at)
        is_high = kind == TIME_HIGH
        highs = np.zeros_like(value)
        highs[is_high] = self.unwrap(value[is_high])
        high, self.high = latest(is_high, highs, self.high, at)
        base, on = self._bases(kind, value, at)
        single = kind[at] == ADDR_X
        x = np.where(single, value[at] & 0x7FF, base)
        p = np.where(single, value[at] >> 11, on)
        known = (y >= 0) & (low >= 0) & (high >= 0) & (x >= 0)
        event = Block((high << 12) + low, x, y, p)
        return expand(Block(*(a[known] for a in event)), bits[at][known])

    def _bases(
        self, kind: NDArray[np.uint8], value: NDArray[np.int64], at: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the base column and polarity that a vector at each index starts from."""
        is_base = kind == VECT_BASE_X
        moved = np.cumsum(MOVES[kind])
        # A base less what was moved up to it; adding what was moved since gives the column.
        start = (value & 0x7FF) - moved
        before = moved[at] - MOVES[kind[at]]
        offset, last = latest(is_base, start, self.base, at, missing=-(1 << 40))
        on, self.on = latest(is_base, value >> 11, self.on, at)
        self.base = None if last is None else last + (int(moved[-1]) if len(moved) else 0)
        return np.where(offset > -(1 << 39), offset + before, -1), on


def latest(
    mask: NDArray[np.bool_],
    values: NDArray[np.int64],
    carried: Any,
    at: NDArray[np.int64],
    missing: int = -1,
) -> tuple[NDArray[np.int64], Any]:
    """Return the last value of ``mask`` up to each index of ``at``, and the very last.

    ``carried`` is the value before the first; without one it is ``missing``.
    """
    count = np.cumsum(mask, dtype=np.int32)[at]
    found = np.concatenate([[missing if carried is None else carried], values[mask]])
    return found[count], int(found[-1]) if len(found) > 1 else carried


def expand(event: Block, bits: NDArray[np.uint16]) -> Block:
    """Repeat each event for every set bit of its vector, lowest first, and add the bit to x."""
    set_bits = (bits[:, None] >> np.arange(12, dtype=np.uint16) & 1).astype(bool)
    index, bit = np.nonzero(set_bits)
    return Block(event.t[index], event.x[index] + bit, event.y[index], event.p[index])

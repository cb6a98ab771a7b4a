"""From input arrays to beats, at full vector speed.

Per sample, per tick the words are the events of population 0, which stands for all inputs, and
TICK t; after the last tick follows END.  A beat carries two words, the low one first:

* GRADED with the magnitude (low) and the SPIKE that has it (high), for signed inputs;
* a spike of an even neuron (low) with one of an odd neuron (high), as many such
  pairs as the tick has: the core takes both weight rows in one cycle;
* then the spikes left over, all of one parity, in order of their neurons;
* TICK directly behind them, and END directly behind the last TICK;
* NULL in a high half that stays empty, so that every tick begins with a beat.

:func:`decode` is the way back (:mod:`.answer`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spec import aer
from ..spec.aer import Beats, Kind
from ..spec.errors import DataError
from ..spec.manifest import InputFacts
from .answer import Answer, decode

__all__ = ["Answer", "check_inputs", "decode", "encode", "encode_rows", "population_order"]

CHUNK_VALUES = 1 << 18
"""Input values encoded at a time: the temporaries then stay in the cache."""

_SPIKE = np.uint32(aer.word(Kind.SPIKE))
_GRADED = np.uint32(aer.word(Kind.GRADED))
_TICK = np.uint32(aer.word(Kind.TICK))
_END = np.uint32(aer.word(Kind.END))


def encode(
    inputs: ArrayLike, facts: InputFacts, max_magnitude: int = 1, first_sample: int = 0
) -> Beats:
    """Return the beats of one packet that holds ``inputs``.

    Parameters
    ----------
    inputs
        Integers or booleans of shape (samples, ticks, ``*facts.shape``); the value m is
        m events of that neuron in that tick.
    facts
        Shape and axes of the input; channels-first input is brought into the
        population's order, channels last.
    max_magnitude
        The most events a neuron may send in a tick.
    first_sample
        Number that the first sample's END carries; the others count on.

    Raises
    ------
    DataError
        If the array has another type, shape or range; names the index.
    """
    return encode_checked(check_inputs(inputs, facts, max_magnitude), facts, first_sample)


def check_inputs(
    inputs: ArrayLike,
    facts: InputFacts,
    max_magnitude: int = 1,
    min_magnitude: int = 0,
    what: str = "input",
) -> NDArray[Any]:
    """Return ``inputs`` as an array that :func:`encode_checked` takes.

    Values are from ``min_magnitude``, which is 0 for unsigned inputs, to ``max_magnitude``.
    ``what`` names the array in errors.
    Raises :class:`DataError` naming the index, what was found and what was expected.
    """
    array = np.asarray(inputs)
    if array.dtype.kind not in "iub":
        raise DataError(
            f"{what} must be integers, not {array.dtype}; encode real values into spikes first"
        )
    if array.ndim != 2 + len(facts.shape) or array.shape[2:] != facts.shape:
        wanted = ", ".join(("samples", "ticks", *map(str, facts.shape)))
        raise DataError(f"{what} must have shape ({wanted}), not {array.shape}")
    for axis, name in enumerate(("sample", "tick")):
        if not 1 <= array.shape[axis] <= aer.PAYLOAD_MASK:
            raise DataError(
                f"{what} must have from 1 to {aer.PAYLOAD_MASK} {name}s, not {array.shape[axis]}"
            )
    if min_magnitude <= 0 <= _bits(array) <= max_magnitude:
        return array
    bad = (array > max_magnitude) | (array < min_magnitude)
    if bad.any():
        index = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), array.shape))
        raise DataError(
            f"{what}[{', '.join(map(str, index))}] must be from {min_magnitude} to "
            f"{max_magnitude}, not {array[index]}; merge or clip events, or declare a greater "
            "max_magnitude"
        )
    return array


def _bits(array: NDArray[Any]) -> int:
    """Return the bitwise OR of all values: at least the greatest, and negative if any of them is.

    Many values at a time, where NumPy before 1.22 finds a maximum value by value.
    """
    flat = np.ascontiguousarray(array).reshape(-1)
    per_word = 8 // flat.itemsize
    whole = len(flat) - len(flat) % per_word
    wide = np.bitwise_or.reduce(flat[:whole].view(np.uint64), keepdims=True)
    return int(np.bitwise_or.reduce(np.concatenate((wide.view(flat.dtype), flat[whole:]))))


def population_order(array: NDArray[Any], facts: InputFacts) -> NDArray[Any]:
    """Return (samples, ticks, ``*facts.shape``) as (samples, ticks, n), channels last."""
    if facts.axes == "channels_first":
        array = np.moveaxis(array, 2, -1)
    return array.reshape(*array.shape[:2], -1)


def encode_checked(array: NDArray[Any], facts: InputFacts, first_sample: int = 0) -> Beats:
    """Return the beats of an array that :func:`check_inputs` returned, unsigned."""
    n_samples, n_ticks = array.shape[:2]
    rows = population_order(array, facts).reshape(n_samples * n_ticks, -1)
    return encode_rows(rows.astype(np.uint8, copy=False), n_ticks, first_sample)


def encode_rows(
    rows: NDArray[np.uint8],
    n_ticks: int,
    first_sample: int,
    is_signed: NDArray[np.bool_] | None = None,
) -> Beats:
    """Return the beats of ``rows``, uint8 of shape (samples * ticks, addresses).

    The value m means m events, where ``is_signed``, bool of shape (addresses,), is not true; where
    it is, one event whose magnitude is m in two's complement, or none if m is 0.
    """
    step = max(1, CHUNK_VALUES // rows.shape[1])
    return np.concatenate(
        [
            _encode_rows(rows[at : at + step], at, n_ticks, first_sample, is_signed)
            for at in range(0, len(rows), step)
        ]
    )


def _encode_rows(
    rows: NDArray[np.uint8],
    first_row: int,
    n_ticks: int,
    first_sample: int,
    is_signed: NDArray[np.bool_] | None,
) -> Beats:
    """Return the beats of consecutive ticks; a row is a tick, ``first_row`` its number."""
    n_graded: Any = 0
    if is_signed is not None:
        graded = is_signed & (rows > 1)
        n_graded = np.count_nonzero(graded, axis=1)
        graded_row, graded_neuron = np.nonzero(graded)
        magnitudes = rows[graded]
        rows = np.where(graded, np.uint8(0), rows)
    row, neuron = _events(rows)
    is_odd = (neuron & 1) != 0
    odd, even = np.flatnonzero(is_odd), np.flatnonzero(~is_odd)
    n_odd, n_even = (np.bincount(row[part], minlength=len(rows)) for part in (odd, even))
    number = np.arange(first_row, first_row + len(rows))
    last = number % n_ticks == n_ticks - 1
    pairs = np.minimum(n_even, n_odd)
    left = np.maximum(n_even, n_odd) - pairs
    beats = n_graded + pairs + (left + 2 + last) // 2
    base = 2 * (np.cumsum(beats) - beats)
    words = np.zeros(2 * int(beats.sum()), np.uint32)
    if is_signed is not None:
        rank = np.arange(len(graded_row)) - (np.cumsum(n_graded) - n_graded)[graded_row]
        at = base[graded_row] + 2 * rank
        words[at] = _GRADED | magnitudes.astype(np.uint32)
        words[at + 1] = _SPIKE | graded_neuron.astype(np.uint32)
        base = base + 2 * n_graded
    spikes = _SPIKE | neuron.astype(np.uint32)
    words[_positions(row[even], n_even, pairs, base, 0)] = spikes[even]
    words[_positions(row[odd], n_odd, pairs, base, 1)] = spikes[odd]
    tick_at = base + 2 * pairs + left
    words[tick_at] = _TICK | (number % n_ticks).astype(np.uint32)
    sample = (first_sample + number[last] // n_ticks) & aer.PAYLOAD_MASK
    words[tick_at[last] + 1] = _END | sample.astype(np.uint32)
    return words.view("<u8")


def _events(rows: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and neuron of every event, in order; the value m gives m events."""
    n_rows, width = rows.shape
    if _bits(rows) <= 1:
        flat = np.flatnonzero(rows.view(np.bool_))
    else:
        flat = np.flatnonzero(rows)
        flat = np.repeat(flat, rows.reshape(-1)[flat])
    counts = np.diff(np.searchsorted(flat, np.arange(n_rows + 1) * width))
    row = np.repeat(np.arange(n_rows), counts)
    return row, flat - row * width


def _positions(
    row: NDArray[np.int64],
    counts: NDArray[np.int64],
    pairs: NDArray[np.int64],
    base: NDArray[np.int64],
    parity: int,
) -> NDArray[np.int64]:
    """Return where a parity's spikes belong: in pairs first, then one after another."""
    rank = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
    paired = pairs[row]
    at = np.minimum(rank, paired)
    if parity:
        at += rank < paired
    at += rank
    at += base[row]
    return at

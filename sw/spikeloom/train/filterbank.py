"""Sounds to spikes: a bank of mel filters, log energies, and a rate or delta code.

In the manner of the usual speech front ends (short windows, triangular filters on the mel
scale, logarithm), but on integers from end to end, so that the same sound gives the same
spikes on every machine: the Fourier sums are products of integers that stay below 2**53, which
float64 adds without rounding in any order, and the logarithm is exponent and mantissa (Mitchell
1962).  An FFT rounds, and rounds differently from one library to the next.

The artefact keeps the encoder as ``{"kind": "filterbank", parameters}``
(:func:`check_filterbank`); :func:`encode_sounds` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spec.errors import DataError
from ..spec.manifest import InputFacts
from .encoders import ONE

WINDOW_SCALE = 1 << 12
TABLE_SCALE = 1 << 14
SUM_SHIFT = 28
WEIGHT_SCALE = 255
OCTAVE = 256
"""Steps of the logarithm in an octave of energy."""

PARAMETERS: dict[str, tuple[int, int, int]] = {
    "rate_hz": (1000, 192_000, 8000),
    "window": (16, 1024, 256),
    "hop": (1, 1024, 128),
    "channels": (1, 256, 32),
    "low_hz": (0, 96_000, 100),
    "high_hz": (1, 96_000, 4000),
    "range_octaves": (1, 60, 12),
    "step": (1, ONE, ONE // 8),
}
"""(low, high, default) of the parameters, all integers; ``step`` is for the delta code only."""

CODES = ("rate", "delta")


def check_filterbank(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the encoder with every parameter filled in and checked.

    Parameters
    ----------
    encoder
        ``kind`` "filterbank"; ``code`` "rate" (default) or "delta"; ``rate_hz`` of the
        sound; ``window`` and ``hop`` in samples (a tick is one hop); ``channels`` filters
        between ``low_hz`` and ``high_hz``; ``range_octaves`` of energy below the loudest
        value that still count; ``step`` of the delta code, of 65536.

    Raises
    ------
    DataError
        For an unknown parameter and a value out of range, naming it.
    """
    given = dict(encoder)
    kind, code = given.pop("kind", None), given.pop("code", "rate")
    if kind != "filterbank":
        raise DataError(f"encoder.kind must be filterbank, not {kind!r}")
    if code not in CODES:
        raise DataError(f"encoder.code must be rate or delta, not {code!r}")
    out: dict[str, Any] = {"kind": kind, "code": code}
    for name, (low, high, default) in PARAMETERS.items():
        value = given.pop(name, default)
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_whole or not low <= value <= high:
            raise DataError(
                f"encoder.{name} must be an integer from {low} to {high}, not {value!r}"
            )
        out[name] = int(value)
    if given:
        raise DataError(f"encoder.{min(given)} is no parameter of the encoder filterbank")
    if not out["low_hz"] < out["high_hz"] <= out["rate_hz"] // 2:
        raise DataError(
            f"encoder.high_hz must be above low_hz ({out['low_hz']}) and at most half of rate_hz "
            f"({out['rate_hz'] // 2}), not {out['high_hz']}"
        )
    return out


def input_shape(encoder: Mapping[str, Any]) -> tuple[int]:
    """Return the shape of one tick: a neuron for each channel, two with the delta code."""
    checked = check_filterbank(encoder)
    return (checked["channels"] * (2 if checked["code"] == "delta" else 1),)


@lru_cache(maxsize=8)
def _tables(window: int, rate_hz: int, channels: int, low_hz: int, high_hz: int) -> tuple[Any, ...]:
    """Return the windowed cosine and sine, float64 of integers, and the filters, int64."""
    n = np.arange(window)
    hann = np.rint(WINDOW_SCALE * (0.5 - 0.5 * np.cos(2 * np.pi * n / window)))
    turns = np.outer(n, np.arange(window // 2 + 1)) % window * (2 * np.pi / window)
    cosine, sine = np.rint(TABLE_SCALE * np.cos(turns)), np.rint(TABLE_SCALE * np.sin(turns))
    return hann, cosine, sine, _filters(window, rate_hz, channels, low_hz, high_hz)


def _filters(
    window: int, rate_hz: int, channels: int, low_hz: int, high_hz: int
) -> NDArray[np.int64]:
    """Return triangles with equal distances on the mel scale, int64 (bins, channels), 0 to 255.

    mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987).  A filter between two bins takes the
    nearest one whole.
    """
    mel = 2595 * np.log10(1 + np.array([low_hz, high_hz]) / 700)
    edges = 700 * (10 ** (np.linspace(mel[0], mel[1], channels + 2) / 2595) - 1) * window / rate_hz
    bins = np.arange(window // 2 + 1)[:, None]
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    triangle = np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle))
    weights = np.rint(WEIGHT_SCALE * triangle.clip(0)).astype(np.int64)
    for channel in np.flatnonzero(weights.sum(axis=0) == 0):
        weights[min(int(np.rint(middle[channel])), window // 2), channel] = WEIGHT_SCALE
    return weights


def energies(sound: ArrayLike, encoder: Mapping[str, Any], ticks: int) -> NDArray[np.int64]:
    """Return the energy in each filter at each tick, int64 (ticks, channels).

    Tick k looks at ``window`` samples from k * ``hop``.  A shorter sound goes on with
    silence, a longer one is cut off.

    Parameters
    ----------
    sound
        int16 (length,), mono.
    """
    checked = check_filterbank(encoder)
    array = np.asarray(sound)
    if array.dtype != np.int16 or array.ndim != 1:
        raise DataError(
            f"a sound must be int16 in one dimension, not {array.dtype} of shape {array.shape}"
        )
    window, hop = checked["window"], checked["hop"]
    hann, cosine, sine, filters = _tables(
        window, *(checked[n] for n in ("rate_hz", "channels", "low_hz", "high_hz"))
    )
    padded = np.zeros((ticks - 1) * hop + window)
    part = array[: len(padded)]
    padded[: len(part)] = part
    pieces = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * hann
    # |pieces| <= 2**27, the tables 2**14, up to 2**10 terms: below 2**53, hence exact.
    power = sum(((pieces @ t).astype(np.int64) >> SUM_SHIFT) ** 2 for t in (cosine, sine))
    return np.asarray(power @ filters)


def log2_steps(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 256 * log2 of values from 1, exponent plus mantissa (Mitchell 1962), rounded down."""
    mantissa, exponent = np.frexp(np.maximum(values, 1).astype(np.float64))
    return np.floor((exponent - 2 + 2 * mantissa) * OCTAVE).astype(np.int64)


def sound_levels(sound: ArrayLike, encoder: Mapping[str, Any], ticks: int) -> NDArray[np.int64]:
    """Return the loudness of each filter at each tick, int64 (ticks, channels), 0 to 65536.

    65536 is the loudest value of the sound, 0 what is ``range_octaves`` of energy or more
    below it (or no energy at all); in between it is linear in the logarithm.
    """
    logs = log2_steps(energies(sound, encoder, ticks))
    reach = check_filterbank(encoder)["range_octaves"] * OCTAVE
    above = (logs - (logs.max(initial=0) - reach)).clip(0, reach)
    return np.where(logs > 0, above, 0) * ONE // reach


def _rate(levels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Integrate and subtract, from one half: a spike whenever 65536 is reached."""
    total = np.cumsum(levels, axis=0) + ONE // 2
    return np.diff(total // ONE, axis=0, prepend=0).astype(np.uint8)


def _delta(levels: NDArray[np.int64], step: int) -> NDArray[np.uint8]:
    """Send on delta: a spike up or down when the level is a step off the last reference."""
    ticks, channels = levels.shape
    out = np.zeros((ticks, 2 * channels), np.uint8)
    reference = np.zeros(channels, np.int64)
    for tick in range(ticks):
        up, down = levels[tick] - reference >= step, reference - levels[tick] >= step
        out[tick, :channels], out[tick, channels:] = up, down
        reference += step * (up.astype(np.int64) - down)
    return out


def encode_sounds(facts: InputFacts, sounds: Sequence[ArrayLike]) -> NDArray[np.uint8]:
    """Encode sounds the way the network was trained, from its artefact's input facts.

    Parameters
    ----------
    facts
        ``artefact.input``; its ``encoder`` is of kind filterbank, its ``shape`` that of
        :func:`input_shape`.
    sounds
        int16 arrays of any length, at the encoder's ``rate_hz``.

    Returns
    -------
    uint8 of shape (sounds, ``facts.ticks``, n), 0 or 1: channels from low to high; with the
    delta code first those that rise, then those that fall.

    Raises
    ------
    DataError
        For another encoder or shape, and for a sound that is not int16, with its index.
    """
    checked = check_filterbank(facts.encoder)
    shape = input_shape(checked)
    if tuple(facts.shape) != shape:
        raise DataError(f"input.shape must be {shape} with this encoder, not {tuple(facts.shape)}")
    out = np.empty((len(sounds), facts.ticks, *shape), np.uint8)
    for index, sound in enumerate(sounds):
        try:
            levels = sound_levels(sound, checked, facts.ticks)
        except DataError as error:
            raise DataError(f"sound {index}: {error}") from None
        code = checked["code"]
        out[index] = _rate(levels) if code == "rate" else _delta(levels, checked["step"])
    return out

"""Encoders: real values to integer events, in NumPy alone.

Every encoder turns values of shape (samples, n) into magnitudes of shape
(samples, ticks, n), uint8: 0 for no event, 1 for a plain spike, more only with
``direct``.  A value counts as x = value / maximum, from 0 to 1, rounded to a multiple
of 2**-16; from there on all arithmetic is on integers, so that the events are the
same on every machine.

The artefact keeps an encoder as ``{"kind": ..., parameters}`` (:func:`check_encoder`);
:func:`encode` runs it.  To add one: write the function and add a row to
:data:`ENCODERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spec.errors import DataError
from ..spec.manifest import InputFacts
from ..spec.numfmt import MAGNITUDE_MAX

ONE = 1 << 16
"""The level that stands for the value ``maximum``."""

TABLE_MAXIMUM = 255
"""Greatest ``maximum`` for which :func:`encoder_table` makes a table."""

Levels = NDArray[np.int64]
Magnitudes = NDArray[np.uint8]


def to_levels(values: ArrayLike, maximum: float) -> Levels:
    """Return ``round(value * 2**16 / maximum)`` as int64, from 0 to 65536.

    Raises :class:`DataError` for values that are no numbers or outside 0 to
    ``maximum``, naming the first one and where it is.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "uif":
        raise DataError(f"values must be integers or real numbers, not {array.dtype}")
    bad = ~((array >= 0) & (array <= maximum))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"values must be from 0 to {maximum:g}, not {array[where]} (at index {where})"
        )
    return np.rint(array.astype(np.float64) * (ONE / maximum)).astype(np.int64)


def rate(levels: Levels, ticks: int) -> Magnitudes:
    """Encode by integrating and subtracting: regular spikes, round(x * ticks) of them.

    An accumulator starts at one half, gains x at every tick, and gives a spike and
    loses 1 whenever it reaches 1 ("uniform" rate code; no random numbers).

    Parameters
    ----------
    levels
        int64 (samples, n), 0 to 65536.
    ticks
        Ticks of a sample.

    Returns
    -------
    uint8 (samples, ticks, n), 0 or 1.
    """
    out = np.empty((len(levels), ticks, levels.shape[1]), np.uint8)
    accumulator = np.full(levels.shape, ONE // 2, np.int64)
    for tick in range(ticks):
        accumulator += levels
        spikes = accumulator >= ONE
        accumulator -= spikes * np.int64(ONE)
        out[:, tick] = spikes
    return out


def poisson(levels: Levels, ticks: int, seed: int = 0) -> Magnitudes:
    """Encode by chance: at every tick a spike with probability x, independently.

    The Bernoulli form S[t] = 1 if U < x of the Poisson rate code.  Sample i draws from
    the counter-based generator Philox with the key (seed, i), so that its events do not
    depend on how many samples follow.

    Parameters
    ----------
    levels, ticks
        As of :func:`rate`.
    seed
        0 to 2**64 - 1.
    """
    samples, n = levels.shape
    out = np.empty((samples, ticks, n), np.uint8)
    count = ticks * n
    for index in range(samples):
        key = np.array([seed, index], np.uint64)
        raw = np.random.Philox(key=key).random_raw(-(-count // 4)).astype("<u8")
        draws = raw.view("<u2")[:count].reshape(ticks, n)
        out[index] = draws < levels[index]
    return out


def latency(levels: Levels, ticks: int, cutoff: float = 0.0) -> Magnitudes:
    """Encode by time to first spike: one spike at tick floor((1 - x) * (ticks - 1)).

    The greater the value, the earlier the spike.  A value of 0, or not above
    ``cutoff`` * maximum, gives none.

    Parameters
    ----------
    levels, ticks
        As of :func:`rate`.
    cutoff
        0 to 1, share of the maximum.
    """
    active = (levels > 0) & (levels > round(cutoff * ONE))
    when = ((ONE - levels) * (ticks - 1)) // ONE
    at = np.arange(ticks)[None, :, None] == when[:, None, :]
    return (at & active[:, None, :]).astype(np.uint8)


def direct(levels: Levels, ticks: int, max_magnitude: int = 15) -> Magnitudes:
    """Send round(x * max_magnitude) as the event's magnitude at every tick.

    "Direct" (constant current) input coding as in DIET-SNN (Rathi and Roy 2020), with
    integers in place of real numbers.

    Parameters
    ----------
    levels, ticks
        As of :func:`rate`.
    max_magnitude
        1 to 127; the input population's ``max_magnitude``.
    """
    magnitudes = ((levels * max_magnitude + ONE // 2) // ONE).astype(np.uint8)
    return np.repeat(magnitudes[:, None, :], ticks, axis=1)


@dataclass(frozen=True)
class EncoderKind:
    """An encoder: its function, and (low, high, default) of each parameter."""

    function: Callable[..., Magnitudes]
    parameters: Mapping[str, tuple[float, float, float]]
    pointwise: bool = True


ENCODERS: dict[str, EncoderKind] = {
    "rate": EncoderKind(rate, {}),
    "poisson": EncoderKind(poisson, {"seed": (0, 2**63 - 1, 0)}, pointwise=False),
    "latency": EncoderKind(latency, {"cutoff": (0.0, 1.0, 0.0)}),
    "direct": EncoderKind(direct, {"max_magnitude": (1, MAGNITUDE_MAX, 15)}),
}
"""The encoders by kind.  A pointwise one treats every value alike, wherever it is."""


def _number(what: str, value: Any, low: float, high: float, whole: bool) -> Any:
    types = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    kind = "an integer" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, types) or not low <= value <= high:
        raise DataError(f"{what} must be {kind} from {low} to {high}, not {value!r}")
    return int(value) if whole else float(value)


def check_encoder(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the encoder with every parameter filled in and checked.

    Parameters
    ----------
    encoder
        ``kind``, one of :data:`ENCODERS`; ``maximum``, the value that stands for 1
        (default 1); and the parameters of the kind.

    Raises
    ------
    DataError
        For an unknown kind or parameter and for a value out of range, naming it.
    """
    given = dict(encoder)
    kind = given.pop("kind", None)
    if kind not in ENCODERS:
        raise DataError(f"encoder.kind must be one of {', '.join(ENCODERS)}, not {kind!r}")
    maximum = _number("encoder.maximum", given.pop("maximum", 1), 1e-9, 1e9, whole=False)
    out = {"kind": kind, "maximum": int(maximum) if maximum.is_integer() else maximum}
    for name, (low, high, default) in ENCODERS[kind].parameters.items():
        value = given.pop(name, default)
        out[name] = _number(f"encoder.{name}", value, low, high, isinstance(default, int))
    if given:
        known = ", ".join(["maximum", *ENCODERS[kind].parameters])
        raise DataError(
            f"encoder.{min(given)} is no parameter of the encoder {kind}, which takes {known}"
        )
    return out


def max_magnitude(encoder: Mapping[str, Any]) -> int:
    """Return the greatest magnitude the encoder sends, 1 to 127."""
    return int(check_encoder(encoder).get("max_magnitude", 1))


def encode_levels(encoder: Mapping[str, Any], levels: Levels, ticks: int) -> Magnitudes:
    """Encode ``levels`` (int64 (samples, n), 0 to 65536) to uint8 (samples, ticks, n)."""
    checked = check_encoder(encoder)
    kind = ENCODERS[checked["kind"]]
    parameters = {name: checked[name] for name in kind.parameters}
    return kind.function(levels, ticks, **parameters)


def encode(facts: InputFacts, values: ArrayLike) -> Magnitudes:
    """Encode values the way the network was trained, from its artefact's input facts.

    Parameters
    ----------
    facts
        ``artefact.input``; its ``encoder`` says how, its ``shape`` and ``ticks`` how large.
    values
        Numbers from 0 to the encoder's ``maximum``, of shape (samples, ...) with as many
        values in a sample as ``facts.shape`` has, in the same order.

    Returns
    -------
    uint8 of shape (samples, ``facts.ticks``, ``*facts.shape``).

    Raises
    ------
    DataError
        If the shape or a value does not fit, or the facts hold no known encoder.
    """
    encoder = check_encoder(facts.encoder)
    array = np.asarray(values)
    n = int(np.prod(facts.shape))
    found = array.size // len(array) if array.ndim >= 2 and len(array) else None
    if array.ndim < 2 or (found is not None and found != n):
        raise DataError(
            f"values must have shape (samples, {', '.join(map(str, facts.shape))}) or as many "
            f"values in a sample, not {array.shape}"
        )
    levels = to_levels(array.reshape(len(array), n), encoder["maximum"])
    return encode_levels(encoder, levels, facts.ticks).reshape(
        len(array), facts.ticks, *facts.shape
    )


def encoder_table(encoder: Mapping[str, Any], ticks: int) -> Magnitudes | None:
    """Return the events of every integer value, uint8 (ticks, maximum + 1), or None.

    There is a table for pointwise encoders whose ``maximum`` is an integer up to
    :data:`TABLE_MAXIMUM`; indexing it with the values gives what :func:`encode` gives.
    """
    checked = check_encoder(encoder)
    maximum = checked["maximum"]
    pointwise = ENCODERS[checked["kind"]].pointwise
    if not pointwise or not isinstance(maximum, int) or maximum > TABLE_MAXIMUM:
        return None
    levels = to_levels(np.arange(maximum + 1)[None], maximum)
    return np.ascontiguousarray(encode_levels(checked, levels, ticks)[0])

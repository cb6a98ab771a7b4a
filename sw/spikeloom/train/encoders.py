"""Encoders: real values to integer events, in NumPy alone.

Every encoder turns values of shape (samples, n) into magnitudes of shape
(samples, ticks, inputs), uint8: 0 for no event, 1 for a plain spike, more only with
``direct``.  There is an input for each value, but with ``delta`` and ``population``.
A value counts as x = value / maximum, from 0 to 1, rounded to a multiple of 2**-16; from
there on all arithmetic is on integers, so that the events are the same on every machine.

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


def phase(levels: Levels, ticks: int, period: int = 8) -> Magnitudes:
    """Send the binary digits of x, the greatest first, over and over.

    Tick t sends digit k = t mod ``period``, which is worth 2**-(1 + k): "weighted spikes"
    of Kim et al. 2018, "Deep neural networks with weighted spikes".  x counts as
    floor(x * 2**period), at most 2**period - 1.

    Parameters
    ----------
    levels, ticks
        As of :func:`rate`.
    period
        1 to 16 digits.
    """
    digits = np.minimum((levels << period) // ONE, (1 << period) - 1)
    shifts = period - 1 - np.arange(ticks) % period
    return ((digits[:, None, :] >> shifts[None, :, None]) & 1).astype(np.uint8)


def delta(levels: Levels, ticks: int, threshold: float = 0.1) -> Magnitudes:
    """Send the changes of a signal: the values of a sample are ``ticks`` rows, one a tick.

    A reference starts at 0.  Where the signal is at least ``threshold`` above it, the
    input for rises gets a spike and the reference gains ``threshold``; where it is as much
    below, the input for falls gets one and the reference loses it (delta modulation, as in
    an event camera).

    Parameters
    ----------
    levels
        int64 (samples, ticks * n), tick by tick; an image whose rows follow each other is
        one, with its height as ``ticks``.
    ticks
        Ticks of a sample.
    threshold
        2**-16 to 1, share of the maximum.

    Returns
    -------
    uint8 (samples, ticks, 2 * n), 0 or 1: rises of all n, then falls of all n.
    """
    signal = levels.reshape(len(levels), ticks, -1)
    step = round(threshold * ONE)
    out = np.empty((len(levels), ticks, 2, signal.shape[2]), np.uint8)
    reference = np.zeros((len(levels), signal.shape[2]), np.int64)
    for tick in range(ticks):
        rises = signal[:, tick] - reference >= step
        falls = reference - signal[:, tick] >= step
        reference += (rises.astype(np.int64) - falls) * step
        out[:, tick, 0], out[:, tick, 1] = rises, falls
    return out.reshape(len(levels), ticks, -1)


def population(levels: Levels, ticks: int, fields: int = 4, overlap: int = 1) -> Magnitudes:
    """Give each value ``fields`` inputs with receptive fields side by side, in rate code.

    Field i has its centre at i / (fields - 1); its activation falls from 1 there to 0 at
    ``overlap`` spacings.  Bohte, La Poutre and Kok 2002, "Error-backpropagation in
    temporally encoded networks", have Gaussian fields; these are triangles, to be integers.

    Parameters
    ----------
    levels, ticks
        As of :func:`rate`.
    fields
        2 to 64.
    overlap
        1 to 8 spacings.

    Returns
    -------
    uint8 (samples, ticks, n * fields), 0 or 1: all fields of a value, then the next value.
    """
    centres = np.arange(fields) * ONE // (fields - 1)
    distance = np.abs(levels[:, :, None] - centres) * (fields - 1) // overlap
    activation = np.maximum(ONE - distance, 0)
    return rate(activation.reshape(len(levels), -1), ticks)


def _same(values: int, ticks: int, parameters: Mapping[str, Any]) -> int:
    return values


def _delta_inputs(values: int, ticks: int, parameters: Mapping[str, Any]) -> int:
    if values % ticks:
        raise DataError(
            f"ticks must divide the {values} values of a sample for the encoder delta, not {ticks}"
        )
    return 2 * values // ticks


def _population_inputs(values: int, ticks: int, parameters: Mapping[str, Any]) -> int:
    return values * int(parameters["fields"])


@dataclass(frozen=True)
class EncoderKind:
    """An encoder: its function, and (low, high, default) of each parameter.

    Parameters
    ----------
    pointwise
        Whether every value is treated alike, wherever it is, and gives one input.
    constant
        Whether every tick gets the same.
    inputs
        Input neurons for a number of values, ticks and parameters.
    """

    function: Callable[..., Magnitudes]
    parameters: Mapping[str, tuple[float, float, float]]
    pointwise: bool = True
    constant: bool = False
    inputs: Callable[[int, int, Mapping[str, Any]], int] = _same


ENCODERS: dict[str, EncoderKind] = {
    "rate": EncoderKind(rate, {}),
    "poisson": EncoderKind(poisson, {"seed": (0, 2**63 - 1, 0)}, pointwise=False),
    "latency": EncoderKind(latency, {"cutoff": (0.0, 1.0, 0.0)}),
    "phase": EncoderKind(phase, {"period": (1, 16, 8)}),
    "delta": EncoderKind(
        delta, {"threshold": (1 / ONE, 1.0, 0.1)}, pointwise=False, inputs=_delta_inputs
    ),
    "population": EncoderKind(
        population,
        {"fields": (2, 64, 4), "overlap": (1, 8, 1)},
        pointwise=False,
        inputs=_population_inputs,
    ),
    "direct": EncoderKind(direct, {"max_magnitude": (1, MAGNITUDE_MAX, 15)}, constant=True),
}
"""The encoders by kind."""


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
        (default 1); the parameters of the kind; and, if there is one, ``mask``: a bit for
        each tick and input, 0 where events are dropped (:func:`pack_mask`).

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
    mask = given.pop("mask", None)
    for name, (low, high, default) in ENCODERS[kind].parameters.items():
        value = given.pop(name, default)
        out[name] = _number(f"encoder.{name}", value, low, high, isinstance(default, int))
    if given:
        known = ", ".join(["maximum", *ENCODERS[kind].parameters])
        raise DataError(
            f"encoder.{min(given)} is no parameter of the encoder {kind}, which takes {known}"
        )
    if mask is not None:
        if not isinstance(mask, str) or not set(mask) <= set("0123456789abcdef"):
            raise DataError(f"encoder.mask must be hexadecimal digits, not {mask!r:.80}")
        out["mask"] = mask
    return out


def pack_mask(mask: NDArray[np.bool_]) -> str:
    """Return a mask (ticks, inputs) as the encoder keeps it: bits, the first first, as hex."""
    return np.packbits(mask.reshape(-1)).tobytes().hex()


def unpack_mask(text: str, ticks: int, n_inputs: int) -> Magnitudes:
    """Return a packed mask as uint8 (ticks, inputs), 1 where events pass."""
    count = ticks * n_inputs
    if len(text) != 2 * -(-count // 8):
        raise DataError(
            f"encoder.mask must have {2 * -(-count // 8)} digits for {ticks} ticks of "
            f"{n_inputs} inputs, not {len(text)}"
        )
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), count=count)
    return bits.reshape(ticks, n_inputs)


def max_magnitude(encoder: Mapping[str, Any]) -> int:
    """Return the greatest magnitude the encoder sends, 1 to 127."""
    return int(check_encoder(encoder).get("max_magnitude", 1))


def input_count(encoder: Mapping[str, Any], values: int, ticks: int) -> int:
    """Return the input neurons for samples of ``values`` values.

    Raises :class:`DataError` if the encoder cannot take so many.
    """
    checked = check_encoder(encoder)
    return ENCODERS[checked["kind"]].inputs(values, ticks, checked)


def encode_levels(encoder: Mapping[str, Any], levels: Levels, ticks: int) -> Magnitudes:
    """Encode ``levels`` (int64 (samples, n), 0 to 65536) to uint8 (samples, ticks, n)."""
    checked = check_encoder(encoder)
    kind = ENCODERS[checked["kind"]]
    parameters = {name: checked[name] for name in kind.parameters}
    out = kind.function(levels, ticks, **parameters)
    if "mask" in checked:
        out = out * unpack_mask(checked["mask"], ticks, out.shape[2])
    return out


def encode(facts: InputFacts, values: ArrayLike) -> Magnitudes:
    """Encode values the way the network was trained, from its artefact's input facts.

    Parameters
    ----------
    facts
        ``artefact.input``; its ``encoder`` says how, its ``shape`` and ``ticks`` how large.
    values
        Numbers from 0 to the encoder's ``maximum``, of shape (samples, ...) with as many
        values in a sample as ``facts.shape`` has, in the same order; for ``delta`` and
        ``population`` as many as their functions say.

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
    count = int(np.prod(array.shape[1:]))
    if array.ndim < 2 or input_count(encoder, count, facts.ticks) != n:
        raise DataError(
            f"values must have shape (samples, {', '.join(map(str, facts.shape))}) or as many "
            f"values in a sample as give {n} inputs, not {array.shape}"
        )
    levels = to_levels(array.reshape(len(array), count), encoder["maximum"])
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
    pointwise = ENCODERS[checked["kind"]].pointwise and "mask" not in checked
    if not pointwise or not isinstance(maximum, int) or maximum > TABLE_MAXIMUM:
        return None
    levels = to_levels(np.arange(maximum + 1)[None], maximum)
    return np.ascontiguousarray(encode_levels(checked, levels, ticks)[0])

"""From the beats of an answer to arrays, trusting nothing.

Words of tick t come before TICK t, which the core echoes; GRADED gives the magnitude of the SPIKE
behind it, and the spikes that a multi-spike neuron sends in a tick add up; READOUT and VALUE words
before a TICK are H of that tick, those between a sample's last TICK and its END are
final potentials V; CYCLES and SOPS come before END.  Whatever a broken link or core
sends, the outcome is the right arrays or a :class:`DeviceError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec import aer
from ..spec.aer import Beats, Kind, Words
from ..spec.errors import DeviceError
from ..spec.manifest import PlacedPopulation
from ..spec.numfmt import MAGNITUDE_MAX
from .probes import Probes

_NAMES = {int(kind): kind.name for kind in Kind}
_BODY_KINDS = (Kind.SPIKE, Kind.GRADED, Kind.READOUT, Kind.VALUE, Kind.CYCLES, Kind.SOPS)
_IS_BODY_KIND = np.isin(np.arange(16), [int(kind) for kind in _BODY_KINDS])


@dataclass(frozen=True)
class Answer:
    """What a packet said.  The dictionaries are keyed by population index.

    Parameters
    ----------
    spikes
        uint8 of shape (samples, ticks, neurons): 0 or 1, up to 127 with ``multi_spike``.
    potentials
        int32 of shape (samples, ticks, neurons): H of each tick.
    final
        int32 of shape (samples, neurons): V after the last tick.
    cycles, sops
        int64 of shape (samples,): the core's own counters.
    """

    spikes: dict[int, NDArray[np.uint8]]
    potentials: dict[int, NDArray[np.int32]]
    final: dict[int, NDArray[np.int32]]
    cycles: NDArray[np.int64]
    sops: NDArray[np.int64]


@dataclass(frozen=True)
class _Body:
    """The words between the markers, and the segment each lies in.

    Segment ``s * (ticks + 1) + t`` holds the words before TICK t of sample s;
    t = ticks stands for the words before END.
    """

    words: Words
    kinds: NDArray[np.uint8]
    segments: NDArray[np.int64]


def decode(
    beats: Beats,
    populations: Sequence[PlacedPopulation],
    probes: Probes,
    n_samples: int,
    n_ticks: int,
    first_sample: int = 0,
) -> Answer:
    """Return what the packet ``beats`` says about ``n_samples`` samples.

    A neuron whose value was not sent has the value 0.

    Raises
    ------
    DeviceError
        If TICK or END are missing or out of order, or a word is of a kind, a population,
        a neuron or in a place that the probes do not allow.
    """
    words = aer.to_words(np.asarray(beats, np.uint64))
    words = words[aer.kind_of(words) != int(Kind.NULL)]
    body = _split(words, n_samples, n_ticks, first_sample)
    bad = ~_IS_BODY_KIND[body.kinds]
    if bad.any():
        kind = int(body.kinds[bad.argmax()])
        raise DeviceError(
            f"{_place(body, bad, n_ticks)} must be of a kind that a core sends, "
            f"not {_NAMES.get(kind, f'kind {kind}')}"
        )
    potentials, final = _values(body, populations, probes, n_samples, n_ticks)
    return Answer(
        spikes=_spikes(body, populations, probes, n_samples, n_ticks),
        potentials=potentials,
        final=final,
        cycles=_counters(body, Kind.CYCLES, n_samples, n_ticks),
        sops=_counters(body, Kind.SOPS, n_samples, n_ticks),
    )


def _split(words: Words, n_samples: int, n_ticks: int, first_sample: int) -> _Body:
    """Check the markers and return the words between them."""
    kinds = aer.kind_of(words).astype(np.uint8)
    is_marker = (kinds == int(Kind.TICK)) | (kinds == int(Kind.END))
    found = words[is_marker]
    ticks = np.arange(n_ticks, dtype=np.uint32) | np.uint32(aer.word(Kind.TICK))
    samples = (np.arange(first_sample, first_sample + n_samples) & aer.PAYLOAD_MASK).astype(
        np.uint32
    )
    expected = np.empty((n_samples, n_ticks + 1), np.uint32)
    expected[:, :n_ticks] = ticks
    expected[:, n_ticks] = samples | np.uint32(aer.word(Kind.END))
    _check_markers(found, expected.reshape(-1))
    at = np.flatnonzero(is_marker)
    if len(words) > at[-1] + 1:
        raise DeviceError(
            f"answer must end with END {int(samples[-1])}, not with "
            f"{_describe(int(words[-1]))} behind it"
        )
    gaps = np.diff(at, prepend=-1) - 1
    inside = ~is_marker
    return _Body(words[inside], kinds[inside], np.repeat(np.arange(len(at)), gaps))


def _check_markers(found: Words, expected: Words) -> None:
    n_both = min(len(found), len(expected))
    wrong = found[:n_both] != expected[:n_both]
    if wrong.any():
        at = int(wrong.argmax())
        raise DeviceError(
            f"answer must echo {_describe(int(expected[at]))} as number {at} of its TICK and "
            f"END words, not {_describe(int(found[at]))}"
        )
    if len(found) != len(expected):
        state = (
            f"the first one missing is {_describe(int(expected[n_both]))}"
            if n_both < len(expected)
            else f"the first one too many is {_describe(int(found[n_both]))}"
        )
        raise DeviceError(
            f"answer must hold {len(expected)} TICK and END words, not {len(found)}; {state}"
        )


def _spikes(
    body: _Body,
    populations: Sequence[PlacedPopulation],
    probes: Probes,
    n_samples: int,
    n_ticks: int,
) -> dict[int, NDArray[np.uint8]]:
    chosen = body.kinds == int(Kind.SPIKE)
    words, segments = body.words[chosen], body.segments[chosen]
    _check_addresses(words, populations, probes.spikes, "spike")
    late = segments % (n_ticks + 1) == n_ticks
    if late.any():
        place = _place_of(int(segments[late.argmax()]), n_ticks)
        raise DeviceError(f"a spike must come before the TICK of its tick, not {place}")
    graded = any(populations[i].multi_spike for i in probes.spikes)
    out = {}
    if not graded and not (body.kinds == int(Kind.GRADED)).any():
        for index, part, segment in _by_population(words, segments, probes.spikes):
            out[index] = _single_spikes(part, segment, populations[index], n_samples, n_ticks)
        return out
    both = np.stack((segments, _magnitudes(body, n_ticks)[chosen]), axis=1)
    for index, part, where in _by_population(words, both, probes.spikes):
        population = populations[index]
        if population.multi_spike:
            out[index] = _multi_spikes(part, where, population, n_samples, n_ticks)
        elif (where[:, 1] != 1).any():
            raise DeviceError(
                f"a spike of population {population.name} must have no magnitude other than 1: "
                "its neurons spike at most once a tick"
            )
        else:
            out[index] = _single_spikes(part, where[:, 0], population, n_samples, n_ticks)
    return out


def _single_spikes(
    words: Words,
    segments: NDArray[np.int64],
    population: PlacedPopulation,
    n_samples: int,
    n_ticks: int,
) -> NDArray[np.uint8]:
    """Return where neurons that spike at most once a tick did."""
    n = population.n_neurons
    spikes = np.zeros((n_samples, n_ticks + 1, n), np.uint8)
    spikes.reshape(-1)[segments * n + aer.neuron_of(words)] = 1
    spikes = np.ascontiguousarray(spikes[:, :n_ticks])
    if np.count_nonzero(spikes) != len(words):
        raise DeviceError(
            f"a neuron of population {population.name} must spike at most once a tick; "
            f"{len(words)} spikes came from {np.count_nonzero(spikes)} neurons"
        )
    return spikes


def _multi_spikes(
    words: Words,
    where: NDArray[np.int64],
    population: PlacedPopulation,
    n_samples: int,
    n_ticks: int,
) -> NDArray[np.uint8]:
    """Return the sums of the magnitudes; ``where`` holds (segment, magnitude) of each word."""
    n = population.n_neurons
    total = np.zeros(n_samples * (n_ticks + 1) * n, np.int64)
    np.add.at(total, where[:, 0] * n + aer.neuron_of(words), where[:, 1])
    if total.max(initial=0) > MAGNITUDE_MAX:
        raise DeviceError(
            f"a neuron of population {population.name} must spike at most {MAGNITUDE_MAX} times "
            f"a tick, not {int(total.max())} times"
        )
    shaped = total.astype(np.uint8).reshape(n_samples, n_ticks + 1, n)
    return np.ascontiguousarray(shaped[:, :n_ticks])


def _magnitudes(body: _Body, n_ticks: int) -> NDArray[np.int64]:
    """Return the magnitude of every word, having checked that a SPIKE follows each GRADED."""
    out = np.ones(len(body.words), np.int64)
    is_graded = body.kinds == int(Kind.GRADED)
    if not is_graded.any():
        return out
    at = np.flatnonzero(is_graded)
    behind = np.minimum(at + 1, len(out) - 1)
    bad = (body.kinds[behind] != int(Kind.SPIKE)) | (body.segments[behind] != body.segments[at])
    values = aer.payload_of(body.words[at])
    bad |= (values < 1) | (values > MAGNITUDE_MAX)
    if bad.any():
        first = int(at[bad.argmax()])
        raise DeviceError(
            f"each GRADED must hold a magnitude from 1 to {MAGNITUDE_MAX} and be followed by its "
            f"SPIKE; {_describe(int(body.words[first]))} "
            f"{_place_of(int(body.segments[first]), n_ticks)} is not"
        )
    out[behind] = values
    return out


def _values(
    body: _Body,
    populations: Sequence[PlacedPopulation],
    probes: Probes,
    n_samples: int,
    n_ticks: int,
) -> tuple[dict[int, NDArray[np.int32]], dict[int, NDArray[np.int32]]]:
    """Return H of each tick and the final V, by population."""
    readouts = _paired_readouts(body, n_ticks)
    words, segments = body.words[readouts], body.segments[readouts]
    values = aer.signed_payload_of(body.words[readouts + 1])
    at_end = segments % (n_ticks + 1) == n_ticks
    _check_addresses(words[at_end], populations, probes.end, "final potential")
    _check_addresses(words[~at_end], populations, probes.ticks, "potential of a tick")
    potentials, final = {}, {}
    both = np.stack((segments, values.astype(np.int64)), axis=1)
    for index, part, where in _by_population(words, both, probes.populations):
        n = populations[index].n_neurons
        all_values = np.zeros((n_samples * (n_ticks + 1), n), np.int32)
        target = where[:, 0] * n + aer.neuron_of(part)
        all_values.reshape(-1)[target] = where[:, 1]
        if (all_values.reshape(-1)[target] != where[:, 1]).any():
            raise DeviceError(
                f"a neuron of population {populations[index].name} sent two different values"
            )
        shaped = all_values.reshape(n_samples, n_ticks + 1, n)
        if index in probes.ticks:
            potentials[index] = np.ascontiguousarray(shaped[:, :n_ticks])
        if index in probes.end:
            final[index] = np.ascontiguousarray(shaped[:, n_ticks])
    return potentials, final


def _paired_readouts(body: _Body, n_ticks: int) -> NDArray[np.int64]:
    """Return where the READOUT words are, having checked that VALUE follows each."""
    at = np.flatnonzero(body.kinds == int(Kind.READOUT))
    values = np.flatnonzero(body.kinds == int(Kind.VALUE))
    paired = len(at) == len(values) and bool((values == at + 1).all())
    if not paired or (body.segments[at] != body.segments[values]).any():
        raise DeviceError(
            f"each READOUT must be followed by its VALUE; of {len(at)} READOUT and "
            f"{len(values)} VALUE words some are not"
        )
    return at


def _counters(body: _Body, kind: Kind, n_samples: int, n_ticks: int) -> NDArray[np.int64]:
    chosen = body.kinds == int(kind)
    expected = np.arange(n_samples) * (n_ticks + 1) + n_ticks
    if not np.array_equal(body.segments[chosen], expected):
        raise DeviceError(
            f"answer must hold one {kind.name} between the last TICK and END of each of its "
            f"{n_samples} samples, not {int(chosen.sum())} at other places"
        )
    return aer.payload_of(body.words[chosen]).astype(np.int64)


def _by_population(
    words: Words, other: NDArray[np.int64], wanted: Sequence[int]
) -> list[tuple[int, Words, NDArray[np.int64]]]:
    """Return (index, words, rows of ``other``) for each wanted population."""
    if len(wanted) == 1:
        return [(wanted[0], words, other)]
    index_of = aer.population_of(words).astype(np.uint8)
    return [(i, words[index_of == i], other[index_of == i]) for i in wanted]


def _check_addresses(
    words: Words, populations: Sequence[PlacedPopulation], allowed: Sequence[int], what: str
) -> None:
    """Check that each word is of an allowed population and of a neuron that it has."""
    limits = np.zeros(1 << aer.POPULATION_BITS, np.uint32)
    for index in allowed:
        limits[index] = populations[index].n_neurons
    bad = aer.neuron_of(words) >= limits[aer.population_of(words)]
    if bad.any():
        names = ", ".join(f"{populations[i].name} (0 to {int(limits[i]) - 1})" for i in allowed)
        raise DeviceError(
            f"a {what} must be of a neuron of {names or 'no population'}, not "
            f"{_describe(int(words[bad.argmax()]))}"
        )


def _place(body: _Body, bad: NDArray[np.bool_], n_ticks: int) -> str:
    return f"a word {_place_of(int(body.segments[bad.argmax()]), n_ticks)}"


def _place_of(segment: int, n_ticks: int) -> str:
    sample, tick = divmod(segment, n_ticks + 1)
    return f"before {'END' if tick == n_ticks else f'TICK {tick}'} of sample {sample}"


def _describe(word: int) -> str:
    """Return the word in the words of the specification, such as ``TICK 3``."""
    kind, payload = word >> aer.KIND_SHIFT, word & aer.PAYLOAD_MASK
    name = _NAMES.get(kind, f"kind {kind}")
    if kind in (Kind.SPIKE, Kind.READOUT):
        return f"{name} of population {payload >> aer.POPULATION_SHIFT} " + (
            f"neuron {payload & aer.NEURON_MASK}"
        )
    return f"{name} {payload}"

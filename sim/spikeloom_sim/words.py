"""Words and beats of whole data sets: inputs to beats, traces to answers and back.

Beats are uint64 (:mod:`spikeloom.spec.aer`).  Everything is vectorised: beats are made
population by population together with a sort key (sample, tick, phase) and then sorted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.compile.inputs import place_inputs
from spikeloom.spec import aer, numfmt
from spikeloom.spec.aer import Kind
from spikeloom.spec.errors import DeviceError
from spikeloom.spec.network import Network

from .golden import Inputs, Trace, check_inputs

Beats = NDArray[np.uint64]


@dataclass(frozen=True)
class Shown:
    """What a core tells of its populations, as sets of population names.

    ``spikes``, ``potentials`` and ``final`` name the populations with the flags
    ``emit_spikes``, ``probe_ticks`` and ``probe_end``.
    """

    spikes: frozenset[str] = frozenset()
    potentials: frozenset[str] = frozenset()
    final: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        spikes: Iterable[str] = (),
        potentials: Iterable[str] = (),
        final: Iterable[str] = (),
    ) -> Shown:
        """Return the sets of the given names."""
        return cls(frozenset(spikes), frozenset(potentials), frozenset(final))


def population_indices(network: Network) -> dict[str, int]:
    """Return the table index of every population of neurons; 0 stands for all inputs."""
    return {p.name: index for index, p in enumerate(network.order(), 1)}


class _BeatList:
    """Beats with sort keys; beats of equal key keep the order in which they were added."""

    def __init__(self) -> None:
        self._keys: list[NDArray[np.int64]] = []
        self._beats: list[Beats] = []

    def add(self, key: Any, low: Any, high: Any = 0) -> None:
        key, low, high = np.broadcast_arrays(np.asarray(key, np.int64), low, high)
        self._keys.append(key.ravel())
        self._beats.append(
            (low.astype(np.uint64) | (high.astype(np.uint64) << np.uint64(32))).ravel()
        )

    def sorted(self) -> Beats:
        order = np.argsort(np.concatenate(self._keys), kind="stable")
        return np.concatenate(self._beats)[order]


def _key(sample: Any, tick: Any, phase: int, n_ticks: int) -> Any:
    return (np.asarray(sample, np.int64) * (n_ticks + 1) + tick) * 1024 + phase


_LAST_PHASE = 1023


def _spike_beats(beats: _BeatList, population: int, counts: NDArray[Any], phase: int) -> None:
    """Add the SPIKE words of ``counts`` (S, T, n), neighbours 2k and 2k + 1 in one beat."""
    n_samples, n_ticks, n = counts.shape
    flat = np.zeros((n_samples, n_ticks, n + n % 2), counts.dtype)
    flat[:, :, :n] = counts
    padded = flat.reshape(n_samples, n_ticks, (n + 1) // 2, 2)
    for round_ in range(int(counts.max(initial=0))):
        sample, tick, pair = np.nonzero((padded > round_).any(axis=3))
        even, odd = (padded[sample, tick, pair, k] > round_ for k in (0, 1))
        words = aer.addressed(Kind.SPIKE, population, 2 * pair)
        beats.add(
            _key(sample, tick, phase, n_ticks),
            np.where(even, words, 0),
            np.where(odd, words + 1, 0),
        )


def _graded_beats(
    beats: _BeatList, population: int, values: NDArray[Any], phase: int, first: int = 0
) -> None:
    """Add a GRADED and a SPIKE word for each nonzero of ``values`` (S, T, n)."""
    n_ticks = values.shape[1]
    sample, tick, neuron = np.nonzero(values)
    magnitudes = values[sample, tick, neuron].astype(np.int64) & 0xFF
    spikes = aer.addressed(Kind.SPIKE, population, neuron + first)
    beats.add(_key(sample, tick, phase, n_ticks), aer.word(Kind.GRADED) | magnitudes, spikes)


def _markers(beats: _BeatList, n_samples: int, n_ticks: int, first_sample: int) -> None:
    sample, tick = np.indices((n_samples, n_ticks))
    beats.add(_key(sample, tick, _LAST_PHASE, n_ticks), aer.word(Kind.TICK) | tick)
    samples = np.arange(n_samples)
    numbers = (samples + first_sample) & aer.PAYLOAD_MASK
    beats.add(_key(samples, n_ticks, _LAST_PHASE, n_ticks), aer.word(Kind.END) | numbers)


def encode_inputs(network: Network, inputs: Inputs, first_sample: int = 0) -> Beats:
    """Return the beats that send ``inputs`` (see :func:`.golden.check_inputs`) to a core."""
    arrays = check_inputs(network, inputs)
    beats = _BeatList()
    n_samples, n_ticks = next(iter(arrays.values())).shape[:2]
    for phase, placed in enumerate(place_inputs(network)):
        values = np.zeros_like(arrays[placed.name])
        values[:, placed.delay :] = arrays[placed.name][:, : max(n_ticks - placed.delay, 0)]
        if placed.signed:
            _graded_beats(beats, 0, values, phase, placed.address)
        else:
            padded = np.pad(values, ((0, 0), (0, 0), (placed.address, 0)))
            _spike_beats(beats, 0, padded, phase)
    _markers(beats, n_samples, n_ticks, first_sample)
    return beats.sorted()


def encode_answer(network: Network, trace: Trace, shown: Shown) -> tuple[Beats, NDArray[np.int64]]:
    """Return a core's answer to the run ``trace``, and the number of beats of each sample.

    TICK carries the tick's index and END the sample's index in ``trace``.
    """
    beats = _BeatList()
    n_samples = len(trace.sops)
    n_ticks = next(iter(trace.spikes.values())).shape[1]
    samples = np.arange(n_samples)
    indices = population_indices(network)
    for name, spikes in trace.spikes.items():
        index = indices[name]
        neurons = np.arange(spikes.shape[2])
        readout = aer.addressed(Kind.READOUT, index, neurons)
        if name in shown.potentials:
            sample, tick, _ = np.indices(spikes.shape)
            key = _key(sample, tick, 2 * index, n_ticks)
            beats.add(key, readout, _value(trace.potentials[name]))
        if name in shown.spikes and network.population(name).multi_spike:
            for digit in range(numfmt.MAGNITUDE_MAX.bit_length()):
                _graded_beats(beats, index, spikes & (1 << digit), 2 * index + 1)
        elif name in shown.spikes:
            _spike_beats(beats, index, spikes, 2 * index + 1)
        if name in shown.final:
            key = _key(samples, n_ticks, 2 * index, n_ticks)[:, None]
            beats.add(key, readout, _value(trace.final[name]))
    key = _key(samples, n_ticks, _LAST_PHASE - 1, n_ticks)
    sops = np.minimum(trace.sops, aer.PAYLOAD_MASK)
    beats.add(key, aer.word(Kind.CYCLES), aer.word(Kind.SOPS) | sops)
    _markers(beats, n_samples, n_ticks, 0)
    out = beats.sorted()
    ends = np.flatnonzero(aer.kind_of(aer.to_words(out)[::2]) == Kind.END)
    return out, np.diff(ends, prepend=-1)


def _value(values: NDArray[np.int32]) -> NDArray[np.int64]:
    return aer.word(Kind.VALUE) | (values.astype(np.int64) & aer.PAYLOAD_MASK)


def decode_answer(
    network: Network, beats: Beats, n_samples: int, n_ticks: int, shown: Shown
) -> Trace:
    """Return the Trace that a core's answer holds, with the populations it was told to show.

    A neuron of which no READOUT came was not visited: its potential is 0.  Raises
    :class:`DeviceError` for an answer that does not fit the request.
    """
    words = aer.to_words(beats)
    words = words[words != 0]
    kinds = aer.kind_of(words)
    _check_kinds(words, kinds, n_samples, n_ticks)
    sample = np.cumsum(kinds == Kind.END) - (kinds == Kind.END)
    ticks = np.cumsum(kinds == Kind.TICK) - (kinds == Kind.TICK)
    tick = ticks - sample * n_ticks
    sizes = {p.name: p.n_neurons for p in network.order()}
    sops = np.zeros(n_samples, np.int64)
    sops[sample[kinds == Kind.SOPS]] = aer.payload_of(words[kinds == Kind.SOPS])
    spikes: dict[str, NDArray[np.uint8]] = {}
    potentials: dict[str, NDArray[np.int32]] = {}
    final: dict[str, NDArray[np.int32]] = {}
    values = aer.signed_payload_of(np.append(words[1:], np.uint32(0)))
    before = np.append(np.uint32(0), words[:-1])
    graded = aer.kind_of(before) == Kind.GRADED
    magnitudes = np.where(graded, aer.payload_of(before), 1)
    indices = population_indices(network)
    _check_addresses(words, kinds, indices, sizes, shown)
    for name, n in sizes.items():
        mine = aer.population_of(words) == indices[name]
        neuron = aer.neuron_of(words)
        if name in shown.spikes:
            at = mine & (kinds == Kind.SPIKE)
            counts = np.zeros((n_samples, n_ticks, n), np.int64)
            np.add.at(counts, (sample[at], tick[at], neuron[at]), magnitudes[at])
            if counts.max(initial=0) > 1 and not network.population(name).multi_spike:
                raise DeviceError(f"a neuron of {name} sent two spikes in one tick")
            spikes[name] = counts.astype(np.uint8)
        readout = mine & (kinds == Kind.READOUT)
        if name in shown.potentials:
            at = readout & (tick < n_ticks)
            potentials[name] = np.zeros((n_samples, n_ticks, n), np.int32)
            potentials[name][sample[at], tick[at], neuron[at]] = values[at]
        if name in shown.final:
            at = readout & (tick == n_ticks)
            final[name] = np.zeros((n_samples, n), np.int32)
            final[name][sample[at], neuron[at]] = values[at]
    return Trace(spikes, potentials, final, sops, network.outputs)


def _check_kinds(words: aer.Words, kinds: aer.Words, n_samples: int, n_ticks: int) -> None:
    """Raise :class:`DeviceError` unless the markers of all samples came, in order."""
    strange = ~np.isin(kinds, [kind for kind in Kind if kind is not Kind.NULL])
    if strange.any():
        raise DeviceError(f"a core sent the word {int(words[strange][0]):#010x} of unknown kind")
    for kind, expected in (
        (Kind.END, n_samples),
        (Kind.TICK, n_samples * n_ticks),
        (Kind.SOPS, n_samples),
        (Kind.CYCLES, n_samples),
    ):
        found = int((kinds == kind).sum())
        if found != expected:
            raise DeviceError(f"an answer must hold {expected} {kind.name} words, not {found}")
    markers = words[(kinds == Kind.TICK) | (kinds == Kind.END)]
    frame = np.append(np.full(n_ticks, int(Kind.TICK)), int(Kind.END))
    if not np.array_equal(aer.kind_of(markers), np.tile(frame, n_samples)):
        raise DeviceError(f"every sample of an answer must have {n_ticks} TICK words and then END")
    behind = np.append(kinds[1:], 0)
    if not np.array_equal(behind == Kind.VALUE, kinds == Kind.READOUT):
        raise DeviceError("a core must send VALUE behind every READOUT and nowhere else")
    if (behind[kinds == Kind.GRADED] != Kind.SPIKE).any():
        raise DeviceError("a core must send SPIKE behind every GRADED")


def _check_addresses(
    words: aer.Words,
    kinds: aer.Words,
    indices: dict[str, int],
    sizes: dict[str, int],
    shown: Shown,
) -> None:
    """Raise :class:`DeviceError` for an address that the request does not explain."""
    for kind, names in ((Kind.SPIKE, shown.spikes), (Kind.READOUT, shown.potentials | shown.final)):
        limits = np.zeros(1 << aer.POPULATION_BITS, np.int64)
        for name in names:
            limits[indices[name]] = sizes[name]
        mine = words[kinds == kind]
        bad = aer.neuron_of(mine) >= limits[aer.population_of(mine)]
        if bad.any():
            raise DeviceError(
                f"a core sent {kind.name} of neuron {int(aer.neuron_of(mine[bad])[0])} of "
                f"population {int(aer.population_of(mine[bad])[0])}, which it was not to show"
            )

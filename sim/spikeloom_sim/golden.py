"""The golden model: what a network means, event by event, in plain NumPy.

This file is the executable form of docs/spec/semantics.md and reads like it, line
by line.  It is written to be checked by eye, not to be fast: :mod:`.matrix` computes
the same :class:`Trace` for whole data sets, and tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec import numfmt
from spikeloom.spec.checks import check_same_sizes, inputs_by_name
from spikeloom.spec.errors import DataError, NetworkError
from spikeloom.spec.network import (
    InputPopulation,
    Network,
    Population,
    Projection,
    Reset,
    ResetOrder,
)

Integers: TypeAlias = "NDArray[np.integer[Any]]"  # NumPy 1.21 cannot evaluate it
Int64 = NDArray[np.int64]
Inputs: TypeAlias = "Integers | Mapping[str, Integers]"


@dataclass(frozen=True)
class Trace:
    """Everything that happened in a run of S samples of T ticks.

    Attributes
    ----------
    spikes
        Per population, uint8 of shape (S, T, n): 1 where a neuron fired, up to 127 with
        ``multi_spike``.
    potentials
        Per population, int32 of shape (S, T, n): H, what a membrane probe shows.
    final
        Per population, int32 of shape (S, n): V after the last tick (``initial`` if T = 0).
    sops
        int64 of shape (S,): synaptic operations, one per event and existing synapse,
        zero weights included (rule S4).
    outputs
        Names of the output populations.

    A decoded answer of a core is a Trace too; it lacks the populations that the core
    was not told to show.  The populations are in the order of :meth:`Network.order`.
    """

    spikes: dict[str, NDArray[np.uint8]]
    potentials: dict[str, NDArray[np.int32]]
    final: dict[str, NDArray[np.int32]]
    sops: Int64
    outputs: tuple[str, ...]

    @property
    def counts(self) -> dict[str, Int64]:
        """Spikes of each output neuron in each sample, int64 of shape (S, n)."""
        return {
            name: self.spikes[name].sum(axis=1, dtype=np.int64)
            for name in self.outputs
            if name in self.spikes
        }


def empty_trace(network: Network, n_samples: int, n_ticks: int) -> Trace:
    """Return a Trace of zeros of ``n_samples`` samples of ``n_ticks`` ticks."""
    sizes = {p.name: p.n_neurons for p in network.order()}
    return Trace(
        spikes={k: np.zeros((n_samples, n_ticks, n), np.uint8) for k, n in sizes.items()},
        potentials={k: np.zeros((n_samples, n_ticks, n), np.int32) for k, n in sizes.items()},
        final={k: np.zeros((n_samples, n), np.int32) for k, n in sizes.items()},
        sops=np.zeros(n_samples, np.int64),
        outputs=network.outputs,
    )


def check_inputs(network: Network, inputs: Inputs) -> dict[str, Int64]:
    """Return the input of every input population, int64 of shape (samples, ticks, n).

    ``inputs`` is an integer or bool array of shape ``(samples, ticks, n)`` or
    ``(samples, ticks, *population shape)`` whose values, 0 to ``max_magnitude``, are
    numbers of unit events, or, where the population is signed, magnitudes from
    ``-max_magnitude``;
    for a network of several input populations, a mapping from their names to such arrays.
    Raises :class:`DataError` naming the index, what was found and what was expected.
    """
    populations = {p.name: p for p in network.inputs}
    given = inputs_by_name(inputs, tuple(populations))
    arrays = {name: _check_input(p, given[name]) for name, p in populations.items()}
    check_same_sizes({name: a.shape[:2] for name, a in arrays.items()})
    return arrays


def _check_input(population: InputPopulation, values: Integers) -> Int64:
    what = f"input {population.name}"
    array = np.asarray(values)
    if array.dtype.kind not in "iub":
        raise DataError(f"{what} must have an integer type, not {array.dtype}")
    allowed = {(population.n_neurons,), population.shape}
    if array.ndim < 3 or array.shape[2:] not in allowed:
        shapes = " or ".join(str(("samples", "ticks", *s)) for s in sorted(allowed))
        raise DataError(f"{what} must have the shape {shapes}, not {array.shape}")
    least = population.min_magnitude
    bad = (array < least) | (array > population.max_magnitude)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{what}[{', '.join(map(str, index))}] must be from {least} to "
            f"{population.max_magnitude}{'' if population.signed else ' events'}, "
            f"not {array[index]}"
        )
    return array.reshape(*array.shape[:2], population.n_neurons).astype(np.int64)


def truncate_decay(potential: Int64, decay: Int64) -> Int64:
    """Return trunc(potential * decay / 2^15), truncated towards zero."""
    product = potential * decay
    magnitude = np.abs(product) >> numfmt.DECAY_FRACTION_BITS
    return np.where(product < 0, -magnitude, magnitude)


class GoldenModel:
    """The reference semantics of ``network``.

    Takes the whole of :class:`~spikeloom.spec.network.Network`.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._neurons = [_Neurons(network, p) for p in network.order()]

    def run(self, inputs: Inputs) -> Trace:
        """Run every sample from the initial state; see :func:`check_inputs` for ``inputs``.

        Raises :class:`DataError` for bad input and :class:`NetworkError` if a potential
        leaves the accumulator of 18 bits.
        """
        arrays = check_inputs(self.network, inputs)
        n_samples, n_ticks = next(iter(arrays.values())).shape[:2]
        trace = empty_trace(self.network, n_samples, n_ticks)
        for sample in range(n_samples):
            for neurons in self._neurons:
                neurons.start()
            for tick in range(n_ticks):
                for neurons in self._neurons:
                    neurons.tick(sample, tick, arrays, trace)
            for neurons in self._neurons:
                trace.final[neurons.name][sample] = neurons.v
        return trace


class _Neurons:
    """The state of one population and its part of a tick."""

    def __init__(self, network: Network, population: Population) -> None:
        self.name = population.name
        self.population = population
        self.fan_in = [_Synapses(network, p) for p in network.fan_in(population.name)]
        self.threshold = population.per_neuron("threshold").astype(np.int64)
        self.decay = population.per_neuron("decay").astype(np.int64)
        self.bias = population.per_neuron("bias").astype(np.int64)
        self.current_decay = (
            None
            if population.current_decay is None
            else population.per_neuron("current_decay").astype(np.int64)
        )
        self.held = self._clip(np.full(population.n_neurons, population.reset_value, np.int64))
        self.start()

    def start(self) -> None:
        """Return to the state at the start of a sample."""
        self.v = np.full(self.population.n_neurons, self.population.initial, np.int64)
        self.c = np.zeros(self.population.n_neurons, np.int64)
        self.rest_ticks = np.zeros(self.population.n_neurons, np.int64)

    def tick(self, sample: int, tick: int, arrays: Mapping[str, Int64], trace: Trace) -> None:
        """Compute H, S and V of one tick and write H and S to ``trace``."""
        resting = self.rest_ticks > 0

        # the input: sum over projections and events of (weight * magnitude) << shift
        arriving = np.zeros(self.population.n_neurons, np.int64)
        for synapses in self.fan_in:
            trace.sops[sample] += synapses.deliver(sample, tick, arrays, trace, arriving)

        # H = V + input + bias, or C = trunc(C * current_decay / 2^15) + input, H = V + C + bias
        if self.current_decay is not None:
            arriving = self._add_to_current(arriving, sample, tick)
        h = self.v + arriving + self.bias
        h = np.where(resting, self.held, h)
        self._check_accumulator("H", h, sample, tick)

        s = np.where(resting, 0, self._spikes(h))

        # V = clip(reset(H, S)); V = trunc(V * decay / 2^15): which of the two comes first
        if self.population.reset_order is ResetOrder.BEFORE_DECAY:
            v = truncate_decay(self._clip(self._reset(h, s)), self.decay)
        else:
            v = self._clip(self._reset(truncate_decay(h, self.decay), s))

        # for `refractory` ticks after a spike the potential is held and input is discarded
        self.v = np.where(resting, self.held, v)
        self.rest_ticks = np.where(
            s, self.population.refractory, np.maximum(self.rest_ticks - 1, 0)
        )
        trace.potentials[self.name][sample, tick] = h
        trace.spikes[self.name][sample, tick] = s

    def _add_to_current(self, arriving: Int64, sample: int, tick: int) -> Int64:
        assert self.current_decay is not None
        c = self.c + arriving
        self._check_accumulator("C", c, sample, tick)
        kept = np.clip(c, numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX)
        self.c = truncate_decay(kept, self.current_decay)
        return c

    def _spikes(self, h: Int64) -> Int64:
        # S = (H >= threshold); a population with reset `none` never fires
        if self.population.reset is Reset.NONE:
            return np.zeros_like(h)
        if self.population.multi_spike:
            return np.clip(h // self.threshold, 0, numfmt.MAGNITUDE_MAX)
        return (h >= self.threshold).astype(np.int64)

    def _reset(self, v: Int64, s: Int64) -> Int64:
        match self.population.reset:
            case Reset.SUBTRACT:
                return v - self.threshold * s
            case Reset.ZERO:
                return np.where(s, np.int64(0), v)
            case Reset.VALUE:
                return np.where(s, np.int64(self.population.reset_value), v)
            case _:
                return v

    def _clip(self, v: Int64) -> Int64:
        return np.clip(v, self.population.floor, numfmt.POTENTIAL_MAX)

    def _check_accumulator(self, what: str, values: Int64, sample: int, tick: int) -> None:
        bad = (values < numfmt.ACCUMULATOR_MIN) | (values > numfmt.ACCUMULATOR_MAX)
        if bad.any():
            neuron = int(np.argmax(bad))
            raise overflow_error(what, self.name, sample, tick, neuron, int(values[neuron]))


class _Synapses:
    """A projection, one event at a time."""

    def __init__(self, network: Network, projection: Projection) -> None:
        self.projection = projection
        self.ends = network.ends(projection)
        self.source = network.source(projection.source)

    def deliver(
        self,
        sample: int,
        tick: int,
        arrays: Mapping[str, Int64],
        trace: Trace,
        arriving: Int64,
    ) -> int:
        """Add the events that arrive at ``tick``; return their synaptic operations."""
        projection = self.projection
        if tick < projection.delay:
            return 0
        sources = arrays if projection.source in arrays else trace.spikes
        values = sources[projection.source][sample, tick - projection.delay]
        events = self.source.events(values)
        sops = 0
        for neuron in np.flatnonzero(values):
            magnitude = int(values[neuron])
            reached, weights = projection.kind.fan_out(int(neuron), self.ends, projection.weights)
            arriving[reached] += (weights * magnitude) << projection.shift
            sops += len(reached) * int(events[neuron])
        return sops


def overflow_error(
    what: str, name: str, sample: int, tick: int, neuron: int, value: int
) -> NetworkError:
    """Return the error for a potential H or a current C that leaves the accumulator."""
    return NetworkError(
        f"{what} of {name}[{neuron}] in sample {sample}, tick {tick} must be from "
        f"{numfmt.ACCUMULATOR_MIN} to {numfmt.ACCUMULATOR_MAX} ({numfmt.ACCUMULATOR_BITS} bits), "
        f"not {value}; use smaller weights, shifts or biases"
    )

"""The golden model: what a network means, event by event, in plain NumPy.

This file is the executable form of docs/spec/semantics.md and reads like it, line
by line.  It is written to be checked by eye, not to be fast: :mod:`.matrix` computes
the same :class:`Trace` for whole data sets, and tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec import numfmt
from spikeloom.spec.errors import DataError, NetworkError
from spikeloom.spec.network import (
    InputPopulation,
    Network,
    Population,
    Projection,
    Reset,
    ResetOrder,
)

Integers = NDArray[np.integer[Any]]
Int64 = NDArray[np.int64]
Inputs = Integers | Mapping[str, Integers]


@dataclass(frozen=True)
class Trace:
    """Everything that happened in a run of S samples of T ticks.

    Attributes
    ----------
    spikes
        Per population, uint8 of shape (S, T, n): 1 where a neuron fired.
    potentials
        Per population, int32 of shape (S, T, n): H, what a membrane probe shows.
    final
        Per population, int32 of shape (S, n): V after the last tick (``initial`` if T = 0).
    sops
        int64 of shape (S,): synaptic operations, one per unit event and existing
        destination neuron, zero weights included.
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
    ``(samples, ticks, *population shape)`` whose values, 0 to ``max_magnitude``, are numbers of unit events;
    for a network of several input populations, a mapping from their names to such arrays.
    Raises :class:`DataError` naming the index, what was found and what was expected.
    """
    populations = {p.name: p for p in network.inputs}
    if not isinstance(inputs, Mapping):
        if len(populations) > 1:
            raise DataError(
                f"input must be a mapping from the names {', '.join(populations)} to arrays, "
                f"not one {type(inputs).__name__}"
            )
        inputs = {network.inputs[0].name: inputs}
    if inputs.keys() != populations.keys():
        raise DataError(
            f"input must be given for the populations {', '.join(populations)}, "
            f"not for {', '.join(map(str, inputs)) or 'none'}"
        )
    arrays = {name: _check_input(p, inputs[name]) for name, p in populations.items()}
    sizes = {name: a.shape[:2] for name, a in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"all inputs must have the same numbers of samples and ticks, not {sizes}")
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
    bad = (array < 0) | (array > population.max_magnitude)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{what}[{', '.join(map(str, index))}] must be from 0 to {population.max_magnitude} "
            f"events, not {array[index]}"
        )
    return array.reshape(*array.shape[:2], population.n_neurons).astype(np.int64)


def truncate_decay(potential: Int64, decay: Int64) -> Int64:
    """Return trunc(potential * decay / 2^15), truncated towards zero."""
    product = potential * decay
    magnitude = np.abs(product) >> numfmt.DECAY_FRACTION_BITS
    return np.where(product < 0, -magnitude, magnitude)


class GoldenModel:
    """The reference semantics of ``network``.

    Takes the whole of :class:`~spikeloom.spec.network.Network`: several inputs, delays,
    recurrence, shifts, per-neuron parameters and refractory periods.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._neurons = [
            _Neurons(p, network.fan_in(p.name), {q.name: q.n_neurons for q in network.inputs})
            for p in network.order()
        ]

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

    def __init__(
        self, population: Population, fan_in: tuple[Projection, ...], inputs: Mapping[str, int]
    ) -> None:
        self.name = population.name
        self.population = population
        self.fan_in = fan_in
        self.inputs = inputs
        self.threshold = population.per_neuron("threshold").astype(np.int64)
        self.decay = population.per_neuron("decay").astype(np.int64)
        self.bias = population.per_neuron("bias").astype(np.int64)
        self.held = self._clip(np.full(population.n_neurons, population.reset_value, np.int64))
        self.start()

    def start(self) -> None:
        """Return to the state at the start of a sample."""
        self.v = np.full(self.population.n_neurons, self.population.initial, np.int64)
        self.rest_ticks = np.zeros(self.population.n_neurons, np.int64)

    def tick(self, sample: int, tick: int, arrays: Mapping[str, Int64], trace: Trace) -> None:
        """Compute H, S and V of one tick and write H and S to ``trace``."""
        resting = self.rest_ticks > 0

        # H = V + bias + sum over projections and events of (weight * magnitude) << shift
        h = self.v + self.bias
        for projection in self.fan_in:
            if tick < projection.delay:
                continue
            at = (sample, tick - projection.delay)
            source = projection.source
            events = arrays[source][at] if source in self.inputs else trace.spikes[source][at]
            for neuron in np.flatnonzero(events):
                magnitude = int(events[neuron])
                weights = projection.weights[:, neuron].astype(np.int64)
                h += (weights * magnitude) << projection.shift
                trace.sops[sample] += magnitude * self.population.n_neurons
        h = np.where(resting, self.held, h)
        self._check_accumulator(h, sample, tick)

        # S = (H >= threshold) and not refractory; a population with reset `none` never fires
        s = (h >= self.threshold) & ~resting & (self.population.reset is not Reset.NONE)

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

    def _reset(self, v: Int64, s: NDArray[np.bool_]) -> Int64:
        match self.population.reset:
            case Reset.SUBTRACT:
                return np.where(s, v - self.threshold, v)
            case Reset.ZERO:
                return np.where(s, np.int64(0), v)
            case Reset.VALUE:
                return np.where(s, np.int64(self.population.reset_value), v)
            case _:
                return v

    def _clip(self, v: Int64) -> Int64:
        return np.clip(v, self.population.floor, numfmt.POTENTIAL_MAX)

    def _check_accumulator(self, h: Int64, sample: int, tick: int) -> None:
        bad = (h < numfmt.ACCUMULATOR_MIN) | (h > numfmt.ACCUMULATOR_MAX)
        if bad.any():
            neuron = int(np.argmax(bad))
            raise overflow_error(self.name, sample, tick, neuron, int(h[neuron]))


def overflow_error(name: str, sample: int, tick: int, neuron: int, h: int) -> NetworkError:
    """Return the error for a potential H that leaves the accumulator."""
    return NetworkError(
        f"H of {name}[{neuron}] in sample {sample}, tick {tick} must be from "
        f"{numfmt.ACCUMULATOR_MIN} to {numfmt.ACCUMULATOR_MAX} ({numfmt.ACCUMULATOR_BITS} bits), "
        f"not {h}; use smaller weights, shifts or biases"
    )

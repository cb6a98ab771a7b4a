"""The golden model as matrix products: all samples at once, the same Trace.

A product of integer-valued matrices is exact in float32 as long as no partial sum can
reach 2^24, and in float64 below 2^53; every product takes the smaller type that the
weights and the events prove exact.  Everything else is int64 or int32.  All events of a
tick go through :meth:`spikeloom.spec.kinds.Kind.sums` together, where the golden model
follows every synapse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec import numfmt
from spikeloom.spec.network import Network, Population, Projection, Reset, ResetOrder

from .golden import Inputs, Int64, Trace, check_inputs, empty_trace, overflow_error

FLOAT32_EXACT = 1 << 24
"""Integers of smaller magnitude, and their sums, are exact in float32."""


class MatrixModel:
    """The semantics of ``network``, computed tick by tick for all samples together."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._order = network.order()
        self._layers = [
            _Layer(p, [_Synapses(network, q) for q in network.fan_in(p.name)]) for p in self._order
        ]

    def run(self, inputs: Inputs) -> Trace:
        """Run every sample from the initial state; takes and raises what the golden model does."""
        return self.run_unchecked(check_inputs(self.network, inputs))

    def run_unchecked(self, arrays: Mapping[str, Int64]) -> Trace:
        """Run on arrays of shape (samples, ticks, n) per input population.

        Values above ``max_magnitude`` are summed like any other.  Raises
        :class:`NetworkError` if a potential leaves the accumulator.
        """
        n_samples, n_ticks = next(iter(arrays.values())).shape[:2]
        trace = empty_trace(self.network, n_samples, n_ticks)
        states = [layer.start(n_samples) for layer in self._layers]
        sources: dict[str, NDArray[np.integer[Any]]] = {**arrays, **trace.spikes}
        for tick in range(n_ticks):
            for layer, state in zip(self._layers, states, strict=True):
                layer.tick(tick, state, sources, trace)
        for layer, state in zip(self._layers, states, strict=True):
            trace.final[layer.name][:] = state.v
            trace.sops[:] += layer.sops(sources, n_ticks)
        return trace


class _Synapses:
    """A projection with weights of floating-point integers."""

    def __init__(self, network: Network, projection: Projection) -> None:
        self.source = projection.source
        self.delay = projection.delay
        self._kind = projection.kind
        self._ends = network.ends(projection)
        self._source = network.source(projection.source)
        self._sizes = self._kind.fan_out_sizes(self._ends, projection.weights)
        weights = projection.weights.astype(np.int64) << projection.shift
        everything = np.ones((1, self._ends.n_source), np.int64)
        largest_sum = int(self._kind.sums(everything, self._ends, np.abs(weights)).max())
        self._events_limit = FLOAT32_EXACT // max(largest_sum, 1)
        self._weights: NDArray[Any] = weights.astype(np.float32)

    def sops(self, values: NDArray[np.integer[Any]]) -> Int64:
        """Return the operations of ``values`` (samples, ticks, n), int64 of shape (samples,)."""
        total: Int64 = self._source.events(values).sum(axis=1, dtype=np.int64) @ self._sizes
        return total

    def arriving(self, events: NDArray[np.integer[Any]]) -> Int64:
        """Return the sums of weights, int64 of shape (samples, destinations)."""
        largest = max(int(events.max(initial=0)), -int(events.min(initial=0)))
        exact = largest < self._events_limit
        weights = self._weights if exact else self._weights.astype(np.float64)
        sums = self._kind.sums(events.astype(weights.dtype), self._ends, weights)
        return sums.astype(np.int64)


class _State:
    """Potentials, currents and refractory counters of one population, shape (samples, n)."""

    def __init__(self, v: Int64) -> None:
        self.v = v
        self.c = np.zeros_like(v)
        self.rest = np.zeros_like(v)


class _Layer:
    """One population and the synapses that end at it."""

    def __init__(self, population: Population, synapses: list[_Synapses]) -> None:
        self.name = population.name
        self._p = population
        self._synapses = synapses
        self._threshold = population.per_neuron("threshold").astype(np.int64)
        self._decay = population.per_neuron("decay").astype(np.int64)
        self._bias = population.per_neuron("bias").astype(np.int64)
        self._current_decay: Int64 | None = None
        if population.current_decay is not None:
            self._current_decay = population.per_neuron("current_decay").astype(np.int64)

    def start(self, n_samples: int) -> _State:
        """Return the state at the start of a sample."""
        return _State(np.full((n_samples, self._p.n_neurons), self._p.initial, np.int64))

    def tick(
        self,
        tick: int,
        state: _State,
        sources: Mapping[str, NDArray[np.integer[Any]]],
        trace: Trace,
    ) -> None:
        """Advance ``state`` by one tick and write H and S to ``trace``."""
        h = state.c
        for synapses in self._synapses:
            if tick >= synapses.delay:
                h = h + synapses.arriving(sources[synapses.source][:, tick - synapses.delay])
        if self._current_decay is not None:
            self._check("C", h, tick)
            low, high = numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX
            state.c = self._leak(np.clip(h, low, high), self._current_decay)
        h = h + (state.v + self._bias)
        resting = state.rest > 0
        held = max(self._p.reset_value, self._p.floor)
        if self._p.refractory:
            h[resting] = held
        self._check("H", h, tick)
        fired = self._fired(h, resting)
        v = self._after(h, fired)
        if self._p.refractory:
            v[resting] = held
            state.rest -= resting
            state.rest[fired > 0] = self._p.refractory
        state.v = v
        trace.potentials[self.name][:, tick] = h
        trace.spikes[self.name][:, tick] = fired

    def sops(self, sources: Mapping[str, NDArray[np.integer[Any]]], n_ticks: int) -> Int64:
        """Return the synaptic operations of each sample, int64 of shape (samples,)."""
        total = np.asarray(0, np.int64)
        for synapses in self._synapses:
            arriving = sources[synapses.source][:, : max(n_ticks - synapses.delay, 0)]
            total = total + synapses.sops(arriving)
        return total

    def _fired(self, h: Int64, resting: NDArray[np.bool_]) -> NDArray[np.uint8]:
        if self._p.reset is Reset.NONE:
            return np.zeros(h.shape, np.uint8)
        fired: NDArray[np.uint8] = ((h >= self._threshold) & ~resting).view(np.uint8)
        if self._p.multi_spike:
            fired *= np.minimum(np.abs(h) // self._threshold, numfmt.MAGNITUDE_MAX).astype(np.uint8)
        return fired

    def _after(self, h: Int64, fired: NDArray[np.uint8]) -> Int64:
        before = self._p.reset_order is ResetOrder.BEFORE_DECAY
        v = h.copy() if before else self._leak(h, self._decay)
        if self._p.reset is Reset.SUBTRACT:
            v -= fired * self._threshold
        else:
            v[fired > 0] = self._p.reset_value
        np.clip(v, self._p.floor, numfmt.POTENTIAL_MAX, out=v)
        return self._leak(v, self._decay) if before else v

    @staticmethod
    def _leak(v: Int64, decay: Int64) -> Int64:
        # an arithmetic shift rounds down; adding 2^15 - 1 to negatives truncates towards zero
        product: Int64 = v * decay
        product += (product < 0) * np.int64(numfmt.DECAY_ONE - 1)
        return product >> numfmt.DECAY_FRACTION_BITS

    def _check(self, what: str, h: Int64, tick: int) -> None:
        if h.size and (
            int(h.max()) > numfmt.ACCUMULATOR_MAX or int(h.min()) < numfmt.ACCUMULATOR_MIN
        ):
            bad = (h < numfmt.ACCUMULATOR_MIN) | (h > numfmt.ACCUMULATOR_MAX)
            sample, neuron = (int(i) for i in np.argwhere(bad)[0])
            raise overflow_error(what, self.name, sample, tick, neuron, int(h[sample, neuron]))

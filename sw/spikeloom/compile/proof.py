"""Proof that no accumulator can overflow, whatever the input (semantics, rule G4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec import numfmt
from ..spec.errors import NetworkError
from ..spec.network import InputPopulation, Network, Population, Reset, ResetOrder

_MAX_ROUNDS = 64
_MAX_CURRENT_ROUNDS = 1024
_MAX_MAGNITUDE_ROUNDS = 8

Wide = NDArray[np.int64]


@dataclass(frozen=True)
class Bound:
    """Proven range of everything a population's accumulators can hold."""

    low: int
    high: int


@dataclass(frozen=True)
class _Range:
    """What the neurons of a population can reach, per neuron, int64 of shape (n_neurons,).

    ``low`` and ``high`` hold every partial sum of H and of C, ``h_high`` the greatest H.
    """

    low: Wide
    high: Wide
    h_high: Wide


def _truncate(value: Wide, decay: Wide) -> Wide:
    product = value * decay
    magnitude = np.abs(product) >> numfmt.DECAY_FRACTION_BITS
    return np.asarray(np.sign(product) * magnitude, np.int64)


def _drive(
    network: Network, population: Population, magnitudes: Mapping[str, Wide]
) -> tuple[Wide, Wide]:
    """Return the least and the greatest sum of inputs to each neuron in one tick.

    ``magnitudes`` is the greatest magnitude of every source neuron.
    """
    low = np.zeros(population.n_neurons, np.int64)
    high = np.zeros(population.n_neurons, np.int64)
    for projection in network.fan_in(population.name):
        source = network.source(projection.source)
        ends = network.ends(projection)
        weights = projection.weights.astype(np.int64) << projection.shift
        greatest = magnitudes[source.name][None]
        positive = projection.kind.sums(greatest, ends, np.maximum(weights, 0))[0]
        negative = projection.kind.sums(greatest, ends, np.minimum(weights, 0))[0]
        if isinstance(source, InputPopulation) and source.signed:
            positive, negative = positive - negative, negative - positive
        low += negative
        high += positive
    return low, high


def _current(population: Population, low: Wide, high: Wide) -> tuple[Wide, Wide]:
    """Return the range of C before it is clipped, from the range of the input of a tick.

    The range goes up from 0.  Should it not settle, it goes down from everything that
    the clip lets through, where it holds after any number of rounds.
    """
    decay = population.per_neuron("current_decay").astype(np.int64)
    drive = np.stack([low, high])
    c = np.zeros_like(drive)
    for rounds in range(_MAX_CURRENT_ROUNDS):
        if rounds == _MAX_ROUNDS:
            c[0], c[1] = numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX
        kept = np.clip(c + drive, numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX)
        following = _truncate(kept, decay)
        if np.array_equal(c, following):
            break
        c = following
    return c[0] + low, c[1] + high


def _firing(population: Population, low: Wide, high: Wide) -> tuple[list[Wide], list[Wide]]:
    """Return values of H with a spike that lead to the ends of what follows, and their S."""
    threshold = population.per_neuron("threshold").astype(np.int64)
    if not population.multi_spike:
        ends = [np.maximum(low, threshold), high]
        return ends, [np.ones_like(low)] * 2
    # between multiples of the threshold what is left rises, at each of them it falls
    most = np.clip(high // threshold, 1, numfmt.MAGNITUDE_MAX)
    ends = [most * threshold, np.minimum(2 * threshold - 1, high), high]
    return ends, [most, np.ones_like(low), most]


def _after_tick(population: Population, low: Wide, high: Wide) -> tuple[Wide, Wide]:
    """Return the range of V after a tick from the range of H before the reset."""
    threshold = population.per_neuron("threshold").astype(np.int64)
    decay = population.per_neuron("decay").astype(np.int64)
    fires = population.reset is not Reset.NONE
    after = population.reset_order is ResetOrder.AFTER_DECAY
    quiet_high = np.minimum(high, threshold - 1) if fires else high
    ends = [low, quiet_high]
    if after:
        ends = [_truncate(v, decay) for v in ends]
    if fires:
        fired, spikes = _firing(population, low, high)
        if after:
            fired = [_truncate(v, decay) for v in fired]
        if population.reset is Reset.SUBTRACT:
            fired = [v - threshold * s for v, s in zip(fired, spikes, strict=True)]
        else:
            fired = [np.full_like(low, population.reset_value)] * 2
        reachable = high >= threshold
        ends += [np.where(reachable, v, ends[0]) for v in fired]
    ends = [np.clip(v, population.floor, numfmt.POTENTIAL_MAX) for v in ends]
    if not after:
        ends = [_truncate(v, decay) for v in ends]
    if fires and population.refractory:  # held there, whatever the decay
        held = max(population.reset_value, population.floor)
        ends.append(np.where(high >= threshold, held, ends[0]))
    return np.minimum.reduce(ends), np.maximum.reduce(ends)


def _reach(network: Network, population: Population, magnitudes: Mapping[str, Wide]) -> _Range:
    """Return what ``population`` can reach if no source exceeds ``magnitudes``.

    The range of V is iterated from the initial potential; should it not settle within
    64 rounds, it is taken as everything that the clip lets through.
    """
    drive_low, drive_high = _drive(network, population, magnitudes)
    bias = population.per_neuron("bias").astype(np.int64)
    sum_low, sum_high = drive_low, drive_high
    if population.current_decay is not None:
        sum_low, sum_high = _current(population, drive_low, drive_high)
    low = np.full(population.n_neurons, population.initial, np.int64)
    high = low.copy()
    for _ in range(_MAX_ROUNDS):
        next_low, next_high = _after_tick(population, low + sum_low + bias, high + sum_high + bias)
        next_low, next_high = np.minimum(low, next_low), np.maximum(high, next_high)
        if np.array_equal(low, next_low) and np.array_equal(high, next_high):
            break
        low, high = next_low, next_high
    else:
        low = np.full_like(low, population.floor)
        high = np.full_like(high, numfmt.POTENTIAL_MAX)
    h_high = high + sum_high + bias
    low, high = low + np.minimum(bias, 0), high + np.maximum(bias, 0)
    if population.current_decay is not None:  # C has an accumulator of its own
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    return _Range(low + sum_low, high + sum_high, h_high)


def spike_magnitudes(network: Network) -> dict[str, Wide]:
    """Return the greatest magnitude of every neuron's events in one tick, int64 per neuron.

    A neuron with ``multi_spike`` sends floor(H / threshold) at most, where the bound of H
    follows from the magnitudes of its sources.  The bounds go down from 127 and hold after
    every round.
    """
    found = {p.name: np.full(p.n_neurons, p.max_magnitude, np.int64) for p in network.inputs}
    for p in network.populations:
        most = numfmt.MAGNITUDE_MAX if p.multi_spike else 1
        found[p.name] = np.full(p.n_neurons, most, np.int64)
    graded = [p for p in network.order() if p.multi_spike]
    for _ in range(_MAX_MAGNITUDE_ROUNDS):
        settled = True
        for population in graded:
            threshold = population.per_neuron("threshold").astype(np.int64)
            reach = _reach(network, population, found)
            bound = np.clip(reach.h_high // threshold, 0, numfmt.MAGNITUDE_MAX)
            settled = settled and np.array_equal(bound, found[population.name])
            found[population.name] = bound
        if settled:
            break
    return found


def population_bound(network: Network, population: Population) -> Bound:
    """Return the range of a population's accumulators.

    Partial sums, in any order, lie in the returned range as well.
    """
    return _bound(_reach(network, population, spike_magnitudes(network)))


def _bound(reach: _Range) -> Bound:
    return Bound(int(reach.low.min()), int(reach.high.max()))


def prove_no_overflow(network: Network) -> dict[str, Bound]:
    """Return the proven bound of every population.

    Raises :class:`NetworkError` naming the first population whose accumulators might leave
    the signed ``ACCUMULATOR_BITS``, the bound, and what would help.
    """
    bounds = {}
    magnitudes = spike_magnitudes(network)
    for population in network.order():
        bound = _bound(_reach(network, population, magnitudes))
        if bound.low < numfmt.ACCUMULATOR_MIN or bound.high > numfmt.ACCUMULATOR_MAX:
            raise NetworkError(
                f"accumulators of population {population.name} must stay from "
                f"{numfmt.ACCUMULATOR_MIN} to {numfmt.ACCUMULATOR_MAX}, but may reach "
                f"{bound.low} to {bound.high}; use smaller weights (a larger step or fewer "
                "bits), fewer inputs or a smaller max_magnitude, or raise floor"
            )
        bounds[population.name] = bound
    return bounds

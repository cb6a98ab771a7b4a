"""Proof that no accumulator can overflow, whatever the input (semantics, rule G4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec import numfmt
from ..spec.errors import NetworkError
from ..spec.network import InputPopulation, Network, Population, Reset, ResetOrder

_MAX_ROUNDS = 64

Wide = NDArray[np.int64]


@dataclass(frozen=True)
class Bound:
    """Proven range of everything a population's accumulators can hold."""

    low: int
    high: int


def _truncate(value: Wide, decay: Wide) -> Wide:
    product = value * decay
    magnitude = np.abs(product) >> numfmt.DECAY_FRACTION_BITS
    return np.asarray(np.sign(product) * magnitude, np.int64)


def _drive(network: Network, population: Population) -> tuple[Wide, Wide]:
    """Return the least and the greatest sum of inputs to each neuron in one tick."""
    low = np.zeros(population.n_neurons, np.int64)
    high = np.zeros(population.n_neurons, np.int64)
    for projection in network.fan_in(population.name):
        source = network.source(projection.source)
        magnitude = source.max_magnitude if isinstance(source, InputPopulation) else 1
        weights = projection.weights.astype(np.int64) * (magnitude << projection.shift)
        low += np.minimum(weights, 0).sum(axis=1)
        high += np.maximum(weights, 0).sum(axis=1)
    return low, high


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
        fired = [np.maximum(low, threshold), high]
        if after:
            fired = [_truncate(v, decay) for v in fired]
        if population.reset is Reset.SUBTRACT:
            fired = [v - threshold for v in fired]
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


def population_bound(network: Network, population: Population) -> Bound:
    """Return the range of a population's accumulators.

    The range of V is iterated from the initial potential; should it not settle within
    64 rounds, it is taken as everything that the clip lets through.  Partial sums, in any
    order, lie in the returned range as well.
    """
    drive_low, drive_high = _drive(network, population)
    bias = population.per_neuron("bias").astype(np.int64)
    low = np.full(population.n_neurons, population.initial, np.int64)
    high = low.copy()
    for _ in range(_MAX_ROUNDS):
        next_low, next_high = _after_tick(
            population, low + drive_low + bias, high + drive_high + bias
        )
        next_low, next_high = np.minimum(low, next_low), np.maximum(high, next_high)
        if np.array_equal(low, next_low) and np.array_equal(high, next_high):
            break
        low, high = next_low, next_high
    else:
        low = np.full_like(low, population.floor)
        high = np.full_like(high, numfmt.POTENTIAL_MAX)
    return Bound(
        int((low + drive_low + np.minimum(bias, 0)).min()),
        int((high + drive_high + np.maximum(bias, 0)).max()),
    )


def prove_no_overflow(network: Network) -> dict[str, Bound]:
    """Return the proven bound of every population.

    Raises :class:`NetworkError` naming the first population whose accumulators might leave
    the signed ``ACCUMULATOR_BITS``, the bound, and what would help.
    """
    bounds = {}
    for population in network.order():
        bound = population_bound(network, population)
        if bound.low < numfmt.ACCUMULATOR_MIN or bound.high > numfmt.ACCUMULATOR_MAX:
            raise NetworkError(
                f"accumulators of population {population.name} must stay from "
                f"{numfmt.ACCUMULATOR_MIN} to {numfmt.ACCUMULATOR_MAX}, but may reach "
                f"{bound.low} to {bound.high}; use smaller weights (a larger step or fewer "
                "bits), fewer inputs or a smaller max_magnitude, or raise floor"
            )
        bounds[population.name] = bound
    return bounds

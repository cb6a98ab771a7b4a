"""From real numbers to the contract's integers, a population at a time (rules Q1 to Q5).

A population counts in a step, one per channel where nothing forbids it.  Weights that lie
on a grid already, as those of a network that SpikeLoom has exported, are taken as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..spec.network import InputPopulation, IntArray, Network, Population, Projection, Reset
from ..spec.numfmt import DECAY_ONE, POTENTIAL_MAX, POTENTIAL_MIN, THRESHOLD_MAX, signed_range
from .graph import Array
from .lower import RealConstant, RealNetwork
from .steps import WHOLE, Part, Steps


@dataclass(frozen=True)
class Quantised:
    """A population in integers with everything that ends at it."""

    population: Population
    projections: tuple[Projection, ...]
    constants: tuple[Population, ...]
    step: Array


def whole_threshold(theta: Array, step: Array, above: bool) -> NDArray[np.int64]:
    """Return the integer threshold that keeps the comparison (rule Q3), 1 at least.

    A threshold within :data:`WHOLE` of a whole number of steps is taken as that number.
    """
    ratio = theta / step
    near = np.round(ratio)
    ratio = np.where(np.abs(ratio - near) <= WHOLE * np.maximum(near, 1), near, ratio)
    whole = np.floor(ratio) + 1 if above else np.ceil(ratio)
    return np.clip(whole, 1, THRESHOLD_MAX).astype(np.int64)


def quantise(part: Part, steps: Steps, bits: int) -> Quantised:
    """Return the population and what ends at it in integers."""
    p, low, high = part.population, *signed_range(bits)
    n = p.n_neurons
    step = np.tile(steps.step, n // part.n_channels)

    def whole(values: Array) -> NDArray[np.int64]:
        return np.clip(np.round(values / step), POTENTIAL_MIN, POTENTIAL_MAX).astype(np.int64)

    theta = np.ones(n, np.int64)
    if p.threshold is not None:
        theta = whole_threshold(p.threshold, step, p.above)
    floor = -int(theta.max()) if p.clamp else POTENTIAL_MIN
    value = int(whole(np.full(n, p.reset_value))[0]) if p.reset is Reset.VALUE else 0
    reset = Reset.ZERO if p.reset is Reset.VALUE and value == 0 else p.reset
    population = Population(
        p.name,
        p.shape,
        threshold=_short(theta, p.shape),
        decay=_short(np.round(p.decay * DECAY_ONE).astype(np.int64), p.shape),
        bias=_short(whole(p.bias), p.shape),
        reset=reset,
        reset_order=p.reset_order,
        reset_value=value,
        initial=max(int(whole(np.full(n, p.initial))[0]), floor),
        floor=floor,
        refractory=p.refractory,
        current_decay=(
            None
            if p.current_decay is None
            else _short(np.round(p.current_decay * DECAY_ONE).astype(np.int64), p.shape)
        ),
        multi_spike=p.multi_spike,
    )
    projections = []
    for projection, channels, shift in zip(
        part.projections, part.channels, steps.shifts, strict=True
    ):
        scale = steps.step[0] if channels is None else steps.step[channels]
        weights = np.clip(np.round(projection.weights / (scale * 2**shift)), low, high)
        projections.append(
            Projection(
                projection.source,
                projection.destination,
                weights.astype(np.int8),
                bits,
                shift,
                projection.delay,
                projection.kind,
            )
        )
    always = []
    for constant in part.constants:
        clock, joined = _constant(constant, whole(constant.values))
        always.append(clock)
        projections.append(joined)
    return Quantised(population, tuple(projections), tuple(always), step)


def _constant(constant: RealConstant, values: NDArray[np.int64]) -> tuple[Population, Projection]:
    """Return neurons that fire at every tick, and the projection by which they add ``values``."""
    most = signed_range(8)[1]
    number = max(1, -(-int(np.abs(values).max()) // most))
    name = f"always_{constant.start}_{constant.destination}"[:64]
    one, zero = np.ones((), np.int32), np.zeros((), np.int32)
    clock = Population(name, (number,), threshold=one, decay=zero, bias=one, reset=Reset.ZERO)
    weights, left = np.zeros((len(values), number), np.int8), values.copy()
    for i in range(number):
        weights[:, i] = np.clip(left, -most, most)
        left = left - weights[:, i]
    return clock, Projection(name, constant.destination, weights, delay=constant.start)


def _short(values: NDArray[np.int64], shape: tuple[int, ...]) -> IntArray:
    """Return a parameter with as few values as it needs: one, one per channel, or all."""
    table = values.reshape(-1, shape[-1])
    if (values == values[0]).all():
        return np.asarray(values[0], np.int32)
    if (table == table[0]).all():
        return table[0].astype(np.int32)
    return values.astype(np.int32)


def adjust(
    quantised: Quantised,
    threshold: NDArray[np.int64] | None = None,
    bias: NDArray[np.int64] | None = None,
) -> Quantised:
    """Return ``quantised`` with other thresholds or biases, int64 per neuron."""
    p = quantised.population
    if threshold is not None:
        p = replace(p, threshold=_short(np.clip(threshold, 1, THRESHOLD_MAX), p.shape))
    if bias is not None:
        p = replace(p, bias=_short(np.clip(bias, POTENTIAL_MIN, POTENTIAL_MAX), p.shape))
    return replace(quantised, population=p)


def join(
    network: RealNetwork, parts: Sequence[Quantised], max_magnitude: int, signed: bool
) -> Network:
    """Return the network of all populations."""
    source = InputPopulation(
        network.input_name, network.shape(network.input_name), max_magnitude, signed
    )
    return Network(
        (source,),
        tuple(p for q in parts for p in (*q.constants, q.population)),
        tuple(p for q in parts for p in q.projections),
        network.outputs,
    )

"""The steps in which a population counts, to choose from (rules Q1 and Q2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec.network import Reset
from ..spec.numfmt import ACCUMULATOR_MAX, POTENTIAL_MAX, SHIFT_MAX, signed_range
from .graph import Array
from .lower import RealConstant, RealNetwork, RealPopulation, RealProjection
from .synapses import destinations

THRESHOLD_AIM = 1 << 14
"""Greatest threshold chosen, so that a potential can overshoot it by as much again."""

GRID = 1e-3
"""Weights this near to whole numbers of a step are on the grid of that step."""

HALF_GRID = 0.04
"""Twice a threshold on the grid is this near to a whole number of steps."""

WHOLE = 1e-6
"""A threshold relatively this near to a whole number of steps is that number."""

GRID_WEIGHTS = 32
"""So many weights do not lie on a grid by chance."""

THRESHOLD_FINE = 1 << 11
"""Thresholds of this size lose nothing that matters to rounding."""

CLIPS = tuple(1 - 0.05 * i for i in range(16))
"""Shares of the step that takes every weight unclipped; smaller ones clip the largest."""


@dataclass(frozen=True)
class Part:
    """What ends at a population, in real numbers."""

    population: RealPopulation
    projections: tuple[RealProjection, ...]
    constants: tuple[RealConstant, ...]
    channels: tuple[NDArray[np.intp] | None, ...]

    @property
    def n_channels(self) -> int:
        """Number of steps that the population can have."""
        return self.population.shape[-1]

    @property
    def one_step(self) -> bool:
        """Whether all neurons must count in the same step.

        The reset value, the initial potential and a floor are those of the whole population,
        and potentials that are read must be comparable.
        """
        p = self.population
        shared = p.reset_value or p.initial or p.reset is Reset.NONE
        return bool(shared) or any(c is None for c in self.channels)


@dataclass(frozen=True)
class Demand:
    """What steps have to meet.

    Parameters
    ----------
    bits
        Width of the weights.
    magnitudes
        Greatest magnitude of the events of each projection's source.
    plain
        Whether the population must have one step, and no projection a shift.
    least
        Steps that must be reached, float64 (channels,) or a number.
    """

    bits: int
    magnitudes: tuple[int, ...]
    plain: bool = False
    least: Array | float = 0.0


@dataclass(frozen=True)
class Steps:
    """How a population counts: ``step`` float64 (channels,), and a shift per projection."""

    step: Array
    shifts: tuple[int, ...]
    exact: bool = False


def part_of(network: RealNetwork, population: RealPopulation) -> Part:
    """Return what ends at ``population``."""
    projections = tuple(p for p in network.projections if p.destination == population.name)
    channels = []
    for projection in projections:
        reached = destinations(projection.kind, projection.weights, network.ends(projection))
        channels.append(None if reached is None else reached % population.shape[-1])
    constants = tuple(c for c in network.constants if c.destination == population.name)
    return Part(population, projections, constants, tuple(channels))


def _per_channel(part: Part, values: Sequence[Array]) -> Array:
    """Return the greatest absolute value that ends at each channel, float64 (channels,)."""
    found = np.zeros(part.n_channels)
    for weights, channels in zip(values, part.channels, strict=True):
        if channels is None:
            found = np.maximum(found, np.abs(weights).max(initial=0))
        else:
            where = np.broadcast_to(channels, weights.shape).reshape(-1)
            np.maximum.at(found, where, np.abs(weights).reshape(-1))
    return found


def _worst(part: Part, magnitudes: Sequence[int]) -> Array:
    """Return the greatest sum of a tick's input to a channel, in real numbers (channels,)."""
    size = part.population.n_neurons
    total = np.abs(part.population.bias).copy()
    for projection, channels, magnitude in zip(
        part.projections, part.channels, magnitudes, strict=True
    ):
        weights = np.abs(projection.weights) * magnitude
        if projection.kind.tag.value == "conv2d":
            per_channel = weights.reshape(len(weights), -1).sum(axis=1)
            total += np.tile(per_channel, size // len(per_channel))
        elif projection.kind.tag.value == "dense":
            total += weights.sum(axis=1)
        elif channels is None:
            kernel = getattr(projection.kind, "kernel", (1, 1))
            total += float(weights) * math.prod(kernel)
        else:
            np.add.at(total, _destination_index(projection, size), weights)
    for constant in part.constants:
        total += np.abs(constant.values)
    return np.asarray(total.reshape(-1, part.n_channels).max(axis=0))


def _destination_index(projection: RealProjection, size: int) -> NDArray[np.intp]:
    indices = getattr(projection.kind, "indices", None)
    return np.arange(size) if indices is None else np.asarray(indices, np.intp)


@dataclass(frozen=True)
class _Room:
    """Steps that take every weight unclipped, and the least that the accumulators allow."""

    full: Array
    limit: Array
    shifts: tuple[int, ...]


def _room(part: Part, demand: Demand) -> _Room:
    high = signed_range(demand.bits)[1]
    tops = [float(np.abs(p.weights).max(initial=0)) for p in part.projections]
    least = max(tops, default=1.0) if demand.plain else min((t for t in tops if t > 0), default=1.0)
    shifts = tuple(
        min(max(int(math.log2(top / least)) if top > 0 else 0, 0), SHIFT_MAX) for top in tops
    )
    scaled = [p.weights / 2**k for p, k in zip(part.projections, shifts, strict=True)]
    full = _per_channel(part, scaled) / high
    full[full <= 0] = full.max(initial=0) or 1.0
    current = part.population.current_decay is not None
    limit = _worst(part, demand.magnitudes) / (
        ACCUMULATOR_MAX - POTENTIAL_MAX * (2 if current else 1)
    )
    theta = part.population.threshold
    if theta is not None:
        limit = np.maximum(limit, theta.reshape(-1, part.n_channels).max(axis=0) / THRESHOLD_AIM)
    return _Room(full, np.maximum(limit, demand.least), shifts)


def finenesses(part: Part, demand: Demand) -> tuple[int, ...]:
    """Return by how many bits more than the weights potentials may be resolved, best first.

    All weights are shifted left by as much.  What truncation takes from a potential, and the
    rounding of thresholds and biases, then weigh less; the range of the potentials, counted
    in thresholds, shrinks.
    """
    theta = part.population.threshold
    if demand.plain or theta is None or not part.projections:
        return (0,)
    room = _room(part, demand)
    step = np.maximum(room.full, room.limit)
    least = theta.reshape(-1, part.n_channels).min(axis=0) / step
    wanted = math.ceil(math.log2(max(THRESHOLD_FINE / float(least.max()), 1)))
    possible = math.floor(math.log2(max(float((step / room.limit).min()), 1)))
    most = max(min(wanted, possible, SHIFT_MAX - max(room.shifts)), 0)
    return tuple(dict.fromkeys((most, most // 2, 0)))


def choose_steps(part: Part, demand: Demand, fine: int) -> list[Steps]:
    """Return the steps to choose from, the one that clips no weight first.

    ``fine`` is by how many bits potentials are resolved more finely than weights.
    """
    room = _room(part, demand)
    theta = part.population.threshold
    shifts = tuple(k + fine for k in room.shifts)
    out: list[Steps] = []
    for clip in CLIPS:
        step = np.maximum(room.full * clip / 2**fine, room.limit)
        if part.one_step or demand.plain:
            step = np.full_like(step, step.max())
        elif part.population.clamp and theta is not None:  # one floor: all thresholds are equal
            ratio = theta.reshape(-1, part.n_channels).max(axis=0)
            step = ratio * (step / ratio).max()
        if not out or not np.array_equal(step, out[-1].step):
            out.append(Steps(step, shifts))
    return out


def grid_steps(part: Part, bits: int) -> Steps | None:
    """Return the steps of which every weight is a whole multiple that fits, if there are any.

    The threshold must be a whole or a half multiple too.  A handful of weights lies on some
    grid by chance, so these do not count.
    """
    theta, most = part.population.threshold, -signed_range(bits)[0]
    weights = [p.weights for p in part.projections]
    greatest = _per_channel(part, weights)
    if not greatest.max(initial=0) or part.constants:
        return None
    values = np.concatenate([np.abs(w).ravel() for w in weights])
    if np.count_nonzero(values) < GRID_WEIGHTS:
        return None
    whole = np.full_like(greatest, greatest.max())
    for top in (whole,) if part.one_step or part.population.clamp else (whole, greatest):
        if not top.all():
            continue
        step, open_ = top.copy(), np.ones(len(top), bool)
        for k in range(1, most + 1):
            fits = open_ & _on_grid(part, top / k, theta)
            if top is whole and not fits.all():
                continue
            step[fits] = (top / k)[fits]
            open_ &= ~fits
            if not open_.any():
                return Steps(step, (0,) * len(weights), exact=True)
    return None


def _on_grid(part: Part, step: Array, theta: Array | None) -> NDArray[np.bool_]:
    """Return for each channel whether its weights and its thresholds are multiples of its step.

    Under > a spike at a whole multiple needs a threshold of one more, which the reset
    ``subtract`` would take away; such a threshold is not on the grid.
    """
    counts = []
    for projection, channels in zip(part.projections, part.channels, strict=True):
        scale = step[0] if channels is None else step[channels]
        counts.append(projection.weights / scale)
    away = _per_channel(part, [c - np.round(c) for c in counts])
    bias = part.population.bias.reshape(-1, len(step)) / step
    fits = (away < GRID) & (np.abs(bias - np.round(bias)).max(axis=0) < GRID)
    if theta is not None:
        ratio = theta.reshape(-1, len(step)) / step
        fits &= np.abs(2 * ratio - np.round(2 * ratio)).max(axis=0) < HALF_GRID
        if part.population.above and part.population.reset is Reset.SUBTRACT:
            fits &= (np.abs(ratio - np.round(ratio)) > WHOLE * ratio).all(axis=0)
    return np.asarray(fits)


def weight_error(part: Part, steps: Steps, bits: int) -> Array:
    """Return the sum of the squared errors of the weights of each channel, (channels,)."""
    total = np.zeros(part.n_channels)
    low, high = signed_range(bits)
    for projection, channels, shift in zip(
        part.projections, part.channels, steps.shifts, strict=True
    ):
        scale = steps.step[0] if channels is None else steps.step[channels]
        scale = scale * 2**shift
        rounded = np.clip(np.round(projection.weights / scale), low, high) * scale
        error = np.square(rounded - projection.weights)
        if channels is None:
            total += float(error.sum())
        else:
            np.add.at(total, np.broadcast_to(channels, error.shape).reshape(-1), error.reshape(-1))
    return total

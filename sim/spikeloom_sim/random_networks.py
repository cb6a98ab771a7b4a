"""Random networks and spike trains from a seed, biased to the edges of every range.

The networks are those that a build takes today: one input population, dense
projections without delay or shift, no refractory period, one value of each parameter
per population, skip connections allowed.  They fit the given build and no input can
overflow their accumulators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec import numfmt
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.network import (
    InputPopulation,
    Network,
    Population,
    Projection,
    Reset,
    ResetOrder,
)

MAX_LAYERS = 4
MAX_NEURONS = 100
INPUT = "input"

_EDGES: dict[str, tuple[int, ...]] = {
    "threshold": (1, 2, numfmt.THRESHOLD_MAX - 1, numfmt.THRESHOLD_MAX),
    "decay": (0, 1, 16384, 29491, numfmt.DECAY_ONE - 1, numfmt.DECAY_ONE),
    "bias": (0, 0, 0, 0, 1, -1, numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX),
    "floor": (numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MIN, 0, -1, numfmt.POTENTIAL_MIN + 1),
    "initial": (0, 0, 0, 1, -1, numfmt.POTENTIAL_MAX),
    "reset_value": (0, 1, -1, numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX),
}
_TYPICAL: dict[str, tuple[int, int]] = {
    "decay": (0, numfmt.DECAY_ONE),
    "bias": (-40, 40),
    "floor": (-400, 0),
    "initial": (-100, 100),
    "reset_value": (-100, 100),
}


def random_network(rng: np.random.Generator, config: BuildConfig) -> Network:
    """Return a random network that fits ``config`` and cannot overflow."""
    n_layers = int(rng.integers(1, min(MAX_LAYERS, config.populations - 1) + 1))
    sizes = _sizes(rng, config, n_layers)
    links = _links(rng, config, sizes)
    source = InputPopulation(
        INPUT, _shape(rng, sizes[0]), int(rng.choice([1, 1, 1, 2, 7, numfmt.MAGNITUDE_MAX]))
    )
    populations: list[Population] = []
    projections: list[Projection] = []
    for layer in range(1, n_layers + 1):
        facts = {name: _parameter(rng, name) for name in ("threshold", "decay", "bias")}
        origins = [source if k == 0 else populations[k - 1] for k in links[layer]]
        magnitudes = [source.max_magnitude if k == 0 else 1 for k in links[layer]]
        weights = [_weights(rng, sizes[layer], sizes[k]) for k in links[layer]]
        population = _population(rng, layer, sizes[layer], facts)
        weights = _bounded(weights, magnitudes, population)
        populations.append(population)
        projections += [
            Projection(o.name, population.name, w) for o, w in zip(origins, weights, strict=True)
        ]
    names = [p.name for p in populations]
    chosen = [n for n in names[:-1] if rng.random() < 0.5]
    return Network((source,), tuple(populations), tuple(projections), (*chosen, names[-1]))


def random_input(
    rng: np.random.Generator, network: Network, n_samples: int, n_ticks: int
) -> NDArray[np.uint8]:
    """Return events of shape (samples, ticks, n) for the network's one input population.

    The density changes from tick to tick and takes 0 and 1 often; values reach
    ``max_magnitude``.
    """
    source = network.inputs[0]
    edges = rng.choice([0.0, 0.02, 0.15, 0.5, 1.0], (n_samples, n_ticks))
    density = np.where(rng.random(edges.shape) < 0.5, edges, rng.random(edges.shape))
    shape = (n_samples, n_ticks, source.n_neurons)
    values = rng.integers(1, source.max_magnitude + 1, shape)
    values[rng.random(shape) < 0.3] = source.max_magnitude
    return np.where(rng.random(shape) < density[..., None], values, 0).astype(np.uint8)


def worst_case(
    population: Population, weights: Sequence[NDArray[np.integer[Any]]], magnitudes: Sequence[int]
) -> tuple[int, int]:
    """Return bounds that every partial sum of H keeps: (least, greatest).

    V lies between the floor and 32767; the bias and the positive and the negative
    weights count apart, because events come in any order.
    """
    positive = np.zeros(population.n_neurons, np.int64)
    negative = np.zeros(population.n_neurons, np.int64)
    for array, magnitude in zip(weights, magnitudes, strict=True):
        wide = array.astype(np.int64)
        positive += np.maximum(wide, 0).sum(axis=1) * magnitude
        negative += np.minimum(wide, 0).sum(axis=1) * magnitude
    bias = population.per_neuron("bias").astype(np.int64)
    greatest = numfmt.POTENTIAL_MAX + np.maximum(bias, 0) + positive
    least = population.floor + np.minimum(bias, 0) + negative
    return int(least.min()), int(greatest.max())


def _parameter(rng: np.random.Generator, name: str) -> int:
    if rng.random() < (0.15 if name == "threshold" else 0.4):
        return int(rng.choice(_EDGES[name]))
    if name == "threshold":
        return int(np.exp2(rng.uniform(0, 9)))
    low, high = _TYPICAL[name]
    return int(rng.integers(low, high + 1))


def _sizes(rng: np.random.Generator, config: BuildConfig, n_layers: int) -> list[int]:
    """Return the sizes of the input and of every layer; half the memories stay free."""
    rows = max(config.state_rows // (2 * n_layers), 1)
    largest = max(min(MAX_NEURONS, rows * config.lanes), 1)
    lanes = config.lanes
    edges = [n for n in (1, 2, lanes - 1, lanes, lanes + 1, largest) if n <= largest]
    sizes = []
    for layer in range(n_layers + 1):
        limit = MAX_NEURONS if layer == 0 else largest
        small = rng.random() < 0.4
        size = int(rng.choice(edges)) if small else int(rng.integers(1, limit + 1))
        sizes.append(size)
    return sizes


def _links(rng: np.random.Generator, config: BuildConfig, sizes: list[int]) -> list[list[int]]:
    """Return the sources of every layer; shrinks ``sizes`` until all weights fit."""
    n_layers = len(sizes) - 1
    links: list[list[int]] = [[]]
    for layer in range(1, n_layers + 1):
        direct = layer - 1 if rng.random() < 0.9 else int(rng.integers(0, layer))
        skips = [k for k in range(layer) if k != direct and rng.random() < 0.25]
        links.append(sorted([direct, *skips]))
    while len([k for ks in links for k in ks]) > config.projections:
        next(ks for ks in links if len(ks) > 1).pop(0)
    while _weight_rows(config, sizes, links) > config.weight_rows:
        largest = sizes.index(max(sizes))
        sizes[largest] = max(sizes[largest] // 2, 1)
    return links


def _weight_rows(config: BuildConfig, sizes: list[int], links: list[list[int]]) -> int:
    return sum(
        -(-sizes[layer] // config.lanes) * -(-sizes[source] // 2)
        for layer, sources in enumerate(links)
        for source in sources
    )


def _shape(rng: np.random.Generator, n: int) -> tuple[int, ...]:
    if n % 2 == 0 and rng.random() < 0.3:
        return (n // 2, 1, 2)
    return (n,)


def _weights(rng: np.random.Generator, n: int, n_source: int) -> NDArray[np.int8]:
    low, high = numfmt.signed_range(8)
    scale = int(rng.choice([1, 7, 31, high]))
    values = rng.integers(-scale - 1, scale + 1, (n, n_source))
    edge = rng.random(values.shape) < 0.05
    values[edge] = rng.choice([low, high, 0, 1, -1], values.shape)[edge]
    density = float(rng.choice([0.0, 0.1, 0.5, 1.0, 1.0, 1.0]))
    return (values * (rng.random(values.shape) < density)).astype(np.int8)


def _bounded(
    weights: list[NDArray[np.int8]], magnitudes: list[int], population: Population
) -> list[NDArray[np.int8]]:
    """Halve the weights until the worst case stays inside the accumulator."""
    while True:
        least, greatest = worst_case(population, weights, magnitudes)
        if least >= numfmt.ACCUMULATOR_MIN and greatest <= numfmt.ACCUMULATOR_MAX:
            return weights
        weights = [(w.astype(np.int16) // 2 + (w < 0)).astype(np.int8) for w in weights]


def _population(rng: np.random.Generator, layer: int, n: int, facts: dict[str, int]) -> Population:
    reset = Reset(rng.choice([r.value for r in Reset], p=[0.4, 0.25, 0.25, 0.1]))
    floor = _parameter(rng, "floor")
    # a first potential of threshold - 1, threshold or threshold + 1 meets the comparison's edge
    near = facts["threshold"] - facts["bias"] + int(rng.integers(-1, 2))
    initial = near if rng.random() < 0.2 else _parameter(rng, "initial")
    return Population(
        f"layer{layer}",
        _shape(rng, n),
        threshold=np.array(facts["threshold"], np.int32),
        decay=np.array(facts["decay"], np.int32),
        bias=np.array(facts["bias"], np.int32),
        reset=reset,
        reset_order=ResetOrder(rng.choice([o.value for o in ResetOrder])),
        reset_value=_parameter(rng, "reset_value") if reset is Reset.VALUE else 0,
        initial=int(np.clip(initial, floor, numfmt.POTENTIAL_MAX)),
        floor=floor,
    )

"""Random networks over the whole arithmetic contract, or over what one build takes of it.

Every kind of projection, every neuron model, several inputs, signed events, delays, shifts
and recurrence.  Their accumulators cannot overflow: :func:`worst_case` counts with the
widest range of V and C and the greatest magnitude of every source.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec import numfmt
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import NetworkError
from spikeloom.spec.network import (
    Conv2d,
    Dense,
    Ends,
    InputPopulation,
    Kind,
    Network,
    OneToOne,
    Pool,
    Population,
    Projection,
    Reset,
    ResetOrder,
    Sparse,
    Uniform,
)

MAX_NEURONS = 60
Source = InputPopulation | Population
Shape = tuple[int, ...]
Rng = np.random.Generator

_EDGES: dict[str, tuple[int, ...]] = {
    "threshold": (1, 2, numfmt.THRESHOLD_MAX),
    "decay": (0, 1, numfmt.DECAY_ONE - 1, numfmt.DECAY_ONE),
    "current_decay": (0, 1, numfmt.DECAY_ONE - 1, numfmt.DECAY_ONE),
    "bias": (0, 0, 0, 1, -1, numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX),
}
_RANGES = {
    "threshold": (1, 300),
    "decay": (0, numfmt.DECAY_ONE),
    "current_decay": (0, numfmt.DECAY_ONE),
    "bias": (-40, 40),
}


def random_contract_network(rng: Rng, config: BuildConfig | None = None) -> Network:
    """Return a random network that cannot overflow.

    It is of the whole contract, or of the options that the build ``config`` has, whose memories
    may still be too small for it.
    """
    inputs = tuple(_input(rng, i) for i in range(int(rng.integers(1, 4))))
    if config is not None:
        inputs = _suited_inputs(inputs, config)
    populations: list[Population] = []
    drafts: list[Projection] = []
    for layer in range(int(rng.integers(1, 5))):
        earlier: list[Source] = [*inputs, *populations]
        source = earlier[int(rng.integers(len(earlier)))]
        kind, weights, shape = _first_kind(rng, source.shape)
        population = _population(rng, f"layer{layer}", shape)
        drafts.append(_projection(rng, source, population, kind, weights, 0))
        populations.append(population)
    drafts += _extra(rng, inputs, populations, {(d.source, d.destination) for d in drafts})
    if config is not None:
        populations = [_suited_population(p, config) for p in populations]
        drafts = _suited_projections(rng, drafts, inputs, populations, config)
    everything: list[Source] = [*inputs, *populations]
    sources = {p.name: p for p in everything}
    projections: list[Projection] = []
    for population in populations:
        fan_in = [d for d in drafts if d.destination == population.name]
        projections += _bounded(fan_in, sources, population)
    names = [p.name for p in populations]
    outputs = [n for n in names[:-1] if rng.random() < 0.4]
    order = rng.permutation(len(populations))
    return Network(
        inputs,
        tuple(populations[i] for i in order),
        tuple(projections),
        (*outputs, names[-1]),
    )


def random_contract_input(
    rng: Rng, network: Network, n_samples: int, n_ticks: int
) -> dict[str, NDArray[np.int16]]:
    """Return the values of every input population, int16 of shape (samples, ticks, n)."""
    out = {}
    for source in network.inputs:
        shape = (n_samples, n_ticks, source.n_neurons)
        values = rng.integers(source.min_magnitude, source.max_magnitude + 1, shape)
        values[rng.random(shape) < 0.2] = source.max_magnitude
        if source.signed:
            values[rng.random(shape) < 0.2] = source.min_magnitude
        density = rng.choice([0.0, 0.1, 0.4, 1.0], (n_samples, n_ticks, 1))
        out[source.name] = np.where(rng.random(shape) < density, values, 0).astype(np.int16)
    return out


def worst_case(
    population: Population, fan_in: list[tuple[Projection, Source]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return bounds that every partial sum of H and of C keeps, per neuron: (least, greatest)."""
    least = np.full(population.n_neurons, population.floor, np.int64)
    greatest = np.full(population.n_neurons, numfmt.POTENTIAL_MAX, np.int64)
    bias = population.per_neuron("bias")
    least += np.minimum(bias, 0)
    greatest += np.maximum(bias, 0)
    if population.current_decay is not None:
        least += numfmt.POTENTIAL_MIN
        greatest += numfmt.POTENTIAL_MAX
    for projection, source in fan_in:
        ends = Ends(source.shape, population.shape)
        low, high = magnitudes(source)
        for neuron in range(source.n_neurons):
            reached, weights = projection.kind.fan_out(neuron, ends, projection.weights)
            products = np.stack([weights * low, weights * high]) << projection.shift
            least[reached] += np.minimum(products.min(axis=0), 0)
            greatest[reached] += np.maximum(products.max(axis=0), 0)
    return least, greatest


def magnitudes(source: Source) -> tuple[int, int]:
    """Return the least and the greatest value of a source neuron in one tick."""
    if isinstance(source, InputPopulation):
        return source.min_magnitude, source.max_magnitude
    return 0, numfmt.MAGNITUDE_MAX if source.multi_spike else 1


def _input(rng: Rng, index: int) -> InputPopulation:
    magnitude = int(rng.choice([1, 1, 2, 7, numfmt.MAGNITUDE_MAX]))
    return InputPopulation(f"in{index}", _shape(rng), magnitude, bool(rng.random() < 0.4))


def _shape(rng: Rng) -> Shape:
    if rng.random() < 0.4:
        return (int(rng.integers(1, 13)),)
    return (int(rng.integers(1, 6)), int(rng.integers(1, 6)), int(rng.choice([1, 2, 2, 4])))


def _first_kind(rng: Rng, source: Shape) -> tuple[Kind, NDArray[Any], Shape]:
    """Return a kind, its weights and a destination shape that suit ``source``."""
    choices = ["dense", "sparse", "uniform", "one_to_one"]
    choices += ["conv2d", "conv2d", "conv2d", "pool"] if len(source) == 3 else []
    name = str(rng.choice(choices))
    if name == "conv2d":
        return _conv2d(rng, source)
    if name == "pool":
        return _pool(rng, source)
    shape = source if name == "one_to_one" else _shape(rng)
    kind, weights = _flat_kind(rng, name, Ends(source, shape))
    return kind, weights, shape


def _conv2d(rng: Rng, source: Shape) -> tuple[Kind, NDArray[Any], Shape]:
    """Return a convolution that fits; geometries are drawn until one does."""
    while True:
        divisors = [g for g in range(1, source[2] + 1) if source[2] % g == 0]
        groups = int(rng.choice(divisors))
        kind = Conv2d(
            stride=_pair(rng, 1, 4), padding=_pair(rng, 0, 4), dilation=_pair(rng, 1, 3),
            groups=groups,
        )  # fmt: skip
        per_group = int(rng.integers(1, 3))
        weights = _weights(rng, (groups * per_group, *_pair(rng, 1, 5), source[2] // groups))
        shape = _fitting(kind, source, weights)
        if shape:
            return kind, weights, shape


def _pool(rng: Rng, source: Shape) -> tuple[Kind, NDArray[Any], Shape]:
    while True:
        stride = None if rng.random() < 0.5 else _pair(rng, 1, 4)
        kernel, padding = _pair(rng, 1, 4), _pair(rng, 0, 2)
        kind = Pool(kernel, padding=padding) if stride is None else Pool(kernel, stride, padding)
        weights = np.ones((), np.int8) if rng.random() < 0.5 else _weights(rng, ())
        shape = _fitting(kind, source, weights)
        if shape:
            return kind, weights, shape


def _fitting(kind: Kind, source: Shape, weights: NDArray[Any]) -> Shape | None:
    try:
        shape = kind.destination_shape("draft", source, weights)
    except NetworkError:
        return None
    return shape if shape and np.prod(shape) <= MAX_NEURONS else None


def _flat_kind(rng: Rng, name: str, ends: Ends) -> tuple[Kind, NDArray[Any]]:
    if name == "dense":
        return Dense(), _weights(rng, (ends.n_destination, ends.n_source))
    if name == "one_to_one":
        return OneToOne(), _weights(rng, () if rng.random() < 0.5 else (ends.n_source,))
    if name == "uniform":
        equal = ends.n_source == ends.n_destination
        return Uniform(equal and bool(rng.random() < 0.7)), _weights(rng, ())
    there = rng.random((ends.n_source, ends.n_destination)) < rng.choice([0.05, 0.3, 1.0])
    there[rng.integers(ends.n_source), rng.integers(ends.n_destination)] = True
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    indices = np.nonzero(there)[1]
    return Sparse(indptr, indices), _weights(rng, (len(indices),))


def _extra(
    rng: Rng,
    inputs: tuple[InputPopulation, ...],
    populations: list[Population],
    taken: set[tuple[str, str]],
) -> list[Projection]:
    """Return further projections: skips, recurrence, populations that feed themselves."""
    out = []
    everything: list[Source] = [*inputs, *populations]
    for _ in range(int(rng.integers(0, 5))):
        first, second = int(rng.integers(len(everything))), int(rng.integers(len(populations)))
        source, population = everything[first], populations[second]
        if (source.name, population.name) in taken:
            continue
        taken.add((source.name, population.name))
        ends = Ends(source.shape, population.shape)
        names = ["dense", "sparse", "uniform"]
        names += ["one_to_one"] * 2 if ends.n_source == ends.n_destination else []
        kind, weights = _flat_kind(rng, str(rng.choice(names)), ends)
        if len(source.shape) == 3 and source.shape == population.shape and rng.random() < 0.5:
            kind = Conv2d(padding=(1, 1), groups=source.shape[2])
            weights = _weights(rng, (source.shape[2], 3, 3, 1))
        backwards = first >= len(inputs) + second
        out.append(_projection(rng, source, population, kind, weights, int(backwards)))
    return out


def _projection(
    rng: Rng,
    source: Source,
    population: Population,
    kind: Kind,
    weights: NDArray[Any],
    least_delay: int,
) -> Projection:
    bits = int(rng.choice([8, 8, 4, 2]))
    low, high = numfmt.signed_range(bits)
    return Projection(
        source.name,
        population.name,
        np.clip(weights, low, high),
        weight_bits=bits,
        shift=int(rng.choice([0, 0, 0, 1, 3, numfmt.SHIFT_MAX])),
        delay=max(int(rng.choice([0, 0, 1, 2, 3, numfmt.DELAY_MAX])), least_delay),
        kind=kind,
    )


def _bounded(
    fan_in: list[Projection], sources: dict[str, Source], population: Population
) -> list[Projection]:
    """Lower shifts, then halve weights, until the worst case stays inside the accumulator."""
    while True:
        least, greatest = worst_case(population, [(p, sources[p.source]) for p in fan_in])
        if least.min() >= numfmt.ACCUMULATOR_MIN and greatest.max() <= numfmt.ACCUMULATOR_MAX:
            return fan_in
        if any(p.shift for p in fan_in):
            fan_in = [replace(p, shift=max(p.shift - 1, 0)) for p in fan_in]
        else:
            fan_in = [replace(p, weights=np.fix(p.weights / 2).astype(np.int8)) for p in fan_in]


def _population(rng: Rng, name: str, shape: Shape) -> Population:
    multi_spike = bool(rng.random() < 0.3)
    resets = [r.value for r in Reset]
    reset = Reset.SUBTRACT if multi_spike else Reset(rng.choice(resets, p=[0.4, 0.25, 0.25, 0.1]))
    floor = int(rng.choice([numfmt.POTENTIAL_MIN, -300, -1, 0]))
    has_current = rng.random() < 0.3
    has_rest = rng.random() < 0.35
    return Population(
        name,
        shape,
        threshold=_parameter(rng, "threshold", shape),
        decay=_parameter(rng, "decay", shape),
        bias=_parameter(rng, "bias", shape),
        reset=reset,
        reset_order=ResetOrder(rng.choice([o.value for o in ResetOrder])),
        reset_value=int(rng.choice([5, -90, numfmt.POTENTIAL_MAX, numfmt.POTENTIAL_MIN]))
        if reset is Reset.VALUE
        else 0,
        initial=int(rng.choice([0, 0, 30, floor, numfmt.POTENTIAL_MAX])),
        floor=floor,
        refractory=int(rng.choice([1, 2, 3, numfmt.REFRACTORY_MAX])) if has_rest else 0,
        current_decay=_parameter(rng, "current_decay", shape) if has_current else None,
        multi_spike=multi_spike,
    )


def _suited_inputs(
    inputs: tuple[InputPopulation, ...], config: BuildConfig
) -> tuple[InputPopulation, ...]:
    inputs = inputs if config.groups else inputs[:1]
    return tuple(replace(p, signed=p.signed and config.graded) for p in inputs)


def _suited_population(population: Population, config: BuildConfig) -> Population:
    """Return the population less what the build lacks: the first neuron's parameters for all."""
    values: dict[str, Any] = {}
    if not config.parameter_rows:
        for name in _RANGES:
            value = getattr(population, name)
            values[name] = None if value is None else value.flat[0]
    if not config.refractory:
        values["refractory"] = 0
    if not config.current:
        values["current_decay"] = None
    if not config.multi_spike:
        values["multi_spike"] = False
    return replace(population, **values)


def _suited_projections(
    rng: Rng,
    drafts: list[Projection],
    inputs: tuple[InputPopulation, ...],
    populations: list[Population],
    config: BuildConfig,
) -> list[Projection]:
    """Return the projections that the build can have, less what it lacks."""
    everything: list[Source] = [*inputs, *populations]
    place = {p.name: i for i, p in enumerate(everything)}
    sizes = {p.name: p.n_neurons for p in everything}
    low, high = numfmt.signed_range(config.weight_bits)
    suited = []
    for draft in drafts:
        values: dict[str, Any] = {}
        weights = draft.weights
        if not config.groups and not isinstance(draft.kind, Dense):
            values["kind"] = Dense()
            weights = _weights(rng, (sizes[draft.destination], sizes[draft.source]))
            weights = np.clip(weights, *numfmt.signed_range(draft.weight_bits))
        if not config.graded:
            values["shift"] = 0
        delayed = config.groups if place[draft.source] < len(inputs) else config.history_rows
        if not delayed:
            if place[draft.source] >= place[draft.destination]:
                continue
            values["delay"] = 0
        suited.append(replace(draft, weights=np.clip(weights, low, high), **values))
    return suited


def _parameter(rng: Rng, name: str, shape: Shape) -> NDArray[np.int32]:
    """Return one value, or one per channel or neuron; the range's ends are frequent."""
    sizes: list[Shape] = [(), (), (shape[-1],), (int(np.prod(shape)),)]
    size = sizes[int(rng.integers(len(sizes)))]
    low, high = _RANGES[name]
    values = rng.integers(low, high + 1, size)
    edges = rng.choice(_EDGES[name], size)
    out: NDArray[np.int32] = np.where(rng.random(size) < 0.2, edges, values).astype(np.int32)
    return out


def _pair(rng: Rng, low: int, stop: int) -> tuple[int, int]:
    first, second = rng.integers(low, stop, 2)
    return int(first), int(second)


def _weights(rng: Rng, shape: Shape) -> NDArray[np.int8]:
    low, high = numfmt.signed_range(8)
    scale = int(rng.choice([1, 7, 40, high]))
    values = rng.integers(-scale - 1, scale + 1, shape)
    edges = rng.choice([low, high, 0, 1, -1], shape)
    mixed = np.where(rng.random(shape) < 0.1, edges, values)
    return np.clip(mixed, low, high).astype(np.int8)

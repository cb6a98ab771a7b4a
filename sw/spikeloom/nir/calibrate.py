"""Quantisation without training: steps, thresholds and biases by what they do to the spikes.

From the first population to the last, each choice is tried on the spikes that the quantised
populations before it send, beside the spikes of the graph in real numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compile.proof import population_bound
from ..spec.errors import NetworkError
from ..spec.network import InputPopulation, Network, Reset
from ..spec.numfmt import ACCUMULATOR_MAX, ACCUMULATOR_MIN, MAGNITUDE_MAX
from .graph import Array
from .interpret import FloatTrace, Interpreter
from .lower import RealNetwork, lower
from .quantise import Quantised, adjust, join, quantise
from .steps import (
    Demand,
    Part,
    Steps,
    choose_steps,
    finenesses,
    grid_steps,
    part_of,
    weight_error,
)
from .synapses import order

BALANCE = tuple(1 + 0.01 * i for i in range(-6, 7))
"""Factors of a threshold that balancing tries."""

GRADED_UNSEEN = 2
"""Magnitude of multi-spike events that is reckoned with where no samples show more."""


FIT_ROUNDS = 6
FIT_MARGIN = 1.02
"""How often, and by how much more than they lack, steps are made coarser to fit."""


@dataclass(frozen=True)
class Calibration:
    """Samples of the input and what the graph makes of them in real numbers.

    ``events`` are integers of shape (S, T, n) in the contract's order of neurons.
    """

    events: NDArray[np.int64]
    trace: FloatTrace


@dataclass(frozen=True)
class Converted:
    """A graph as a network: ``steps`` are the real size of 1 per neuron of each population."""

    real: RealNetwork
    network: Network
    steps: Mapping[str, Array]


def calibrate_on(interpreter: Interpreter, inputs: NDArray[Any]) -> Calibration:
    """Return a calibration on inputs (S, T, *NIR shape of the input)."""
    trace = interpreter.run(inputs)
    shape = next(iter(interpreter.inputs.values()))
    flat = inputs.reshape(*inputs.shape[:2], -1)[:, :, order(shape)]
    return Calibration(flat.astype(np.int64), trace)


def convert(
    interpreter: Interpreter,
    bits: int,
    calibration: Calibration | None = None,
    *,
    max_magnitude: int = 1,
    signed: bool = False,
    bias_correction: bool = False,
    plain: bool = False,
    fit: bool = False,
) -> Converted:
    """Return the graph in integers.

    Parameters
    ----------
    bits
        Width of the weights: 8, 4 or 2.
    calibration
        Samples to choose steps and thresholds by; without, steps are those of the least
        squared error of the weights.
    max_magnitude, signed
        Of the input population.
    bias_correction
        Whether biases take up what rounding changes in the mean input, where that makes the
        spikes agree better.
    plain
        Whether each population must have one step for all its channels, and no projection a
        shift.
    fit
        Whether steps are made coarser where accumulators might overflow.

    Raises
    ------
    NetworkError
        With every reason why the graph cannot be mapped.
    """
    real = lower(interpreter)
    sent: dict[str, NDArray[np.int64]] = {}
    if calibration is not None:
        sent[real.input_name] = calibration.events
    done: list[Quantised] = []
    for population in real.populations:
        part = part_of(real, population)
        magnitudes = (
            _magnitude(real, p.source, max_magnitude, calibration) for p in part.projections
        )
        demand = Demand(bits, tuple(magnitudes), plain)
        bench = None
        if calibration is not None:
            bench = _Bench(real, part, sent, calibration, signed)
        best = _quantised(part, demand, bench, bias_correction)
        for _ in range(FIT_ROUNDS if fit else 0):
            excess = _excess(real, [*done, best], max_magnitude, signed)
            if excess <= 1:
                break
            least = best.step[: part.n_channels] * excess * FIT_MARGIN
            best = _quantised(part, replace(demand, least=least), bench, bias_correction)
        if bench is not None:
            sent[population.name] = bench.spikes(best)
        done.append(best)
    network = join(real, done, max_magnitude, signed)
    return Converted(real, network, {q.population.name: q.step for q in done})


def _quantised(
    part: Part, demand: Demand, bench: _Bench | None, bias_correction: bool
) -> Quantised:
    """Return one population in integers."""
    grid = None if np.any(demand.least) else grid_steps(part, demand.bits)
    if grid is not None:
        return quantise(part, grid, demand.bits)
    if bench is None:
        candidates = choose_steps(part, demand, finenesses(part, demand)[0])
        scores = np.array([weight_error(part, c, demand.bits) for c in candidates])
        return quantise(part, _choose(part, candidates, scores, demand.plain), demand.bits)
    best = _balance(bench, _best_steps(bench, demand), demand.plain)
    return _correct(bench, best, demand.plain) if bias_correction else best


def _excess(
    real: RealNetwork, done: Sequence[Quantised], max_magnitude: int, signed: bool
) -> float:
    """Return how many times the accumulator the last of the populations may need."""
    known = {real.input_name, *(p.name for q in done for p in (*q.constants, q.population))}
    last = done[-1].population
    parts = [
        replace(q, projections=tuple(p for p in q.projections if p.source in known)) for q in done
    ]
    network = join(replace(real, outputs=(last.name,)), parts, max_magnitude, signed)
    bound = population_bound(network, last)
    return max(bound.low / ACCUMULATOR_MIN, bound.high / ACCUMULATOR_MAX)


def _magnitude(
    real: RealNetwork, source: str, max_magnitude: int, calibration: Calibration | None
) -> int:
    if source == real.input_name:
        return max_magnitude
    population = real.population(source)
    if not population.multi_spike:
        return 1
    seen = 0 if calibration is None else int(population.target(calibration.trace).max(initial=0))
    return min(max(seen, GRADED_UNSEEN), MAGNITUDE_MAX)


def _choose(part: Part, candidates: Sequence[Steps], scores: Array, plain: bool) -> Steps:
    """Return the best steps, per channel if it may be; ``scores`` is (candidates, channels)."""
    if plain or part.one_step or part.population.clamp:
        return candidates[int(scores.sum(axis=1).argmin())]
    best = scores.argmin(axis=0)
    step = np.stack([c.step for c in candidates])[best, np.arange(part.n_channels)]
    return Steps(step, candidates[0].shifts)


class _Bench:
    """Runs one population on what its sources send."""

    def __init__(
        self,
        real: RealNetwork,
        part: Part,
        sent: Mapping[str, NDArray[np.int64]],
        calibration: Calibration,
        signed: bool,
    ) -> None:
        self.part, self.real = part, real
        self.fires = part.population.reset is not Reset.NONE
        self.target = part.population.target(calibration.trace)
        sources = dict.fromkeys(p.source for p in part.projections)
        self.sources = [s for s in sources if s != part.population.name] or [real.input_name]
        self.events, self.wanted = {}, {}
        for source in self.sources:
            if source == real.input_name:
                self.wanted[source] = calibration.events.astype(np.int64)
            else:
                self.wanted[source] = real.population(source).target(calibration.trace)
            # a population further on, whose spikes come back, counts as in real numbers
            self.events[source] = np.clip(
                sent.get(source, self.wanted[source]), -MAGNITUDE_MAX, MAGNITUDE_MAX
            )
        self.signed = signed

    def _trace(self, quantised: Quantised) -> Any:
        from spikeloom_sim.matrix import MatrixModel

        inputs = tuple(
            InputPopulation(
                name,
                self.real.shape(name),
                MAGNITUDE_MAX,
                self.signed and name == self.real.input_name,
            )
            for name in self.sources
        )
        network = Network(
            inputs,
            (*quantised.constants, quantised.population),
            quantised.projections,
            (quantised.population.name,),
        )
        return MatrixModel(network).run_unchecked(self.events)

    def spikes(self, quantised: Quantised) -> NDArray[np.int64]:
        """Return the spikes, int64 (S, T, n)."""
        found: NDArray[Any] = self._trace(quantised).spikes[quantised.population.name]
        return found.astype(np.int64)

    def score(self, quantised: Quantised) -> Array:
        """Return how far each channel is from its target, float64 (channels,).

        That is the number of ticks and neurons whose spikes differ, and the difference of
        the numbers of spikes; for potentials, the squared error.  It is infinite if an
        accumulator overflows.
        """
        name = quantised.population.name
        try:
            trace = self._trace(quantised)
        except NetworkError:
            return np.full(self.part.n_channels, np.inf)
        if not self.fires:
            away = np.square(trace.potentials[name] * quantised.step - self.target)
            return self._by_channel(away)
        got = trace.spikes[name].astype(np.int64)
        different = self._by_channel(got != self.target)
        return different + np.abs(self._by_channel(got - self.target))

    def _by_channel(self, values: NDArray[Any]) -> Array:
        table = values.reshape(-1, self.part.n_channels)
        return np.asarray(table.sum(axis=0), np.float64)


def _best_steps(bench: _Bench, demand: Demand) -> Quantised:
    part, bits = bench.part, demand.bits
    ranks = {}
    for fine in finenesses(part, demand):
        unclipped = choose_steps(part, demand, fine)[0]
        ranks[fine] = float(bench.score(quantise(part, unclipped, bits)).sum())
    candidates = choose_steps(part, demand, min(ranks, key=lambda f: ranks[f]))
    made = [quantise(part, c, bits) for c in candidates]
    if len(made) == 1:
        return made[0]
    scores = np.array([bench.score(q) for q in made])
    mixed = quantise(part, _choose(part, candidates, scores, demand.plain), bits)
    return _better(bench, made[int(scores.sum(axis=1).argmin())], mixed)


def _better(bench: _Bench, first: Quantised, second: Quantised) -> Quantised:
    return second if bench.score(second).sum() < bench.score(first).sum() else first


def _balance(bench: _Bench, quantised: Quantised, plain: bool) -> Quantised:
    """Return ``quantised`` with the thresholds, per channel, whose spikes agree best."""
    if not bench.fires:
        return quantised
    theta = quantised.population.per_neuron("threshold").astype(np.int64)
    return _per_channel(
        bench, quantised, [np.round(theta * f).astype(np.int64) for f in BALANCE],
        lambda values: adjust(quantised, threshold=values), plain,
    )  # fmt: skip


def _per_channel(
    bench: _Bench,
    quantised: Quantised,
    tried: Sequence[NDArray[np.int64]],
    make: Callable[[NDArray[np.int64]], Quantised],
    plain: bool,
) -> Quantised:
    scores = np.array([bench.score(make(values)) for values in tried])
    best = scores.argmin(axis=0)
    if plain:
        return _better(bench, quantised, make(tried[int(scores.sum(axis=1).argmin())]))
    channel = np.arange(quantised.population.n_neurons) % bench.part.n_channels
    mixed = np.stack(tried)[best[channel], np.arange(len(channel))]
    return _better(bench, quantised, make(mixed))


def _correct(bench: _Bench, quantised: Quantised, plain: bool) -> Quantised:
    """Return ``quantised`` with biases that take up the change of the mean input."""
    p = quantised.population
    change = np.zeros(p.n_neurons)
    real = {(q.source, q.destination): q for q in bench.part.projections}
    for projection in quantised.projections:
        wanted = real.get((projection.source, projection.destination))
        if wanted is None or projection.source == p.name:
            continue
        ends = bench.real.ends(wanted)
        whole = projection.weights.astype(np.float64) * 2.0**projection.shift
        mean = {
            name: events[projection.source].mean(axis=(0, 1), dtype=np.float64)[None]
            for name, events in (("real", bench.wanted), ("whole", bench.events))
        }
        change += wanted.kind.sums(mean["real"], ends, wanted.weights)[0] / quantised.step
        change -= projection.kind.sums(mean["whole"], ends, whole)[0]
    if p.current_decay is not None:
        change /= np.maximum(1 - p.per_neuron("current_decay") / 2**15, 2**-15)
    table = change.reshape(-1, bench.part.n_channels)
    mean_change = np.tile(table.mean(axis=0), len(table))
    if plain:
        mean_change = np.full_like(mean_change, mean_change.mean())
    bias = p.per_neuron("bias").astype(np.int64)
    tried = [bias + np.round(mean_change * share).astype(np.int64) for share in (0, 0.5, 1)]
    return _per_channel(
        bench, quantised, tried, lambda values: adjust(quantised, bias=values), plain
    )

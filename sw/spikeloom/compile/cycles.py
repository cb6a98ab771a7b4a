"""The performance model: how many clock cycles a sample takes, and why.

The formula is in docs/core.md; this is the same in NumPy.  It follows the core's chain of work
from tick to tick: replays of delayed spikes, then population by population, beside the last ones
the input of the next tick.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import UsageError
from ..spec.manifest import BuildFacts, PlacedPopulation
from ..spec.numfmt import MAGNITUDE_MAX
from ..spec.tables import POPULATIONS, REPLAYS, unpack_row
from .compact_cycles import CompactModel
from .traffic import (
    Images,
    Int64,
    Spikes,
    is_grouped,
    operations,
    spike_pairs,
)
from .visits import Values, Visits

DIGITS = MAGNITUDE_MAX.bit_length()
HISTORY_TICKS = 63

START = 6
START_SILENT = 1
"""From the first beat of a run to its first operation, and to its first TICK without spikes."""
TICK_SILENT = 2
END_SILENT = 6
ROW_AT_REST = 3
"""A population of which no row is active."""
SWEEP = 14
"""From the last SWEEP of a population to the next population."""
OPEN = 9
"""From the last SWEEP until the input is let in."""
WRITES_LATER = 6
"""Stages by which a SWEEP writes later than an ADD."""
SPIKES = 12
"""From a SWEEP, and the operations of its spikes, to the next population."""
LOOK_UP = 4
"""Further cycles before the first operation of a grouped projection."""
HELD, HELD_GROUPED = 1, 4
"""State rows to visit that the walker may hold when it has to wait."""
DIVIDE = 19
"""A row of a multi-spike population."""
FIRST_DIGIT = 14
"""From the PEEK of such a row until the spikes of its highest digit leave the encoder."""
DIGIT_WALKS = 6
"""From there to their first operation."""
MASK = 3
"""A mask of spikes that a replay looks at."""
REPLAY = 7
REPLAY_EARLY = 4
REPLAYED = 2
"""A replay, and one whose tick lies before the sample."""
READOUT = 10
"""A row of potentials that is sent, beside a cycle for each neuron."""
HELD_PAIRS = 1
"""Pairs on their way between encoder and walker."""
CREDITS = 8
"""Masks of spikes that may wait."""


@dataclass(frozen=True)
class Cycles:
    """What a run takes.

    Parameters
    ----------
    ticks
        int64 of shape (samples, ticks): from the token of a tick to that of the next.
    samples
        int64 of shape (samples,): the core's own count, :attr:`RunResult.cycles`.
    parts
        Cycles of all samples by the part of the work that the core waited for: ``input``,
        ``replays``, each population (its sweep, and the operations of its spikes) and ``end`` of
        the samples.
    """

    ticks: Int64
    samples: Int64
    parts: dict[str, int]

    @property
    def bottleneck(self) -> str:
        """The part that takes the most cycles."""
        return max(self.parts, key=lambda name: self.parts[name])


def cycles_of(
    build: BuildFacts,
    images: Images,
    spikes: Spikes,
    potentials: Values = None,
    final: Values = None,
) -> Cycles:
    """Return the cycles of a run of a compiled network.

    Parameters
    ----------
    build, images
        Of :class:`~spikeloom.compile.Compiled`, or of a compiled artefact.
    spikes
        Values of every input and spikes of every population by name, integers of shape
        (samples, ticks, neurons): a run of the golden model, or random ones of some rate.
    potentials, final
        H, of shape (samples, ticks, neurons), and V after the last tick, (samples, neurons),
        of every population: they tell which rows are at rest.  Without them none is.

    Raises
    ------
    UsageError
        For a build of several cores.

    Notes
    -----
    Streams are taken never to wait.
    """
    if build.config.cores != 1:
        raise UsageError(f"the performance model counts one core, not {build.config.cores}")
    visits = Visits(build, images, spikes, potentials, final)
    return Cycles(*CompactModel(visits).run()) if build.config.compact else _Model(visits).run()


@dataclass(frozen=True)
class _Facts:
    """A population, and per tick what it gives to do."""

    placed: PlacedPopulation
    entry: dict[str, int]
    active: NDArray[np.bool_]  # (all ticks, rows)
    ending: NDArray[np.bool_]  # (samples, rows)
    work: Int64  # (all ticks, rows): cycles of the operations of its spikes
    masks: Int64  # (all ticks, rows, digits): the same by binary digit, highest first
    per_pair: float  # cycles of a pair, on average
    walks: bool  # its spikes go to rows in the same tick
    look_up: int

    @property
    def name(self) -> str:
        """Its name."""
        return self.placed.name


@dataclass(frozen=True)
class _Step:
    """A population in a tick.

    ``cycles`` until the next population, ``swept`` until its last SWEEP (0: it has none), ``work``
    the operations of its spikes behind that; ``blocks`` counts cycles in which no input may go.
    """

    name: str
    cycles: int
    swept: int = 0
    work: int = 0
    blocks: int = 0


class _Model:
    def __init__(self, visits: Visits) -> None:
        build, images, pairs = visits.build, visits.images, visits.pairs
        self.visits, self.images = visits, images
        self.lanes = build.config.lanes
        self.late = int(build.config.graded)
        self.n_samples, self.n_ticks = visits.n_samples, visits.n_ticks
        entries = [unpack_row(POPULATIONS, row) for row in images["populations"]]
        first, count = entries[0]["first_projection"], entries[0]["n_projections"]
        work = operations(pairs, images, first, count)
        size = self.n_samples * self.n_ticks
        cycles = np.maximum(work.cycles, 1)
        grouped = is_grouped(images, first, count)
        ahead = _ahead(pairs.block, work.rows, HELD_GROUPED if grouped else HELD)
        self.input, self.ahead = (
            np.bincount(pairs.block, each, size).astype(np.int64)
            for each in (cycles, np.where(ahead, cycles, 0))
        )
        self.input_look_up = LOOK_UP * grouped
        self.populations = [
            self._facts(placed, entry)
            for placed, entry in zip(build.populations[1:], entries[1:], strict=True)
        ]
        self.opens = max(
            (i for i, p in enumerate(self.populations) if p.entry["opens_input"]), default=0
        )
        self.replay_work = self._replays()
        self.parts: Counter[str] = Counter()

    def _facts(self, placed: PlacedPopulation, entry: dict[str, int]) -> _Facts:
        counts = self.visits.flat(placed.name)
        first, count = entry["first_projection"], entry["n_projections"]
        pairs = spike_pairs(counts, self.lanes, placed.multi_spike)
        work = np.maximum(operations(pairs, self.images, first, count).cycles, 1)
        digits = DIGITS if placed.multi_spike else 1
        if placed.multi_spike and entry["emit_spikes"]:
            both = (pairs.even >= 0) & (pairs.odd >= 0) & (pairs.block % digits != digits - 1)
            work = np.maximum(work, 1 + both)
        shape = (len(counts), placed.n_rows, digits)
        masks = np.bincount(pairs.block, work, int(np.prod(shape))).astype(np.int64)
        masks = masks.reshape(shape)
        return _Facts(
            placed=placed,
            entry=entry,
            active=self.visits.at_ticks(placed, entry),
            ending=self.visits.at_end(placed, entry),
            work=masks.sum(axis=2),
            masks=masks,
            per_pair=float(work.mean()) if len(work) else 0.0,
            walks=count > 0,
            look_up=LOOK_UP * is_grouped(self.images, first, count),
        )

    def _replays(self) -> Int64:
        """Return the cycles of the replays before each tick, int64 of shape (samples, ticks)."""
        out = np.zeros((self.n_samples, self.n_ticks), np.int64)
        rows = [unpack_row(REPLAYS, row) for row in self.images.get("replays", ())]
        kept = self._kept_masks()
        if not rows or not kept.any():
            return out
        held = np.zeros_like(out, np.bool_)
        for back in range(1, min(HISTORY_TICKS, self.n_ticks - 1) + 1):
            held[:, back:] |= kept[:, : self.n_ticks - back] > 0
        for row in rows:
            delay, first, count = row["delay"], row["first_projection"], row["n_projections"]
            source = self.populations[row["population"] - 1]
            pairs = spike_pairs(
                self.visits.flat(source.name), self.lanes, source.placed.multi_spike
            )
            digits = DIGITS if source.placed.multi_spike else 1
            ticks = pairs.block // (digits * source.placed.n_rows)
            cost = operations(pairs, self.images, first, count).cycles
            work = np.bincount(ticks, cost, out.size).reshape(out.shape).astype(np.int64)
            look_up = LOOK_UP * is_grouped(self.images, first, count)
            cycles = np.full_like(out, REPLAY_EARLY)
            then = slice(None, max(self.n_ticks - delay, 0))
            with_work = np.where(work > 0, work + SPIKES + look_up, 0)
            cycles[:, delay:] = np.maximum(REPLAY + MASK * kept, with_work)[:, then]
            out += cycles
        return np.where(held, out + REPLAYED, 0)

    def _kept_masks(self) -> Int64:
        """Return the masks that each tick leaves in the history."""
        out = np.zeros((self.n_samples, self.n_ticks), np.int64)
        for population in self.populations:
            if population.entry["records"]:
                counts = self.visits.flat(population.name)
                pairs = spike_pairs(counts, self.lanes, population.placed.multi_spike)
                digits = DIGITS if population.placed.multi_spike else 1
                masks = np.unique(pairs.block) // (digits * population.placed.n_rows)
                out += np.bincount(masks, minlength=out.size).reshape(out.shape)
        return out

    def run(self) -> Cycles:
        """Follow the tokens of all samples."""
        ticks = np.zeros((self.n_samples, self.n_ticks), np.int64)
        samples = np.zeros(self.n_samples, np.int64)
        first = int(self.input[0]) if self.input.size else 0
        start = START + first if first else START_SILENT
        self.parts["input"] += start
        samples[0] = start
        for sample in range(self.n_samples):
            for tick in range(self.n_ticks):
                at = sample * self.n_ticks + tick
                following = self._following(at + 1) if tick + 1 < self.n_ticks else (0, 0)
                ticks[sample, tick] = self._tick(at, int(self.replay_work[sample, tick]), following)
            samples[sample] += ticks[sample].sum()
            at = (sample + 1) * self.n_ticks
            following = self._following(at) if at < len(self.input) else (0, 0)
            whole, own = self._end(sample, following)
            samples[sample] += own
            if sample + 1 < self.n_samples:
                samples[sample + 1] += whole - own
        return Cycles(ticks, samples, dict(self.parts))

    def _following(self, at: int) -> tuple[int, int]:
        """Return the input's work in a tick: that which need not wait, and the rest."""
        return int(self.ahead[at]), int(self.input[at] - self.ahead[at])

    def _chain(self, steps: list[_Step], before: int, following: tuple[int, int]) -> int:
        """Return the cycles until the next token is taken, and note what they went into.

        ``before`` counts cycles before the first step; ``following`` is the input's work.
        """
        ahead, behind = following
        alone = before + sum(step.cycles for step in steps) + 1
        first, own, later = steps[: self.opens], steps[self.opens], steps[self.opens + 1 :]
        begin = before + sum(step.cycles for step in first)
        shares = Counter({own.name: (own.swept + OPEN if own.swept else ROW_AT_REST) + own.work})
        waits = max(ahead + TICK_SILENT - begin - shares[own.name], 0)
        beside = begin + shares[own.name] + waits + behind
        begin += own.cycles
        for step in later:
            if beside > begin:
                beside += step.blocks
                shares[step.name] += step.blocks
            begin += step.cycles
        self.parts["replays"] += before
        if not behind:
            beside = ahead and ahead + TICK_SILENT
        if beside <= alone:
            first, shares = steps, Counter({steps[-1].name: 1})
        else:
            shares["input"] += waits + behind
        for step in first:
            shares[step.name] += step.cycles
        self.parts.update(shares)
        return max(alone, beside)

    def _tick(self, at: int, replays: int, following: tuple[int, int]) -> int:
        steps = [self._population(population, at) for population in self.populations]
        if not replays and not any(step.swept for step in steps):
            return self._silent("input", TICK_SILENT, following)
        return self._chain(steps, replays, following)

    def _silent(self, part: str, least: int, following: tuple[int, int]) -> int:
        """Return the cycles of a token that finds every row at rest."""
        work = sum(following)
        cycles = max(least, work + 2 + self.input_look_up if work else 0)
        self.parts[part] += cycles
        return cycles

    def _population(self, population: _Facts, at: int) -> _Step:
        """Return what a tick of a population takes."""
        rows = _row_numbers(population.active, at)
        if not rows:
            return _Step(population.name, ROW_AT_REST)
        work = population.work[at]
        if population.placed.multi_spike:
            return self._divided(population, at, rows)
        grant = finish = 0
        taken: list[int] = []
        for number, row in enumerate(rows):
            grant += 1
            if number >= CREDITS:
                grant = max(grant, taken[number - CREDITS])
            own = int(work[row])
            taken.append(grant + CREDITS + self.late)
            if own:
                taken[-1] = max(taken[-1] + 1, finish - 2)
                begin = grant + SPIKES - 1 + self.late + population.look_up
                finish = max(finish, begin) + own
        cycles = max(grant + SWEEP + self.late, finish + 1)
        total = int(work.sum()) if population.walks else 0
        return _Step(population.name, cycles, grant, total, self._blocked(len(rows)) + total)

    def _blocked(self, rows: int) -> int:
        """Return the cycles in which SWEEPs are issued, or write back in the place of an ADD."""
        return rows + min(rows, WRITES_LATER + self.late)

    def _divided(self, population: _Facts, at: int, rows: list[int]) -> _Step:
        """Return what a tick of a multi-spike population takes, row by row."""
        masks = population.masks[at]
        later = DIGIT_WALKS if population.walks else 0
        ahead = round(HELD_PAIRS * population.per_pair) + later - 1
        swept = finish = taken = 0
        for row in rows:  # which waits until the encoder has the last mask of the one before
            begin = max(swept, taken)
            swept = begin + DIVIDE
            own = masks[row].tolist()
            for digit, cycles in enumerate(own):
                if cycles:
                    finish = max(finish, begin + FIRST_DIGIT + later + digit) + cycles
            if any(own):
                taken = finish - own[-1] - ahead
        work = int(masks.sum())
        left = max(finish - swept, 0)
        cycles = swept + max(SWEEP + self.late, left + 2)
        return _Step(population.name, cycles, swept, left, DIVIDE * len(rows) + work)

    def _end(self, sample: int, following: tuple[int, int]) -> tuple[int, int]:
        """Return the cycles of END until the next tick's token, and those until it is sent."""
        steps = []
        for population in self.populations:
            rows = _row_numbers(population.ending, sample)
            swept = len(rows)
            cycles = swept + SWEEP + self.late if rows else ROW_AT_REST
            probe = 0
            if population.entry["probe_end"]:
                last = population.placed.n_rows - 1
                lanes = (population.entry["lanes_last"] if r == last else self.lanes for r in rows)
                probe = sum(lane + READOUT for lane in lanes) + 2
            steps.append(
                _Step(
                    "end",
                    cycles + probe,
                    swept=swept and swept + probe,
                    blocks=self._blocked(swept) + probe,
                )
            )
        if not any(step.swept for step in steps):
            return self._silent("end", END_SILENT, following), END_SILENT
        own = sum(step.cycles for step in steps) + 2
        return max(own, self._chain(steps, 0, following)), own


def _ahead(block: Int64, rows: Int64, held: int) -> NDArray[np.bool_]:
    """Return the pairs of each block that come before one that visits a row beyond ``held``."""
    visited = np.cumsum(rows)
    begins = np.searchsorted(block, block)
    found: NDArray[np.bool_] = visited - (visited - rows)[begins] <= held
    return found


def _row_numbers(active: NDArray[np.bool_], at: int) -> list[int]:
    """Return the rows that are active; a single row of flags stands for all."""
    rows: list[int] = np.flatnonzero(active[at if len(active) > 1 else 0]).tolist()
    return rows

"""The performance model of the compact core: one thing after the other, so its cycles add up."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..spec.manifest import BuildFacts, PlacedPopulation
from ..spec.tables import POPULATIONS, PROJECTIONS, unpack_row
from .traffic import Images, Int64, Spikes, column, input_pairs
from .visits import Values, Visits

START = 1
"""From the first beat of a run to its first item."""
ITEM = 1
"""A pair of the input, or a token, is looked at; a pair then is walked."""
PROJECTION = 5
"""A projection of a pair, beside a cycle for each of its rows."""
HEADER = 5
"""A population, beside its rows."""
NEURON, NEURON_END, NEURON_PROBED = 11, 4, 4
"""A neuron at TICK, and at END; what it takes beside that if it is probed."""
SLOT = 2
"""A pair of lanes of a row that has fired, up to the last that did."""
WALK = 1
"""A pair of spikes that has projections, beside them."""
ANSWER = 1
"""A TICK; a sample's cycles are taken before its END is answered."""
BLOCK_ROWS = 32
"""State rows at rest that are skipped in a cycle."""


class CompactModel:
    """See :func:`~.cycles.cycles_of`."""

    def __init__(
        self,
        build: BuildFacts,
        images: Images,
        spikes: Spikes,
        potentials: Values,
        final: Values,
    ) -> None:
        self.build, self.images = build, images
        self.lanes = build.config.lanes
        self.placed = build.populations[1:]
        self.entries = [unpack_row(POPULATIONS, row) for row in images["populations"]]
        pairs = input_pairs(spikes, build.inputs)
        self.visits = visits = Visits(build, images, spikes, pairs, potentials, final)
        self.n_samples, self.n_ticks = visits.n_samples, visits.n_ticks
        size = self.n_samples * self.n_ticks
        self.input_pairs = np.bincount(pairs.block, minlength=size)
        both = list(zip(self.placed, self.entries[1:], strict=True))
        # a row is visited that a spike has reached, even if H is 0 in the end
        self.active = [visits.with_potential(p) | visits.reached(e).reshape(-1, 1) for p, e in both]
        whole = np.zeros((self.n_samples, 1), np.bool_)
        self.ending = [visits.with_final(p) | whole for p in self.placed]
        self.parts: Counter[str] = Counter()

    def _projections(self, entry: dict[str, int], field: str) -> Int64:
        first, count = entry["first_projection"], entry["n_projections"]
        return column(PROJECTIONS, self.images["projections"][first : first + count], field)

    def _walk(self, entry: dict[str, int]) -> int:
        """Return the cycles of a pair in all projections."""
        rows = self._projections(entry, "n_rows")
        return int(rows.sum() + PROJECTION * len(rows))

    def run(self) -> tuple[Int64, Int64, dict[str, int]]:
        """Return the cycles of ticks and samples, and the parts of all samples."""
        shape = (self.n_samples, self.n_ticks)
        walk = self.input_pairs * (ITEM + self._walk(self.entries[0]))
        spikes = [self._spikes(p, e) for p, e in zip(self.placed, self.entries[1:], strict=True)]
        blocks = self._blocks(self.active)
        ticks = walk + ITEM + ANSWER
        self.parts["input"] = int(ticks.sum()) + START
        every = [bool(e["always_visit"]) for e in self.entries[1:]]
        busy = blocks.any(axis=1) | any(every)
        for i, placed in enumerate(self.placed):
            entry = self.entries[1 + i]
            cycles = self._visits(i, self.active[i], every[i], blocks, NEURON)
            probed = entry["probe_ticks"] * NEURON_PROBED
            cycles += self._neurons(i, self.active[i] | every[i], probed)
            cycles = np.where(busy, cycles + spikes[i], 0)
            self.parts[placed.name] = int(cycles.sum())
            ticks = ticks + cycles
        samples = ticks.reshape(shape).sum(axis=1) + self._end()
        samples[:1] += START
        return ticks.reshape(shape), samples, dict(self.parts)

    def _end(self) -> Int64:
        """Return the cycles of each END."""
        blocks = self._blocks(self.ending)
        every = [bool(e["always_clear"]) for e in self.entries[1:]]
        busy = blocks.any(axis=1) | any(every)
        cycles = np.full(self.n_samples, ITEM, np.int64)
        for i, entry in enumerate(self.entries[1:]):
            own = self._visits(i, self.ending[i], every[i], blocks, NEURON_END)
            own += self._neurons(i, self.ending[i] | every[i], entry["probe_end"] * NEURON_PROBED)
            cycles += np.where(busy, own, 0)
        self.parts["end"] = int(cycles.sum())
        return cycles

    def _blocks(self, rows: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return whether each block of rows has one that is not at rest: (ticks, blocks)."""
        whole = np.zeros((len(rows[0]), max(self.build.config.state_rows, BLOCK_ROWS)), np.bool_)
        for entry, own in zip(self.entries[1:], rows, strict=True):
            base = entry["row_base"]
            whole[:, base : base + own.shape[1]] |= own
        some: NDArray[np.bool_] = whole.reshape(len(whole), -1, BLOCK_ROWS).any(axis=2)
        return some

    def _visits(
        self,
        index: int,
        active: NDArray[np.bool_],
        every: bool,
        blocks: NDArray[np.bool_],
        neuron: int,
    ) -> Int64:
        """Return the cycles of a population's rows and neurons, shape (ticks,)."""
        n_rows = self.placed[index].n_rows
        number = (self.entries[1 + index]["row_base"] + np.arange(n_rows)) // BLOCK_ROWS
        looks = np.zeros(len(active), np.int64)
        for block in np.unique(number):
            own = int((number == block).sum())
            looks += own if every else np.where(blocks[:, block], own, 1)
        return HEADER + looks + 1 + self._neurons(index, active | every, neuron)

    def _neurons(self, index: int, rows: NDArray[np.bool_], cycles: int) -> Int64:
        """Return ``cycles`` for each neuron of the rows, shape (ticks,)."""
        lanes = np.full(rows.shape[1], self.lanes, np.int64)
        lanes[-1] = self.entries[1 + index]["lanes_last"]
        out: Int64 = (rows * lanes).sum(axis=1) * cycles
        return out

    def _spikes(self, placed: PlacedPopulation, entry: dict[str, int]) -> Int64:
        """Return the cycles of a population's spikes in each tick."""
        flat = self.visits.flat(placed.name) != 0
        width = placed.n_rows * self.lanes
        padded = np.pad(flat, ((0, 0), (0, width - placed.n_neurons)))
        pairs = padded.reshape(len(flat), placed.n_rows, -1, 2).any(axis=3)
        last = pairs.shape[2] - np.argmax(pairs[:, :, ::-1], axis=2)
        slots = np.where(pairs.any(axis=2), last, 0).sum(axis=1)
        walk = self._walk(entry)
        each = walk + WALK if walk else 0
        out: Int64 = slots * SLOT + pairs.sum(axis=(1, 2)) * each
        return out

"""The performance model of the compact core: one thing after the other, so its cycles add up."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ..spec.manifest import PlacedPopulation
from ..spec.tables import POPULATIONS, PROJECTIONS, unpack_row
from .traffic import Int64, column
from .visits import Visits

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

    def __init__(self, visits: Visits) -> None:
        self.visits, self.images, self.config = visits, visits.images, visits.build.config
        self.placed = visits.build.populations[1:]
        self.entries = [unpack_row(POPULATIONS, row) for row in self.images["populations"]]
        self.n_samples, self.n_ticks = visits.n_samples, visits.n_ticks
        size = self.n_samples * self.n_ticks
        self.input_pairs = np.bincount(visits.pairs.block, minlength=size)
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
        ticks = self.input_pairs * (ITEM + self._walk(self.entries[0])) + ITEM + ANSWER
        self.parts["input"] = int(ticks.sum()) + START
        swept = self._sweeps(self.active, "always_visit", NEURON, "probe_ticks")
        for placed, entry, cycles in zip(self.placed, self.entries[1:], swept, strict=True):
            own = cycles + self._spikes(placed, entry)
            self.parts[placed.name] = int(own.sum())
            ticks = ticks + own
        ended = self._sweeps(self.ending, "always_clear", NEURON_END, "probe_end")
        ends: Int64 = ITEM + np.sum(ended, axis=0)
        self.parts["end"] = int(ends.sum())
        samples = ticks.reshape(shape).sum(axis=1) + ends
        samples[:1] += START
        return ticks.reshape(shape), samples, dict(self.parts)

    def _sweeps(
        self, active: list[NDArray[np.bool_]], always: str, neuron: int, probe: str
    ) -> list[Int64]:
        """Return the cycles of each population's rows and neurons at TICKs or ENDs.

        ``always`` and ``probe`` are fields of the population table.
        """
        blocks = self._blocks(active)
        entries = self.entries[1:]
        busy = blocks.any(axis=1) | any(entry[always] for entry in entries)
        out = []
        for entry, rows in zip(entries, active, strict=True):
            each = neuron + entry[probe] * NEURON_PROBED
            out.append(busy * self._visits(entry, rows, bool(entry[always]), blocks, each))
        return out

    def _blocks(self, rows: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return whether each block of rows has one that is not at rest: (ticks, blocks)."""
        whole = np.zeros((len(rows[0]), max(self.config.state_rows, BLOCK_ROWS)), np.bool_)
        for entry, own in zip(self.entries[1:], rows, strict=True):
            base = entry["row_base"]
            whole[:, base : base + own.shape[1]] |= own
        some: NDArray[np.bool_] = whole.reshape(len(whole), -1, BLOCK_ROWS).any(axis=2)
        return some

    def _visits(
        self,
        entry: dict[str, int],
        active: NDArray[np.bool_],
        every: bool,
        blocks: NDArray[np.bool_],
        neuron: int,
    ) -> Int64:
        """Return the cycles of a population's rows and neurons, shape (ticks,)."""
        n_rows = active.shape[1]
        number = (entry["row_base"] + np.arange(n_rows)) // BLOCK_ROWS
        looks = np.zeros(len(active), np.int64)
        for block in np.unique(number):
            own = int((number == block).sum())
            looks += own if every else np.where(blocks[:, block], own, 1)
        lanes = np.full(n_rows, self.config.lanes, np.int64)
        lanes[-1] = entry["lanes_last"]
        out: Int64 = HEADER + looks + 1 + ((active | every) * lanes).sum(axis=1) * neuron
        return out

    def _spikes(self, placed: PlacedPopulation, entry: dict[str, int]) -> Int64:
        """Return the cycles of a population's spikes in each tick."""
        flat = self.visits.flat(placed.name) != 0
        width = placed.n_rows * self.config.lanes
        padded = np.pad(flat, ((0, 0), (0, width - placed.n_neurons)))
        pairs = padded.reshape(len(flat), placed.n_rows, -1, 2).any(axis=3)
        last = pairs.shape[2] - np.argmax(pairs[:, :, ::-1], axis=2)
        slots = np.where(pairs.any(axis=2), last, 0).sum(axis=1)
        walk = self._walk(entry)
        each = walk + WALK if walk else 0
        out: Int64 = slots * SLOT + pairs.sum(axis=(1, 2)) * each
        return out

"""Which state rows a core visits at a TICK and at END: those that are not at rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.manifest import BuildFacts, PlacedPopulation
from ..spec.numfmt import DECAY_ONE
from ..spec.tables import PARAMETERS, POPULATIONS, PROJECTIONS, REPLAYS, unpack_row
from .traffic import Images, Spikes, column, input_pairs, operations

Rows = NDArray[np.bool_]
Values = Mapping[str, NDArray[Any]] | None

USUAL_CURRENT = 256
"""A synaptic current, to tell how long one lasts."""


class Visits:
    """The rows of each population that are visited in a run.

    Parameters
    ----------
    build, images, spikes, potentials, final
        As of :func:`~.cycles.cycles_of`.

    Attributes
    ----------
    pairs
        Those of the inputs (:func:`~.traffic.input_pairs`).
    n_samples, n_ticks
        Of the run.
    """

    def __init__(
        self,
        build: BuildFacts,
        images: Images,
        spikes: Spikes,
        potentials: Values,
        final: Values,
    ) -> None:
        self.build, self.images, self.spikes = build, images, spikes
        self.potentials, self.final = potentials, final
        self.pairs = input_pairs(spikes, build.inputs)
        shape = np.asarray(spikes[build.populations[1].name]).shape
        self.n_samples, self.n_ticks = shape[:2]

    def flat(self, name: str) -> NDArray[Any]:
        """Return the spikes of a population, shape (all ticks, neurons)."""
        return np.asarray(self.spikes[name]).reshape(self.n_samples * self.n_ticks, -1)

    def with_value(self, values: NDArray[Any] | None, placed: PlacedPopulation) -> Rows:
        """Return whether any neuron of each row has a value, bool of shape (..., rows).

        Without values every row has one.
        """
        if values is None:
            return np.ones((1, placed.n_rows), np.bool_)
        lanes = self.build.config.lanes
        flat = np.asarray(values).reshape(-1, placed.n_neurons) != 0
        padded = np.pad(flat, ((0, 0), (0, placed.n_rows * lanes - placed.n_neurons)))
        some: Rows = padded.reshape(-1, placed.n_rows, lanes).any(axis=2)
        return some

    def with_potential(self, placed: PlacedPopulation) -> Rows:
        """Return the rows with an H other than 0, of shape (all ticks or 1, rows)."""
        known = self.potentials
        return self.with_value(None if known is None else known[placed.name], placed)

    def with_final(self, placed: PlacedPopulation) -> Rows:
        """Return the rows with a V other than 0 behind the last tick, (samples or 1, rows)."""
        known = self.final
        return self.with_value(None if known is None else known[placed.name], placed)

    def at_ticks(self, placed: PlacedPopulation, entry: dict[str, int]) -> Rows:
        """Return the rows that are visited at each tick, of shape (all ticks or 1, rows)."""
        fired = self._fired_rows(placed)
        resting = np.zeros_like(fired)
        for back in range(1, min(entry["refractory"], self.n_ticks - 1) + 1):
            resting[:, back:] |= fired[:, :-back]
        every = bool(entry["always_visit"])
        return self.with_potential(placed) | every | resting.reshape(-1, placed.n_rows)

    def at_end(self, placed: PlacedPopulation, entry: dict[str, int]) -> Rows:
        """Return the rows that are visited at each END, of shape (samples or 1, rows)."""
        late = self._fired_rows(placed)[:, max(self.n_ticks - entry["refractory"], 0) :]
        found: Rows = self.with_final(placed) | late.any(axis=1) | bool(entry["always_clear"])
        share = self._current_share(placed, entry)
        if share:
            lasts = self.n_ticks
            if share < 1:
                lasts = min(int(np.log(USUAL_CURRENT) / -np.log(share)), lasts)
            found = found | self.reached(entry)[:, self.n_ticks - lasts :].any(axis=1)[:, None]
        return found

    def reached(self, entry: dict[str, int]) -> NDArray[np.bool_]:
        """Return whether a spike reaches the population, bool of shape (samples, ticks)."""
        sources = [unpack_row(POPULATIONS, row) for row in self.images["populations"]]
        ways = [(source, index, 0) for index, source in enumerate(sources)]
        for row in self.images.get("replays", ()):
            replay = unpack_row(REPLAYS, row)
            ways.append((replay, replay["population"], replay["delay"]))
        when = np.zeros((self.n_samples, self.n_ticks), np.bool_)
        bases = column(PROJECTIONS, self.images["projections"], "row_base")
        for way, index, delay in ways:
            first = way["first_projection"]
            for number in range(first, first + way["n_projections"]):
                if bases[number] == entry["row_base"]:
                    fired = self._passes(index, number).reshape(when.shape)
                    when[:, delay:] |= fired[:, : max(self.n_ticks - delay, 0)]
        return when

    def _passes(self, index: int, projection: int) -> NDArray[np.bool_]:
        """Return in which of all ticks a spike of the source goes through the projection."""
        if index:
            fired: NDArray[np.bool_] = self.flat(self.build.populations[index].name).any(axis=1)
            return fired
        rows = operations(self.pairs, self.images, projection, 1).rows
        return np.bincount(self.pairs.block, rows, self.n_samples * self.n_ticks) > 0

    def _fired_rows(self, placed: PlacedPopulation) -> Rows:
        """Return the rows in which a neuron fires, of shape (samples, ticks, rows)."""
        fired = self.with_value(self.flat(placed.name), placed)
        return fired.reshape(self.n_samples, self.n_ticks, placed.n_rows)

    def _current_share(self, placed: PlacedPopulation, entry: dict[str, int]) -> float:
        """Return the greatest share that a neuron's current keeps from tick to tick."""
        shares: Any = entry["current_decay"]
        if self.build.config.parameter_rows:
            rows = entry["row_base"] + np.arange(placed.n_rows)
            own = entry["parameter_base"] + (rows & entry["parameter_mask"])
            words = self.images["parameters"][own % self.build.config.parameter_rows]
            shares = column(PARAMETERS, words.reshape(-1, PARAMETERS.words), "current_decay")
        return float(np.max(shares)) / DECAY_ONE

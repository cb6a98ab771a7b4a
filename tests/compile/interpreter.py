"""The images of a compiled network, walked as the core walks them, an event at a time."""

from __future__ import annotations

import numpy as np

from spikeloom.spec.tables import (
    GROUPS,
    PARAMETERS,
    POPULATIONS,
    PROJECTIONS,
    REPLAYS,
    RUNS,
    unpack_row,
)


class Images:
    """The memories of a core of ``config``, read field by field."""

    def __init__(self, config, images):
        self.config = config
        self.rows = {
            table.name: [unpack_row(table, row) for row in images[table.name]]
            for table in (POPULATIONS, PROJECTIONS, GROUPS, RUNS, REPLAYS)
            if table.name in images
        }
        self._parameters = images.get("parameters")
        self._banks = [unpacked(images[f"weights_{n}"], config) for n in ("even", "odd")]

    def projections(self, population, delay=0):
        """Return the projection rows that an event of ``population`` takes ``delay`` ticks on."""
        if delay == 0:
            row = self.rows["populations"][population]
            first, count = row["first_projection"], row["n_projections"]
        else:
            wanted = {"population": population, "delay": delay}
            rows = [r for r in self.rows["replays"] if wanted.items() <= r.items()]
            assert len(rows) <= 1
            if not rows:
                return []
            first, count = rows[0]["first_projection"], rows[0]["n_projections"]
        assert first + count <= len(self.rows["projections"])
        return self.rows["projections"][first : first + count]

    def event(self, population, source, arriving, delay=0, magnitude=1):
        """Add an event of ``source`` to ``arriving``, by state row and lane; return its SOPs."""
        return sum(
            self._project(row, source, arriving, magnitude)
            for row in self.projections(population, delay)
        )

    def _project(self, row, source, arriving, magnitude):
        lanes = self.config.lanes
        runs = [{**row, "lanes": lanes}]
        member = source
        if row["grouped"]:
            group = self.rows["groups"][row["group_base"] + (source >> row["group_bits"])]
            member = source & ((1 << row["group_bits"]) - 1)
            first = group["first_run"]
            runs = self.rows["runs"][first : first + group["n_runs"]]
            assert len(runs) == group["n_runs"]
        sops = 0
        for run in runs:
            assert run["n_rows"] >= 1
            for index in range(run["n_rows"]):
                line = run["weight_base"] + index * row["stride"]
                line += 0 if row["shared"] else member >> 1
                weights = self._banks[source & 1][line].astype(np.int64)
                arriving[run["row_base"] + index] += (weights * magnitude) << row["shift"]
                sops += run["lanes_last"] if index == run["n_rows"] - 1 else run["lanes"]
        return sops

    def parameters(self, population, neuron):
        """Return the parameters of a neuron by name."""
        row = self.rows["populations"][population]
        names = [field.name for field in PARAMETERS.fields]
        if self._parameters is None:
            return {name: row[name] for name in names}
        state_row, lane = divmod(neuron, self.config.lanes)
        at = row["parameter_base"] + ((row["row_base"] + state_row) & row["parameter_mask"])
        words = self._parameters[at % self.config.parameter_rows]
        return unpack_row(PARAMETERS, words[2 * lane : 2 * lane + 2])


def unpacked(image, config):
    """Return a weight bank as integers of shape (rows, lanes)."""
    bits = config.weight_bits
    lane = np.arange(config.lanes)
    fields = image[:, lane * bits // 32].astype(np.int64) >> (lane * bits % 32)
    fields &= (1 << bits) - 1
    return fields - ((fields >> (bits - 1)) << bits)

"""Memory images: a placed network as the words of a core's memories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..spec import numfmt
from ..spec.config import BuildConfig
from ..spec.memmap import memory_map
from ..spec.network import Network, Population, Reset, ResetOrder
from ..spec.tables import (
    GROUPS,
    POPULATIONS,
    PROJECTIONS,
    REPLAYS,
    RUNS,
    FireSelect,
    Table,
    pack_row,
)
from .banks import Int8
from .parameters import NAMES, ParameterRows, parameter_rows
from .placement import PlacedProjection, Placement, lanes_last

Words = NDArray[np.uint32]


def fire_facts(population: Population, own_decays: bool) -> tuple[FireSelect, int]:
    """Return how the gateware resets: see :class:`spikeloom.spec.tables.FireSelect`.

    ``own_decays``: the build has parameter rows, so the decay may differ from neuron to neuron.
    """
    after = population.reset_order is ResetOrder.AFTER_DECAY
    if population.reset is Reset.SUBTRACT:
        return (FireSelect.H if after else FireSelect.H_MINUS_THETA), 0
    if population.reset is Reset.VALUE:
        value = held_potential(population)
        if after:
            return FireSelect.ZERO, value
        if own_decays:
            return FireSelect.VALUE, value
        product = value * int(population.decay.flat[0])
        decayed = abs(product) >> numfmt.DECAY_FRACTION_BITS
        return FireSelect.ZERO, decayed if product >= 0 else -decayed
    return FireSelect.ZERO, 0


def held_potential(population: Population) -> int:
    """Return the potential of a resting neuron: the clipped reset value."""
    return max(population.reset_value, population.floor)


def _population_rows(
    network: Network,
    config: BuildConfig,
    placement: Placement,
    parameters: ParameterRows | None,
) -> list[Words]:
    first, count = placement.fan_out(0)
    source = {
        "n_neurons": placement.populations[0].n_neurons,
        "first_projection": first,
        "n_projections": count,
    }
    rows = [pack_row(POPULATIONS, source)]
    for index in range(1, len(placement.populations)):
        facts = _neuron_facts(network, config, placement, index)
        population = network.population(placement.populations[index].name)
        if parameters is None:
            values = {name: getattr(population, name) for name in NAMES}
            facts |= {k: int(v.flat[0]) for k, v in values.items() if v is not None}
        else:
            base, mask = parameters.places[index - 1]
            base %= config.parameter_rows
            facts |= {"parameter_base": base, "parameter_mask": mask}
        rows.append(pack_row(POPULATIONS, facts))
    return rows


def _neuron_facts(
    network: Network, config: BuildConfig, placement: Placement, index: int
) -> dict[str, int]:
    """Return the fields of a population of neurons but for its parameters."""
    placed = placement.populations[index]
    population = network.population(placed.name)
    first, count = placement.fan_out(index)
    select, constant = fire_facts(population, bool(config.parameter_rows))
    return {
        "n_neurons": placed.n_neurons,
        "first_projection": first,
        "n_projections": count,
        "row_base": placed.row_base,
        "n_rows": placed.n_rows,
        "floor": population.floor,
        "initial": population.initial,
        "fire_constant": constant,
        "fire_select": int(select),
        "fires": int(population.reset is not Reset.NONE),
        "clip_before": int(population.reset_order is ResetOrder.BEFORE_DECAY),
        "always_visit": int(population.bias.any()),
        "always_clear": int(population.initial != 0),
        "opens_input": int(index == _last_fed_by_input(placement)),
        "emit_spikes": int(placed.is_output),
        "probe_end": int(placed.is_output),
        "multi_spike": int(population.multi_spike),
        "records": int(any(p.source == index and p.delay for p in placement.projections)),
        "refractory": population.refractory,
        "held": held_potential(population),
        "lanes_last": lanes_last(placed.n_neurons, config.lanes),
    }


def _last_fed_by_input(placement: Placement) -> int:
    """Return the table index of the last population that any input address feeds.

    Without any such population it is the first one: the input may then go on at once.
    """
    fed = {p.projection.destination for p in placement.projections if p.source == 0}
    neurons = enumerate(placement.populations[1:], 1)
    return max((i for i, p in neurons if p.name in fed), default=1)


class _FanOutTables:
    """The rows of the groups and runs tables, as projections ask for them."""

    def __init__(self) -> None:
        self.groups: list[Words] = []
        self.runs: list[Words] = []

    def add(self, placed: PlacedProjection) -> int:
        """Add the groups of a projection and return the row of the first one."""
        base = len(self.groups)
        assert placed.fan_out is not None
        for runs in placed.fan_out.groups:
            facts = {"first_run": len(self.runs) if runs else 0, "n_runs": len(runs)}
            self.groups.append(pack_row(GROUPS, facts))
            for run in runs:
                row = {
                    "row_base": placed.row_base + run.row,
                    "n_rows": run.n_rows,
                    "lanes": run.lanes,
                    "weight_base": run.weight_base,
                    "lanes_last": run.lanes_last,
                }
                self.runs.append(pack_row(RUNS, row))
        return base


def _projection_row(placed: PlacedProjection, tables: _FanOutTables) -> Words:
    facts = {
        "row_base": placed.row_base,
        "n_rows": placed.n_rows,
        "weight_base": placed.weight_base,
        "stride": placed.stride,
        "lanes_last": placed.lanes_last,
        "shift": placed.projection.shift,
    }
    if placed.fan_out is not None:
        facts |= {
            "grouped": 1,
            "group_bits": placed.fan_out.group_bits,
            "shared": int(placed.fan_out.shared),
            "group_base": tables.add(placed),
        }
    return pack_row(PROJECTIONS, facts)


def _replay_rows(placement: Placement) -> list[Words]:
    return [
        pack_row(
            REPLAYS,
            {
                "population": replay.population,
                "delay": replay.delay,
                "first_projection": replay.first,
                "n_projections": replay.count,
            },
        )
        for replay in placement.replays()
    ]


def pack_weights(rows: Int8, bits: int, row_words: int) -> Words:
    """Return weights of ``bits`` bits as words: lane l lies at bits l * bits of its row.

    ``rows`` is int8 of shape (rows, lanes), the result uint32 of shape (rows, row_words).
    """
    per_byte = 8 // bits
    fields = rows.view(np.uint8) & ((1 << bits) - 1)
    fields = fields.reshape(len(rows), rows.shape[1] // per_byte, per_byte)
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(bits)
    packed = np.bitwise_or.reduce(fields << shifts, axis=2).astype(np.uint8)
    out = np.zeros((len(rows), row_words * 4), np.uint8)
    out[:, : packed.shape[1]] = packed
    return out.view("<u4")


def stacked(rows: Sequence[Words], table: Table) -> Words:
    """Return the rows of a table as its image, uint32 of shape (rows, words)."""
    return np.array(rows, np.uint32).reshape(-1, table.words)


def pack_images(network: Network, config: BuildConfig, placement: Placement) -> dict[str, Words]:
    """Return the memory images, uint32 of shape (rows in use, words in a row).

    A memory that the build lacks has none.
    """
    memories = memory_map(config)
    parameters = None
    if config.parameter_rows:
        parameters = parameter_rows(network, placement.populations[1:], config.lanes)
    tables = _FanOutTables()
    projections = [_projection_row(p, tables) for p in placement.projections]
    images = {
        "populations": stacked(
            _population_rows(network, config, placement, parameters), POPULATIONS
        ),
        "projections": stacked(projections, PROJECTIONS),
        "groups": stacked(tables.groups, GROUPS),
        "runs": stacked(tables.runs, RUNS),
        "replays": stacked(_replay_rows(placement), REPLAYS),
    }
    if parameters is not None:
        images["parameters"] = parameters.rows
    for name, bank in zip(("weights_even", "weights_odd"), placement.banks.arrays(), strict=True):
        images[name] = pack_weights(bank, config.weight_bits, memories[name].row_words)
    return {name: np.ascontiguousarray(images[name], np.uint32) for name in memories}

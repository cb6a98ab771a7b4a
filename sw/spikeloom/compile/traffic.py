"""How many operations events make: pairs of spikes, and the state rows that they visit.

A pair is an even and an odd neuron whose events go through the core together.  The driver pairs
the events of a tick, the core those of a state row (and binary digit, if multi-spike).  A pair
takes one operation for every state row that a projection leads it to; where its two neurons lie in
different groups of a grouped projection, each makes operations of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..spec import numfmt
from ..spec.manifest import PlacedInput
from ..spec.tables import GROUPS, PROJECTIONS, RUNS, Table

Int64 = NDArray[np.int64]
Images = Mapping[str, NDArray[np.uint32]]
Spikes = Mapping[str, NDArray[Any]]

NOBODY = -1
NEXT_PROJECTION_CYCLES = 2
"""Least cycles of a pair in each projection, where it has several to go through."""


MIXED_CYCLES = 2
"""A pair that goes through projections with groups and without: one waits for the other."""


class Pairs(NamedTuple):
    """Pairs in their order: the number of the block each is in, its neurons or NOBODY."""

    block: Int64
    even: Int64
    odd: Int64


def column(table: Table, rows: NDArray[np.uint32], name: str) -> Int64:
    """Return an unsigned field of every row of a table's image."""
    field = table.field(name)
    return (rows[:, field.word].astype(np.int64) >> field.lsb) & ((1 << field.bits) - 1)


def pair_up(block: Int64, neuron: Int64) -> Pairs:
    """Pair the events of each block: its k-th even neuron with its k-th odd one.

    ``block`` is not decreasing, and within a block ``neuron`` is not either.
    """
    blocks, place = np.unique(block, return_inverse=True)
    is_odd = (neuron & 1) == 1
    counts = [np.bincount(place[is_odd == parity], minlength=len(blocks)) for parity in (0, 1)]
    slots = np.maximum(*counts)
    first = np.cumsum(slots) - slots
    members = []
    for parity in (0, 1):
        own = is_odd == parity
        rank = np.arange(int(own.sum())) - (np.cumsum(counts[parity]) - counts[parity])[place[own]]
        out = np.full(int(slots.sum()), NOBODY, np.int64)
        out[first[place[own]] + rank] = neuron[own]
        members.append(out)
    return Pairs(np.repeat(blocks, slots), *members)


def input_pairs(spikes: Spikes, placed: tuple[PlacedInput, ...]) -> Pairs:
    """Return the pairs of all inputs; a block is a tick, counted through all samples.

    ``spikes`` has the values of each input, of shape (samples, ticks, neurons).  Events whose
    magnitude is not 1, which only signed inputs have, stay alone and come first, as the driver
    sends them.
    """
    ticks, neurons, alone_ticks, alone_neurons = [], [], [], []
    for part in placed:
        values = np.asarray(spikes[part.name]).astype(np.int64)
        values = values.reshape(*values.shape[:2], -1)
        late = np.zeros_like(values)
        late[:, part.delay :] = values[:, : max(values.shape[1] - part.delay, 0)]
        flat = late.reshape(-1, late.shape[-1])
        graded = part.signed & (flat != 1) & (flat != 0)
        tick, neuron = np.nonzero(graded)
        alone_ticks.append(tick)
        alone_neurons.append(neuron + part.address)
        tick, neuron = np.nonzero(np.where(graded, 0, flat))
        events = flat[tick, neuron]
        ticks.append(np.repeat(tick, events))
        neurons.append(np.repeat(neuron + part.address, events))
    tick, neuron = np.concatenate(ticks), np.concatenate(neurons)
    order = np.lexsort((neuron, tick))
    paired = pair_up(tick[order], neuron[order])
    tick, neuron = np.concatenate(alone_ticks), np.concatenate(alone_neurons)
    is_odd = (neuron & 1) == 1
    block = np.concatenate([tick, paired.block])
    sent = np.argsort(block, kind="stable")
    return Pairs(
        block[sent],
        np.concatenate([np.where(is_odd, NOBODY, neuron), paired.even])[sent],
        np.concatenate([np.where(is_odd, neuron, NOBODY), paired.odd])[sent],
    )


def spike_pairs(counts: NDArray[Any], lanes: int, multi_spike: bool) -> Pairs:
    """Return the pairs of a population; a block is a state row of a tick, and digit.

    ``counts`` has shape (ticks, neurons).  Block numbers are (tick * rows + row) * digits
    + digit, the highest digit first; without ``multi_spike`` there is one digit.
    """
    n_rows = -(-counts.shape[1] // lanes)
    digits = numfmt.MAGNITUDE_MAX.bit_length() if multi_spike else 1
    tick, neuron = np.nonzero(counts)
    block = (tick * n_rows + neuron // lanes) * digits
    if multi_spike:
        value = counts[tick, neuron].astype(np.int64)
        at, digit = np.nonzero((value[:, None] >> np.arange(digits - 1, -1, -1)) & 1)
        block, neuron = block[at] + digit, neuron[at]
        order = np.lexsort((neuron, block))
        block, neuron = block[order], neuron[order]
    return pair_up(block, neuron)


class Work(NamedTuple):
    """What each pair gives the walker to do.

    ``cycles`` it takes, where pair follows pair: rows are visited while the next projections and
    groups are looked up, so it is the longer of both; ``rows`` that it visits.
    """

    cycles: Int64
    rows: Int64


def operations(pairs: Pairs, images: Images, first: int, count: int) -> Work:
    """Return the work of each pair; ``first`` and ``count`` name rows of the projection table."""
    table = images["projections"][first : first + count]
    facts = {
        name: column(PROJECTIONS, table, name)
        for name in ("n_rows", "grouped", "group_bits", "group_base")
    }
    visits = _group_visits(images)
    rows, looks = (np.zeros(len(pairs.block), np.int64) for _ in range(2))
    for index in range(len(table)):
        own = {name: int(values[index]) for name, values in facts.items()}
        looks += NEXT_PROJECTION_CYCLES if len(table) > 1 else 1
        if own["grouped"]:
            found, is_split = _grouped(pairs, visits, own["group_bits"], own["group_base"])
            rows += found
            looks += is_split
        else:
            rows += own["n_rows"]
    waits = MIXED_CYCLES if 0 < facts["grouped"].sum() < len(table) else 0
    return Work(np.maximum(rows, looks) + waits, rows)


def is_grouped(images: Images, first: int, count: int) -> bool:
    """Return whether any of the projections has groups."""
    return bool(column(PROJECTIONS, images["projections"][first : first + count], "grouped").any())


def _group_visits(images: Images) -> Int64:
    """Return how many state rows each group visits."""
    groups, runs = images.get("groups"), images.get("runs")
    if groups is None or runs is None or not len(groups):
        return np.zeros(0, np.int64)
    rows = np.concatenate([[0], np.cumsum(column(RUNS, runs, "n_rows"))])
    first, count = column(GROUPS, groups, "first_run"), column(GROUPS, groups, "n_runs")
    visits: Int64 = rows[first + count] - rows[first]
    return visits


def _grouped(pairs: Pairs, visits: Int64, bits: int, base: int) -> tuple[Int64, NDArray[np.bool_]]:
    """Return the rows that each pair visits, and whether its neurons are of two groups."""
    costs, groups = [], []
    for neurons in (pairs.even, pairs.odd):
        there = neurons != NOBODY
        group = base + (np.where(there, neurons, 0) >> bits)
        groups.append(np.where(there, group, NOBODY))
        costs.append(np.where(there, visits[group], 0))
    same = groups[0] == groups[1]
    is_split = ~same & (pairs.even != NOBODY) & (pairs.odd != NOBODY)
    return np.where(same, costs[0], costs[0] + costs[1]), is_split

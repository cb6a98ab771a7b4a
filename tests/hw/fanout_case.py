"""Groups, runs and projections with what the fan-out must make of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value

from hw.bench import CONFIG
from spikeloom.spec.tables import GROUPS, PROJECTIONS, RUNS, Table, pack_row

CONFIG_GROUPS = replace(CONFIG, groups=16, runs=64, weight_rows=256, graded=True)
LANES = CONFIG_GROUPS.lanes

Facts = dict[str, int]
Pair = tuple[int | None, int | None]
"""Neuron numbers of an even and an odd event; None for no event."""


def packed(table: Table, facts: Mapping[str, int]) -> int:
    """Return a table's row as one integer."""
    return sum(int(word) << 32 * k for k, word in enumerate(pack_row(table, facts)))


def add_memory(
    m: Module,
    table: Table,
    rows: Sequence[Facts],
    index: Value,
    row: Any,
    read: Value | int = 1,
) -> None:
    """Answer ``index`` from ``rows`` one cycle later; without ``read`` the answer stays."""
    bits = 32 * table.words
    contents = Array(Const(packed(table, facts), bits) for facts in rows)
    answer = Signal(bits)
    m.d.sync += answer.eq(Mux(read, contents[index], answer))
    m.d.comb += row.eq(answer)


def random_runs(rng: random.Random, n_groups: int) -> tuple[list[Facts], list[Facts]]:
    """Return (groups, runs); some groups have no runs, some runs one row."""
    groups, runs = [], []
    for _ in range(n_groups):
        n_runs = rng.choice([0, 1, 1, 2, 3])
        groups.append({"first_run": len(runs), "n_runs": n_runs})
        for _ in range(n_runs):
            n_rows = rng.choice([1, 1, 2, 3])
            runs.append(
                {
                    "row_base": rng.randrange(CONFIG_GROUPS.state_rows - n_rows + 1),
                    "n_rows": n_rows,
                    "lanes": rng.randint(1, LANES),
                    "weight_base": rng.randrange(128),
                    "lanes_last": rng.randint(1, LANES),
                }
            )
    return groups, runs or [{}]


def requests_of(pair: Pair, projection: Mapping[str, int]) -> list[tuple[int, Pair]]:
    """Return (row of the groups table, events) of a pair in a grouped projection."""
    bits = projection["group_bits"]
    groups = [None if s is None else projection["group_base"] + (s >> bits) for s in pair]
    if groups[0] == groups[1] and groups[0] is not None:
        return [(groups[0], pair)]
    split: list[Pair] = [(pair[0], None), (None, pair[1])]
    return [(group, one) for group, one in zip(groups, split, strict=True) if group is not None]


def expected_ops(
    pairs: Sequence[Pair],
    projections: Sequence[Facts],
    groups: Sequence[Facts],
    runs: Sequence[Facts],
) -> list[tuple[int | None, ...]]:
    """Return (row, even address, odd address, lanes, last row, shift) as the tables say."""
    ops: list[tuple[int | None, ...]] = []

    def offset(source: int, facts: Facts) -> int:
        if not facts["grouped"]:
            return source // 2
        return 0 if facts["shared"] else (source & ((1 << facts["group_bits"]) - 1)) // 2

    def visit(run: Facts, facts: Facts, pair: Pair) -> None:
        for r in range(run["n_rows"]):
            last = r == run["n_rows"] - 1
            base = run["weight_base"] + r * facts["stride"]
            even, odd = (None if s is None else base + offset(s, facts) for s in pair)
            lanes = run["lanes_last"] if last else run.get("lanes", LANES)
            ops.append((run["row_base"] + r, even, odd, lanes, int(last), facts["shift"]))

    for pair in pairs:
        for facts in projections:
            if not facts["grouped"]:
                visit(facts, facts, pair)
                continue
            for group, events in requests_of(pair, facts):
                first, n = groups[group]["first_run"], groups[group]["n_runs"]
                for run in runs[first : first + n]:
                    visit(run, facts, events)
    return ops


__all__ = [
    "CONFIG_GROUPS",
    "GROUPS",
    "LANES",
    "PROJECTIONS",
    "RUNS",
    "Facts",
    "Pair",
    "add_memory",
    "expected_ops",
    "packed",
    "random_runs",
    "requests_of",
]

"""The walker in builds with groups: fan-out, split pairs, shared weights, mixed tables."""

import random

import pytest
from amaranth.hdl import Elaboratable, Module

from hw.bench import PATTERNS, receive, send, simulate
from hw.fanout_case import (
    CONFIG_GROUPS,
    GROUPS,
    LANES,
    PROJECTIONS,
    RUNS,
    add_memory,
    expected_ops,
    random_runs,
    requests_of,
)
from spikeloom_hw.fanout import FanOut
from spikeloom_hw.layouts import OpKind
from spikeloom_hw.walker import Walker

MAGNITUDES = (1, -1, 127, -127)


class WithMemories(Elaboratable):
    """A walker and its three memories."""

    def __init__(self, projections, groups, runs):
        self.tables = projections, groups, runs
        self.walker = Walker(CONFIG_GROUPS)

    def elaborate(self, platform):
        m = Module()
        m.submodules.walker = w = self.walker
        projections, groups, runs = self.tables
        add_memory(m, PROJECTIONS, projections, w.table_index, w.table_row)
        add_memory(m, GROUPS, groups, w.group_index, w.group_row, w.group_read)
        add_memory(m, RUNS, runs, w.run_index, w.run_row, w.run_read)
        return m


def payload(pair, magnitude=1):
    even, odd = pair
    return {
        "even_valid": even is not None,
        "odd_valid": odd is not None,
        "even": (even or 0) // 2,
        "odd": (odd or 1) // 2,
        "magnitude": magnitude,
    }


def grouped(group_bits, group_base=0, shared=0, stride=5, shift=0):
    return {
        "grouped": 1, "group_bits": group_bits, "group_base": group_base, "shared": shared,
        "stride": stride, "shift": shift,
    }  # fmt: skip


def dense(row_base, n_rows, weight_base, stride, lanes_last, shift=0):
    return {
        "grouped": 0, "row_base": row_base, "n_rows": n_rows, "weight_base": weight_base,
        "stride": stride, "lanes_last": lanes_last, "shift": shift,
    }  # fmt: skip


def op_facts(op):
    assert op.kind == OpKind.ADD
    even = op.even if op.even_valid else None
    odd = op.odd if op.odd_valid else None
    return (op.row, even, odd, op.lanes, op.last_row, op.shift)


def sort_key(op):
    return [-1 if value is None else value for value in op]


def run(projections, groups, runs, pairs, seed=0, stall_in=0.0, stall_out=0.0):
    """Return the cycles of the operations; the first pair is offered in cycle 0."""
    bench = WithMemories(projections, groups, runs)
    walker = bench.walker
    wanted = expected_ops(pairs, projections, groups, runs)
    rng = random.Random(seed)
    taken = []
    magnitudes = [MAGNITUDES[k % len(MAGNITUDES)] for k in range(len(pairs))]
    payloads = [payload(p, m) for p, m in zip(pairs, magnitudes, strict=True)]
    begun = []

    async def source(ctx):
        ctx.set(walker.restart, 1)
        ctx.set(walker.n_projections, len(projections))
        await ctx.tick()
        ctx.set(walker.restart, 0)
        for _ in range(Walker.RESTART_CYCLES - 1):
            await ctx.tick()
        begun.append(True)
        await send(ctx, walker.i, payloads, rng, stall_in)

    async def sink(ctx):
        while not begun:
            await ctx.tick()
        taken.extend(await receive(ctx, walker.o, len(wanted), rng, stall_out))
        ctx.set(walker.o.ready, 1)
        for _ in range(20):
            _, _, valid = await ctx.tick().sample(walker.o.valid)
            assert not valid, "an operation too many"
        assert ctx.get(walker.idle)

    simulate(bench, source, sink, cycles=800 + 100 * len(pairs) + 60 * len(wanted))
    got = [op_facts(op) for _, op in taken]
    if len(projections) > 1:  # a direct projection may go first where groups are looked up
        assert sorted(got, key=sort_key) == sorted(wanted, key=sort_key), f"seed {seed}"
    else:
        assert got == wanted, f"seed {seed}"
    expected = [
        m for p, m in zip(pairs, magnitudes, strict=True)
        for _ in expected_ops([p], projections, groups, runs)
    ]  # fmt: skip
    assert sorted(op.magnitude for _, op in taken) == sorted(expected)
    return [cycle for cycle, _ in taken]


ONE_ROW = [
    {"row_base": g, "n_rows": 1, "lanes": 1, "weight_base": 20 * g, "lanes_last": LANES - g}
    for g in range(4)
]
ONE_RUN = [{"first_run": g, "n_runs": 1} for g in range(4)]


def test_latency_and_no_gap_between_pairs_of_a_group():
    pairs = [(0, 1), (4, 7), (8, 9), (None, 15), (12, 13), (2, None)]
    cycles = run([grouped(3)], ONE_RUN, ONE_ROW, pairs)
    first = 1 + FanOut.LATENCY_CYCLES
    assert cycles == list(range(first, first + len(pairs)))


def test_a_pair_of_two_groups_is_taken_apart():
    """Even first; the two halves go to the runs of their own groups."""
    pairs = [(0, 3), (6, 1), (2, 3), (4, 7)]
    assert [len(requests_of(pair, grouped(1))) for pair in pairs] == [2, 2, 1, 2]
    run([grouped(1)], ONE_RUN, ONE_ROW, pairs)


@pytest.mark.parametrize("group_bits", [0, 1, 2, 3, 20])
@pytest.mark.parametrize("shared", [0, 1])
def test_sizes_of_groups(group_bits, shared):
    rng = random.Random(group_bits)
    groups, runs = random_runs(rng, 16)
    sources = min(16 << group_bits, 64) if group_bits < 20 else 64
    pairs = [(2 * rng.randrange(sources // 2), 2 * rng.randrange(sources // 2) + 1)
             for _ in range(8)]  # fmt: skip
    pairs += [(sources - 2, sources - 1), (0, None), (None, 1)]
    groups[0] = {"first_run": 0, "n_runs": 1}
    run([grouped(group_bits, shared=shared)], groups, runs, pairs)


def test_group_base_selects_the_part_of_the_table():
    run([grouped(1, group_base=2)], ONE_RUN, ONE_ROW, [(0, 1), (2, 3), (0, 3)])


def test_groups_without_runs_leave_no_operation():
    groups = [{"first_run": 0, "n_runs": 0}, {"first_run": 1, "n_runs": 1}] * 2
    run([grouped(1)], groups, ONE_ROW, [(0, 1), (4, 1), (2, 1), (0, 5), (4, 5), (6, 7)])


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
@pytest.mark.parametrize("kinds", ["g", "gdg"])
def test_random_tables_under_stalls(stall_in, stall_out, kinds):
    seed = 1000 * len(kinds) + 100 * PATTERNS.index(stall_in) + PATTERNS.index(stall_out)
    rng = random.Random(seed)
    groups, runs = random_runs(rng, 16)
    table = []
    for kind in kinds:
        if kind == "g":
            bits = rng.randrange(3)
            base = rng.randrange(9)
            table.append(grouped(bits, base, rng.randrange(2), rng.randint(1, 8), rng.randrange(8)))
        else:
            table.append(dense(rng.randrange(5), rng.randint(1, 3), 7, 4, rng.randint(1, 4), 2))
    pairs = []
    for _ in range(12):
        even, odd = rng.choice([(1, 0), (0, 1), (1, 1), (1, 1)])
        pairs.append(
            (2 * rng.randrange(4) if even else None, 2 * rng.randrange(4) + 1 if odd else None)
        )
    run(table, groups, runs, pairs, seed, stall_in, stall_out)

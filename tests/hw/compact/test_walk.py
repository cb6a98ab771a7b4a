import random

import pytest
from amaranth.hdl import Array, Const, Elaboratable, Module, Signal

from hw.bench import COMPACT, simulate
from spikeloom.spec.tables import PROJECTIONS, pack_row
from spikeloom_hw.compact.walk import Walk

LANES, ROWS, WEIGHT_ROWS = COMPACT.lanes, COMPACT.state_rows, COMPACT.weight_rows
READ_CYCLES = 5
"""Cycles of a projection before its first row."""


class WithTable(Elaboratable):
    """A walk and its table, which answers one cycle after projection and word."""

    def __init__(self, rows):
        self.words = [[int(word) for word in pack_row(PROJECTIONS, facts)] for facts in rows]
        self.walk = Walk(COMPACT)

    def elaborate(self, platform):
        m = Module()
        m.submodules.walk = walk = self.walk
        table = Array(Array(Const(word, 32) for word in words) for words in self.words)
        answer = Signal(32)
        m.d.sync += answer.eq(table[walk.projection][walk.word])
        m.d.comb += walk.value.eq(answer)
        return m


def facts(row_base, n_rows, weight_base, stride, lanes_last):
    values = locals()
    # what other cores read
    return {**values, "group_bits": 31, "grouped": 1, "shared": 1, "shift": 7, "group_base": 0xFFFF}


def expected_rows(projections, even, odd):
    """Each row with its cycle, the one of ``start`` being 0, and the cycle of ``done``."""
    out, cycle = [], 1
    for one in projections:
        cycle += READ_CYCLES
        for index in range(one["n_rows"]):
            first = one["weight_base"] + index * one["stride"]
            lanes = one["lanes_last"] if index == one["n_rows"] - 1 else LANES
            out.append((cycle, one["row_base"] + index, first + even, first + odd, lanes))
            cycle += 1
    return out, cycle - 1


async def walked(ctx, walk, first, count, even, odd, rng=None):
    """Start, and return the rows with their cycles, and the cycle of ``done``."""
    values = {"first_projection": first, "n_projections": count, "even": even, "odd": odd}
    for name, value in values.items():
        ctx.set(getattr(walk, name), value)
    ctx.set(walk.start, 1)
    assert not ctx.get(walk.busy)
    out = []
    for cycle in range(10_000):
        if ctx.get(walk.add):
            names = ("row", "even_address", "odd_address", "lanes")
            out.append((cycle, *(ctx.get(getattr(walk, name)) for name in names)))
        assert ctx.get(walk.busy) == (cycle > 0)
        if ctx.get(walk.done):
            break
        await ctx.tick()
        # looked at when not busy
        ctx.set(walk.start, 0 if rng is None else rng.random() < 0.5)
    ctx.set(walk.start, 0)
    await ctx.tick()
    assert not ctx.get(walk.busy)
    assert not ctx.get(walk.add)
    return out, cycle


def run(table, pairs, first=0, count=None, seed=None):
    """Walk each pair (half of the even, half of the odd index) and compare every cycle."""
    count = len(table) - first if count is None else count
    dut = WithTable(table)
    rng = None if seed is None else random.Random(seed)

    async def bench(ctx):
        for even, odd in pairs:
            wanted = expected_rows(table[first : first + count], even, odd)
            got = await walked(ctx, dut.walk, first, count, even, odd, rng)
            assert got == wanted, f"seed {seed}, pair {even} {odd}"
            for _ in range(0 if rng is None else rng.choice([0, 0, 1, 5])):
                assert not ctx.get(dut.walk.busy)
                await ctx.tick()

    simulate(dut, bench, cycles=20000)


def test_rows_written_out_by_hand():
    table = [facts(2, 3, 10, 4, 1)]
    rows = [(6, 2, 13, 11, 4), (7, 3, 17, 15, 4), (8, 4, 21, 19, 1)]
    assert expected_rows(table, 3, 1) == (rows, 8)
    run(table, [(3, 1)])


@pytest.mark.parametrize("n_rows", [1, 2, ROWS])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_five_cycles_and_one_per_row_for_each_projection(n_rows, count):
    table = [facts(0, n_rows, 0, 1, LANES)] * count
    assert expected_rows(table, 0, 0)[1] == count * (READ_CYCLES + n_rows)
    run(table, [(0, 0), (0, 0)])


def test_first_and_last_row_of_every_memory():
    stride = WEIGHT_ROWS // ROWS
    table = [
        facts(ROWS - 1, 1, WEIGHT_ROWS - 1, WEIGHT_ROWS - 1, 1),
        facts(0, ROWS, 0, stride, LANES),
        facts(0, 1, 0, 0, 2),
    ]
    run(table, [(0, 0)])
    run(table, [(stride - 1, 0), (0, stride - 1)], first=1, count=1)
    run(table, [(WEIGHT_ROWS - 1, 0), (0, WEIGHT_ROWS - 1)], first=2, count=1)


def test_rows_may_share_their_weights():
    run([facts(1, 4, 7, 0, 3)], [(2, 5)])


def test_projections_of_others_are_left_alone():
    table = [facts(index, 1, 8 * index, 1, 1 + index % LANES) for index in range(4)]
    run(table, [(1, 2)], first=1, count=2)
    run(table, [(1, 2)], first=3, count=1)


def test_a_projection_at_the_end_of_a_full_table():
    table = [facts(0, 1, 0, 1, 1)] * 254 + [facts(5, 2, 30, 2, 3)]
    run(table, [(4, 0)], first=254, count=1)


def test_the_longest_list_of_projections():
    run([facts(index % ROWS, 1, index % 50, 1, 1) for index in range(255)], [(3, 9)])


@pytest.mark.parametrize("seed", range(5))
def test_random_tables(seed):
    rng = random.Random(seed)
    table = []
    for _ in range(rng.randint(1, 6)):
        n_rows = rng.randint(1, ROWS)
        stride = rng.randint(0, 5)
        base = rng.randint(0, WEIGHT_ROWS - 1 - (n_rows - 1) * stride - 20)
        rows = rng.randint(0, ROWS - n_rows), n_rows
        table.append(facts(*rows, base, stride, rng.randint(1, LANES)))
    first = rng.randrange(len(table))
    pairs = [(rng.randint(0, 20), rng.randint(0, 20)) for _ in range(20)]
    run(table, pairs, first, rng.randint(1, len(table) - first), seed)

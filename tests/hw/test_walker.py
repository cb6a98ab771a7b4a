import random
from itertools import pairwise

import pytest
from amaranth.hdl import Array, Const, Elaboratable, Module, Signal

from hw.bench import CONFIG, PATTERNS, receive, send, simulate
from spikeloom.spec.tables import PROJECTIONS, pack_row
from spikeloom_hw.layouts import OpKind
from spikeloom_hw.walker import Walker

LANES = CONFIG.lanes


def row(row_base, n_rows, weight_base, stride, lanes_last):
    return {
        "row_base": row_base,
        "n_rows": n_rows,
        "weight_base": weight_base,
        "stride": stride,
        "lanes_last": lanes_last,
    }


def as_table_row(facts):
    words = pack_row(PROJECTIONS, facts)
    return sum(int(word) << 32 * index for index, word in enumerate(words))


def pair(even=None, odd=None):
    """A pair of neuron numbers; None for no spike."""
    return {
        "even_valid": even is not None,
        "odd_valid": odd is not None,
        "even": (even or 0) // 2,
        "odd": (odd or 1) // 2,
    }


def expected_ops(pairs, projections):
    ops = []
    for one in pairs:
        for facts in projections:
            for index in range(facts["n_rows"]):
                last = index == facts["n_rows"] - 1
                base = facts["weight_base"] + index * facts["stride"]
                ops.append(
                    (
                        facts["row_base"] + index,
                        base + one["even"] if one["even_valid"] else None,
                        base + one["odd"] if one["odd_valid"] else None,
                        facts["lanes_last"] if last else LANES,
                        int(last),
                    )
                )
    return ops


def op_facts(op):
    assert op.kind == OpKind.ADD
    even = op.even if op.even_valid else None
    odd = op.odd if op.odd_valid else None
    return (op.row, even, odd, op.lanes, op.last_row)


class WithTable(Elaboratable):
    """A walker and its table, which answers one cycle after the index."""

    def __init__(self, rows):
        self.rows = rows
        self.walker = Walker(CONFIG)

    def elaborate(self, platform):
        m = Module()
        m.submodules.walker = self.walker
        bits = 32 * PROJECTIONS.words
        table = Array(Const(as_table_row(facts), bits) for facts in self.rows)
        answer = Signal(bits)
        m.d.sync += answer.eq(table[self.walker.table_index])
        m.d.comb += self.walker.table_row.eq(answer)
        return m


async def restart(ctx, walker, first, count):
    ctx.set(walker.restart, 1)
    ctx.set(walker.first_projection, first)
    ctx.set(walker.n_projections, count)
    await ctx.tick()
    ctx.set(walker.restart, 0)


def run(table, pairs, first=0, count=None, seed=0, stall_in=0.0, stall_out=0.0):
    """Return (operations, cycles of them)."""
    count = len(table) - first if count is None else count
    wanted = expected_ops(pairs, table[first : first + count])
    dut = WithTable(table)
    walker = dut.walker
    rng = random.Random(seed)
    taken = []

    async def source(ctx):
        await restart(ctx, walker, first, count)
        await send(ctx, walker.i, pairs, rng, stall_in)

    async def sink(ctx):
        taken.extend(await receive(ctx, walker.o, len(wanted), rng, stall_out))
        for _ in range(5):
            _, _, valid = await ctx.tick().sample(walker.o.valid)
            assert not valid, "an operation too many"
        assert ctx.get(walker.idle)

    simulate(dut, source, sink, cycles=500 + 60 * len(wanted))
    got = [op_facts(op) for _, op in taken]
    assert got == wanted, f"seed {seed}"
    return [cycle for cycle, _ in taken]


def gaps(cycles):
    return [b - a for a, b in pairwise(cycles)]


PAIRS = [pair(0, 1), pair(4, 3), pair(6), pair(None, 7), pair(2, 5)]


def test_one_row():
    cycles = run([row(3, 1, 10, 4, 2)], PAIRS)
    assert gaps(cycles) == [1] * 4


@pytest.mark.parametrize("n_rows", [2, 3, 8])
def test_several_rows_take_one_cycle_each(n_rows):
    cycles = run([row(0, n_rows, 5, 4, 4)], PAIRS)
    assert gaps(cycles) == [1] * (len(PAIRS) * n_rows - 1)


def test_addresses_at_the_end_of_the_memories():
    stride = 8
    run([row(CONFIG.state_rows - 2, 2, CONFIG.weight_rows - 2 * stride, stride, 1)], [pair(14, 15)])


@pytest.mark.parametrize("count", [2, 3])
def test_several_projections_in_order(count):
    table = [row(1, 2, 0, 4, 3), row(4, 1, 20, 4, 1), row(5, 3, 40, 4, 4)]
    cycles = run(table, PAIRS, 0, count)
    sizes = [facts["n_rows"] for facts in table[:count]] * len(PAIRS)
    expected = []
    for size in sizes:  # the next row of the table is read beside the rows in work
        expected += [1] * (size - 1) + [max(1, Walker.RESTART_CYCLES - size + 1)]
    assert gaps(cycles) == expected[:-1]


def test_first_projection_selects_the_part_of_the_table():
    table = [row(0, 1, 0, 1, 4), row(2, 2, 8, 4, 3), row(6, 1, 30, 4, 2)]
    run(table, PAIRS, 1, 1)
    run(table, PAIRS, 1, 2)
    run(table, PAIRS, 2, 1)


def test_cycles_from_restart_to_the_first_pair():
    dut = WithTable([row(3, 1, 10, 4, 2)])
    walker = dut.walker

    async def bench(ctx):
        ctx.set(walker.o.ready, 1)
        ctx.set(walker.i.valid, 1)
        assert not ctx.get(walker.i.ready)
        await restart(ctx, walker, 0, 1)
        for cycle in range(1, 10):
            if ctx.get(walker.i.ready):
                assert cycle == Walker.RESTART_CYCLES
                assert not ctx.get(walker.o.valid)
                await ctx.tick()
                assert ctx.get(walker.o.valid)
                return
            await ctx.tick()
        pytest.fail("never ready")

    simulate(dut, bench, cycles=20)


def test_no_projections_take_no_pair():
    dut = WithTable([row(3, 1, 10, 4, 2)])
    walker = dut.walker

    async def bench(ctx):
        ctx.set(walker.i.valid, 1)
        await restart(ctx, walker, 0, 0)
        for _ in range(10):
            assert not ctx.get(walker.i.ready)
            assert not ctx.get(walker.o.valid)
            assert ctx.get(walker.idle)
            await ctx.tick()

    simulate(dut, bench, cycles=20)


def test_restart_changes_the_population():
    table = [row(0, 2, 0, 4, 4), row(3, 1, 16, 4, 2), row(5, 3, 32, 4, 1)]
    dut = WithTable(table)
    walker = dut.walker
    commands = [(0, 1), (1, 2), (2, 1), (0, 3), (1, 1)]
    wanted = [op for first, n in commands for op in expected_ops(PAIRS, table[first : first + n])]
    got = []

    async def source(ctx):
        for first, count in commands:
            while not ctx.get(walker.idle):
                await ctx.tick()
            await restart(ctx, walker, first, count)
            await send(ctx, walker.i, PAIRS)

    async def sink(ctx):
        got.extend(op_facts(op) for _, op in await receive(ctx, walker.o, len(wanted)))

    simulate(dut, source, sink, cycles=1000)
    assert got == wanted


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
@pytest.mark.parametrize("count", [1, 3])
def test_random_tables_under_stalls(stall_in, stall_out, count):
    seed = 1000 * count + 100 * PATTERNS.index(stall_in) + PATTERNS.index(stall_out)
    rng = random.Random(seed)
    table = []
    for _ in range(count):
        n_rows = rng.randint(1, 3)
        base = rng.randint(0, CONFIG.state_rows - n_rows)
        table.append(row(base, n_rows, rng.randint(0, 16), rng.randint(4, 12), rng.randint(1, 4)))
    pairs = []
    for _ in range(12):
        even, odd = rng.choice([(1, 0), (0, 1), (1, 1)])
        evens, odds = 2 * rng.randrange(4), 2 * rng.randrange(4) + 1
        pairs.append(pair(evens if even else None, odds if odd else None))
    run(table, pairs, seed=seed, stall_in=stall_in, stall_out=stall_out)

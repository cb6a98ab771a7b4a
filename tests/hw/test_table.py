import random

import pytest

from hw.bench import simulate
from hw.fanout_case import packed
from spikeloom.spec.tables import GROUPS, POPULATIONS, RUNS, pack_row
from spikeloom_hw.table import TableMemory

ROWS = 16


def random_rows(table, rng):
    rows = []
    for _ in range(ROWS):
        low = {f.name: -(1 << f.bits - 1) if f.signed else 0 for f in table.fields}
        high = {f.name: (1 << f.bits - f.signed) - 1 for f in table.fields}
        rows.append({name: rng.randint(low[name], high[name]) for name in low})
    return rows


async def fill(ctx, dut, rows, rng):
    """Write every word, in any order."""
    words = [(r, w) for r in range(ROWS) for w in range(dut.table.words)]
    rng.shuffle(words)
    ctx.set(dut.host_write, 1)
    for row, word in words:
        ctx.set(dut.host_row, row)
        ctx.set(dut.host_word, word)
        ctx.set(dut.host_data, int(pack_row(dut.table, rows[row])[word]))
        await ctx.tick()
    ctx.set(dut.host_write, 0)


def raw(ctx, dut, port):
    return ctx.get(getattr(dut, f"row{port}").as_value())


@pytest.mark.parametrize("table", [POPULATIONS, RUNS, GROUPS], ids=lambda t: t.name)
@pytest.mark.parametrize("ports", [1, 2])
def test_the_host_reads_what_it_wrote_two_cycles_later(table, ports):
    dut = TableMemory(table, ROWS, ports)
    rng = random.Random(f"{table.name}{ports}")
    rows = random_rows(table, rng)

    async def run(ctx):
        await fill(ctx, dut, rows, rng)
        for port in range(ports):
            ctx.set(getattr(dut, f"read{port}"), 0)  # of no effect while stopped
        for row in rng.sample(range(ROWS), ROWS):
            ctx.set(dut.host_row, row)
            await ctx.tick()
            for word in range(table.words):
                ctx.set(dut.host_word, word)
                await ctx.tick()
                assert ctx.get(dut.host_value) == int(pack_row(table, rows[row])[word])

    simulate(dut, run, cycles=500)


@pytest.mark.parametrize("ports", [1, 2])
def test_ports_are_independent_and_hold_without_read(ports):
    dut = TableMemory(RUNS, ROWS, ports)
    rng = random.Random(ports)
    rows = random_rows(RUNS, rng)

    async def run(ctx):
        await fill(ctx, dut, rows, rng)
        ctx.set(dut.run, 1)
        shown = [None] * ports
        for _ in range(150):
            ctx.set(dut.host_row, rng.randrange(ROWS))
            for port in range(ports):
                index, read = rng.randrange(ROWS), rng.random() < 0.5
                ctx.set(getattr(dut, f"index{port}"), index)
                ctx.set(getattr(dut, f"read{port}"), read)
                if read:
                    shown[port] = packed(RUNS, rows[index])
            await ctx.tick()
            for port, want in enumerate(shown):
                assert want is None or raw(ctx, dut, port) == want

    simulate(dut, run, cycles=300)


def test_fields_of_a_row():
    dut = TableMemory(POPULATIONS, ROWS)
    rng = random.Random(3)
    rows = random_rows(POPULATIONS, rng)

    async def run(ctx):
        await fill(ctx, dut, rows, rng)
        ctx.set(dut.run, 1)
        for index, facts in enumerate(rows):
            ctx.set(dut.index0, index)
            await ctx.tick()
            assert {name: ctx.get(getattr(dut.row0, name)) for name in facts} == facts

    simulate(dut, run, cycles=400)

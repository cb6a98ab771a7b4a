import random
from dataclasses import replace

import pytest
from amaranth.hdl import Module, Signal

from hw.bench import CONFIG, simulate
from hw.test_activity import patterns
from spikeloom_hw.rows import RowList, some_below


@pytest.mark.parametrize("width", [2, 4, 8, 16, 32, 64])
def test_a_bit_knows_of_lower_ones(width):
    m = Module()
    bits, out = Signal(width), Signal(width)
    m.d.comb += out.eq(some_below(m, bits))
    m.d.sync += Signal().eq(0)

    async def bench(ctx):
        for value in patterns(width):
            ctx.set(bits, value)
            expected = sum(1 << i for i in range(width) if value & (1 << i) - 1)
            assert ctx.get(out) == expected, f"{value:#x}"

    simulate(m, bench, cycles=10)


@pytest.mark.parametrize("rows", [4, 16, 128])
def test_rows_come_in_their_order_and_once(rows):
    dut = RowList(replace(CONFIG, state_rows=rows))
    rng = random.Random(rows)

    async def bench(ctx):
        left: list[int] = []
        for cycle in range(600):
            first = rng.randrange(rows)
            end = rng.randint(first, min(first + 9, rows))
            active = rng.getrandbits(rows) | rng.getrandbits(rows)
            drive = {"load": rng.random() < 0.2 or cycle == 0, "narrow": rng.random() < 0.2}
            drive |= {"drop": rng.random() < 0.7, "first": first, "end": end, "active": active}
            for name, value in drive.items():
                ctx.set(getattr(dut, name), value)
            assert ctx.get(dut.some) == bool(left), f"seed {rows}, cycle {cycle}"
            if left:
                assert ctx.get(dut.row) == left[0], f"seed {rows}, cycle {cycle}"
            await ctx.tick()
            if drive["load"]:
                left = list(range(first, end))
            elif drive["narrow"]:
                left = [row for row in left if active >> row & 1]
            elif drive["drop"]:
                left = left[1:]

    simulate(dut, bench, cycles=700)

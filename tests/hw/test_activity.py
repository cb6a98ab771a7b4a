import random
from dataclasses import replace

import pytest
from amaranth.hdl import Module, Signal

from hw.bench import CONFIG, simulate
from spikeloom_hw.activity import ActivityMap, below, first_set


def patterns(width):
    """All values up to 12 bits; above, every value of one or two bits, runs and random ones."""
    if width <= 12:
        return range(1 << width)
    rng = random.Random(width)
    chosen = {1 << i | 1 << j for i in range(width) for j in range(width)}
    chosen |= {(1 << width) - (1 << i) for i in range(width + 1)}
    chosen |= {rng.getrandbits(width) & rng.getrandbits(width) for _ in range(300)}
    return sorted(chosen)


@pytest.mark.parametrize("width", [2, 4, 8, 16, 32, 64])
def test_first_set_finds_the_lowest_bit(width):
    m = Module()
    bits, some, index = Signal(width), Signal(), Signal(width)
    found, at = first_set(m, bits, "lowest")
    assert len(at) == (width - 1).bit_length()
    m.d.comb += [some.eq(found), index.eq(at)]
    m.d.sync += Signal().eq(0)

    async def bench(ctx):
        for value in patterns(width):
            ctx.set(bits, value)
            assert ctx.get(some) == (value != 0)
            if value:
                assert ctx.get(index) == (value & -value).bit_length() - 1, f"{value:#x}"

    simulate(m, bench, cycles=10)


@pytest.mark.parametrize("width", [2, 4, 8, 32, 64, 128])
def test_below_sets_a_bit_for_every_lesser_number(width):
    m = Module()
    value, bits = Signal(range(width + 1)), Signal(width)
    m.d.comb += bits.eq(below(m, value, width, "numbers"))
    m.d.sync += Signal().eq(0)

    async def bench(ctx):
        for number in range(width + 1):
            ctx.set(value, number)
            assert ctx.get(bits) == (1 << number) - 1

    simulate(m, bench, cycles=10)


def expected_map(before, drive):
    """Keep wins over the operation."""
    out = before
    if drive["issued"]:
        bit = 1 << drive["row"]
        out = out | bit if drive["adds"] else out & ~bit
    if drive["keep"]:
        out |= 1 << drive["keep_row"]
    return out


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("operation", [None, "sweep", "add"])
def test_priorities_on_one_row(before, keep, operation):
    dut = ActivityMap(CONFIG)

    async def bench(ctx):
        ctx.set(dut.keep, before)
        ctx.set(dut.keep_row, 5)
        await ctx.tick()
        assert ctx.get(dut.active) == before << 5
        ctx.set(dut.keep, keep)
        ctx.set(dut.row, 5)
        ctx.set(dut.issued, operation is not None)
        ctx.set(dut.adds, operation == "add")
        await ctx.tick()
        stays = before and operation != "sweep"
        assert ctx.get(dut.active) == ((stays or operation == "add" or keep) << 5)

    simulate(dut, bench, cycles=10)


@pytest.mark.parametrize("state_rows", [4, CONFIG.state_rows, 128])
def test_random_commands(state_rows):
    dut = ActivityMap(replace(CONFIG, state_rows=state_rows))
    rng = random.Random(state_rows)

    async def bench(ctx):
        state = 0
        for cycle in range(400):
            drive = {name: rng.random() < 0.5 for name in ("issued", "adds", "keep")}
            drive |= {name: rng.randrange(state_rows) for name in ("row", "keep_row")}
            for name, value in drive.items():
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            state = expected_map(state, drive)
            assert ctx.get(dut.active) == state, f"seed {state_rows}, cycle {cycle}"

    simulate(dut, bench, cycles=500)

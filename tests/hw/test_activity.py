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
    """Set wins over keep and clear, keep over clear."""
    out = before
    if drive["clear"]:
        out &= ~(1 << drive["clear_row"])
    if drive["keep"]:
        out |= 1 << drive["keep_row"]
    if drive["set"]:
        out |= 1 << drive["set_row"]
    return out


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("command", range(8))
def test_priorities_on_one_row(before, command):
    dut = ActivityMap(CONFIG)
    names = [name for bit, name in enumerate(("set", "clear", "keep")) if command >> bit & 1]

    async def bench(ctx):
        ctx.set(dut.set, before)
        ctx.set(dut.set_row, 5)
        await ctx.tick()
        ctx.set(dut.set, 0)
        assert ctx.get(dut.active) == before << 5
        for name in ("set", "clear", "keep"):
            ctx.set(getattr(dut, f"{name}_row"), 5)
            ctx.set(getattr(dut, name), name in names)
        await ctx.tick()
        stays = before and "clear" not in names
        assert ctx.get(dut.active) == ((stays or "set" in names or "keep" in names) << 5)

    simulate(dut, bench, cycles=10)


@pytest.mark.parametrize("seed", range(3))
def test_random_commands(seed):
    config = replace(CONFIG, state_rows=(4, CONFIG.state_rows, 128)[seed])
    dut = ActivityMap(config)
    rng = random.Random(seed)

    async def bench(ctx):
        state = 0
        for cycle in range(400):
            drive = {}
            for name in ("set", "clear", "keep"):
                drive[name] = rng.random() < 0.4
                drive[f"{name}_row"] = rng.randrange(config.state_rows)
            for name, value in drive.items():
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            state = expected_map(state, drive)
            assert ctx.get(dut.active) == state, f"seed {seed}, cycle {cycle}"

    simulate(dut, bench, cycles=500)

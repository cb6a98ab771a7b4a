import random
from dataclasses import replace

import pytest

from hw.bench import CONFIG, simulate
from spikeloom_hw.compact.activity import BLOCK_ROWS, RowActivity

SIZES = (4, 8, 16, 32, 64, 128, 1024)
SEEN_CYCLES = 2


def unit(state_rows):
    return RowActivity(replace(CONFIG, compact=True, state_rows=state_rows))


async def note(ctx, dut, row, value, keeps):
    """Note a row for one cycle."""
    for name, wanted in {"row": row, "write": 1, "value": value, "keeps": keeps}.items():
        ctx.set(getattr(dut, name), wanted)
    await ctx.tick()
    ctx.set(dut.write, 0)


async def close(ctx, dut):
    ctx.set(dut.closes, 1)
    await ctx.tick()
    ctx.set(dut.closes, 0)


def shown(ctx, dut, row):
    """Return (active, block, some) of a row."""
    ctx.set(dut.row, row)
    return ctx.get(dut.active), ctx.get(dut.block), ctx.get(dut.some)


@pytest.mark.parametrize("rows", SIZES)
def test_the_row_behind_the_block(rows):
    """Where a build has fewer rows than a block, that is the row behind all of them."""
    dut = unit(rows)

    async def bench(ctx):
        for row in range(rows):
            ctx.set(dut.row, row)
            behind = min((row // BLOCK_ROWS + 1) * BLOCK_ROWS, rows)
            assert ctx.get(dut.skipped) == behind, f"row {row}"

    simulate(dut, bench, cycles=10)


@pytest.mark.parametrize("rows", [4, 64])
@pytest.mark.parametrize("value", [1, 0])
def test_a_note_is_seen_two_cycles_later(rows, value):
    dut = unit(rows)

    async def bench(ctx):
        await note(ctx, dut, 3, 1 - value, 0)
        for _ in range(SEEN_CYCLES):
            await ctx.tick()
        await note(ctx, dut, 3, value, 0)
        for cycle in range(1, SEEN_CYCLES + 2):
            assert shown(ctx, dut, 3)[0] == (value if cycle >= SEEN_CYCLES else 1 - value)
            await ctx.tick()

    simulate(dut, bench, cycles=20)


@pytest.mark.parametrize("rows", [16, 64])
def test_a_block_is_looked_at_until_no_row_of_it_is_kept(rows):
    dut = unit(rows)
    row = rows - 3

    async def bench(ctx):
        assert shown(ctx, dut, row)[1:] == (0, 0)
        await note(ctx, dut, row, 1, 0)
        assert shown(ctx, dut, row)[1:] == (1, 1)
        if rows > BLOCK_ROWS:
            assert shown(ctx, dut, 0)[1:] == (0, 1)
        for _ in range(3):
            await note(ctx, dut, row, 1, 1)
            await close(ctx, dut)
            assert shown(ctx, dut, row) == (1, 1, 1)
        await note(ctx, dut, row, 0, 1)
        # others of the block have not been visited
        assert shown(ctx, dut, row)[1:] == (1, 1)
        await close(ctx, dut)
        assert shown(ctx, dut, row) == (0, 0, 0)

    simulate(dut, bench, cycles=40)


def test_what_is_kept_counts_behind_the_close_only():
    dut = unit(64)

    async def bench(ctx):
        await note(ctx, dut, 40, 1, 1)
        assert shown(ctx, dut, 40)[1:] == (0, 0)
        await close(ctx, dut)
        assert shown(ctx, dut, 40) == (1, 1, 1)
        assert shown(ctx, dut, 20) == (0, 0, 1)

    simulate(dut, bench, cycles=20)


@pytest.mark.parametrize("rows", [4, 8, 32, 128])
@pytest.mark.parametrize("seed", range(2))
def test_random_ticks(seed, rows):
    """Rows get potentials and are visited; those that hold one are shown, others are not."""
    dut = unit(rows)
    rng = random.Random(1000 * seed + rows)

    async def bench(ctx):
        holds: set[int] = set()
        asked: set[int] = set()  # blocks that are to be looked at
        for tick in range(40):
            for _ in range(rng.choice([0, 0, 1, 5])):
                row = rng.randrange(rows)
                await note(ctx, dut, row, 1, 0)
                holds.add(row)
                asked.add(row // BLOCK_ROWS)
            for _ in range(SEEN_CYCLES):
                await ctx.tick()
            for row in range(rows):
                expected = (int(row in holds), int(row // BLOCK_ROWS in asked), int(bool(asked)))
                assert shown(ctx, dut, row) == expected, f"seed {seed}, tick {tick}, row {row}"
            for row in sorted(holds):
                keeps = rng.random() < 0.6
                await note(ctx, dut, row, keeps, 1)
                if not keeps:
                    holds.remove(row)
            await close(ctx, dut)
            asked = {row // BLOCK_ROWS for row in holds}

    simulate(dut, bench, cycles=40 * (rows + 20))

import random
from dataclasses import replace

import pytest

from hw.bench import CONFIG, simulate
from spikeloom_hw.weights import LANES_PER_MEMORY, WeightBank

SIZES = [(4, 16), (8, 16), (16, 32), (32, 16)]


def random_rows(rng, lanes, n_rows, bits=8):
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    edges = [low, high, -1, 0, 1]
    return [
        [rng.choice([*edges, rng.randint(low, high)]) for _ in range(lanes)] for _ in range(n_rows)
    ]


def words_of(row, bits=8):
    """The first lane in the lowest bits of the first word."""
    per_word = 32 // bits
    mask = (1 << bits) - 1
    return [
        sum((weight & mask) << bits * k for k, weight in enumerate(row[at : at + per_word]))
        for at in range(0, len(row), per_word)
    ]


async def write_word(ctx, bank, row, word, value):
    ctx.set(bank.write, 1)
    ctx.set(bank.write_row, row)
    ctx.set(bank.write_word, word)
    ctx.set(bank.write_data, value)
    await ctx.tick()
    ctx.set(bank.write, 0)


async def read_row(ctx, bank, row, valid=1):
    """Return (words, weights) after the bank's latency."""
    ctx.set(bank.address, row)
    ctx.set(bank.valid, valid)
    await ctx.tick()
    ctx.set(bank.valid, 0)
    ctx.set(bank.address, 0)
    for _ in range(WeightBank.LATENCY_CYCLES - 1):
        await ctx.tick()
    weights = [ctx.get(bank.weights[lane]) for lane in range(bank.config.lanes)]
    words = []
    for word in range(bank.words):
        ctx.set(bank.word, word)
        words.append(ctx.get(bank.value))
    return words, weights


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize(("lanes", "n_rows"), SIZES)
def test_what_is_written_is_read(lanes, n_rows, bits):
    bank = WeightBank(replace(CONFIG, lanes=lanes, weight_rows=n_rows, weight_bits=bits))
    rng = random.Random(100 * bits + lanes)
    rows = random_rows(rng, lanes, n_rows, bits)
    assert bank.words == len(words_of(rows[0], bits))
    order = [(row, word) for row in range(n_rows) for word in range(bank.words)]
    rng.shuffle(order)

    async def bench(ctx):
        for row, word in order:
            await write_word(ctx, bank, row, word, words_of(rows[row], bits)[word])
        for row in reversed(range(n_rows)):
            words, weights = await read_row(ctx, bank, row)
            assert weights == rows[row]
            assert words == words_of(rows[row], bits)

    simulate(bank, bench, cycles=1000)


def test_bits_of_a_word_that_no_lane_has_read_zero():
    bank = WeightBank(replace(CONFIG, lanes=4, weight_bits=2))

    async def bench(ctx):
        await write_word(ctx, bank, 5, 0, 0xFFFFFF63)
        assert await read_row(ctx, bank, 5) == ([0x63], [-1, 0, -2, 1])

    simulate(bank, bench, cycles=20)


@pytest.mark.parametrize("lanes", [4, 16])
def test_a_word_leaves_its_neighbours_alone(lanes):
    bank = WeightBank(replace(CONFIG, lanes=lanes, weight_rows=16))
    rows = random_rows(random.Random(1), lanes, 16)

    async def bench(ctx):
        for row in range(16):
            for word, value in enumerate(words_of(rows[row])):
                await write_word(ctx, bank, row, word, value)
        for row in (0, 7, 15):
            for word in range(lanes // 4):
                await write_word(ctx, bank, row, word, 0x80FF017F)
                rows[row][4 * word : 4 * word + 4] = [127, 1, -1, -128]
                for other in range(16):
                    _, weights = await read_row(ctx, bank, other)
                    assert weights == rows[other]

    simulate(bank, bench, cycles=2000)


@pytest.mark.parametrize("lanes", [4, 16])
def test_no_write_without_the_write_signal(lanes):
    bank = WeightBank(replace(CONFIG, lanes=lanes, weight_rows=16))

    async def bench(ctx):
        await write_word(ctx, bank, 3, 0, 0x04030201)
        ctx.set(bank.write_data, 0xFFFFFFFF)
        await ctx.tick()
        _, weights = await read_row(ctx, bank, 3)
        assert weights[:4] == [1, 2, 3, 4]

    simulate(bank, bench, cycles=50)


@pytest.mark.parametrize("lanes", [4, 16])
def test_a_row_every_cycle_and_zeros_where_invalid(lanes):
    bank = WeightBank(replace(CONFIG, lanes=lanes, weight_rows=16))
    rng = random.Random(2)
    rows = random_rows(rng, lanes, 16)
    reads = [(rng.randrange(16), rng.random() < 0.6) for _ in range(60)]

    async def bench(ctx):
        for row in range(16):
            for word, value in enumerate(words_of(rows[row])):
                await write_word(ctx, bank, row, word, value)
        latency = WeightBank.LATENCY_CYCLES
        for cycle in range(len(reads) + latency):
            row, valid = reads[cycle] if cycle < len(reads) else (0, False)
            ctx.set(bank.address, row)
            ctx.set(bank.valid, valid)
            if cycle >= latency:
                row, valid = reads[cycle - latency]
                got = [ctx.get(bank.weights[lane]) for lane in range(lanes)]
                assert got == (rows[row] if valid else [0] * lanes), f"read {cycle - latency}"
            await ctx.tick()

    simulate(bank, bench, cycles=500)


def test_the_sizes_cover_one_group_and_several():
    groups = {max(lanes // LANES_PER_MEMORY, 1) for lanes, _ in SIZES}
    assert {1, 2, 4} <= groups
    assert min(lanes for lanes, _ in SIZES) < LANES_PER_MEMORY

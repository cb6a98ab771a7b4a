import random
from dataclasses import replace
from itertools import zip_longest

import pytest

from hw.bench import CONFIG, PATTERNS, receive, simulate, stalls
from spikeloom_hw.encoder import SpikeEncoder


def expected_pairs(masks, lanes):
    """(even, odd, magnitude) of every pair; the lowest lanes of a mask come first."""
    pairs = []
    for index, spikes, *digit in masks:
        magnitude = 1 << digit[0] if digit else 1
        fired = [index * lanes + lane for lane in range(lanes) if spikes >> lane & 1]
        evens = [n for n in fired if n % 2 == 0]
        odds = [n for n in fired if n % 2 == 1]
        pairs += [(*pair, magnitude) for pair in zip_longest(evens, odds)]
    return pairs


def pair_facts(pair):
    even = 2 * pair.even if pair.even_valid else None
    odd = 2 * pair.odd + 1 if pair.odd_valid else None
    return (even, odd, pair.magnitude)


def run(masks, config, seed=0, stall_in=0.0, stall_out=0.0):
    """Write the masks as the credits allow; return the cycles of the pairs."""
    dut = SpikeEncoder(config)
    rng = random.Random(seed)
    names = ("index", "spikes", "digit")[: 2 + config.multi_spike]
    wanted = expected_pairs(masks, config.lanes)
    held = {"now": 0, "most": 0, "returned": 0}
    taken = []

    async def source(ctx):
        waiting = list(masks)
        pauses = stalls(rng, stall_in)
        while waiting or held["returned"] < len(masks):
            free = held["now"] < SpikeEncoder.DEPTH
            write = bool(waiting) and not next(pauses) and free
            ctx.set(dut.write, write)
            if write:
                ctx.set(dut.mask, dict(zip(names, waiting.pop(0), strict=True)))
            _, _, back = await ctx.tick().sample(dut.taken)
            held["now"] += write
            held["most"] = max(held["most"], held["now"])
            held["now"] -= back
            held["returned"] += back
            assert held["now"] >= 0, f"seed {seed}"

    async def sink(ctx):
        taken.extend(await receive(ctx, dut.o, len(wanted), rng, stall_out))
        ctx.set(dut.o.ready, 1)
        for _ in range(4):
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert not valid, "a pair too many"

    async def both_ended(ctx):
        while held["returned"] < len(masks) or len(taken) < len(wanted):
            await ctx.tick()
        for _ in range(4):
            await ctx.tick()
        assert ctx.get(dut.idle)
        assert held["now"] == 0

    simulate(dut, source, sink, both_ended, cycles=500 + 100 * (len(masks) + len(wanted)))
    assert [pair_facts(pair) for _, pair in taken] == wanted, f"seed {seed}"
    assert held["returned"] == len(masks)
    return [cycle for cycle, _ in taken], held["most"]


@pytest.mark.parametrize("spikes", range(16))
def test_every_mask_of_four_lanes(spikes):
    run([(3, spikes)], CONFIG)


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_a_full_mask_gives_pairs_in_consecutive_cycles(lanes):
    config = replace(CONFIG, lanes=lanes)
    cycles, _ = run([(0, (1 << lanes) - 1), (7, (1 << lanes) - 1)], config)
    assert len(cycles) == lanes
    assert cycles == list(range(cycles[0], cycles[0] + lanes))


def test_one_pair_per_cycle_from_mask_to_mask():
    cycles, _ = run([(row % 8, 1 << row % 4) for row in range(8)], CONFIG)
    assert cycles == list(range(cycles[0], cycles[0] + 8))


def test_an_empty_mask_gives_its_place_back_at_once():
    dut = SpikeEncoder(CONFIG)

    async def bench(ctx):
        ctx.set(dut.write, 1)
        for _ in range(2 * SpikeEncoder.DEPTH):
            _, _, back, idle = await ctx.tick().sample(dut.taken, dut.idle)
            assert (back, idle) == (1, 1)
        ctx.set(dut.write, 0)
        _, _, back, valid = await ctx.tick().sample(dut.taken, dut.o.valid)
        assert (back, valid) == (0, 0)

    simulate(dut, bench, cycles=40)


def test_depth_masks_have_room_while_the_output_stands():
    masks = [(row, 0b1111) for row in range(8)] * 3
    rng = random.Random(5)
    dut = SpikeEncoder(CONFIG)
    got = []

    async def bench(ctx):
        held = written = 0
        ctx.set(dut.o.ready, 0)
        for _ in range(30):
            write = held < SpikeEncoder.DEPTH and written < len(masks)
            ctx.set(dut.write, write)
            if write:
                ctx.set(dut.mask, {"index": masks[written][0], "spikes": masks[written][1]})
            _, _, back = await ctx.tick().sample(dut.taken)
            written += write
            held += write - back
        ctx.set(dut.write, 0)
        # the pairs of one mask stand at the output, one mask is being encoded, DEPTH wait
        assert written == SpikeEncoder.DEPTH + 2
        wanted = expected_pairs(masks[:written], CONFIG.lanes)
        got.extend(await receive(ctx, dut.o, len(wanted), rng, 0.3))
        assert [pair_facts(pair) for _, pair in got] == wanted

    simulate(dut, bench, cycles=400)


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
@pytest.mark.parametrize("lanes", [4, 8])
def test_random_masks_under_stalls(stall_in, stall_out, lanes):
    seed = 1000 * lanes + 100 * PATTERNS.index(stall_in) + PATTERNS.index(stall_out)
    rng = random.Random(seed)
    config = replace(CONFIG, lanes=lanes)
    full = (1 << lanes) - 1
    masks = [
        (
            rng.randrange(8),
            rng.choice([0, 0, full, rng.randint(0, full), 1 << rng.randrange(lanes)]),
        )
        for _ in range(40)
    ]
    _, most = run(masks, config, seed, stall_in, stall_out)
    if stall_out == PATTERNS[-1] and stall_in == 0:
        assert most == SpikeEncoder.DEPTH


def test_digits_become_magnitudes():
    config = replace(CONFIG, graded=True, multi_spike=True)
    masks = [(row, spikes, digit) for digit in range(7) for row, spikes in ((7, 0b1111), (2, 0b10))]
    run(masks, config)


@pytest.mark.parametrize("stall_out", PATTERNS)
def test_random_digits_under_stalls(stall_out):
    seed = 7 + PATTERNS.index(stall_out)
    rng = random.Random(seed)
    config = replace(CONFIG, graded=True, multi_spike=True)
    masks = [(rng.randrange(8), rng.randrange(16), rng.randrange(7)) for _ in range(40)]
    run(masks, config, seed, 0.3, stall_out)

import random

import pytest

from hw.bench import PATTERNS, receive, send, simulate
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.fork import SpikeFork

POPULATION = 5


def pair(even, odd, magnitude=1):
    return {
        "even_valid": even is not None,
        "odd_valid": odd is not None,
        "even": (even or 0) // 2,
        "odd": (odd or 1) // 2,
        "magnitude": magnitude,
    }


def beats_of(even, odd, magnitude=1):
    """Return the beats in which a pair leaves."""
    words = [
        0 if neuron is None else int(aer.addressed(Kind.SPIKE, POPULATION, neuron))
        for neuron in (even, odd)
    ]
    if magnitude == 1:
        return [words[0] | words[1] << 32]
    graded = int(aer.word(Kind.GRADED, magnitude & 0xFF))
    return [graded | word << 32 for word in words if word]


def run(pairs, walks=1, sends=1, graded=False, seed=0, stalls=(0.0, 0.0, 0.0)):
    """Return the cycles in which (pairs walked, beats left)."""
    dut = SpikeFork(graded)
    rng = random.Random(seed)
    payloads = [pair(*one) for one in pairs]
    beats = [beat for one in pairs for beat in beats_of(*one)] if sends else []
    cycles = {"walk": [], "beats": []}
    ended = []
    sent = 0

    async def source(ctx):
        ctx.set(dut.walks, walks)
        ctx.set(dut.sends, sends)
        ctx.set(dut.population, POPULATION)
        await send(ctx, dut.i, payloads, rng, stalls[0])
        ended.append(True)

    async def walker(ctx):
        taken = await receive(ctx, dut.walk, len(pairs) if walks else 0, rng, stalls[1])
        for (cycle, got), want in zip(taken, payloads, strict=bool(walks)):
            cycles["walk"].append(cycle)
            assert {name: int(got[name]) for name in want} == want, f"seed {seed}"
        while not ended:
            _, _, valid = await ctx.tick().sample(dut.walk.valid)
            assert not valid

    async def output(ctx):
        taken = await receive(ctx, dut.beats, len(beats), rng, stalls[2])
        got = [int(beat.data) for _, beat in taken]
        assert [f"{b:#x}" for b in got] == [f"{b:#x}" for b in beats], f"seed {seed}"
        assert not any(beat.last for _, beat in taken)
        cycles["beats"] += [cycle for cycle, _ in taken]
        while not ended:
            _, _, valid = await ctx.tick().sample(dut.beats.valid)
            assert not valid

    async def counter(ctx):
        nonlocal sent
        while not ended:
            _, _, now = await ctx.tick().sample(dut.sent)
            sent += now

    simulate(dut, source, walker, output, counter, cycles=500 + 100 * len(pairs))
    spikes = sum(neuron is not None for one in pairs for neuron in one[:2])
    assert sent == (spikes if sends else 0), f"seed {seed}"
    return cycles["walk"], cycles["beats"]


PAIRS = [(0, 1), (4, None), (None, 7), (254, 3), ((1 << 20) - 2, (1 << 20) - 1)]


@pytest.mark.parametrize(("walks", "sends"), [(1, 1), (1, 0), (0, 1), (0, 0)])
@pytest.mark.parametrize("graded", [False, True])
def test_one_pair_per_cycle_to_those_who_want_it(walks, sends, graded):
    walked, left = run(PAIRS, walks, sends, graded)
    assert walked == (list(range(len(PAIRS))) if walks else [])
    assert left == (list(range(len(PAIRS))) if sends else [])


@pytest.mark.parametrize("magnitude", [2, 64, -1, -127, 127, 0])
def test_a_graded_pair_takes_a_beat_for_each_spike(magnitude):
    pairs = [(0, 3, magnitude), (4, None, magnitude), (None, 7, magnitude), (2, 1)]
    walked, left = run(pairs, graded=True)
    assert left == list(range(5))
    # a pair walks once, in its first cycle
    assert walked == [0, 2, 3, 4]


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_walk", PATTERNS)
@pytest.mark.parametrize("stall_beats", PATTERNS)
def test_random_pairs_under_stalls(stall_in, stall_walk, stall_beats):
    stalls = (stall_in, stall_walk, stall_beats)
    seed = sum(10**k * PATTERNS.index(s) for k, s in enumerate(stalls))
    rng = random.Random(seed)
    pairs = []
    for _ in range(25):
        even, odd = rng.choice([(1, 0), (0, 1), (1, 1)])
        neurons = (
            2 * rng.randrange(99) if even else None,
            2 * rng.randrange(99) + 1 if odd else None,
        )
        pairs.append((*neurons, rng.choice([1, 2, 4, 64])))
    run(pairs, graded=True, seed=seed, stalls=stalls)

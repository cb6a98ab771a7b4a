"""Words to beats."""

import random

import pytest

from hw.bench import STALLS, send, simulate, stalled
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.sensor.packer import WordPacker

TICK, END = aer.word(Kind.TICK), aer.word(Kind.END)


def spike(neuron):
    return int(aer.addressed(Kind.SPIKE, 0, neuron))


def run(words, stalls=(0.0, 0.0), seed=0, pauses=()):
    """Return the beats as (cycle, low, high, last); ``pauses``: cycles before each word."""
    dut = WordPacker()
    out = []
    ended = [False]
    rngs = [random.Random(f"{seed} {k}") for k in range(2)]

    async def drive(ctx):
        for index, word in enumerate(words):
            for _ in range(pauses[index] if index < len(pauses) else 0):
                await ctx.tick()
            await send(ctx, dut.i, [word], rngs[0], stalls[0])
        while not ctx.get(dut.idle):
            await ctx.tick()
        ended[0] = True

    async def take(ctx):
        cycle = 0
        held = None
        while not ended[0]:
            ready = not stalled(rngs[1], stalls[1])
            ctx.set(dut.o.ready, ready)
            _, _, valid, beat = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            now = (beat.data, beat.last)
            assert held is None or (valid and now == held), "a beat changed"
            held = now if valid and not ready else None
            if valid and ready:
                out.append((cycle, beat.data & 0xFFFFFFFF, beat.data >> 32, beat.last))
            cycle += 1

    simulate(dut, drive, take, cycles=20000)
    return out


@pytest.mark.parametrize("stall_in", STALLS)
@pytest.mark.parametrize("stall_out", STALLS)
def test_every_word_leaves_once_and_in_order(stall_in, stall_out):
    rng = random.Random(f"{stall_in} {stall_out}")
    words = []
    for _ in range(30):
        words += [spike(rng.getrandbits(20)) for _ in range(rng.randrange(6))] + [TICK]
        words += [END | len(words)] * (rng.random() < 0.4)
    beats = run(words, (stall_in, stall_out), seed=rng.random())
    assert [w for beat in beats for w in beat[1:3] if w] == words
    for _, low, high, last in beats:
        ends = [w >> 28 == Kind.END for w in (low, high)]
        assert last == any(ends)
        assert not (ends[0] and high), "nothing may follow END in its beat"
        assert low, "the low word comes first"


def test_words_that_come_together_share_beats():
    beats = run([spike(1), spike(2), spike(3), TICK, spike(4), END])
    assert [b[1:] for b in beats] == [
        (spike(1), spike(2), 0), (spike(3), TICK, 0), (spike(4), END, 1),
    ]  # fmt: skip
    assert [b[0] for b in beats] == [2, 4, 6]


def test_latency_and_patience():
    pauses = [3, WordPacker.PATIENCE_CYCLES - 1, 0, WordPacker.PATIENCE_CYCLES, 0]
    beats = run([spike(1), spike(2), spike(3), spike(4), END], pauses=pauses)
    assert [b[1:3] for b in beats] == [(spike(1), spike(2)), (spike(3), 0), (spike(4), END)]
    taken_second = 3 + 1 + WordPacker.PATIENCE_CYCLES - 1
    assert beats[0][0] == taken_second + WordPacker.LATENCY_CYCLES
    assert beats[1][0] == taken_second + 1 + WordPacker.PATIENCE_CYCLES + 1
    assert [b[1:] for b in run([END])] == [(END, 0, 1)]

"""The decoder in builds for graded events."""

import random

import pytest

from hw.bench import PATTERNS, receive, send, simulate
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.decode import Decoder
from spikeloom_hw.layouts import Token

N = 8
TICK, END = aer.word(Kind.TICK, 5), aer.word(Kind.END, 9)


def spike(neuron, population=0):
    return int(aer.addressed(Kind.SPIKE, population, neuron))


def graded(magnitude, rest=0):
    """A GRADED word; ``rest`` fills the bits that mean nothing."""
    return int(aer.word(Kind.GRADED, magnitude & 0xFF | rest << 8))


def expected(words):
    """Return (items in twos of a beat, accepted, dropped), word by word."""
    magnitude, accepted, dropped = 1, 0, 0
    items = []
    for at in range(0, len(words), 2):
        found = []
        for word in words[at : at + 2]:
            kind, payload = word >> 28, word & 0xFFFFFFF
            if kind == 1:
                if payload < N:
                    found.append((payload, magnitude))
                accepted += payload < N
                dropped += payload >= N
                magnitude = 1
            elif kind == 2:
                byte = payload & 0xFF
                magnitude = byte - 256 if byte > 127 else byte
            elif kind in (3, 4):
                found.append(({3: "TICK", 4: "END"}[kind],))
                magnitude = 1
            elif kind:
                dropped += 1
        spikes = [one for one in found if len(one) == 2]
        if len(spikes) == 2 and (spikes[0][0] + spikes[1][0]) % 2 and spikes[0][1] == spikes[1][1]:
            even, odd = sorted((neuron for neuron, _ in spikes), key=lambda neuron: neuron % 2)
            items.append((even, odd, spikes[0][1]))
            continue
        for one in found:
            if len(one) == 1:
                items.append(one)
            else:
                neuron, m = one
                items.append((None, neuron, m) if neuron % 2 else (neuron, None, m))
    return items, accepted, dropped


def item_facts(item):
    if item.token != Token.PAIR:
        return (item.token.name,)
    pair = item.pair
    even = 2 * pair.even if pair.even_valid else None
    odd = 2 * pair.odd + 1 if pair.odd_valid else None
    return (even, odd, pair.magnitude)


def check(words, seed=0, stall_in=0.0, stall_out=0.0):
    dut = Decoder(graded=True)
    wanted, accepted, dropped = expected(words)
    rng = random.Random(seed)
    beats = [{"data": words[k] | words[k + 1] << 32, "last": 0} for k in range(0, len(words), 2)]
    counts, got = [], []

    async def source(ctx):
        ctx.set(dut.n_neurons, N)
        watch = [dut.accepted, dut.dropped, dut.bad_kind]
        counts.extend(await send(ctx, dut.i, beats, rng, stall_in, watch))

    async def sink(ctx):
        taken = await receive(ctx, dut.o, len(wanted), rng, stall_out)
        got.extend(item_facts(item) for _, item in taken)

    simulate(dut, source, sink, cycles=500 + 40 * len(words))
    assert got == wanted, f"seed {seed}"
    assert sum(count[0] for count in counts) == accepted
    assert sum(count[1] for count in counts) == dropped


@pytest.mark.parametrize("magnitude", [-127, -1, 0, 1, 2, 127])
def test_a_magnitude_belongs_to_the_next_spike_alone(magnitude):
    check([graded(magnitude), spike(2), spike(3), spike(4)])


def test_a_magnitude_waits_for_its_spike_over_beats_and_nulls():
    check([0, graded(-5), 0, 0, 0, spike(1), graded(7, 0xFFFFF), graded(9), 0, spike(2)])


@pytest.mark.parametrize("word", [TICK, END])
def test_a_magnitude_does_not_outlive_its_tick(word):
    check([graded(50), int(word), spike(1), spike(2)])


def test_a_dropped_spike_takes_its_magnitude_along():
    check([graded(50), spike(N), spike(1), graded(3), spike(0, 1), spike(2)])


def test_spikes_pair_up_only_with_equal_magnitudes():
    check([graded(5), 0, spike(0), spike(1), 0, graded(1), spike(2), spike(3)])


def test_without_graded_builds_the_word_is_of_unknown_kind():
    dut = Decoder()

    async def run(ctx):
        ctx.set(dut.n_neurons, N)
        ctx.set(dut.i.payload, {"data": graded(5) | spike(1) << 32, "last": 0})
        ctx.set(dut.i.valid, 1)
        _, _, accepted, dropped, kind = await ctx.tick().sample(
            dut.accepted, dut.dropped, dut.bad_kind
        )
        assert (accepted, dropped, kind) == (1, 1, 1)

    simulate(dut, run, cycles=5)


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
def test_random_words_under_stalls(stall_in, stall_out):
    seed = 100 * PATTERNS.index(stall_in) + PATTERNS.index(stall_out)
    rng = random.Random(seed)
    choices = [
        lambda: spike(rng.randrange(N + 1)),
        lambda: spike(rng.randrange(N)),
        lambda: graded(rng.choice([1, 1, 2, -127, 127])),
        lambda: 0,
        lambda: int(TICK),
        lambda: int(END),
        lambda: 0xF0000000,
    ]
    check([rng.choice(choices)() for _ in range(160)], seed, stall_in, stall_out)

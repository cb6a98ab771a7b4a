"""The limit of events per neuron and tick."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hw.bench import STALLS, receive, send, simulate
from hw.sensor.pins import apply, fields
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.sensor.limiter import EventLimiter

NEURONS = 64
TICK, END = aer.word(Kind.TICK, 9), aer.word(Kind.END, 5)


def spike(neuron):
    return int(aer.addressed(Kind.SPIKE, 3, neuron))


def expected(words, limit, neurons=NEURONS):
    """Return the words that pass, and how many are over the limit or too large."""
    out, counts, limited, outside = [], {}, 0, 0
    for word in words:
        neuron = word & aer.NEURON_MASK
        if word >> 28 != Kind.SPIKE:
            counts = {} if word >> 28 == Kind.TICK else counts
            out.append(word)
        elif limit and neuron >= neurons:
            outside += 1
        elif limit and counts.get(neuron, 0) >= limit:
            limited += 1
        else:
            counts[neuron] = counts.get(neuron, 0) + 1
            out.append(word)
    return out, limited, outside


def run(words, limit, stalls=(0.0, 0.0), seed=0, neurons=NEURONS):
    dut = EventLimiter(neurons)
    wanted, limited, outside = expected(words, limit, neurons)
    got, counts, taken = [], {"sent": 0, "limited": 0, "outside": 0}, []
    rngs = [random.Random(f"{seed} {k}") for k in range(2)]
    ended = [False]

    async def drive(ctx):
        apply(ctx, dut.settings, fields("OUTPUT", LIMIT=limit))
        for _ in range(2 * dut.CLEAR_CYCLES + 4):
            await ctx.tick()
        await send(ctx, dut.i, words, rngs[0], stalls[0])
        for _ in range(20):
            await ctx.tick()
        ended[0] = True

    async def take(ctx):
        got.extend(await receive(ctx, dut.o, len(wanted), rngs[1], stalls[1]))

    async def watch(ctx):
        cycle = 0
        while not ended[0]:
            signals = [getattr(dut, name) for name in counts]
            _, _, valid, ready, *seen = await ctx.tick().sample(dut.i.valid, dut.i.ready, *signals)
            for name, value in zip(counts, seen, strict=True):
                counts[name] += value
            if valid and ready:
                taken.append(cycle)
            cycle += 1

    simulate(dut, drive, take, watch, cycles=20000)
    assert [v for _, v in got] == wanted, f"seed {seed}, limit {limit}"
    sent = sum(w >> 28 == Kind.SPIKE for w in wanted)
    assert counts == {"sent": sent, "limited": limited, "outside": outside}
    return taken, [c for c, _ in got]


@pytest.mark.parametrize("limit", [0, 1, 2, 7, 15])
@pytest.mark.parametrize("stall", STALLS)
def test_the_first_events_of_each_tick_pass(limit, stall):
    """Few neurons often, the last one among them; short ticks, empty ones, many at once."""
    rng = random.Random(f"{limit} {stall}")
    words = []
    for _ in range(8):
        some = [rng.randrange(NEURONS) for _ in range(3)] + [NEURONS - 1, 0, NEURONS]
        words += [spike(rng.choice(some)) for _ in range(rng.choice([0, 0, 1, 5, 30]))]
        words += [TICK] + [END] * (rng.random() < 0.3)
    run(words, limit, (STALLS[limit % 3], stall), seed=f"{limit} {stall}")


def test_every_place_of_the_memory_counts_for_itself():
    rng = random.Random(2)
    words = [spike(n) for n in rng.sample(range(256), 256)]
    run([*words, *words, TICK, *words, TICK, *words], 1, neurons=256)


def test_a_tick_waits_until_the_counts_of_the_one_before_the_last_are_gone():
    """Clearing takes 64 cycles here, and a tick far less."""
    rng = random.Random(3)
    words = []
    for _ in range(20):
        words += [spike(n) for n in (1023, 0, 1008, 1023, rng.randrange(1024))] + [TICK]
    taken, _ = run(words, 1, neurons=1024)
    assert len(taken) == len(words)


def test_latency():
    taken, left = run([spike(1), TICK, spike(2)], 1)
    assert left[0] - taken[0] == left[2] - taken[2] == EventLimiter.LATENCY_CYCLES
    taken, left = run([spike(1), TICK, spike(2)], 0)
    assert {b - a for a, b in zip(taken, left, strict=True)} == {EventLimiter.LATENCY_CYCLES - 2}


def test_after_a_reset_nothing_of_the_tick_before_counts():
    class Resettable(EventLimiter):
        def __init__(self):
            super().__init__(NEURONS)
            self.reset = Signal()

        def elaborate(self, platform):
            return ResetInserter({"sync": self.reset})(super().elaborate(platform))

    dut = Resettable()

    words = [spike(n) for n in (0, 1, 63)]

    async def bench(ctx):
        apply(ctx, dut.settings, fields("OUTPUT", LIMIT=1))
        ctx.set(dut.o.ready, 1)
        for pause in range(12):
            # both banks get counts, and the reset comes while one may be half clear
            await send(ctx, dut.i, [TICK, *words] * (1 + pause % 2))
            for _ in range(pause):
                await ctx.tick()
            ctx.set(dut.reset, 1)
            await ctx.tick()
            ctx.set(dut.reset, 0)
            limited = 0
            for word in [*words, TICK, *words]:
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.payload, word)
                ready = 0
                while not ready:
                    _, _, ready, one = await ctx.tick().sample(dut.i.ready, dut.limited)
                    limited += one
            ctx.set(dut.i.valid, 0)
            for _ in range(8):
                _, _, one = await ctx.tick().sample(dut.limited)
                limited += one
            assert limited == 0, f"after a reset {pause} cycles behind the last word"

    simulate(dut, bench)

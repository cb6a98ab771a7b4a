"""Ticks around events: equal to the twin, lossless for TICK, in order under any stall."""

import itertools
import random

import numpy as np
import pytest

from hw.bench import STALLS, simulate, stalled
from hw.sensor.pins import apply, fields
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.sensor.timestamper import Timestamper


class Bench:
    """Drives a timestamper for a number of cycles and records every cycle."""

    def __init__(self, depth=16, seed=0):
        self.dut = Timestamper(depth)
        self.rng = random.Random(seed)
        self.taken, self.words, self.cycles = [], [], []
        self.dropped = self.ignored = self.lost = self.cycle = 0
        self.held = None

    async def settings(self, ctx, period=10, cycles=1, ticks=0, wait=0, population=0):
        values = {
            **fields("CONTROL", WAIT=wait),
            **fields("CLOCK", CYCLES=cycles),
            **fields("PERIOD", MICROSECONDS=period),
            **fields("TICKS", TICKS=ticks),
            **fields("OUTPUT", POPULATION=population),
        }
        apply(ctx, self.dut.settings, values)
        await ctx.tick()  # they stand still for a cycle before the run

    async def step(self, ctx, neuron=None, ready=True):
        """One cycle; return whether ``neuron`` was taken into a sample or waits no more."""
        d = self.dut
        ctx.set(d.i.valid, neuron is not None)
        ctx.set(d.i.payload, neuron or 0)
        ctx.set(d.o.ready, ready)
        _, _, taken, valid, word, dropped, ignored, lost = await ctx.tick().sample(
            d.i.ready, d.o.valid, d.o.payload, d.dropped, d.ignored, d.lost_tick
        )
        assert self.held is None or (valid, word) == (1, self.held), "a word was withdrawn"
        self.held = word if valid and not ready else None
        if valid and ready:
            self.words.append(word)
            self.cycles.append(self.cycle)
        self.dropped += dropped
        self.ignored += ignored
        self.lost += lost
        taken = neuron is not None and taken
        if taken and not dropped:
            self.taken.append((self.cycle, neuron))
        self.cycle += 1
        return taken

    def run(self, body, cycles=20000):
        async def bench(ctx):
            await body(ctx)

        simulate(self.dut, bench, cycles=cycles)


def expected_words(taken, period, n_ticks, population=0, ticks=None):
    """Return the words of events (cycle since the start, neuron) up to tick ``ticks``."""
    out, number, sample, tick = [], 0, 0, 0
    for cycle, neuron in [*taken, (None, None)]:
        target = ticks if cycle is None else cycle // period
        while tick < target:
            out.append(aer.word(Kind.TICK, number))
            number, tick = number + 1, tick + 1
            if n_ticks and number == n_ticks:
                out.append(aer.word(Kind.END, sample))
                number, sample = 0, sample + 1
        if cycle is not None:
            out.append(int(aer.addressed(Kind.SPIKE, population, neuron)))
    return out


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("wait", [0, 1])
@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_words_are_those_of_the_times_in_which_events_were_taken(stall, wait, rate):
    """With few events and many, a fast core and one that is behind; bursts among them."""
    b = Bench(seed=f"{stall} {wait} {rate}")

    async def body(ctx):
        await b.settings(ctx, period=3, cycles=4, ticks=5, wait=wait, population=7)
        for _ in range(7):
            await b.step(ctx)
        ctx.set(b.dut.run, 1)
        start, neuron, quiet = b.cycle, None, 0
        for _ in range(1200):
            if quiet == 0 and b.rng.random() < 0.01:
                quiet = b.rng.randint(1, 120)
            quiet = max(0, quiet - 1)
            if neuron is None and b.rng.random() < rate:
                neuron = b.rng.getrandbits(20)
            ready = not quiet and not stalled(b.rng, stall)
            if await b.step(ctx, neuron, ready):
                neuron = None
        end = b.cycle
        for _ in range(300):  # what came before must leave, whatever comes now
            await b.step(ctx)
        taken = [(c - start, n) for c, n in b.taken]
        words = expected_words(taken, 12, 5, 7, (end - start) // 12)
        assert b.words[: len(words)] == words
        assert b.ignored == b.lost == 0
        assert not (wait and b.dropped)
        if rate == 0.3 and not wait:
            assert b.dropped

    b.run(body)


def test_an_event_in_the_last_cycle_of_a_tick_belongs_to_it():
    b = Bench()

    async def body(ctx):
        await b.settings(ctx, period=4, cycles=5)
        ctx.set(b.dut.run, 1)
        for cycle in range(90):
            await b.step(ctx, cycle if cycle in (0, 19, 20, 39, 40) else None)
        spike = [int(aer.addressed(Kind.SPIKE, 0, n)) for n in (0, 19, 20, 39, 40)]
        tick = [aer.word(Kind.TICK, n) for n in range(4)]
        assert b.words == [*spike[:2], tick[0], *spike[2:4], tick[1], spike[4], *tick[2:]]

    b.run(body)


def test_latency_of_an_event_and_of_a_tick():
    b = Bench()

    async def body(ctx):
        await b.settings(ctx, period=100)
        ctx.set(b.dut.run, 1)
        for cycle in range(120):
            await b.step(ctx, 1 if cycle == 50 else None)
        assert b.words == [int(aer.addressed(Kind.SPIKE, 0, 1)), aer.word(Kind.TICK, 0)]
        assert b.cycles == [50 + b.dut.LATENCY_CYCLES, 99 + b.dut.TICK_LATENCY_CYCLES]

    b.run(body)


@pytest.mark.parametrize(("period", "cycles", "length"), [(0, 0, 1), (1, 1, 1), (1, 7, 7),
                                                          (7, 1, 7), (3, 100, 300)])  # fmt: skip
def test_ticks_without_events_come_at_their_time(period, cycles, length):
    b = Bench()

    async def body(ctx):
        await b.settings(ctx, period=period, cycles=cycles, ticks=3)
        ctx.set(b.dut.run, 1)
        for _ in range(10 * length + 20):
            await b.step(ctx)
        assert b.words[:6] == expected_words([], 1, 3, ticks=6)[:6]
        ticks = [c for c, w in zip(b.cycles, b.words, strict=True) if w >> 28 == Kind.TICK]
        if length > 2:  # a tick per cycle with an END in between cannot keep its time
            assert {y - x for x, y in itertools.pairwise(ticks)} == {length}

    b.run(body)


def test_no_tick_is_lost_in_a_long_stall():
    b = Bench(depth=4)

    async def body(ctx):
        await b.settings(ctx, period=2, ticks=1000)
        ctx.set(b.dut.run, 1)
        for cycle in range(3000):
            await b.step(ctx, cycle if cycle % 100 == 0 else None, ready=False)
        for _ in range(8000):
            await b.step(ctx)
        ticks = [w for w in b.words if w >> 28 == Kind.TICK]
        assert [w & 0xFFFFFFF for w in ticks] == [n % 1000 for n in range(len(ticks))]
        assert len(ticks) > 5000
        taken = [(c, n) for c, n in b.taken if c < 3000]
        assert (
            b.words[: 1500 + len(taken)]
            == expected_words(taken, 2, 1000, ticks=9000)[: 1500 + len(taken)]
        )
        assert b.dropped == 30 - len(taken)
        assert b.lost == 0

    b.run(body)


@pytest.mark.parametrize("wait", [0, 1])
def test_an_event_behind_2_to_16_waiting_ticks(wait):
    """It is dropped or waits; the ticks are counted on."""
    b = Bench()

    async def body(ctx):
        await b.settings(ctx, period=1, wait=wait)
        d = b.dut
        ctx.set(d.run, 1)
        await b.step(ctx, 1, ready=False)
        await b.step(ctx, ready=False)
        ctx.set(d._pending, 0xFFFE)
        assert await b.step(ctx, 2, ready=False)  # 65534 ticks stand before it
        ctx.set(d._pending, 0x10000)
        taken = await b.step(ctx, 3, ready=False)
        assert (taken, b.dropped) == ((False, 0) if wait else (True, 1))
        ctx.set(d._pending, 1 << 31)
        await b.step(ctx, ready=False)
        assert b.lost == 1
        assert ctx.get(d._pending) == 1 << 31

    b.run(body)


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("ticks", [0, 1, 4])
@pytest.mark.parametrize("moment", [0, 9, 10, 37])
def test_stop_ends_with_a_whole_sample_and_discards_the_rest(stall, ticks, moment):
    b = Bench(seed=f"{stall} {ticks} {moment}")

    async def body(ctx):
        d = b.dut
        await b.settings(ctx, period=10, ticks=ticks)
        for again in range(2):
            b.words.clear()
            sent_before = len(b.taken)
            ctx.set(d.run, 1)
            n_in, start = 0, b.cycle
            for cycle in range(4000):
                if cycle == moment:
                    ctx.set(d.stop, 1)
                neuron = b.rng.getrandbits(20) if b.rng.random() < 0.1 else None
                n_in += neuron is not None
                stopped = ctx.get(d.stopped)
                await b.step(ctx, neuron, not stalled(b.rng, stall))
                if stopped and cycle > moment + 20:
                    break
            assert ctx.get(d.stopped)
            words = list(b.words)
            kinds = [w >> 28 for w in words]
            n_ticks = kinds.count(Kind.TICK)
            taken = [(c - start, n) for c, n in b.taken[sent_before:]]
            whole = expected_words(taken, 10, ticks or n_ticks, ticks=n_ticks)
            assert words == [w for w in whole[: len(words)]], f"round {again}"
            assert not words or kinds[-1] == Kind.END
            ctx.set(d.run, 0)
            ctx.set(d.stop, 0)
            for _ in range(30):
                await b.step(ctx)
            assert len(b.words) == len(words)
            spikes = kinds.count(Kind.SPIKE)
            assert n_in == spikes + b.ignored + b.dropped
            b.ignored = b.dropped = 0

    b.run(body)


def test_when_stop_goes_away_time_starts_anew():
    b = Bench()

    async def body(ctx):
        d = b.dut
        await b.settings(ctx, period=10, ticks=2)
        ctx.set(d.run, 1)
        ctx.set(d.stop, 1)
        for _ in range(35):
            await b.step(ctx)
        assert ctx.get(d.stopped)
        ctx.set(d.stop, 0)
        await b.step(ctx)
        start = b.cycle
        for _ in range(45):
            await b.step(ctx)
        expected = expected_words([], 1, 2, ticks=4)
        assert b.words[-6:] == expected
        assert b.cycles[-6] == start + 9 + d.TICK_LATENCY_CYCLES

    b.run(body)


def test_events_before_the_start_are_ignored():
    b = Bench()

    async def body(ctx):
        await b.settings(ctx, period=10)
        for neuron in range(30):
            await b.step(ctx, neuron)
        assert b.ignored == 30
        ctx.set(b.dut.run, 1)
        for _ in range(15):
            await b.step(ctx)
        assert b.words == [aer.word(Kind.TICK, 0)]

    b.run(body)


def test_the_twin_of_a_whole_run_counts_the_same():
    """Words of the hand-made reference, counted, against SensorSetup.ticks."""
    from hw.sensor.pins import setup

    rng = np.random.default_rng(3)
    chosen = setup(crop=(0, 0, 8, 8), limit=0)
    times = np.sort(rng.integers(0, 250, 200))
    addresses = (rng.integers(0, 8, 200) << 8) | ((127 - rng.integers(0, 8, 200)) << 1)
    neurons = chosen.neurons(addresses)
    words = expected_words(list(zip(times.tolist(), neurons.tolist(), strict=True)), 10, 5,
                           ticks=25)  # fmt: skip
    counts = np.zeros((5, 5, chosen.n_neurons), np.uint8)
    sample = tick = 0
    for word in words:
        kind = word >> 28
        if kind == Kind.SPIKE:
            counts[sample, tick, word & aer.NEURON_MASK] += 1
        elif kind == Kind.TICK:
            tick += 1
        else:
            sample, tick = sample + 1, 0
    assert np.array_equal(chosen.ticks(addresses, times, 250), counts)

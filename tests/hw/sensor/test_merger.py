"""The change between host and sensor: between samples, without losing or mixing a beat."""

import random

import pytest

from hw.bench import STALLS, simulate, stalled
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.sensor.merger import SourceMerger

SPIKE, TICK, END = (aer.word(kind) for kind in (Kind.SPIKE, Kind.TICK, Kind.END))


class Bench:
    """A host with its beats and a sensor that says when it is over, cycle by cycle."""

    def __init__(self, seed=0):
        self.dut = SourceMerger()
        self.rng = random.Random(seed)
        self.out, self.held = [], None

    async def step(self, ctx, host=None, sensor=None, source=0, over=0, ready=True):
        """Offer a beat on either side; return which were taken."""
        d = self.dut
        for port, beat in ((d.host, host), (d.sensor, sensor)):
            ctx.set(port.valid, beat is not None)
            if beat is not None:
                ctx.set(port.payload, {"data": beat, "last": 0})
        ctx.set(d.source, source)
        ctx.set(d.sensor_over, over)
        ctx.set(d.o.ready, ready)
        _, _, a, b, valid, beat, selected = await ctx.tick().sample(
            d.host.ready, d.sensor.ready, d.o.valid, d.o.payload, d.selected
        )
        assert self.held is None or (valid, beat.data) == (1, self.held), "a beat was withdrawn"
        self.held = beat.data if valid and not ready else None
        if valid and ready:
            self.out.append((selected, beat.data))
        return host is not None and a, sensor is not None and b


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("seed", range(2))
def test_samples_stay_whole_whenever_the_source_changes(stall, seed):
    b = Bench(f"{stall} {seed}")
    rng = b.rng

    def sample(source, number):
        """Beats of a sample, END alone, behind a spike, or before a NULL; NULL beats too."""
        mark = (source << 27 | number) & 0xFFFFFFF
        body = [(SPIKE | mark) | (TICK << 32) for _ in range(rng.randrange(4))]
        body += [0] * rng.randrange(2)
        end = rng.choice([END | mark, (SPIKE | mark) | (END | mark) << 32, (END | mark) << 32])
        return [*body, end]

    async def bench(ctx):
        waiting = {0: [], 1: []}
        numbers, source = [0, 0], 0
        for cycle in range(1500):
            if rng.random() < 0.03 and cycle < 1100:
                source ^= 1
            for side in (0, 1):
                if not waiting[side] and (side == 0 or ctx.get(b.dut.selected)):
                    may = rng.random() < 0.5 and (side == 0 or source)
                    if may and cycle < 1200:
                        waiting[side] = sample(side, numbers[side])
                        numbers[side] += 1
            offers = [waiting[k][0] if waiting[k] else None for k in (0, 1)]
            taken = await b.step(ctx, offers[0], offers[1], source, not waiting[1],
                                 not stalled(rng, stall))  # fmt: skip
            for side in (0, 1):
                if taken[side]:
                    waiting[side].pop(0)
        words = [(s, w) for s, beat in b.out for w in (beat & 0xFFFFFFFF, beat >> 32) if w]
        ends = [i for i, (_, w) in enumerate(words) if w >> 28 == Kind.END]
        assert len({s for s, _ in words}) == 2
        first = 0
        for end in ends:
            assert len({s for s, _ in words[first : end + 1]}) == 1, "a sample was mixed"
            first = end + 1
        for side in (0, 1):
            seen = [words[e][1] & 0x7FFFFFF for e in ends if words[e][0] == side]
            assert seen == list(range(len(seen)))
            assert len(seen) > 3

    simulate(b.dut, bench, cycles=4000)


def test_the_change_comes_one_cycle_after_the_end_even_if_the_host_goes_on():
    b = Bench()

    async def bench(ctx):
        assert (await b.step(ctx, SPIKE, source=1))[0]  # open in the very cycle of the wish
        assert (await b.step(ctx, 0, source=1))[0]
        assert (await b.step(ctx, SPIKE | END << 32, source=1))[0]
        assert await b.step(ctx, SPIKE, TICK, source=1) == (0, 1)
        assert await b.step(ctx, SPIKE, TICK, source=0, over=0) == (0, 1)
        assert await b.step(ctx, SPIKE, None, source=0, over=1) == (0, False)
        assert (await b.step(ctx, SPIKE, TICK, source=0))[0]

    simulate(b.dut, bench)


def test_a_beat_that_was_offered_is_not_withdrawn():
    b = Bench()

    async def bench(ctx):
        for _ in range(5):
            await b.step(ctx, SPIKE, TICK, source=1, ready=False)
        assert await b.step(ctx, SPIKE, TICK, source=1) == (1, 0)
        assert await b.step(ctx, END, TICK, source=1) == (1, 0)
        assert await b.step(ctx, None, TICK, source=1) == (False, 1)

    simulate(b.dut, bench)


def test_end_and_then_a_spike_in_one_beat_opens_the_next_sample():
    b = Bench()

    async def bench(ctx):
        await b.step(ctx, END | SPIKE << 32, TICK, source=1)
        assert (await b.step(ctx, TICK, TICK, source=1))[0]
        await b.step(ctx, END, TICK, source=1)
        assert await b.step(ctx, TICK, TICK, source=1) == (0, 1)

    simulate(b.dut, bench)

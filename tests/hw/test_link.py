import random

import pytest

from hw.bench import PATTERNS, simulate, stalled
from hw.link_bench import write_slot
from spikeloom_hw.link import Link


def sample_of(rng, ticks, most):
    """Slots of a sample: random beats for each tick, none at END."""
    return [[rng.randrange(1 << 64) for _ in range(rng.randint(0, most))] for _ in range(ticks)]


def run(beats, samples, delays, seed, stalls=(0.0, 0.0, 0.0), most_ahead=1000):
    """Write ``samples``, read every delay of every tick; return what was read, tick by tick.

    ``most_ahead``: slots that the reader may be ahead of the writer, as in a link to an earlier
    core, where the writer waits for the reader.
    """
    dut = Link(beats)
    pauses = [random.Random(seed + side) for side in range(3)]
    read = []
    done = {"writer": 0, "reader": 0}

    async def writer(ctx):
        for sample in samples:
            for slot in [*sample, []]:
                while done["writer"] - done["reader"] >= most_ahead:
                    await ctx.tick()
                await write_slot(ctx, dut, slot, pauses[0], stalls[0])
                done["writer"] += 1

    async def seek(ctx, delay):
        ctx.set(dut.seek, 1)
        ctx.set(dut.delay, delay)
        await ctx.tick()
        ctx.set(dut.seek, 0)
        found = []
        while True:
            take = not stalled(pauses[2], stalls[2])
            ctx.set(dut.o.ready, take)
            _, _, valid, beat, busy = await ctx.tick().sample(dut.o.valid, dut.o.payload, dut.busy)
            if valid and take:
                found.append(beat)
            if not busy:
                assert not valid
                return found

    async def reader(ctx):
        ctx.set(dut.keep, max(delays))
        for sample in samples:
            for tick in range(len(sample) + 1):
                ending = tick == len(sample)
                for delay in [] if ending else delays:
                    assert ctx.get(dut.kept) == min(tick, max(delays)), f"seed {seed}"
                    while stalled(pauses[1], stalls[1]):
                        await ctx.tick()
                    if tick >= delay:
                        read.append(await seek(ctx, delay))
                while not ctx.get(dut.may_advance):
                    await ctx.tick()
                ctx.set(dut.advance, 1)
                ctx.set(dut.ending, ending)
                await ctx.tick()
                ctx.set(dut.advance, 0)
                done["reader"] += 1

    simulate(dut, writer, reader, cycles=200_000)
    wanted = [
        sample[tick - delay]
        for sample in samples
        for tick in range(len(sample))
        for delay in delays
        if tick >= delay
    ]
    assert read == wanted, f"seed {seed}"


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
@pytest.mark.parametrize("delays", [(0,), (1,), (3, 1, 0), (63, 0)])
def test_each_tick_gets_the_beats_of_its_delays(delays, stall_in, stall_out):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    ticks = (70, 2) if max(delays) == 63 else (6, 1, 9)
    most = 1 if max(delays) == 63 else 4
    samples = [sample_of(rng, n, most) for n in ticks]
    run(128, samples, delays, seed, (stall_in, stall_out, stall_out if max(delays) < 9 else 0.0))


@pytest.mark.parametrize("who", ["writer", "reader"])
def test_the_slots_never_run_into_each_other_when_one_side_is_much_slower(who):
    samples = [[[1, 2], [3]] for _ in range(50)]
    stalls = (0.9, 0.0, 0.0) if who == "writer" else (0.0, 0.9, 0.9)
    run(16, samples, (0,) if who == "reader" else (1,), 7, stalls)


def test_a_writer_of_empty_slots_waits_before_it_meets_a_slow_reader():
    # so few beats that the ring never fills: the slots run out first
    samples = [[[tick] if tick % 8 == 1 else [] for tick in range(300)]]
    run(128, samples, (0,), 5, (0.0, 0.9, 0.0))


def test_a_reader_that_asks_for_nothing_waits_before_it_laps_a_slow_writer():
    # samples too short for the delay, then one that is read
    samples = [[[1], [2]]] * 60 + [[[10 + tick] for tick in range(9)]]
    run(128, samples, (5,), 5, (0.9, 0.0, 0.0))


def test_a_ring_of_the_least_size_does_not_stop_a_writer_that_waits_for_the_reader():
    # three ticks of four beats, and four more
    samples = [[[tick * 8 + i + 1 for i in range(4)] for tick in range(12)]] * 3
    run(16, samples, (2, 1), 3, most_ahead=1)

import random

import pytest

from hw.bench import CONFIG, PATTERNS, receive, send, simulate
from spikeloom_hw.readout import Readout

EDGES = [0, 1, -1, (1 << 17) - 1, -(1 << 17), 32767, -32768]


def expected_beats(request, values):
    """READOUT 0x5 with population and neuron, then VALUE 0x6 with 28 signed bits."""
    beats = []
    for lane in range(request["lanes"]):
        neuron = (request["row"] - request["row_base"]) * CONFIG.lanes + lane
        low = 0x5 << 28 | request["population"] << 20 | neuron
        high = 0x6 << 28 | values[lane] & 0xFFFFFFF
        beats.append(low | high << 32)
    return beats


def run(jobs, seed=0, stall_out=0.0):
    """Send each (request, values); the values hold only when they may be looked at."""
    dut = Readout(CONFIG)
    rng = random.Random(seed)
    wanted = [beat for job in jobs for beat in expected_beats(*job)]
    got = []

    async def source(ctx):
        for request, values in jobs:
            for lane in range(CONFIG.lanes):
                ctx.set(dut.values[lane], rng.randint(-1000, 1000))
            await send(ctx, dut.request, [request])
            for _ in range(Readout.SETTLE_CYCLES - 1):
                await ctx.tick()
            for lane, value in enumerate(values):
                ctx.set(dut.values[lane], value)
            if request["lanes"]:
                await ctx.tick()
                assert not ctx.get(dut.request.ready), f"seed {seed}"
            while not ctx.get(dut.request.ready):
                await ctx.tick()

    async def sink(ctx):
        for cycle, beat in await receive(ctx, dut.o, len(wanted), rng, stall_out):
            got.append((cycle, beat.data))
            assert not beat.last

    simulate(dut, source, sink, cycles=400 + 60 * len(wanted))
    assert [data for _, data in got] == wanted, f"seed {seed}"
    return [cycle for cycle, _ in got]


def request(population, row, row_base, lanes):
    return {"population": population, "row": row, "row_base": row_base, "lanes": lanes}


def test_beats_written_out_by_hand():
    assert expected_beats(request(2, 9, 7, 2), [-1, 5]) == [
        0x6FFFFFFF_50200008,
        0x60000005_50200009,
    ]
    run([(request(2, 9, 7, 2), [-1, 5, 99, 99])])


@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
def test_number_of_lanes_and_one_beat_per_cycle(lanes):
    cycles = run([(request(1, 1, 0, lanes), [-5, 6, -131072, 131071])])
    assert cycles == list(range(cycles[0], cycles[0] + lanes))
    # the request is taken in cycle 0; the first value is looked at when it has settled, and there
    # are two choices
    assert cycles[0] == Readout.SETTLE_CYCLES + 3


def test_greatest_population_and_neuron():
    run([(request(255, 1023, 0, 4), [1, 2, 3, 4])])


@pytest.mark.parametrize("stall_out", PATTERNS)
def test_random_requests_under_stalls(stall_out):
    seed = PATTERNS.index(stall_out)
    rng = random.Random(seed)
    jobs = []
    for _ in range(10):
        values = [rng.choice([*EDGES, rng.randint(EDGES[4], EDGES[3])]) for _ in range(4)]
        base = rng.randrange(100)
        row = base + rng.randrange(100)
        jobs.append((request(rng.randrange(256), row, base, rng.randint(1, 4)), values))
    run(jobs, seed, stall_out)

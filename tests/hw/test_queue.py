"""The queue: order, no loss, its latency and its rate."""

import random

import pytest

from hw.bench import PATTERNS, receive, send, simulate
from spikeloom_hw.queue import Queue

SHAPE = 8


def run(values, depth=4, stall_in=0.0, stall_out=0.0, seed=0):
    """Return (cycle, value) of what leaves; the first value is offered in cycle 0."""
    dut = Queue(SHAPE, depth)
    taken = []

    async def source(ctx):
        await send(ctx, dut.i, values, random.Random(seed), stall_in)

    async def sink(ctx):
        assert ctx.get(dut.idle)
        taken.extend(await receive(ctx, dut.o, len(values), random.Random(seed + 1), stall_out))
        assert ctx.get(dut.idle)

    async def watch(ctx):
        while len(taken) < len(values):
            _, _, idle, valid = await ctx.tick().sample(dut.idle, dut.o.valid)
            assert not (idle and valid)

    simulate(dut, source, sink, watch)
    return taken


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
@pytest.mark.parametrize("depth", [4, 512])
def test_what_goes_in_comes_out_in_order(depth, stall_in, stall_out):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    values = [random.Random(seed).randrange(1 << SHAPE) for _ in range(100)]
    taken = run(values, depth, stall_in, stall_out, seed)
    assert [value for _, value in taken] == values, f"seed {seed}"


def test_latency_and_rate():
    cycles = [cycle for cycle, _ in run(list(range(20)), 16)]
    assert cycles == list(range(Queue.LATENCY_CYCLES, Queue.LATENCY_CYCLES + 20))

import random

import pytest

from hw.bench import STALLS, receive, send, simulate
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.gate import HostGate

N_INPUTS = 20
TICK, END = aer.word(Kind.TICK, 3), aer.word(Kind.END, 4)


def spike(neuron, population=0):
    return aer.addressed(Kind.SPIKE, population, neuron)


def run(beats, n_wanted, graded=False, stall=0.0):
    """Send (low, high, last) beats; return the beats (data, tick, end, last) and the counts."""
    dut = HostGate(graded)
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    taken = []
    names = ("accepted", "dropped", "bad_kind", "bad_address", "bad_frame")
    counts = dict.fromkeys(names, 0)
    ended = []

    async def source(ctx):
        ctx.set(dut.n_inputs, N_INPUTS)
        payloads = [{"data": low | high << 32, "last": last} for low, high, last in beats]
        await send(ctx, dut.i, payloads, rng, stall)
        while not ctx.get(dut.idle):
            await ctx.tick()
        ended.append(1)

    async def counter(ctx):
        while not ended:
            _, _, *values = await ctx.tick().sample(*(getattr(dut, name) for name in names))
            for name, value in zip(names, values, strict=True):
                counts[name] += value

    async def sink(ctx):
        taken.extend(await receive(ctx, dut.o, n_wanted, rng, stall))
        ctx.set(dut.o.ready, 1)
        while not ended:
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert not valid

    simulate(dut, source, counter, sink)
    return [(p.data, p.tick, p.end, p.last) for _, p in taken], counts


@pytest.mark.parametrize("stall", STALLS)
def test_markers_get_beats_of_their_own(stall):
    beats = [
        (spike(1), spike(2), 0),
        (spike(3), TICK, 0),
        (TICK, spike(4), 0),
        (TICK, END, 1),
        (0, TICK, 0),
        (END, END, 1),
    ]
    got, counts = run(beats, 10, stall=stall)
    assert got == [
        (spike(1) | spike(2) << 32, 0, 0, 0),
        (spike(3), 0, 0, 0),
        (TICK, 1, 0, 0),
        (TICK, 1, 0, 0),
        (spike(4), 0, 0, 0),
        (TICK, 1, 0, 0),
        (END, 0, 1, 1),
        (TICK, 1, 0, 0),
        (END, 0, 1, 0),
        (END, 0, 1, 1),
    ]
    assert counts == {
        **{"accepted": 4, "dropped": 0, "bad_kind": 0, "bad_address": 0, "bad_frame": 0}
    }


@pytest.mark.parametrize("graded", [False, True])
def test_what_no_core_may_get_is_dropped_and_counted_once(graded):
    magnitude = aer.word(Kind.GRADED, 5)
    beats = [
        (spike(N_INPUTS), spike(N_INPUTS - 1), 0),
        (spike(0, 1), aer.word(Kind.SOPS), 1),
        (0, 0, 0),
        (magnitude, spike(N_INPUTS), 0),
    ]
    got, counts = run(beats, 3 if graded else 1, graded)
    one = aer.word(Kind.GRADED, 1) if graded else 0
    wanted = [(one | spike(N_INPUTS - 1) << 32, 0, 0, 0)]
    if graded:  # the dropped spike has used up its magnitude
        wanted += [(one, 0, 0, 0), (magnitude | one << 32, 0, 0, 0)]
    assert got == wanted
    assert counts["accepted"] == 1
    assert counts["dropped"] == 4 + (not graded)
    assert counts["bad_kind"] == 1 + (not graded)
    assert counts["bad_address"] == 3
    assert counts["bad_frame"] == 1

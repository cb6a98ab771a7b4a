import random

import pytest

from hw.bench import PATTERNS, receive, send, simulate
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.join import Join


def beat(low, high=0, last=0):
    return {"data": low | high << 32, "last": last}


def spike(population, neuron):
    return beat(aer.addressed(Kind.SPIKE, population, neuron))


def final(population, value):
    low = aer.addressed(Kind.READOUT, population, 0)
    return beat(low, aer.word(Kind.VALUE, value))


def marker(kind, payload, last=0):
    return beat(aer.word(kind, payload), last=last)


def counters(cycles, sops):
    return beat(aer.word(Kind.CYCLES, cycles), aer.word(Kind.SOPS, sops))


def run(answers, wanted, side_by_side, stall_in, stall_out):
    dut = Join(4)
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    own = [random.Random(seed + 1 + core) for core in range(len(answers))]
    taken = []

    def source(core):
        async def bench(ctx):
            await send(ctx, getattr(dut, f"i{core}"), answers[core], own[core], stall_in)

        bench.__name__ = f"core{core}"
        return bench

    async def sink(ctx):
        ctx.set(dut.last_core, len(answers) - 1)
        ctx.set(dut.side_by_side, side_by_side)
        taken.extend(await receive(ctx, dut.o, len(wanted), rng, stall_out))

    simulate(dut, sink, *(source(core) for core in range(len(answers))))
    found = [{"data": payload.data, "last": payload.last} for _, payload in taken]
    assert found == wanted, f"seed {seed}"


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
def test_a_chain_answers_as_one_core(stall_in, stall_out):
    def sample(core, number, last):
        ticks = []
        for tick in range(3):
            words = [spike(core + 1, n) for n in range((core + tick) % 3)]
            ticks += [*words, marker(Kind.TICK, tick)]
        ends = [final(core + 1, 5 * core), counters(100 - core, 7 + core)]
        return [*ticks, *ends, marker(Kind.END, number, last)]

    answers = [sample(core, 8, 0) + sample(core, 9, 1) for core in range(3)]
    wanted = []
    for number, last in ((8, 0), (9, 1)):
        for tick in range(3):
            for core in range(3):
                wanted += [spike(core + 1, n) for n in range((core + tick) % 3)]
            wanted.append(marker(Kind.TICK, tick))
        wanted += [final(core + 1, 5 * core) for core in range(3)]
        wanted += [counters(100, 7 + 8 + 9), marker(Kind.END, number, last)]
    run(answers, wanted, 0, stall_in, stall_out)


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
def test_side_by_side_samples_leave_in_their_order(stall_in, stall_out):
    samples = [
        [spike(1, n), marker(Kind.TICK, 0), counters(n, n), marker(Kind.END, n, n == 6)]
        for n in range(7)
    ]
    answers = [[b for sample in samples[core::4] for b in sample] for core in range(4)]
    run(answers, [b for sample in samples for b in sample], 1, stall_in, stall_out)

import random

import pytest
from amaranth.hdl import Elaboratable, Module

from hw.bench import simulate
from hw.fanout_case import add_memory
from spikeloom.spec.tables import REPLAYS
from spikeloom_hw.replayer import Replayer

FIRST = 3
"""Cycles from ``start``, and from the end of a wait, to the next replay: two of them to read."""


class WithTable(Elaboratable):
    def __init__(self, rows):
        self.rows = rows
        self.dut = Replayer()

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = self.dut
        add_memory(m, REPLAYS, self.rows, self.dut.index, self.dut.row)
        return m


def random_row(rng):
    return {
        "population": rng.randrange(256),
        "delay": rng.randint(1, 63),
        "first_projection": rng.randrange(256),
        "n_projections": rng.randrange(256),
    }


async def one_tick(ctx, dut, waits):
    """Start; let the history, then the spikes, be busy as ``waits`` says for each row.

    Returns (cycle, facts) of every replay and the last cycle of ``busy``.
    """
    facts = ("population", "delay", "first_projection", "n_projections")
    seen, history, spikes = [], 0, 0
    ctx.set(dut.start, 1)
    for cycle in range(6000):
        ctx.set(dut.history_busy, history > 0)
        ctx.set(dut.spikes_idle, history == 0 and spikes == 0)
        signals = (dut.busy, dut.replay, dut.restart, *(getattr(dut, name) for name in facts))
        _, _, busy, replay, restart, *values = await ctx.tick().sample(*signals)
        ctx.set(dut.start, 0)
        assert replay == restart
        assert busy == (cycle > 0) or not busy
        if history:
            history -= 1
        elif spikes:
            spikes -= 1
        if replay:
            assert not history
            history, spikes = waits[len(seen)]
            seen.append((cycle, dict(zip(facts, values, strict=True))))
        if cycle and not busy:
            return seen, cycle - 1
    raise AssertionError("the replays must end")


@pytest.mark.parametrize("n", [1, 2, 5])
def test_rows_in_order_and_their_cycles(n):
    rng = random.Random(n)
    rows = [random_row(rng) for _ in range(5)]
    bench = WithTable(rows)

    async def run(ctx):
        ctx.set(bench.dut.n_replays, n)
        for _ in range(3):  # tick after tick, from the first row again
            waits = [rng.choice([(0, 0), (3, 0), (0, 4), (2, 5)]) for _ in range(n)]
            seen, end = await one_tick(ctx, bench.dut, waits)
            assert [facts for _, facts in seen] == rows[:n]
            cycle = FIRST
            for (at, _), (history, spikes) in zip(seen, waits, strict=True):
                assert at == cycle
                ended = at + 1 + history + spikes
                cycle = ended + FIRST
            assert end == ended
            await ctx.tick()

    simulate(bench, run, cycles=600)


def test_a_full_table():
    rng = random.Random(256)
    rows = [random_row(rng) for _ in range(256)]
    bench = WithTable(rows)

    async def run(ctx):
        ctx.set(bench.dut.n_replays, 256)
        for _ in range(2):
            seen, _ = await one_tick(ctx, bench.dut, [(0, 0)] * 256)
            assert [facts for _, facts in seen] == rows

    simulate(bench, run, cycles=4000)

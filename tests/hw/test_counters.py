import random

import pytest

from hw.bench import simulate
from spikeloom_hw.counters import SHOWN_CYCLES, TURN_CYCLES, Counters

MOST = {"one": 1, "two": 2, "many": 130, "none": 1, "three": 3}
NAMES = list(MOST)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_at_any_rate(seed):
    """Counts, the index and clearings at random, also two clearings in a row."""
    dut = Counters(MOST)
    rng = random.Random(seed)
    sums = dict.fromkeys(MOST, 0)
    since = TURN_CYCLES * len(MOST)

    async def bench(ctx):
        nonlocal sums
        stood, quiet, history, compared = 0, 0, [], 0
        index, busy = 0, 1
        for cycle in range(3000):
            clear = rng.random() < 0.01
            if rng.random() < 0.05:
                index, stood = rng.randrange(len(MOST)), 0
            if cycle % 50 == 0:
                busy = rng.choice([0, 1])
            amount = {
                n: rng.choice([0, most, rng.randint(0, most)]) * busy for n, most in MOST.items()
            }
            amount["none"] = 0
            ctx.set(dut.happened, amount)
            ctx.set(dut.clear, clear)
            ctx.set(dut.index, index)
            if clear:
                sums = dict.fromkeys(MOST, 0)
                history, quiet = [], 0
            got = ctx.get(dut.value)
            name = NAMES[index]
            if stood >= SHOWN_CYCLES and quiet > since:
                exact = sums[name]
                old = history[-SHOWN_CYCLES - 1][name]
                assert old <= got <= exact, f"seed {seed}, cycle {cycle}"
                compared += 1
            await ctx.tick()
            sums = {n: sums[n] + amount[n] for n in MOST}
            history.append(dict(sums))
            stood, quiet = stood + 1, quiet + 1
        assert compared > 100
        ctx.set(dut.happened, {})
        ctx.set(dut.clear, 0)
        for _ in range(2 * since):
            await ctx.tick()
        for index, name in enumerate(NAMES):
            ctx.set(dut.index, index)
            for _ in range(SHOWN_CYCLES):
                await ctx.tick()
            assert ctx.get(dut.value) == sums[name], f"seed {seed}, {name}"

    simulate(dut, bench, cycles=4000)


def test_a_counter_at_its_highest_rate_all_the_time():
    dut = Counters(MOST)

    async def bench(ctx):
        ctx.set(dut.happened, MOST)
        ctx.set(dut.index, NAMES.index("none"))
        for _ in range(1000):
            await ctx.tick()
        ctx.set(dut.happened, {})
        for index, most in enumerate(MOST.values()):
            ctx.set(dut.index, index)
            for _ in range(SHOWN_CYCLES):
                await ctx.tick()
            assert ctx.get(dut.value) == 1000 * most

    simulate(dut, bench, cycles=1200)

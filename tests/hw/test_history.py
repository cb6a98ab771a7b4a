import random
from dataclasses import replace

import pytest
from amaranth.hdl import ResetInserter, Signal

from hw.bench import CONFIG, PATTERNS, simulate, stalls
from spikeloom.spec import numfmt
from spikeloom_hw.history import History

CONFIG_HISTORY = replace(CONFIG, history_rows=16)
MULTI = replace(CONFIG_HISTORY, graded=True, multi_spike=True)
FIRST_LOOK = 3
MASK_CYCLES = 3
LONGEST = numfmt.DELAY_MAX


class HistoryBench:
    """A history beside the plain statement of it: what was kept, tick by tick."""

    def __init__(self, config=CONFIG_HISTORY, seed=0):
        self.dut = History(config)
        self.rng = random.Random(seed)
        self.ticks = []

    async def tick(self, ctx):
        ctx.set(self.dut.tick, 1)
        await ctx.tick()
        ctx.set(self.dut.tick, 0)
        self.ticks.append([])

    async def clear(self, ctx):
        ctx.set(self.dut.clear, 1)
        await ctx.tick()
        ctx.set(self.dut.clear, 0)
        self.ticks = []

    async def keep(self, ctx, population, index, spikes, digit=None):
        mask = {"index": index, "spikes": spikes}
        if digit is not None:
            mask["digit"] = digit
        ctx.set(self.dut.write, 1)
        ctx.set(self.dut.population, population)
        ctx.set(self.dut.mask, mask)
        await ctx.tick()
        ctx.set(self.dut.write, 0)
        if spikes:
            self.ticks[-1].append((population, mask))

    def expected(self, population, delay):
        if delay >= len(self.ticks):
            return []
        return [mask for source, mask in self.ticks[-1 - delay] if source == population]

    async def replay(self, ctx, population, delay, stall=0.0):
        """Return (masks, cycles of them, busy cycles), ``replay`` being in cycle 0."""
        dut = self.dut
        pauses = stalls(self.rng, stall)
        masks, cycles, busy_cycles = [], [], 0
        ctx.set(dut.replay, 1)
        ctx.set(dut.replayed, population)
        ctx.set(dut.delay, delay)
        for cycle in range(2000):
            room = not next(pauses)
            ctx.set(dut.room, room)
            signals = (dut.valid, dut.busy, dut.o)
            _, _, valid, busy, mask = await ctx.tick().sample(*signals)
            if cycle == 0:
                # it holds no facts but those of the cycle of the pulse
                ctx.set(dut.replay, 0)
                ctx.set(dut.replayed, 255 - population)
                ctx.set(dut.delay, self.rng.randrange(64))
            assert not (valid and not room), "a mask without room"
            assert busy or not valid
            if valid:
                masks.append({name: int(mask[name]) for name in mask.shape().members})
                cycles.append(cycle)
            busy_cycles += busy
            if cycle and not busy:
                return masks, cycles, busy_cycles
        raise AssertionError("a replay must end")

    async def check(self, ctx, population, delay, stall=0.0):
        masks, _, _ = await self.replay(ctx, population, delay, stall)
        where = f"population {population}, {delay} ticks before tick {len(self.ticks) - 1}"
        assert masks == self.expected(population, delay), where
        return len(masks)


def test_cycles_of_a_replay():
    """The masks of other populations are looked at too."""
    bench = HistoryBench()

    async def run(ctx):
        await bench.tick(ctx)
        for k in range(5):
            await bench.keep(ctx, 1 + k % 2, k, 1 + k)
        await bench.tick(ctx)
        masks, cycles, busy = await bench.replay(ctx, 1, 1)
        assert masks == [{"index": k, "spikes": 1 + k} for k in (0, 2, 4)]
        first = FIRST_LOOK + MASK_CYCLES - 1
        assert cycles == [first + MASK_CYCLES * k for k in (0, 2, 4)]
        assert busy == FIRST_LOOK + 5 * MASK_CYCLES
        await bench.tick(ctx)
        _, _, busy = await bench.replay(ctx, 1, 1)
        assert busy == FIRST_LOOK  # a tick without masks
        _, _, busy = await bench.replay(ctx, 1, 5)
        assert busy == 0  # before the sample

    simulate(bench.dut, run, cycles=200)


@pytest.mark.parametrize("delay", [1, 2, 31, 62, LONGEST])
def test_a_delay_reaches_its_tick_and_no_other(delay):
    bench = HistoryBench()

    async def run(ctx):
        await bench.tick(ctx)
        await bench.keep(ctx, 7, 3, 0b1010)
        for later in range(1, LONGEST + 3):
            await bench.tick(ctx)
            assert await bench.check(ctx, 7, delay) == (later == delay)

    simulate(bench.dut, run, cycles=2000)


def test_quiet_lasts_until_a_mask_is_kept_and_returns_behind_the_longest_delay():
    """It is looked at in the cycle of ``tick``, in which the longest delay still reaches."""
    bench = HistoryBench()
    dut = bench.dut

    async def quiet_at_tick(ctx):
        ctx.set(dut.tick, 1)
        _, _, quiet = await ctx.tick().sample(dut.quiet)
        ctx.set(dut.tick, 0)
        bench.ticks.append([])
        return quiet

    async def run(ctx):
        assert await quiet_at_tick(ctx)
        await bench.keep(ctx, 1, 0, 0)
        assert await quiet_at_tick(ctx)
        await bench.keep(ctx, 1, 0, 1)
        for _ in range(LONGEST):
            assert not await quiet_at_tick(ctx)
        assert await bench.check(ctx, 1, LONGEST) == 1
        assert await quiet_at_tick(ctx)
        await bench.keep(ctx, 1, 0, 1)
        await bench.clear(ctx)
        assert await quiet_at_tick(ctx)

    simulate(bench.dut, run, cycles=400)


def test_a_new_sample_finds_nothing_of_the_one_before():
    bench = HistoryBench()

    async def run(ctx):
        for ticks in (1, 3, 70):
            for tick in range(ticks):
                await bench.tick(ctx)
                for delay in (1, 2, 3, LONGEST):
                    await bench.check(ctx, 2, delay)
                if tick % 8 == 0 or tick == ticks - 1:
                    await bench.keep(ctx, 2, 1, 0b1111)
            await bench.clear(ctx)

    simulate(bench.dut, run, cycles=4000)


@pytest.mark.parametrize("stall", PATTERNS)
@pytest.mark.parametrize("config", [CONFIG_HISTORY, MULTI], ids=["plain", "multi-spike"])
def test_random_ticks_around_the_ring(stall, config):
    """The ring wraps many times; every delay that it holds is asked for."""
    seed = 10 * PATTERNS.index(stall) + config.multi_spike
    bench = HistoryBench(config, seed)
    rng = bench.rng
    given = kept = 0

    async def run(ctx):
        nonlocal given, kept
        for _ in range(60):
            await bench.tick(ctx)
            room = config.history_rows - 1  # masks that the ring holds behind this tick
            for delay in range(1, len(bench.ticks)):
                room -= len(bench.ticks[-1 - delay])
                if room < 0:
                    break
                if delay < 4 or rng.random() < 0.2:
                    given += await bench.check(ctx, rng.choice([1, 2, 255]), delay, stall)
            for _ in range(rng.choice([0, 0, 1, 2, 5])):
                digit = rng.randrange(7) if config.multi_spike else None
                population = rng.choice([1, 2, 255])
                await bench.keep(ctx, population, rng.randrange(8), rng.randrange(16), digit)
            kept += len(bench.ticks[-1])

    simulate(bench.dut, run, cycles=30000)
    assert kept > 4 * config.history_rows
    assert given > 20, f"seed {seed}"


def test_a_reset_in_mid_replay():
    bench = HistoryBench()
    reset = Signal()
    top = ResetInserter({"sync": reset})(bench.dut)

    async def run(ctx):
        for cycles in range(1, 9):
            await bench.tick(ctx)
            await bench.keep(ctx, 1, 2, 0b11)
            await bench.keep(ctx, 1, 3, 0b11)
            await bench.tick(ctx)
            ctx.set(bench.dut.replay, 1)
            ctx.set(bench.dut.replayed, 1)
            ctx.set(bench.dut.delay, 1)
            for _ in range(cycles):
                await ctx.tick()
                ctx.set(bench.dut.replay, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            bench.ticks = []
            assert not ctx.get(bench.dut.busy)
            assert ctx.get(bench.dut.quiet)
            await bench.tick(ctx)
            assert await bench.check(ctx, 1, 1) == 0
            await bench.keep(ctx, 1, 5, 0b1)
            await bench.tick(ctx)
            assert await bench.check(ctx, 1, 1) == 1

    simulate(top, run, cycles=1000)

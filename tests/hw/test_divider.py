from hw.bench import simulate
from spikeloom_hw.control import DIGITS
from spikeloom_hw.divider import SETTLE_CYCLES, Divider


def test_the_cycles_of_a_division():
    """One after the other, with and without a gap: load, then the digits, highest first."""
    dut = Divider()
    load = SETTLE_CYCLES + 1
    expected = [(c > 0, c == load, c > load, load + DIGITS - c) for c in range(load + DIGITS + 1)]

    async def run(ctx):
        for gap in (0, 1, 4, 0, 0):
            ctx.set(dut.start, 1)
            got = []
            for _ in expected:
                signals = (dut.busy, dut.load, dut.step, dut.digit)
                _, _, *values = await ctx.tick().sample(*signals)
                got.append([int(v) for v in values])
                ctx.set(dut.start, 0)
            for (busy, loads, step, digit), want in zip(got, expected, strict=True):
                assert (busy, loads, step) == want[:3]
                assert not step or digit == want[3]
            assert sum(busy for busy, *_ in got) == Divider.BUSY_CYCLES
            assert not ctx.get(dut.busy)
            for _ in range(gap):
                _, _, *values = await ctx.tick().sample(dut.busy, dut.load, dut.step)
                assert values == [0, 0, 0]

    simulate(dut, run, cycles=200)

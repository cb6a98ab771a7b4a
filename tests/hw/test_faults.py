"""Resets of the core while the bus is in the middle of something."""

import pytest

from hw.bench import COMPACT, CONFIG, simulate
from hw.host import CONTROL, STATUS, Host
from hw.network_case import make_case
from spikeloom.spec import regmap

RUN = CONTROL.mask("RUN")


@pytest.mark.parametrize(
    ("wait", "config"), [(0, CONFIG), (1, CONFIG), (7, CONFIG), (40, CONFIG), (7, COMPACT)]
)
def test_a_reset_of_the_core_leaves_its_response_on_the_bus(wait, config):
    """BREADY stays low while the core is reset by the very write that is answered."""
    host = Host(config)
    d = host.dut
    case = make_case(5, config, n_samples=1, n_ticks=1)

    async def bench(ctx):
        await host.load(ctx, case)
        await host.start(ctx)
        await host.exchange(ctx, [case.beats()], cycles=20, answers=0)
        values = {"awaddr": CONTROL.offset, "wdata": CONTROL.mask("RESET"), "wstrb": 0xF}
        for name, value in {**values, "awvalid": 1, "wvalid": 1, "bready": 0}.items():
            ctx.set(getattr(d, f"s_axi_{name}"), value)
        for _ in range(2):
            await ctx.tick()
        ctx.set(d.s_axi_awvalid, 0)
        ctx.set(d.s_axi_wvalid, 0)
        for _ in range(10):
            if ctx.get(d.s_axi_bvalid):
                break
            await ctx.tick()
        for _ in range(wait):
            assert (ctx.get(d.s_axi_bvalid), ctx.get(d.s_axi_bresp)) == (1, 0)
            await ctx.tick()
        assert ctx.get(d.s_axi_bvalid)
        ctx.set(d.s_axi_bready, 1)
        await ctx.tick()
        ctx.set(d.s_axi_bready, 0)
        assert not ctx.get(d.s_axi_bvalid)
        assert await host.get(ctx, "CONTROL") == 0
        assert not await host.get(ctx, "STATUS") & STATUS.mask("READY")
        assert await host.get(ctx, "ID") == regmap.ID_VALUE
        await host.put(ctx, "CONTROL", RUN)
        await host.start(ctx)
        case.check(await host.exchange(ctx, [case.beats()]))

    simulate(host.dut, bench, cycles=20000)

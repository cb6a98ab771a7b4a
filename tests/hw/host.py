"""The host's side of a whole accelerator under Amaranth's simulator."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.bench import stalled
from hw.network_case import Case
from spikeloom.spec import regmap
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import memory_map
from spikeloom_hw.top import Accelerator

KEEP = 0xFF
BUS_CYCLES = 100
CONTROL = regmap.BY_NAME["CONTROL"]
STATUS = regmap.BY_NAME["STATUS"]


class Host:
    """Bus accesses and packets, one after the other, each within a bounded time."""

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self.dut = Accelerator(config)

    async def write(self, ctx: Any, address: int, data: int, strobe: int = 0xF) -> int:
        """Write a word; return BRESP."""
        d = self.dut
        values = {"awaddr": address, "wdata": data, "wstrb": strobe, "awvalid": 1, "wvalid": 1}
        for name, value in {**values, "bready": 1}.items():
            ctx.set(getattr(d, f"s_axi_{name}"), value)
        signals = [d.s_axi_awready, d.s_axi_wready, d.s_axi_bvalid, d.s_axi_bresp]
        for _ in range(BUS_CYCLES):
            _, _, aw, w, valid, response = await ctx.tick().sample(*signals)
            if aw:
                ctx.set(d.s_axi_awvalid, 0)
            if w:
                ctx.set(d.s_axi_wvalid, 0)
            if valid:
                ctx.set(d.s_axi_bready, 0)
                return int(response)
        raise AssertionError(f"a write of {address:#x} must be answered")

    async def read(self, ctx: Any, address: int) -> tuple[int, int]:
        """Return (RDATA, RRESP)."""
        d = self.dut
        for name, value in {"araddr": address, "arvalid": 1, "rready": 1}.items():
            ctx.set(getattr(d, f"s_axi_{name}"), value)
        signals = [d.s_axi_arready, d.s_axi_rvalid, d.s_axi_rdata, d.s_axi_rresp]
        for _ in range(BUS_CYCLES):
            _, _, ready, valid, data, response = await ctx.tick().sample(*signals)
            if ready:
                ctx.set(d.s_axi_arvalid, 0)
            if valid:
                ctx.set(d.s_axi_rready, 0)
                return int(data), int(response)
        raise AssertionError(f"a read of {address:#x} must be answered")

    async def get(self, ctx: Any, name: str) -> int:
        """Return a register."""
        data, response = await self.read(ctx, regmap.BY_NAME[name].offset)
        assert response == 0, name
        return data

    async def put(self, ctx: Any, name: str, value: int) -> None:
        """Write a register."""
        assert await self.write(ctx, regmap.BY_NAME[name].offset, value) == 0, name

    async def counter(self, ctx: Any, name: str) -> int:
        """Return a 64-bit counter."""
        return await self.get(ctx, f"{name}_LO") | await self.get(ctx, f"{name}_HI") << 32

    async def load(self, ctx: Any, case: Case) -> None:
        """Stop the core and write the memories."""
        await self.put(ctx, "CONTROL", 0)
        await self.load_images(ctx, case.images, case.n_populations)

    async def load_images(
        self, ctx: Any, images: dict[str, NDArray[np.uint32]], n_populations: int
    ) -> None:
        """Write memory images and the number of populations."""
        for name, memory in memory_map(self.config).items():
            for index, word in enumerate(images[name].ravel()):
                assert await self.write(ctx, memory.base + 4 * index, int(word)) == 0
        await self.put(ctx, "NETWORK", n_populations)

    async def start(self, ctx: Any) -> None:
        """Run and wait until the core is ready."""
        await self.put(ctx, "CONTROL", CONTROL.mask("RUN"))
        for _ in range(1000):
            if await self.get(ctx, "STATUS") & STATUS.mask("READY"):
                return
        raise AssertionError("the core must get ready")

    async def exchange(
        self,
        ctx: Any,
        packets: Sequence[Sequence[int]],
        rng: random.Random | None = None,
        stalls: tuple[float, float] = (0.0, 0.0),
        keeps: Sequence[int] = (),
        cycles: int = 20000,
        answers: int | None = None,
    ) -> list[int]:
        """Send packets; return the beats of as many packets (or of ``answers``).

        Ends after ``cycles`` at the latest; with ``answers`` = 0 it just runs that long.
        Fails if TVALID is withdrawn or a beat changes while it waits.
        """
        d = self.dut
        rng = rng or random.Random(0)
        waiting = [(int(b), k == len(p) - 1) for p in packets for k, b in enumerate(p)]
        masks = list(keeps) or [KEEP] * len(waiting)
        wanted = len(packets) if answers is None else answers
        sent, lasts, offered, held = 0, 0, False, None
        out: list[int] = []
        signals = [d.s_axis_tready, d.m_axis_tvalid, d.m_axis_tdata, d.m_axis_tlast, d.m_axis_tkeep]
        for _ in range(cycles):
            offered = sent < len(waiting) and (offered or not stalled(rng, stalls[0]))
            ready = not stalled(rng, stalls[1])
            ctx.set(d.s_axis_tvalid, offered)
            if offered:
                ctx.set(d.s_axis_tdata, waiting[sent][0])
                ctx.set(d.s_axis_tlast, waiting[sent][1])
                ctx.set(d.s_axis_tkeep, masks[sent])
            ctx.set(d.m_axis_tready, ready)
            _, _, taken, valid, data, last, keep = await ctx.tick().sample(*signals)
            assert held is None or (valid and (data, last) == held), "an output beat changed"
            assert not valid or keep == KEEP
            held = (data, last) if valid and not ready else None
            if offered and taken:
                sent, offered = sent + 1, False
            if valid and ready:
                out.append(int(data))
                lasts += last
                if wanted and lasts == wanted:
                    break
        ctx.set(d.s_axis_tvalid, 0)
        ctx.set(d.m_axis_tready, 0)
        if wanted:
            assert (sent, lasts) == (len(waiting), wanted), "every packet must be answered"
        return out

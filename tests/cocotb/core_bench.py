"""Drivers, monitors and scoreboard around the emitted Verilog."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from amaranth.lib.wiring import In
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, Timer
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)
from numpy.typing import NDArray

import cocotb
from hw.bench import CONFIG
from hw.network_case import Case
from spikeloom.spec import regmap
from spikeloom.spec.memmap import memory_map
from spikeloom_hw.top import port_members

OKAY, SLVERR = 0, 2
CONTROL = regmap.BY_NAME["CONTROL"]
STATUS = regmap.BY_NAME["STATUS"]
TIMEOUT = {"timeout_time": 400, "timeout_unit": "us"}
"""Of every test: 40000 clock cycles."""

STALLS = ("none", "random", "bursty")

Beats = NDArray[np.uint64]


def pauses(stall: str, seed: int) -> Iterator[bool] | None:
    """Return whether to pause, cycle by cycle."""
    rng = random.Random(seed)
    if stall == "random":
        return (rng.random() < 0.5 for _ in itertools.count())
    if stall == "bursty":
        bursts = ((rng.random() < 0.5, rng.randint(1, 30)) for _ in itertools.count())
        return itertools.chain.from_iterable([pause] * length for pause, length in bursts)
    return None


class CoreBench:
    """The core with a host on its bus, a source, a sink, and protocol checks in every cycle."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        common = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False}
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), **common)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), **common)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), **common)
        self.sink.queue_occupancy_limit_frames = -1
        self.abandoned = False

    @classmethod
    async def started(cls, dut: Any) -> CoreBench:
        """Return a bench whose core has been reset and is watched."""
        # every input has a value, and the reset has passed, before the drivers look at anything
        inputs = [name for name, member in port_members(CONFIG).items() if member.flow is In]
        for name in (*inputs, "aclk", "aresetn"):
            getattr(dut, name).value = 0
        await Timer(1, unit="ns")
        Clock(dut.aclk, 10, unit="ns").start()
        await ClockCycles(dut.aclk, 4)
        bench = cls(dut)
        await bench.reset()
        cocotb.start_soon(bench._watch())
        return bench

    async def reset(self) -> None:
        """Pull aresetn."""
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 4)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    async def _watch(self) -> None:
        """Fail when a stream or a response channel breaks the handshake.

        Signals are looked at in the middle of a cycle, where everything is settled.
        """
        d = self.dut
        channels = {
            "m_axis": (
                d.m_axis_tvalid,
                d.m_axis_tready,
                (d.m_axis_tdata, d.m_axis_tlast, d.m_axis_tkeep),
            ),
            "s_axi_b": (d.s_axi_bvalid, d.s_axi_bready, (d.s_axi_bresp,)),
            "s_axi_r": (d.s_axi_rvalid, d.s_axi_rready, (d.s_axi_rdata, d.s_axi_rresp)),
        }
        held: dict[str, list[int] | None] = dict.fromkeys(channels)
        while True:
            await FallingEdge(d.aclk)
            reset = int(d.aresetn.value) == 0
            for name, (valid, ready, signals) in channels.items():
                if reset or (self.abandoned and name == "m_axis"):
                    held[name] = None
                    continue
                before, held[name] = held[name], None
                if not int(valid.value):
                    assert before is None, f"{name}: VALID was withdrawn"
                    continue
                payload = [int(signal.value) for signal in signals]
                assert before in (None, payload), f"{name}: the payload changed"
                if name == "m_axis":
                    assert payload[2] == 0xFF, "TKEEP must be all ones"
                if not int(ready.value):
                    held[name] = payload

    def set_stalls(self, stall_in: str, stall_out: str, seed: int) -> None:
        """Choose how source and sink pause."""
        for port, stall, number in ((self.source, stall_in, 0), (self.sink, stall_out, 1)):
            port.set_pause_generator(pauses(stall, 2 * seed + number))
            port.pause = False

    def set_bus_stalls(self, stall: str, seed: int) -> None:
        """Choose how the five channels of the bus pause."""
        write, read = self.bus.write_if, self.bus.read_if
        channels = (write.aw_channel, write.w_channel, write.b_channel)
        for index, channel in enumerate((*channels, read.ar_channel, read.r_channel)):
            channel.set_pause_generator(pauses(stall, 10 * seed + index))

    async def write(self, address: int, words: Sequence[int]) -> int:
        """Write consecutive words; return the worst response."""
        data = np.array(words, "<u4").tobytes()
        return int((await self.bus.write(address, data)).resp)

    async def read(self, address: int, n_words: int = 1) -> tuple[list[int], int]:
        """Return consecutive words and the worst response."""
        answer = await self.bus.read(address, 4 * n_words)
        return np.frombuffer(bytes(answer.data), "<u4").tolist(), int(answer.resp)

    async def get(self, name: str) -> int:
        """Return a register."""
        words, response = await self.read(regmap.BY_NAME[name].offset)
        assert response == OKAY, name
        return int(words[0])

    async def put(self, name: str, value: int) -> None:
        """Write a register."""
        assert await self.write(regmap.BY_NAME[name].offset, [value]) == OKAY, name

    async def load(self, case: Case) -> None:
        """Write the memories, read them back, and run."""
        await self.load_images(case.images)
        await self.start(case.n_populations)

    async def load_images(self, images: dict[str, NDArray[np.uint32]]) -> None:
        """Write the memories through the window and read them back."""
        await self.put("CONTROL", 0)
        for name, memory in memory_map(CONFIG).items():
            words = [int(word) for word in images[name].ravel()]
            if words:
                assert await self.write(memory.base, words) == OKAY
                assert await self.read(memory.base, len(words)) == (words, OKAY), name

    async def start(self, n_populations: int) -> None:
        """Run and wait until the core is ready."""
        await self.put("NETWORK", n_populations)
        await self.put("CONTROL", CONTROL.mask("RUN"))
        for _ in range(100):
            if await self.get("STATUS") & STATUS.mask("READY"):
                return
        raise AssertionError("the core must get ready")

    async def abandon(self, cycles: int = 3) -> None:
        """Reset the core by CONTROL.RESET, and give up what source and sink were doing."""
        self.abandoned = True
        await self.put("CONTROL", CONTROL.mask("RESET"))
        self.source.assert_reset()
        self.sink.assert_reset()
        await ClockCycles(self.dut.aclk, cycles)
        self.abandoned = False

    def send(self, beats: Sequence[int] | Beats) -> None:
        """Queue a packet."""
        self.source.send_nowait(AxiStreamFrame(np.array(beats, "<u8").tobytes()))

    async def receive(self) -> Beats:
        """Return the next packet."""
        frame = await self.sink.recv()
        return np.frombuffer(bytes(frame.tdata), "<u8").astype(np.uint64)

    async def run(self, packets: Sequence[Sequence[int] | Beats]) -> Beats:
        """Send packets at once and return the beats of as many packets."""
        for packet in packets:
            self.send(packet)
        return np.concatenate([await self.receive() for _ in packets])

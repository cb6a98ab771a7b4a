"""A core in Amaranth's own simulator: slow, but with no compiler and straight from the source.

One testbench lives as long as the simulation.  It takes commands from a queue, does
one bus transaction after the other and idles while the queue is empty.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec.errors import EngineError, UsageError

from .design import Design, version
from .options import SimOptions
from .rtl import Beats, Exchanged, RtlTransport, Status, Words

PERIOD_SECONDS = 1e-8
EVENTS_TO_END = 8
"""Clock edges, and some to spare, until an idle testbench sees that it shall end."""

Command = Callable[[Any], Coroutine[Any, Any, Any]]


class PysimCore:
    """Amaranth's simulator as a :class:`.rtl.SimulatedCore`."""

    def __init__(self, component: Any) -> None:
        from amaranth.sim import Simulator

        self._c = component
        self._cycles = 0
        self._commands: deque[Command] = deque()
        self._results: list[Any] = []
        self._closed = self._ended = False
        self._sim = Simulator(component)
        self._sim.add_clock(PERIOD_SECONDS)
        self._sim.add_testbench(self._testbench)

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""
        return self._cycles

    def camera(self, addresses: Words, starts: NDArray[np.uint64]) -> None:
        """Refuse: there is no camera here."""
        raise UsageError("pysim has no camera at the pins; take cxxrtl or verilator")

    def close(self) -> None:
        """Let the testbench end; a coroutine may not be dropped while it waits."""
        self._closed = True
        for _ in range(EVENTS_TO_END):
            if not self._ended:
                self._sim.advance()

    def __del__(self) -> None:
        if getattr(self, "_sim", None) is not None:
            self.close()

    def write(self, address: int, words: Words, max_cycles: int) -> tuple[Status, int]:
        """Write consecutive words."""

        async def command(ctx: Any) -> tuple[Status, int]:
            failed: int | None = None
            limit = self._cycles + max_cycles
            for index, word in enumerate(words):
                response = await self._write_word(ctx, address + 4 * index, int(word), limit)
                if response is None:
                    return Status.TIMEOUT, index
                if response and failed is None:
                    failed = index
            return (Status.DONE, 0) if failed is None else (Status.BUS_ERROR, failed)

        status: tuple[Status, int] = self._do(command)
        return status

    def read(self, address: int, n_words: int, max_cycles: int) -> tuple[Status, int, Words]:
        """Read consecutive words."""
        words = np.zeros(n_words, np.uint32)

        async def command(ctx: Any) -> tuple[Status, int]:
            failed: int | None = None
            limit = self._cycles + max_cycles
            for index in range(n_words):
                answer = await self._read_word(ctx, address + 4 * index, limit)
                if answer is None:
                    return Status.TIMEOUT, index
                words[index], response = answer
                if response and failed is None:
                    failed = index
            return (Status.DONE, 0) if failed is None else (Status.BUS_ERROR, failed)

        status, at = self._do(command)
        return status, at, words

    def exchange(
        self,
        beats: Beats,
        capacity: int,
        max_cycles: int,
        stalls: tuple[int, int],
        seed: int,
    ) -> Exchanged:
        """Send one packet and take one."""
        stream = _Stream(self._c, beats, capacity, stalls, random.Random(seed))

        async def command(ctx: Any) -> Exchanged:
            start = self._cycles
            status = Status.TIMEOUT
            while status is Status.TIMEOUT and self._cycles - start < max_cycles:
                status = stream.cycle(ctx)
                await self._tick(ctx)
            stream.idle(ctx)
            out = np.array(stream.taken, np.uint64)
            return Exchanged(status, stream.sent, out, self._cycles - start)

        done: Exchanged = self._do(command)
        return done

    def _do(self, command: Command) -> Any:
        self._commands.append(command)
        while not self._results:
            if self._ended:
                raise EngineError("the simulation has ended after an error; open another")
            self._sim.advance()
        return self._results.pop()

    async def _testbench(self, ctx: Any) -> None:
        ctx.set(self._c.s_axis_tkeep, 0xFF)
        ctx.set(self._c.s_axi_wstrb, 0xF)
        try:
            while not self._closed:
                while self._commands:
                    self._results.append(await self._commands.popleft()(ctx))
                await self._tick(ctx)
        finally:
            self._ended = True

    async def _tick(self, ctx: Any) -> None:
        await ctx.tick()
        self._cycles += 1

    async def _write_word(self, ctx: Any, address: int, word: int, limit: int) -> int | None:
        """Return BRESP, or None past the cycle ``limit``."""
        c = self._c
        ctx.set(c.s_axi_awaddr, address)
        ctx.set(c.s_axi_wdata, word)
        ctx.set(c.s_axi_bready, 1)
        waiting = [(c.s_axi_awvalid, c.s_axi_awready), (c.s_axi_wvalid, c.s_axi_wready)]
        for valid, _ in waiting:
            ctx.set(valid, 1)
        response: int | None = None
        while response is None and self._cycles < limit:
            taken = [pair for pair in waiting if ctx.get(pair[1])]
            if ctx.get(c.s_axi_bvalid):
                response = int(ctx.get(c.s_axi_bresp))
            await self._tick(ctx)
            for pair in taken:
                ctx.set(pair[0], 0)
                waiting.remove(pair)
        for valid in (c.s_axi_awvalid, c.s_axi_wvalid, c.s_axi_bready):
            ctx.set(valid, 0)
        return response

    async def _read_word(self, ctx: Any, address: int, limit: int) -> tuple[int, int] | None:
        """Return (RDATA, RRESP), or None past the cycle ``limit``."""
        c = self._c
        ctx.set(c.s_axi_araddr, address)
        ctx.set(c.s_axi_arvalid, 1)
        ctx.set(c.s_axi_rready, 1)
        answer: tuple[int, int] | None = None
        while answer is None and self._cycles < limit:
            taken = bool(ctx.get(c.s_axi_arready))
            if ctx.get(c.s_axi_rvalid):
                answer = int(ctx.get(c.s_axi_rdata)), int(ctx.get(c.s_axi_rresp))
            await self._tick(ctx)
            if taken:
                ctx.set(c.s_axi_arvalid, 0)
        ctx.set(c.s_axi_arvalid, 0)
        ctx.set(c.s_axi_rready, 0)
        return answer


class _Stream:
    """One packet on the two stream ports, a cycle at a time."""

    def __init__(
        self,
        component: Any,
        beats: Beats,
        capacity: int,
        stalls: tuple[int, int],
        rng: random.Random,
    ) -> None:
        self._c = component
        self._beats = [int(b) for b in beats]
        self._capacity = capacity
        self._stalls = stalls
        self._rng = rng
        self._offered = False
        self._waiting: tuple[int, int] | None = None
        self._took = False
        self.sent = 0
        self.taken: list[int] = []

    def cycle(self, ctx: Any) -> Status:
        """Drive the ports for one cycle; TIMEOUT as long as the packet is not complete."""
        if self._took:
            self.sent += 1
            self._offered = False
        rest = self.sent < len(self._beats)
        self._offered = rest and (self._offered or not self._stalled(0))
        ready = not self._stalled(1)
        c = self._c
        ctx.set(c.s_axis_tvalid, self._offered)
        ctx.set(c.m_axis_tready, ready)
        if self._offered:
            ctx.set(c.s_axis_tdata, self._beats[self.sent])
            ctx.set(c.s_axis_tlast, self.sent + 1 == len(self._beats))
        self._took = self._offered and bool(ctx.get(c.s_axis_tready))
        if not ctx.get(c.m_axis_tvalid):
            return Status.PROTOCOL if self._waiting else Status.TIMEOUT
        return self._take(ctx, ready)

    def idle(self, ctx: Any) -> None:
        """Leave the ports idle."""
        self.sent += self._took
        for signal in (self._c.s_axis_tvalid, self._c.s_axis_tlast, self._c.m_axis_tready):
            ctx.set(signal, 0)

    def _take(self, ctx: Any, ready: bool) -> Status:
        beat = int(ctx.get(self._c.m_axis_tdata)), int(ctx.get(self._c.m_axis_tlast))
        if ctx.get(self._c.m_axis_tkeep) != 0xFF or self._waiting not in (None, beat):
            return Status.PROTOCOL
        self._waiting = None if ready else beat
        if not ready:
            return Status.TIMEOUT
        if len(self.taken) == self._capacity:
            return Status.OVERRUN
        self.taken.append(beat[0])
        return Status.DONE if beat[1] else Status.TIMEOUT

    def _stalled(self, side: int) -> bool:
        stall = self._stalls[side]
        return bool(stall) and self._rng.getrandbits(16) < stall


def open_pysim(design: Design, options: SimOptions) -> RtlTransport:
    """Open ``design`` in Amaranth's simulator."""
    core = PysimCore(design.component())
    facts = {
        "engine": "pysim",
        "tool": "amaranth",
        "version": version("amaranth"),
        "design": design.name,
    }
    return RtlTransport("pysim", core, design.address_bits, options, facts)

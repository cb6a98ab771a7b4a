"""A queue whose output comes from registers."""

from __future__ import annotations

from amaranth.hdl import Module, Shape, ShapeLike
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out


class Queue(wiring.Component):
    """A FIFO in a memory, and a register behind it.

    A block RAM takes long to show its word; the register keeps that delay out of the logic behind.

    Members
    -------
    i, o : streams of ``shape``
    idle : Out(1)
        Nothing is inside.

    Timing: a payload leaves three cycles after it came at the earliest; one per cycle.
    """

    LATENCY_CYCLES = 3

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        self.shape = shape
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = Shape.cast(self.shape).width
        m.submodules.fifo = buffer = fifo.SyncFIFOBuffered(width=width, depth=self.depth)
        free = ~self.o.valid | self.o.ready
        m.d.comb += [
            buffer.w_en.eq(self.i.valid),
            buffer.w_data.eq(self.i.payload),
            self.i.ready.eq(buffer.w_rdy),
            buffer.r_en.eq(free),
            self.idle.eq((buffer.level == 0) & ~self.o.valid),
        ]
        with m.If(free):
            m.d.sync += [self.o.valid.eq(buffer.r_rdy), self.o.payload.eq(buffer.r_data)]
        return m

"""Bytes over two wires: start bit, eight data bits, low bit first, stop bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

MIN_DIVISOR = 4


class UartReceiver(wiring.Component):
    """Bytes from a serial line.

    A bit is sampled in its middle.  A byte whose stop bit is 0 is dropped, with all that follows
    until the line has been 1; so is one that comes while the one before has not been taken.

    Members
    -------
    rx : In(1)
        The line; synchronised here.
    o : stream of 8 bits

    Timing: ``o`` is valid from 9.5 bits after the start bit's edge, 3 cycles later at most.
    """

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.sync = FFSynchronizer(self.rx, line, init=1)
        timer = Signal(range(self.divisor + self.divisor // 2 + 1))
        left = Signal(range(10))
        bits = Signal(8)
        broken = Signal()
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(line):
            m.d.sync += broken.eq(0)
        with m.If(left == 0), m.If(~line & ~broken):
            m.d.sync += [left.eq(9), timer.eq(self.divisor + self.divisor // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [left.eq(left - 1), timer.eq(self.divisor - 1)]
            with m.If(left != 1):
                m.d.sync += bits.eq(Cat(bits[1:], line))
            with m.Elif(~line):
                m.d.sync += broken.eq(1)
            with m.Elif(~self.o.valid):
                m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(bits)]
        return m


class UartTransmitter(wiring.Component):
    """Bytes to a serial line.

    Members
    -------
    i : stream of 8 bits
    tx : Out(1)

    Timing: one byte takes 10 bits; ``i`` is taken in the cycle before its start bit.
    """

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timer = Signal(range(self.divisor))
        left = Signal(range(11))
        bits = Signal(9, init=-1)
        m.d.comb += [self.tx.eq(bits[0]), self.i.ready.eq(left == 0)]
        with m.If(left == 0), m.If(self.i.valid):
            m.d.sync += [
                bits.eq(Cat(Const(0, 1), self.i.payload)),
                left.eq(10),
                timer.eq(self.divisor - 1),
            ]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [
                bits.eq(Cat(bits[1:], Const(1, 1))),
                left.eq(left - 1),
                timer.eq(self.divisor - 1),
            ]
        return m

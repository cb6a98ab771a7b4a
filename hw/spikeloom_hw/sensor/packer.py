"""From words to beats."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

from ..layouts import Beat
from .layouts import Word


class WordPacker(wiring.Component):
    """Put two words into a beat; one that finds no partner goes alone, with NULL behind it.

    A SPIKE waits for a partner, since a pair of an even and an odd neuron costs the core half.
    It waits ``PATIENCE_CYCLES`` at most.  END never shares a beat with a word behind it, and its
    beat has TLAST.

    Members
    -------
    i : stream of Word, in
    o : stream of Beat, out
    idle : Out(1)
        No word is held.

    Timing: a second word or an END is offered ``LATENCY_CYCLES`` after it was taken.
    """

    LATENCY_CYCLES = 1
    PATIENCE_CYCLES = 32

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(Word)),
                "o": Out(stream.Signature(Beat)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low, has_low = Signal(Word), Signal()
        patience = Signal(range(self.PATIENCE_CYCLES))
        end, free, alone = Signal(), Signal(), Signal()
        m.d.comb += [
            end.eq(self.i.payload[aer.KIND_SHIFT :] == Kind.END),
            free.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(free),
            alone.eq(patience == 0),
            self.idle.eq(~has_low & ~self.o.valid),
        ]
        with m.If(has_low & ~alone):
            m.d.sync += patience.eq(patience - 1)
        with m.If(free):
            m.d.sync += self.o.valid.eq(0)
            with m.If(self.i.valid & (has_low | end)):
                words = [self.i.payload, Signal(Word, name="none")]
                with m.If(has_low):
                    m.d.sync += self.o.payload.data.eq(Cat(low, self.i.payload))
                with m.Else():
                    m.d.sync += self.o.payload.data.eq(Cat(words))
                m.d.sync += [self.o.valid.eq(1), self.o.payload.last.eq(end), has_low.eq(0)]
            with m.Elif(self.i.valid):
                m.d.sync += [
                    low.eq(self.i.payload),
                    has_low.eq(1),
                    patience.eq(self.PATIENCE_CYCLES - 1),
                ]
            with m.Elif(has_low & alone):
                m.d.sync += [
                    self.o.valid.eq(1),
                    self.o.payload.data.eq(low),
                    self.o.payload.last.eq(0),
                    has_low.eq(0),
                ]
        return m

"""The host's words before they reach the cores of a cluster."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

from .layouts import Beat
from .words import WordClass, classify

HostBeat = data.StructLayout(
    {
        "data": unsigned(aer.BEAT_BITS),
        "tick": unsigned(1),
        "end": unsigned(1),
        "last": unsigned(1),
    }
)
"""Words of the host: spikes, or one TICK or END alone."""


class HostGate(wiring.Component):
    """Drop and count what no core may get, and give each TICK and END a beat of its own.

    The rules are those of :class:`~spikeloom_hw.decode.Decoder`.  A cluster needs them in front of
    its cores: a core alone cannot tell the host's words from those of other cores, and each word
    is to be counted once.

    Members
    -------
    i : stream of Beat, in
    o : stream of HostBeat, out
    n_inputs : In(20)
        Input addresses of the host must be below.
    accepted, dropped : Out(2), bad_kind, bad_address, bad_frame : Out(1)
        As those of the decoder.
    idle : Out(1)

    Timing: one cycle; one beat per cycle but for those with a TICK or END beside another word.
    """

    LATENCY_CYCLES = 1

    def __init__(self, graded: bool = False) -> None:
        self.graded = graded
        super().__init__(
            {
                "i": In(stream.Signature(Beat)),
                "o": Out(stream.Signature(HostBeat)),
                "n_inputs": In(aer.NEURON_BITS),
                "accepted": Out(2),
                "dropped": Out(2),
                "bad_kind": Out(1),
                "bad_address": Out(1),
                "bad_frame": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        held, full, advance = Signal(Beat), Signal(), Signal()
        m.d.comb += [self.i.ready.eq(~full | advance), self.idle.eq(~full)]
        with m.If(self.i.ready):
            m.d.sync += [held.eq(self.i.payload), full.eq(self.i.valid)]
        raw = [held.data.word_select(i, aer.WORD_BITS) for i in range(aer.BEAT_WORDS)]
        classes = [classify(word, self.n_inputs, self.graded) for word in raw]
        cleaned = [self._cleaned(*both) for both in zip(raw, classes, strict=True)]
        some = [found.passes | (found.lost & int(self.graded)) for found in classes]
        ticks, ends = [found.tick for found in classes], [found.end for found in classes]
        split, second, high, done = Signal(), Signal(), Signal(), Signal()
        out = self.o.payload
        m.d.comb += [
            split.eq(Cat(*ticks, *ends).any()),
            high.eq(split & (second | ~some[0])),
            done.eq(~split | high | ~some[1]),
            self.o.valid.eq(full & Cat(some).any()),
            advance.eq(full & (~Cat(some).any() | (self.o.ready & done))),
            out.data.eq(Mux(split, Mux(high, cleaned[1], cleaned[0]), Cat(cleaned))),
            out.tick.eq(Mux(high, ticks[1], ticks[0])),
            out.end.eq(Mux(high, ends[1], ends[0])),
            out.last.eq(held.last & Mux(high, ends[1], ends[0] & ~ends[1])),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += second.eq(~done)
        with m.If(advance):
            m.d.comb += [
                self.accepted.eq(sum(found.spike for found in classes)),
                self.dropped.eq(sum(found.unknown | found.lost for found in classes)),
                self.bad_kind.eq(Cat(found.unknown for found in classes).any()),
                self.bad_address.eq(Cat(found.lost for found in classes).any()),
                self.bad_frame.eq(held.last & ~Cat(ends).any()),
            ]
        return m

    def _cleaned(self, raw: Value, found: WordClass) -> Value:
        """Return what of a word goes on.

        A GRADED of magnitude 1 stands for a dropped SPIKE, which uses up the GRADED before it.
        """
        stand_in = Const(aer.word(Kind.GRADED, 1) if self.graded else 0, aer.WORD_BITS)
        return Mux(found.passes, raw, Mux(found.lost, stand_in, 0))

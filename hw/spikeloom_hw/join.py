"""One answer from those of the cores of a cluster."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

from .layouts import Beat
from .words import kind_of


class Join(wiring.Component):
    """Join the answers of several cores to what one core would send.

    In a chain: the words of tick t of all cores, core by core, then one TICK; at the end of a
    sample all final potentials, then CYCLES of the busiest core, SOPS of all together, and END.
    Side by side: whole samples, from one core after the other.

    Members
    -------
    i0, i1, ... : streams of Beat, in
    o : stream of Beat, out
    last_core : In(2)
        Number of the last core in use.
    side_by_side : In(1)

    Timing: words pass in the same cycle; a TICK or END that is left out takes a cycle.
    """

    def __init__(self, cores: int) -> None:
        self.cores = cores
        super().__init__(
            {
                **{f"i{core}": In(stream.Signature(Beat)) for core in range(cores)},
                "o": Out(stream.Signature(Beat)),
                "last_core": In(2),
                "side_by_side": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        turn = Signal(2)
        valid, ready, beat = Signal(), Signal(), Signal(Beat)
        with m.Switch(turn):
            for core in range(self.cores):
                source = getattr(self, f"i{core}")
                with m.Case(core):
                    m.d.comb += [
                        valid.eq(source.valid),
                        beat.eq(source.payload),
                        source.ready.eq(ready),
                    ]
        low, high = (beat.data.word_select(i, aer.WORD_BITS) for i in range(aer.BEAT_WORDS))
        kind = kind_of(low)
        is_end, is_marker = Signal(), Signal()
        cycles, sops = Signal(aer.PAYLOAD_BITS), Signal(aer.PAYLOAD_BITS)
        counted, is_last = Signal(), Signal()
        m.d.comb += [
            is_end.eq(kind == Kind.END),
            is_marker.eq((kind == Kind.TICK) | is_end),
            is_last.eq(turn == self.last_core),
            self.o.valid.eq(valid),
            self.o.payload.eq(beat),
            ready.eq(self.o.ready),
        ]
        with m.If(~self.side_by_side):
            with m.If(is_marker & ~is_last):
                m.d.comb += [self.o.valid.eq(0), ready.eq(1)]
            with m.Elif(kind == Kind.CYCLES):
                found = low[: aer.PAYLOAD_BITS]
                m.d.comb += [self.o.valid.eq(0), ready.eq(1)]
                with m.If(valid):
                    m.d.sync += [
                        cycles.eq(Mux(found > cycles, found, cycles)),
                        sops.eq(sops + high[: aer.PAYLOAD_BITS]),
                    ]
            with m.Elif(is_end & ~counted):
                counters = Cat(cycles, Const(Kind.CYCLES, 4), sops, Const(Kind.SOPS, 4))
                m.d.comb += [
                    ready.eq(0),
                    self.o.payload.data.eq(counters),
                    self.o.payload.last.eq(0),
                ]
                m.d.sync += counted.eq(valid & self.o.ready)
        with m.If(valid & ready):
            with m.If(self.side_by_side & is_end | ~self.side_by_side & is_marker):
                m.d.sync += turn.eq(Mux(is_last, 0, turn + 1))
            with m.If(is_end & is_last):
                m.d.sync += [cycles.eq(0), sops.eq(0), counted.eq(0)]
        return m

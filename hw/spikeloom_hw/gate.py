"""The host's words before they reach the cores of a cluster."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

from .layouts import Beat

HostBeat = data.StructLayout(
    {
        "data": unsigned(aer.BEAT_BITS),
        "tick": unsigned(1),
        "end": unsigned(1),
        "last": unsigned(1),
    }
)
"""Words of the host: spikes, or one TICK or END alone."""


def kind_of(word: Value) -> Value:
    """Return the kind field of a word."""
    return word[aer.KIND_SHIFT :]


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
        words = [self._word(held.data.word_select(i, aer.WORD_BITS)) for i in range(2)]
        ticks, ends = ([flags[name] for flags in words] for name in ("tick", "end"))
        some, cleaned = ([flags[name] for flags in words] for name in ("some", "word"))
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
                self.accepted.eq(sum(flags["accepted"] for flags in words)),
                self.dropped.eq(sum(flags["kind"] | flags["address"] for flags in words)),
                self.bad_kind.eq(Cat(flags["kind"] for flags in words).any()),
                self.bad_address.eq(Cat(flags["address"] for flags in words).any()),
                self.bad_frame.eq(held.last & ~Cat(ends).any()),
            ]
        return m

    def _word(self, raw: Value) -> dict[str, Value]:
        """Classify a word; ``word`` is what goes on, if ``some`` does.

        A GRADED of magnitude 1 stands for a dropped SPIKE, which uses up the GRADED before it.
        """
        kind = kind_of(raw)
        population = raw[aer.POPULATION_SHIFT : aer.KIND_SHIFT]
        known = (population == 0) & (raw[: aer.NEURON_BITS] < self.n_inputs)
        is_spike, is_tick, is_end = (kind == k for k in (Kind.SPIKE, Kind.TICK, Kind.END))
        is_graded = (kind == Kind.GRADED) & int(self.graded)
        stand_in = Const(aer.word(Kind.GRADED, 1) if self.graded else 0, aer.WORD_BITS)
        passes = (is_spike & known) | is_tick | is_end | is_graded
        lost = is_spike & ~known
        return {
            "tick": is_tick,
            "end": is_end,
            "accepted": is_spike & known,
            "address": lost,
            "kind": ~(passes | is_spike | (kind == Kind.NULL)),
            "some": passes | (lost & int(self.graded)),
            "word": Mux(passes, raw, Mux(lost, stand_in, 0)),
        }

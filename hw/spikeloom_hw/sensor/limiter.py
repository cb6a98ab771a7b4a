"""No more events of a neuron in a tick than the network was proved for."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

from .layouts import Settings, Word

COUNT_BITS = 4
ROW_NEURONS = 16


class EventLimiter(wiring.Component):
    """Pass the first ``output.limit`` events of every neuron in a tick, and drop the others.

    The proof that no accumulator overflows (rule G4) counts with the input's
    ``max_magnitude``; a camera's pixel knows no such bound.  With a limit of 0 all pass, else
    neurons from ``neurons`` on are dropped.

    Two banks of counts take turns: while one counts, the other is cleared, a row of
    16 neurons per cycle.  TICK waits for that, so with a limit a tick that follows one
    with events within ``CLEAR_CYCLES`` is late.  After a reset both banks are cleared first.

    Members
    -------
    i, o : streams of Word
    settings : In
        ``output`` is used.
    sent, limited, outside : Out(1)
        Pulses: a SPIKE was offered; dropped over the limit; dropped for its number.
    idle : Out(1)
        No word is held.

    Timing: a word is offered ``LATENCY_CYCLES`` after it was taken, without a limit two less.
    """

    NEURONS = 8192
    LATENCY_CYCLES = 4

    def __init__(self, neurons: int = NEURONS) -> None:
        self.neurons = neurons
        self.CLEAR_CYCLES = neurons // ROW_NEURONS
        super().__init__(
            {
                "i": In(stream.Signature(Word)),
                "o": Out(stream.Signature(Word)),
                "settings": In(Settings),
                "sent": Out(1),
                "limited": Out(1),
                "outside": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self.neurons // ROW_NEURONS
        layout = data.ArrayLayout(COUNT_BITS, ROW_NEURONS)
        m.submodules.counts = counts = memory.Memory(shape=layout, depth=2 * rows, init=[])
        read = counts.read_port(domain="sync")
        write = counts.write_port()
        bank, dirty = Signal(), Signal()
        # The highest bit of the place says that the clearing is over.
        clearing, both = Signal(range(rows + 1)), Signal(init=1)
        clear_done = clearing[-1]
        word = Signal(Word)
        lane, row = word[:4], word[4 : 4 + (rows - 1).bit_length()]
        fetched = Signal(layout)
        count = fetched[lane]
        is_spike = word[aer.KIND_SHIFT :] == Kind.SPIKE
        limit = self.settings.output.limit
        small = word[: aer.NEURON_BITS] < self.neurons
        held = Signal()
        counting = Signal()
        m.d.comb += [
            self.idle.eq(~held & ~self.o.valid),
            read.addr.eq(Cat(row, bank)),
            write.addr.eq(Cat(clearing[:-1], ~bank)),
            write.en.eq(~clear_done),
        ]
        with m.If(counting):
            m.d.comb += [
                write.addr.eq(Cat(row, bank)),
                write.en.eq(1),
                write.data.eq(fetched),
                write.data[lane].eq(count + 1),
            ]
        with m.Elif(~clear_done):
            m.d.sync += clearing.eq(clearing + 1)
            with m.If((clearing == rows - 1) & both):
                m.d.sync += [clearing.eq(0), both.eq(0), bank.eq(~bank)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        free = ~self.o.valid | self.o.ready

        def offer() -> None:
            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(word)]
            m.d.comb += self.sent.eq(is_spike)
            m.next = "IDLE"

        with m.FSM() as fsm:
            m.d.comb += held.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += word.eq(self.i.payload)
                with m.If(self.i.valid):
                    m.next = "SORT"
            with m.State("SORT"):
                with m.If(is_spike & (limit != 0)):
                    with m.If(~small):
                        m.d.comb += self.outside.eq(1)
                        m.next = "IDLE"
                    with m.Elif(~both):
                        m.next = "FETCH"
                with m.Elif(free & (is_spike | ~dirty | clear_done)):
                    offer()
                    with m.If(~is_spike & dirty):
                        m.d.sync += [bank.eq(~bank), clearing.eq(0), dirty.eq(0)]
            with m.State("FETCH"):
                m.d.sync += fetched.eq(read.data)
                m.next = "COUNT"
            with m.State("COUNT"):
                with m.If(count >= limit):
                    m.d.comb += self.limited.eq(1)
                    m.next = "IDLE"
                with m.Elif(free):
                    m.d.comb += counting.eq(1)
                    m.d.sync += dirty.eq(1)
                    offer()
        return m

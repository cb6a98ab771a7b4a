"""The input of a core of a cluster: the host's words and the spikes of other cores."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import core_memories
from spikeloom.spec.tables import FEEDS, TARGETS

from .gate import HostBeat
from .history import DELAY_BITS
from .layouts import Beat, table_row
from .link import Link
from .table import TableMemory
from .words import kind_of


def population_of(beat: Value) -> Value:
    """Return the population of a beat with one SPIKE or two, or with READOUT and VALUE."""
    low, high = (beat.word_select(i, aer.WORD_BITS) for i in range(aer.BEAT_WORDS))
    field = slice(aer.POPULATION_SHIFT, aer.KIND_SHIFT)
    return Mux(kind_of(high) == Kind.SPIKE, high[field], low[field])


class Merge(wiring.Component):
    """Give a core the words of each tick, first the host's, then feed by feed; then TICK.

    The host's words come first so that a core which waits for another one does not keep the host's
    words from it.  A feed is a source core and a delay; its spikes get addresses of the core's own
    input from the targets table.

    Members
    -------
    host : stream of HostBeat, in
    o : stream of Beat, out
    linked : In(1)
        Spikes of other cores are to come in.
    feed_index, feed_row, target_index, target_read, target_row
        Read access to the two tables, one cycle.
    source : Out(2), seek : Out(1), delay : Out(6)
        Read a slot of the link from core ``source``.
    i : stream of beats, in; busy : In(1), kept : In(6)
        That link.
    keeps : Out
        What each link must keep.
    advance, ending : Out(1), may_advance : In(1)
        To and from all links.
    idle : Out(1)

    Timing: host words pass in the same cycle; a tick takes 3 cycles for its end and 3 more, and
    those of the link, for each feed.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        memories = core_memories(config)
        super().__init__(
            {
                "host": In(stream.Signature(HostBeat)),
                "o": Out(stream.Signature(Beat)),
                "linked": In(1),
                "feed_index": Out(range(memories["feeds"].rows)),
                "feed_row": In(table_row(FEEDS)),
                "target_index": Out(range(memories["targets"].rows)),
                "target_read": Out(1),
                "target_row": In(table_row(TARGETS)),
                "source": Out(2),
                "seek": Out(1),
                "delay": Out(DELAY_BITS),
                "i": In(stream.Signature(aer.BEAT_BITS)),
                "busy": In(1),
                "kept": In(DELAY_BITS),
                **{f"keep{core}": Out(DELAY_BITS) for core in range(config.cores)},
                "advance": Out(1),
                "ending": Out(1),
                "may_advance": In(1),
                "idle": Out(1),
            }
        )

    def read(
        self, m: Module, feeds: TableMemory, targets: TableMemory, links: Mapping[int, Link]
    ) -> None:
        """Join the merge to its tables, and to the links from other cores, by core."""
        m.d.comb += [
            feeds.index0.eq(self.feed_index),
            self.feed_row.eq(feeds.row0),
            targets.index0.eq(self.target_index),
            targets.read0.eq(self.target_read),
            self.target_row.eq(targets.row0),
        ]
        for core, link in links.items():
            m.d.comb += [
                link.keep.eq(getattr(self, f"keep{core}")),
                link.delay.eq(self.delay),
                link.advance.eq(self.advance),
                link.ending.eq(self.ending),
            ]
            with m.If(self.source == core):
                m.d.comb += [
                    link.seek.eq(self.seek),
                    self.i.valid.eq(link.o.valid),
                    self.i.payload.eq(link.o.payload),
                    link.o.ready.eq(self.i.ready),
                    self.busy.eq(link.busy),
                    self.kept.eq(link.kept),
                ]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(table_row(FEEDS))
        beat, shown = Signal(aer.BEAT_BITS), Signal()
        step = Signal()
        m.d.comb += [
            self.source.eq(row.source),
            self.delay.eq(row.delay),
            self.target_index.eq(row.first_target + population_of(self.i.payload)),
            self.target_read.eq(step),
        ]
        index = self.feed_index
        host, o = self.host, self.o
        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("HOST"))
            with m.State("HOST"):
                self._pass(m, host.payload.end & self.linked)
                m.d.comb += self.ending.eq(1)
                with m.If(host.valid & host.payload.tick & self.linked):
                    m.d.comb += [o.valid.eq(0), host.ready.eq(0)]
                    m.next = "CLEAR" if self.config.graded else "FETCH"
            if self.config.graded:
                with m.State("CLEAR"):  # a GRADED of the host is not for the spikes to come
                    m.d.comb += [
                        o.valid.eq(1),
                        o.payload.data.eq(Const(aer.word(Kind.GRADED, 1), aer.BEAT_BITS)),
                    ]
                    with m.If(o.ready):
                        m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "LATCH"
            with m.State("LATCH"):
                m.d.sync += row.eq(self.feed_row)
                m.next = "ROW"
            with m.State("ROW"):
                keeps = Array(getattr(self, f"keep{core}") for core in range(self.config.cores))
                m.d.sync += index.eq(index + 1)
                m.next = "FETCH"
                with m.If(~row.valid):
                    m.next = "TICK"
                with m.Else():
                    m.d.sync += keeps[row.source].eq(row.keep)
                    with m.If(self.kept >= row.delay):
                        m.d.comb += self.seek.eq(1)
                        m.next = "STREAM"
            with m.State("STREAM"):
                m.d.comb += [
                    step.eq(~shown | ~self.target_row.wanted | o.ready),
                    self.i.ready.eq(step),
                    o.valid.eq(shown & self.target_row.wanted),
                    o.payload.data.eq(self._addressed(beat)),
                ]
                with m.If(step):
                    m.d.sync += [shown.eq(self.i.valid), beat.eq(self.i.payload)]
                with m.If(~self.busy & ~shown):
                    m.next = "FETCH"
            with m.State("TICK"):
                m.d.sync += index.eq(0)
                self._pass(m, Const(1))
                with m.If(self.advance):
                    m.next = "HOST"
        return m

    def _pass(self, m: Module, advances: Value) -> None:
        """Pass a beat of the host; with ``advances`` the links go on with it."""
        allowed = ~advances | self.may_advance
        m.d.comb += [
            self.o.valid.eq(self.host.valid & allowed),
            self.host.ready.eq(self.o.ready & allowed),
            self.o.payload.data.eq(self.host.payload.data),
            self.o.payload.last.eq(self.host.payload.last),
            self.advance.eq(self.o.valid & self.o.ready & advances),
        ]

    def _addressed(self, beat: Value) -> Value:
        """Return the beat with input addresses in the place of population and neuron."""
        words = []
        for index in range(aer.BEAT_WORDS):
            word = beat.word_select(index, aer.WORD_BITS)
            address = (word[: aer.NEURON_BITS] + self.target_row.address)[: aer.NEURON_BITS]
            spike = Cat(address, Const(0, aer.POPULATION_BITS), Const(Kind.SPIKE, 4))
            words.append(Mux(kind_of(word) == Kind.SPIKE, spike, word))
        return Cat(words)

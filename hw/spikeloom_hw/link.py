"""Spikes on their way from one core of a cluster to another, kept as long as a delay needs them."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer

from .history import DELAY_BITS

SLOT_BITS = 8
SLOTS = 1 << (SLOT_BITS - 1)
WRITER_LEAD = SLOTS - 8
READER_LEAD = SLOTS // 2 - 4


class Link(wiring.Component):
    """A ring of beats, cut into slots: a slot holds what one core sends in one tick or at END.

    The writer stores beats and closes slots; the reader looks at the slot of its own tick or of
    one up to 63 ticks ago, also while it is being written, and advances tick by tick.  Writer and
    reader count slots alike, so neither has to know how far the other has come.  Slots that no
    delay can ask for any more make room; of a sample that the reader has left nothing is kept.

    Members
    -------
    data : In(64), store, close : In(1), ready : Out(1)
        Store a beat, or close the slot; carried out where ``ready`` is 1.
    seek : In(1), delay : In(6)
        Read the slot of ``delay`` ticks ago, if ``kept`` is at least ``delay``; not while busy.
    o : stream of beats, out
    busy : Out(1)
        The slot is not closed, or not read to its end.
    advance, ending : In(1), may_advance : Out(1)
        The reader is done with a tick, or with END.
    keep : In(6), kept : Out(6)
        Greatest delay that is asked for; how many earlier ticks can be read.

    Room: the writer waits while the ring is full or ``WRITER_LEAD`` slots ahead of the oldest one
    kept, the reader (``may_advance``) while it is ``READER_LEAD`` slots ahead of the writer.  A
    ring with room for the beats of ``keep + 1`` ticks, and four more, never makes the two wait
    for each other.

    Timing: four cycles from ``seek`` to the first beat, then one beat per cycle.
    """

    def __init__(self, beats: int) -> None:
        self.beats = beats
        super().__init__(
            {
                "data": In(aer.BEAT_BITS),
                "store": In(1),
                "close": In(1),
                "ready": Out(1),
                "seek": In(1),
                "delay": In(DELAY_BITS),
                "o": Out(stream.Signature(unsigned(aer.BEAT_BITS))),
                "busy": Out(1),
                "advance": In(1),
                "ending": In(1),
                "may_advance": Out(1),
                "keep": In(DELAY_BITS),
                "kept": Out(DELAY_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ring = ring = memory.Memory(
            shape=unsigned(aer.BEAT_BITS), depth=self.beats, init=[]
        )
        m.submodules.starts = starts = memory.Memory(shape=range(self.beats), depth=SLOTS, init=[])
        self._head = Signal(range(self.beats))
        self._written = Signal(SLOT_BITS)  # slot that the writer fills
        self._current = Signal(SLOT_BITS)  # slot of the reader's tick
        self._write(m, ring, starts)
        self._read(m, ring, starts)
        self._advance(m)
        return m

    def _ahead(self, m: Module, first: Signal, second: Signal, name: str) -> Signal:
        """Return how many slots ``first`` is ahead of ``second``, signed."""
        ahead = Signal(signed(SLOT_BITS), name=name)
        m.d.comb += ahead.eq(first - second)
        return ahead

    def _write(self, m: Module, ring: memory.Memory, starts: memory.Memory) -> None:
        """Store beats, close slots, and find what may be overwritten."""
        head = self._head
        oldest = Signal(SLOT_BITS)
        m.d.comb += oldest.eq(self._current - self.kept)
        lead = self._ahead(m, self._written, oldest, "lead")
        tail, used = Signal.like(head), Signal.like(head)
        begun = Signal()
        free = starts.read_port(domain="comb")
        m.d.comb += [
            free.addr.eq(oldest),
            used.eq(head - tail),
            self.ready.eq(begun & (used < self.beats - 2) & (lead < WRITER_LEAD)),
        ]
        m.d.sync += tail.eq(Mux(lead < 0, head, free.data))
        store, start = ring.write_port(), starts.write_port()
        m.d.comb += [
            store.addr.eq(head),
            store.data.eq(self.data),
            store.en.eq(self.store & self.ready & (lead >= 0)),
            start.addr.eq(Mux(begun, self._written + 1, 0)),
            start.data.eq(head),
            start.en.eq(~begun | (self.close & self.ready)),
        ]
        m.d.sync += begun.eq(1)
        with m.If(store.en):
            m.d.sync += head.eq(head + 1)
        with m.If(self.close & self.ready):
            m.d.sync += self._written.eq(self._written + 1)

    def _read(self, m: Module, ring: memory.Memory, starts: memory.Memory) -> None:
        """Read one slot from its first beat to its last."""
        slot = Signal(SLOT_BITS)
        at, limit = Signal.like(self._head), Signal.like(self._head)
        lead = self._ahead(m, self._written, slot, "slot_lead")
        look, beat = starts.read_port(domain="comb"), ring.read_port(domain="sync")
        shown, more, step, moves = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            limit.eq(Mux(lead > 0, look.data, self._head)),
            beat.addr.eq(at),
            beat.en.eq(step),
            moves.eq(~self.o.valid | self.o.ready),
            step.eq(~shown | moves),
            look.addr.eq(slot + 1),
        ]
        with m.If(step):
            m.d.sync += shown.eq(more)
        with m.If(moves):  # into a register: the memory's own delay is long
            m.d.sync += [self.o.valid.eq(shown), self.o.payload.eq(beat.data)]
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"), m.If(self.seek):
                m.d.sync += slot.eq(self._current - self.delay)
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += look.addr.eq(slot)
                m.d.sync += at.eq(look.data)
                with m.If(lead >= 0):
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += more.eq(at != limit)
                with m.If(step & more):
                    m.d.sync += at.eq(at + 1)
                with m.If((lead > 0) & ~more & ~shown & ~self.o.valid):
                    m.next = "IDLE"

    def _advance(self, m: Module) -> None:
        """Go on to the next slot; count the ticks of the sample that can still be read."""
        lead = self._ahead(m, self._current, self._written, "reader_lead")
        m.d.comb += self.may_advance.eq(lead < READER_LEAD)
        with m.If(self.advance):
            m.d.sync += self._current.eq(self._current + 1)
            with m.If(self.ending):
                m.d.sync += self.kept.eq(0)
            with m.Elif(self.kept != self.keep):
                m.d.sync += self.kept.eq(self.kept + 1)

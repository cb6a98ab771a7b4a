"""Spikes of earlier ticks, kept for delayed projections."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer, numfmt
from spikeloom.spec.config import BuildConfig

from .layouts import mask_layout

DELAY_BITS = numfmt.DELAY_MAX.bit_length()
TICKS = 1 << DELAY_BITS


class History(wiring.Component):
    """A ring of masks in the order of their ticks, and where each tick's begin.

    A tick without spikes takes no room.  The compiler proves that the ring holds every tick
    that a delay may ask for.

    Members
    -------
    write : In(1), mask, population : In
        Keep a mask, if it has spikes.
    tick : In(1)
        A tick begins.
    clear : In(1)
        The sample ends: what came before is out of reach.
    replay : In(1), delay : In(6), replayed : In(8)
        Give out the masks of population ``replayed`` of ``delay`` ticks ago; not while busy.
    room : In(1)
        A mask may be given out.
    valid : Out(1), o : Out
        A mask is given out in this cycle.
    busy : Out(1)
    quiet : Out(1)
        No mask is kept that a delay could ask for.

    Timing: three cycles from ``replay`` to the first look, three cycles for each mask of the tick.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        layout = mask_layout(config)
        super().__init__(
            {
                "write": In(1),
                "mask": In(layout),
                "population": In(aer.POPULATION_BITS),
                "tick": In(1),
                "clear": In(1),
                "replay": In(1),
                "delay": In(DELAY_BITS),
                "replayed": In(aer.POPULATION_BITS),
                "room": In(1),
                "valid": Out(1),
                "o": Out(layout),
                "busy": Out(1),
                "quiet": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self.config.history_rows
        entry = data.StructLayout(
            {"population": unsigned(aer.POPULATION_BITS), "mask": mask_layout(self.config)}
        )
        m.submodules.masks = masks = memory.Memory(shape=entry, depth=rows, init=[])
        m.submodules.starts = starts = memory.Memory(
            shape=unsigned((rows - 1).bit_length()), depth=TICKS, init=[]
        )
        head = Signal(range(rows))
        slot = Signal(DELAY_BITS)
        self._ticks(m, starts, slot, head)
        write = masks.write_port()
        keeps = Signal()
        recent = Signal(DELAY_BITS)
        m.d.comb += [
            keeps.eq(self.write & self.mask.spikes.any()),
            write.en.eq(keeps),
            write.addr.eq(head),
            write.data.population.eq(self.population),
            write.data.mask.eq(self.mask),
            self.quiet.eq(recent == 0),
        ]
        with m.If(self.tick & ~self.quiet):
            m.d.sync += recent.eq(recent - 1)
        with m.If(keeps):
            m.d.sync += [head.eq(head + 1), recent.eq(TICKS - 1)]
        with m.If(self.clear):
            m.d.sync += recent.eq(0)
        self._replay(m, masks, starts, slot)
        return m

    def _ticks(self, m: Module, starts: memory.Memory, slot: Signal, head: Signal) -> None:
        """Note where the masks of each tick begin, and how many ticks the sample has had."""
        write = starts.write_port()
        self._age = age = Signal(DELAY_BITS)
        began = Signal()
        m.d.comb += [write.en.eq(self.tick), write.addr.eq(slot + 1), write.data.eq(head)]
        with m.If(self.tick):
            m.d.sync += [slot.eq(slot + 1), began.eq(1)]
            with m.If(began & (age != TICKS - 1)):
                m.d.sync += age.eq(age + 1)
        with m.If(self.clear):
            m.d.sync += [began.eq(0), age.eq(0)]

    def _replay(self, m: Module, masks: memory.Memory, starts: memory.Memory, slot: Signal) -> None:
        """Look through the masks of one tick and give out those of one population."""
        mask, start = masks.read_port(domain="sync"), starts.read_port(domain="sync")
        at, end = Signal.like(mask.addr), Signal.like(mask.addr)
        wanted = Signal.like(self.replayed)
        behind = Signal(DELAY_BITS)
        found = Signal.like(mask.data, reset_less=True)
        m.d.comb += [start.addr.eq(behind), mask.addr.eq(at), self.o.eq(found.mask)]
        m.d.sync += found.eq(mask.data)
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.comb += behind.eq(slot - self.delay)
                m.d.sync += wanted.eq(self.replayed)
                after = Signal(DELAY_BITS)
                m.d.sync += after.eq(slot - self.delay + 1)
                with m.If(self.replay & (self.delay <= self._age)):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += behind.eq(after)
                m.d.sync += at.eq(start.data)
                m.next = "END"
            with m.State("END"):
                m.d.sync += end.eq(start.data)
                m.next = "READ"
            with m.State("READ"):
                m.next = "FETCH"
                with m.If(at == end):
                    m.next = "IDLE"
            with m.State("FETCH"):
                m.next = "LOOK"
            with m.State("LOOK"):
                mine = found.population == wanted
                m.d.comb += self.valid.eq(mine & self.room)
                with m.If(~mine | self.room):
                    m.d.sync += at.eq(at + 1)
                    m.next = "READ"

"""Time: ticks of a programmable length around the events of a sensor."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

from .layouts import Neuron, Settings, Word

ENTRY_TICK_BITS = 16
PENDING_BITS = 32
KIND_BITS = aer.WORD_BITS - aer.KIND_SHIFT


class Timestamper(wiring.Component):
    """Close a tick every ``period.microseconds`` and put the events between the TICK words.

    Time starts with the first cycle of ``run``.  An event belongs to the tick in which it is
    taken, and the tick's last cycle is part of it.  Ticks without events are sent too.  After
    ``ticks.ticks`` ticks comes END; TICK counts from 0 in every sample and END counts samples.

    Events wait in a queue of ``DEPTH``, each with the number of ticks that ended since the
    event before it, so a core that stalls delays words and loses no TICK, and no event changes
    its tick.  An event that finds the queue full is dropped, or waits outside if
    ``control.wait`` is set.  The same holds for an event before which 2^16 ticks wait; ticks
    are lost only when 2^31 of them wait.

    With ``stop`` the sample in progress is the last: it ends after its ticks or, with
    ``ticks.ticks`` = 0, after the next TICK.  What is queued behind is discarded.  If ``stop``
    goes away, time starts anew.

    Members
    -------
    i : stream of Neuron, in
    o : stream of Word, out
    settings : In
        ``control``, ``clock``, ``period``, ``ticks`` and ``output`` are used; they stand still
        from one cycle before ``run`` on.
    run, stop : In(1)
    stopped : Out(1)
        The last sample has been offered and taken; follows ``stop``.
    dropped, lost_tick : Out(1)
        Pulses.
    ignored : Out(2)
        Events discarded in this cycle because no sample takes them.

    Timing: an event that finds nothing queued is offered as a word ``LATENCY_CYCLES`` after it
    was taken, and a TICK ``TICK_LATENCY_CYCLES`` after the last cycle of the tick.
    """

    DEPTH = 512
    LATENCY_CYCLES = 4
    TICK_LATENCY_CYCLES = 3

    def __init__(self, depth: int = DEPTH) -> None:
        self.depth = depth
        super().__init__(
            {
                "i": In(stream.Signature(Neuron)),
                "o": Out(stream.Signature(Word)),
                "settings": In(Settings),
                "run": In(1),
                "stop": In(1),
                "stopped": Out(1),
                "dropped": Out(1),
                "lost_tick": Out(1),
                "ignored": Out(2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        live = Signal()
        m.d.comb += live.eq(self.run & ~self.stopped)
        due = self._clock(m, live)
        width = ENTRY_TICK_BITS + aer.NEURON_BITS
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=width, depth=self.depth)
        self._pending = pending = Signal(PENDING_BITS)
        ahead = Signal(PENDING_BITS)
        ticks, event, neuron = Signal(PENDING_BITS), Signal(), Signal(aer.NEURON_BITS)
        busy, room, moved, taken = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            busy.eq((ticks != 0) | event),
            # Ticks that nothing stands behind go straight to the output.
            moved.eq(live & (queue.level == 0) & ~busy & (pending != 0)),
            ahead.eq(Mux(moved, 0, pending)),
            room.eq(queue.w_rdy & ~ahead[ENTRY_TICK_BITS:].any()),
            self.i.ready.eq(~live | room | ~self.settings.control.wait),
            queue.w_data.eq(Cat(self.i.payload, ahead[:ENTRY_TICK_BITS])),
            queue.w_en.eq(live & self.i.valid & room),
            self.dropped.eq(live & self.i.valid & ~room & ~self.settings.control.wait),
            taken.eq(queue.w_en | moved),
            self.lost_tick.eq(due & pending[-1] & ~taken),
        ]
        with m.If(taken | ~live):
            m.d.sync += pending.eq(due)
        with m.Else():
            m.d.sync += pending.eq(pending + (due & ~pending[-1]))
        self._words(m, ticks, event, neuron)
        with m.If(live):
            m.d.comb += queue.r_en.eq(~busy)
            with m.If(~busy & queue.r_rdy):
                m.d.sync += Cat(neuron, ticks, event).eq(
                    Cat(
                        queue.r_data[: aer.NEURON_BITS],
                        queue.r_data[aer.NEURON_BITS :],
                        Const(0, PENDING_BITS - ENTRY_TICK_BITS),
                        Const(1, 1),
                    )
                )
            with m.Elif(moved):
                m.d.sync += ticks.eq(pending)
        with m.Else():
            m.d.comb += [
                queue.r_en.eq(1),
                self.ignored.eq(self.i.valid + queue.r_rdy + event),
            ]
            m.d.sync += [ticks.eq(0), event.eq(0)]
        return m

    def _clock(self, m: Module, live: Signal) -> Signal:
        """Return whether a tick ends with this cycle."""
        # What is left of the microsecond and of the tick; ``last`` is the tick's last microsecond.
        cycle, microsecond, last = Signal(10), Signal(24), Signal()
        cycles, period = self.settings.clock.cycles, self.settings.period.microseconds
        wrap, due = Signal(), Signal()
        m.d.comb += [wrap.eq(cycle == 0), due.eq(live & wrap & last)]
        with m.If(~live | wrap):
            m.d.sync += cycle.eq(Mux(cycles == 0, 0, cycles - 1))
        with m.Else():
            m.d.sync += cycle.eq(cycle - 1)
        with m.If(~live | due):
            m.d.sync += [
                microsecond.eq(Mux(period == 0, 0, period - 1)),
                last.eq(period[1:] == 0),
            ]
        with m.Elif(wrap):
            m.d.sync += [microsecond.eq(microsecond - 1), last.eq(microsecond == 1)]
        return due

    def _words(self, m: Module, ticks: Signal, event: Signal, neuron: Signal) -> None:
        """Send what waits: its ticks, an END behind the last of a sample, then its event."""
        number, sample = Signal(aer.PAYLOAD_BITS), Signal(aer.PAYLOAD_BITS)
        end_due, is_open, advance = Signal(), Signal(), Signal()
        n_ticks = self.settings.ticks.ticks

        def word(kind: Kind, payload: Signal | Cat) -> Cat:
            return Cat(payload, Const(kind, KIND_BITS))

        m.d.comb += advance.eq(~self.o.valid | self.o.ready)
        with m.If(advance):
            m.d.sync += self.o.valid.eq(0)
        with m.If(~self.run | (self.stopped & ~self.stop)):
            m.d.sync += [self.stopped.eq(0), number.eq(0), sample.eq(0)]
        with m.Elif(advance & ~self.stopped):
            with m.If(end_due):
                m.d.sync += [
                    self.o.valid.eq(1),
                    self.o.payload.eq(word(Kind.END, sample)),
                    end_due.eq(0),
                    is_open.eq(0),
                    number.eq(0),
                    sample.eq(sample + 1),
                ]
            with m.Elif(self.stop & ~is_open):
                m.d.sync += self.stopped.eq(1)
            with m.Elif(ticks != 0):
                last = Mux(n_ticks == 0, self.stop, number + 1 >= n_ticks)
                m.d.sync += [
                    self.o.valid.eq(1),
                    self.o.payload.eq(word(Kind.TICK, number)),
                    is_open.eq(1),
                    number.eq(number + 1),
                    ticks.eq(ticks - 1),
                    end_due.eq(last),
                ]
            with m.Elif(event):
                target = Cat(neuron, self.settings.output.population)
                m.d.sync += [
                    self.o.valid.eq(1),
                    self.o.payload.eq(word(Kind.SPIKE, target)),
                    is_open.eq(1),
                    event.eq(0),
                ]

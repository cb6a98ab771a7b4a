"""Wide counters in one memory, brought up to date in turn."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

COUNTER_BITS = 64
TURN_CYCLES = 4
"""From one counter's turn to the next one's; in between that of ``index`` is served."""
SHOWN_CYCLES = 6
"""After so many cycles of an ``index`` that stands still ``value`` is that of this index."""


class Counters(wiring.Component):
    """Count several things at once with one adder.

    What happens is added to a few bits for each counter.  The adder adds these to the counter in
    the memory: every second time those of the counter that is looked at, in between those of each
    counter in turn.

    Parameters
    ----------
    most
        What each counter counts, and the most that can happen of it in a cycle.

    Members
    -------
    happened : In
        What happens in a cycle, by name.
    clear : In(1)
        Forget all that happened before this cycle, which takes some cycles (and is done after a
        reset, too); ``value`` is 0 until then.
    index : In
        Number of the counter to look at, in the order of ``most``.
    value : Out(64)
        The counter of an index that has stood still for :data:`SHOWN_CYCLES`, with all that
        happened until that many cycles ago.
    """

    def __init__(self, most: Mapping[str, int]) -> None:
        self.most = dict(most)
        fields = {name: unsigned(count.bit_length()) for name, count in most.items()}
        super().__init__(
            {
                "happened": In(data.StructLayout(fields)),
                "clear": In(1),
                "index": In(range(len(fields))),
                "value": Out(COUNTER_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counters = len(self.most)
        m.submodules.totals = self._totals = totals = memory.Memory(
            shape=unsigned(COUNTER_BITS), depth=1 << len(self.index), init=[]
        )
        write, read = totals.write_port(), totals.read_port(domain="comb")
        writes, looks = Signal(), Signal()
        turn, slot = Signal(range(counters)), Signal(range(counters))
        clearing = Signal(range(counters + 1), init=counters)
        kept = Signal(COUNTER_BITS)
        m.d.sync += writes.eq(~writes)
        with m.If(writes):
            m.d.sync += looks.eq(~looks & (clearing == 0))
            with m.If(~looks):
                m.d.sync += turn.eq(Mux(turn == counters - 1, 0, turn + 1))
                with m.If(clearing != 0):
                    m.d.sync += clearing.eq(clearing - 1)
        with m.If(self.clear):
            m.d.sync += [clearing.eq(counters), looks.eq(0), writes.eq(0)]
        taken = self._waiting(m, slot, ~writes)
        shown = Signal()
        total = Signal(COUNTER_BITS)
        m.d.comb += [
            slot.eq(Mux(looks, self.index, turn)),
            read.addr.eq(slot),
            total.eq(kept + taken),
        ]
        written = Signal.like(slot)
        m.d.sync += [kept.eq(read.data), written.eq(slot), shown.eq(looks & ~writes)]
        with m.If(clearing != 0):
            m.d.sync += kept.eq(0)
        m.d.comb += [write.addr.eq(written), write.data.eq(total), write.en.eq(writes)]
        with m.If(shown):
            m.d.sync += self.value.eq(total)
        with m.If(self.clear | (clearing != 0)):
            m.d.sync += self.value.eq(0)
        return m

    def _waiting(self, m: Module, slot: Signal, reads: Signal) -> Signal:
        """Return what has to be added to the counter of ``slot``, a cycle after ``reads``.

        A counter waits for its turn behind all others.
        """
        cycles = TURN_CYCLES * (len(self.most) + 1)
        waiting = []
        for number, (name, count) in enumerate(self.most.items()):
            some = Signal(range(count * cycles + 1), name=f"{name}_waiting")
            here = reads & (slot == number)
            m.d.sync += some.eq(Mux(here, 0, some) + self.happened[name])
            with m.If(self.clear):
                m.d.sync += some.eq(self.happened[name])
            waiting.append(some)
        taken = Signal(max(len(some) for some in waiting))
        m.d.sync += taken.eq(Array(waiting)[slot])
        return taken

"""The state rows of a population that are still to be visited."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig

from .activity import below, first_set
from .layouts import row_bits

GROUP = 4
"""Bits of which the lower ones are looked at one by one."""


def some_below(m: Module, bits: Signal) -> Signal:
    """Return of each bit whether a lower one is set; the width must be a power of two."""
    out = Signal.like(bits, name=f"{bits.name}_below", reset_less=False)
    groups = Signal(max(len(bits) // GROUP, 1))
    before = some_below(m, groups) if len(groups) > 1 else None
    for index in range(len(bits)):
        first = index - index % GROUP
        lower = bits[first:index].any()
        m.d.comb += out[index].eq(lower if before is None else lower | before[first // GROUP])
    for index in range(len(groups)):
        m.d.comb += groups[index].eq(bits[index * GROUP : (index + 1) * GROUP].any())
    return out


class RowList(wiring.Component):
    """One bit for each state row that is still to be visited.

    Members
    -------
    load : In(1), first, end : In
        Take the rows from ``first`` to ``end`` - 1.
    narrow : In(1), active : In(state_rows)
        Else: of these keep the active ones.
    drop : In(1)
        Else: drop the lowest one.
    some : Out(1), row : Out
        There is one; the lowest one.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        bits = row_bits(config)
        super().__init__(
            {
                "load": In(1),
                "first": In(bits),
                "end": In(bits + 1),
                "narrow": In(1),
                "active": In(config.state_rows),
                "drop": In(1),
                "some": Out(1),
                "row": Out(bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self.config.state_rows
        left = Signal(rows)
        some, row = first_set(m, left, "left")
        starts, ends = below(m, self.first, rows, "starts"), below(m, self.end, rows, "ends")
        m.d.comb += [self.some.eq(some), self.row.eq(row)]
        # one choice, in which a LUT of six inputs takes each row
        kept = left & Mux(self.narrow, self.active, some_below(m, left))
        with m.If(self.load | self.narrow | self.drop):
            m.d.sync += left.eq(Mux(self.load, ends & ~starts, kept))
        return m

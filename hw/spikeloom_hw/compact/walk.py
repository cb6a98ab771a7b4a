"""Visiting of every state row that a pair of spikes reaches."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import PROJECTIONS, Field

from ..layouts import TABLE_BITS, lane_count_bits, row_bits, weight_address_bits


class Walk(wiring.Component):
    """Go through the projections of a source, each row by row.

    A projection takes 5 cycles and one for each of its rows.

    Members
    -------
    start : In(1)
        Begin; looked at when not ``busy``.
    first_projection, n_projections : In(8)
        Rows of the projection table, at least one; stable while ``busy``.
    even, odd : In, even_valid, odd_valid : In(1)
        Half the index of the even and of the odd spike; stable while ``busy``.
    busy, done : Out(1)
        ``done`` in the last cycle of ``busy``.
    projection : Out(8), word : Out(2), value : In(32)
        Read access to the projection table, one cycle.
    row, add : Out
        State row, and that it gets the weights of ``even_address`` and ``odd_address``.
    even_address, odd_address : Out
        Weight rows.
    lanes : Out
        Synapses of a spike in ``row``.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        address = weight_address_bits(config)
        super().__init__(
            {
                "start": In(1),
                "first_projection": In(TABLE_BITS),
                "n_projections": In(TABLE_BITS),
                "even": In(address),
                "odd": In(address),
                "busy": Out(1),
                "done": Out(1),
                "projection": Out(TABLE_BITS),
                "word": Out(2),
                "value": In(32),
                "row": Out(row_bits(config)),
                "add": Out(1),
                "even_address": Out(address),
                "odd_address": Out(address),
                "lanes": Out(lane_count_bits(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address = weight_address_bits(self.config)
        left, lanes_last = Signal(row_bits(self.config) + 1), Signal.like(self.lanes)
        projections = Signal(TABLE_BITS)
        step, begins = Signal(address), Signal()
        last = left == 1

        def field(name: str) -> Value:
            found = _field(name)
            return self.value[found.lsb : found.lsb + found.bits]

        with m.If(begins | self.add):
            for at, half in ((self.even_address, self.even), (self.odd_address, self.odd)):
                m.d.sync += at.eq(Mux(begins, half, at) + step)
        m.d.comb += [
            self.busy.eq(1),
            self.word.eq(_field("weight_base").word),
            self.lanes.eq(Mux(last, lanes_last, self.config.lanes)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.busy.eq(0)
                m.d.sync += [
                    self.projection.eq(self.first_projection),
                    projections.eq(self.n_projections),
                ]
                with m.If(self.start):
                    m.next = "ROWS"
            with m.State("ROWS"):
                m.d.comb += self.word.eq(_field("row_base").word)
                m.next = "WEIGHTS"
            with m.State("WEIGHTS"):
                m.d.sync += [self.row.eq(field("row_base")), left.eq(field("n_rows"))]
                m.next = "BASE"
            with m.State("BASE"):
                m.d.comb += self.word.eq(_field("lanes_last").word)
                m.d.sync += step.eq(field("weight_base"))
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += begins.eq(1)
                m.d.sync += lanes_last.eq(field("lanes_last"))
                m.next = "STRIDE"
            with m.State("STRIDE"):
                m.d.sync += step.eq(field("stride"))
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.add.eq(1)
                m.d.sync += [self.row.eq(self.row + 1), left.eq(left - 1)]
                with m.If(last):
                    m.d.sync += [
                        self.projection.eq(self.projection + 1),
                        projections.eq(projections - 1),
                    ]
                    m.next = "ROWS"
                    with m.If(projections == 1):
                        m.d.comb += self.done.eq(1)
                        m.next = "IDLE"
        return m


def _field(name: str) -> Field:
    return PROJECTIONS.field(name)

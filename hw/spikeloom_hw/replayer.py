"""The replays of a tick: spikes of earlier ticks, row by row of the replay table."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.tables import REPLAYS

from .history import DELAY_BITS
from .layouts import TABLE_BITS, table_row


class Replayer(wiring.Component):
    """Work through the replay table once, one source and delay after the other.

    Members
    -------
    start : In(1)
        A tick begins; ``busy`` follows.
    n_replays : In(9)
        Rows in use, at least 1.
    index, row
        Read access to the table, one cycle.
    restart : Out(1), first_projection, n_projections : Out(8)
        To the walker of spikes.
    replay : Out(1), delay : Out(6), population : Out(8)
        To the history.
    history_busy, spikes_idle : In(1)
        Masks are on their way; no spike is left.
    busy : Out(1)
        A tick's replays are in work.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "n_replays": In(TABLE_BITS + 1),
                "index": Out(TABLE_BITS),
                "row": In(table_row(REPLAYS)),
                "restart": Out(1),
                "first_projection": Out(TABLE_BITS),
                "n_projections": Out(TABLE_BITS),
                "replay": Out(1),
                "delay": Out(DELAY_BITS),
                "population": Out(TABLE_BITS),
                "history_busy": In(1),
                "spikes_idle": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(table_row(REPLAYS), reset_less=True)
        m.d.comb += [
            self.first_projection.eq(row.first_projection),
            self.n_projections.eq(row.n_projections),
            self.delay.eq(row.delay),
            self.population.eq(row.population),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"), m.If(self.start):
                m.next = "READ"
            with m.State("READ"):
                m.next = "LATCH"
            with m.State("LATCH"):
                m.d.sync += row.eq(self.row)
                m.next = "REPLAY"
            with m.State("REPLAY"):
                m.d.comb += [self.restart.eq(1), self.replay.eq(1)]
                m.d.sync += self.index.eq(self.index + 1)
                m.next = "WAIT"
            with m.State("WAIT"), m.If(~self.history_busy & self.spikes_idle):
                m.next = "READ"
                with m.If(self.index == self.n_replays[:TABLE_BITS]):
                    m.d.sync += self.index.eq(0)
                    m.next = "IDLE"
        return m

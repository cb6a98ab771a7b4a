"""From pairs of spikes to operations on state rows."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import PROJECTIONS

from .layouts import OpKind, Pair, lane_count_bits, op_layout, row_bits, table_row
from .layouts import weight_address_bits as address_bits


class Walker(wiring.Component):
    """Visit every destination row of a pair of spikes, projection by projection.

    A pulse on ``restart`` names the source population's rows in the projection table;
    the walker reads the first one and keeps it as long as there is only one.

    Members
    -------
    i : stream of Pair, in
    o : stream of operations, out
        Kind ADD; ``lanes`` is the number of neurons in the row.
    restart : In(1)
        Forget the present population; allowed while idle only.
    first_projection, n_projections : In(8)
        Valid with ``restart``.  With no projections no pair may be offered.
    table_index : Out(8)
        Row of the projection table, read one cycle later from ``table_row``.
    table_row : In
        The row that ``table_index`` named in the cycle before; it is not registered here.
    idle : Out(1)
        No pair is held.

    Timing: one operation per cycle; two cycles from ``restart`` to the first pair, and
    two cycles from one projection to the next.
    """

    RESTART_CYCLES = 2

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self.op_layout = op_layout(config)
        super().__init__(
            {
                "i": In(stream.Signature(Pair)),
                "o": Out(stream.Signature(self.op_layout)),
                "restart": In(1),
                "first_projection": In(8),
                "n_projections": In(8),
                "table_index": Out(8),
                "table_row": In(table_row(PROJECTIONS)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, count, index = Signal(8), Signal(8), Signal(8)
        loading = Signal(2)
        ready = Signal()
        busy = Signal()
        pair = Signal(Pair, reset_less=True)
        begin = Signal()
        take = Signal()
        single = Signal()
        done = self._rows(m, busy, begin, pair)
        last_projection = Signal()
        m.d.comb += [
            self.table_index.eq(first + index),
            last_projection.eq(index + 1 == count),
            take.eq(ready & (~busy | (done & single))),
            self.i.ready.eq(take),
            self.idle.eq(~busy),
            begin.eq((take & self.i.valid) | (busy & loading[1])),
        ]
        m.d.sync += loading.eq(loading << 1)
        with m.If(loading[0]):
            m.d.sync += ready.eq(1)
        with m.If(done):
            m.d.sync += busy.eq(~last_projection)
            with m.If(~single):
                m.d.sync += [
                    ready.eq(0),
                    loading.eq(1),
                    index.eq(Mux(last_projection, 0, index + 1)),
                ]
        with m.If(take & self.i.valid):
            m.d.sync += [busy.eq(1), pair.eq(self.i.payload)]
        with m.If(self.restart):
            m.d.sync += [
                first.eq(self.first_projection),
                count.eq(self.n_projections),
                single.eq(self.n_projections == 1),
                index.eq(0),
                ready.eq(0),
                loading.eq(self.n_projections != 0),
            ]
        return m

    def _rows(self, m: Module, busy: Signal, begin: Signal, pair: Signal) -> Signal:
        """Count through the rows of one projection; return that its last row is taken."""
        config = self.config
        entry = self.table_row
        row = Signal(row_bits(config), reset_less=True)
        left = Signal(row_bits(config), reset_less=True)
        even = Signal(address_bits(config), reset_less=True)
        odd = Signal(address_bits(config), reset_less=True)
        last_row = Signal(reset_less=True)
        active = Signal()
        lanes = Signal(lane_count_bits(config))
        done = Signal()
        source = Signal(Pair)
        m.d.comb += [
            source.eq(Mux(busy & ~done, pair, self.i.payload)),
            lanes.eq(Mux(last_row, entry.lanes_last, config.lanes)),
            self.o.valid.eq(active),
            self.o.payload.kind.eq(OpKind.ADD),
            self.o.payload.row.eq(row),
            self.o.payload.even_valid.eq(pair.even_valid),
            self.o.payload.odd_valid.eq(pair.odd_valid),
            self.o.payload.even.eq(even),
            self.o.payload.odd.eq(odd),
            self.o.payload.lanes.eq(lanes),
            self.o.payload.last_row.eq(last_row),
            done.eq(active & self.o.ready & last_row),
        ]
        with m.If(self.o.ready & active):
            m.d.sync += [
                active.eq(~last_row),
                row.eq(row + 1),
                left.eq(left - 1),
                last_row.eq(left == 1),
                even.eq(even + entry.stride),
                odd.eq(odd + entry.stride),
            ]
        with m.If(begin):
            m.d.sync += [
                active.eq(1),
                row.eq(entry.row_base),
                left.eq(entry.n_rows - 1),
                last_row.eq(entry.n_rows == 1),
                even.eq(entry.weight_base + source.even),
                odd.eq(entry.weight_base + source.odd),
            ]
        return done

"""From pairs of spikes to operations on state rows."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import GROUPS, PROJECTIONS, RUNS

from .fanout import FanOut, group_request_layout, run_layout
from .layouts import TABLE_BITS, OpKind, Pair, op_layout, table_row


def group_members(config: BuildConfig) -> dict[str, wiring.Member]:
    """Return the members with which groups and runs are read, none without such memories."""
    if not config.groups:
        return {}
    return {
        "group_index": Out(range(config.groups)),
        "group_read": Out(1),
        "group_row": In(table_row(GROUPS)),
        "run_index": Out(range(config.runs)),
        "run_read": Out(1),
        "run_row": In(table_row(RUNS)),
    }


class Walker(wiring.Component):
    """Visit every state row that a pair of spikes reaches, projection by projection.

    A pulse on ``restart`` names the source population's rows in the projection table;
    the walker reads the first one and keeps it as long as there is only one.  A pair whose
    spikes lie in different groups of a grouped projection is taken apart for it.

    Members
    -------
    i : stream of Pair, in
    o : stream of operations, out
        Kind ADD; ``lanes`` is the number of synapses of a spike in the row.
    restart : In(1)
        Forget the present population; allowed while idle only.
    first_projection, n_projections : In(8)
        Valid with ``restart``.  With no projections no pair may be offered.
    table_index : Out(8)
        Row of the projection table, read one cycle later from ``table_row``.
    table_row : In
        The row that ``table_index`` named in the cycle before; it is not registered here.
    group_index, group_read, group_row, run_index, run_read, run_row
        See :class:`~spikeloom_hw.fanout.FanOut`; in builds with groups.
    idle : Out(1)
        Nothing is held.

    Timing: one operation per cycle; two cycles from ``restart`` to the first pair, and
    two cycles from one projection to the next.  One cycle from a pair to its first operation,
    and :attr:`FanOut.LATENCY_CYCLES` more for a grouped projection, whose pairs overlap.
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
                "first_projection": In(TABLE_BITS),
                "n_projections": In(TABLE_BITS),
                "table_index": Out(TABLE_BITS),
                "table_row": In(table_row(PROJECTIONS)),
                **group_members(config),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._first, self._count = Signal(TABLE_BITS), Signal(TABLE_BITS)
        self._index = Signal(TABLE_BITS)
        self._single, self._ready = Signal(), Signal()
        busy, odd_only = Signal(), Signal()
        kept = Signal(Pair, reset_less=True)
        pair = Signal(Pair)
        free, go, split, finished = Signal(), Signal(), Signal(), Signal()
        last_projection = Signal()
        m.d.comb += [
            pair.eq(Mux(busy, kept, self.i.payload)),
            last_projection.eq(self._single | (self._index + 1 == self._count)),
            go.eq(free & (busy | self.i.valid)),
            finished.eq(go & ~split),
            self.i.ready.eq(free & ~busy),  # says nothing of what is offered: that is known late
        ]
        with m.If(go):
            m.d.sync += [busy.eq(split | ~last_projection), odd_only.eq(split)]
            with m.If(~busy):
                m.d.sync += kept.eq(self.i.payload)
        offered = Signal()
        m.d.comb += offered.eq(self._ready & (busy | self.i.valid))
        rows_idle = self._visit(m, offered, pair, odd_only, free, split)
        self._projections(m, finished & ~self._single, last_projection)
        m.d.comb += self.idle.eq(~busy & rows_idle)
        return m

    def _projections(self, m: Module, advance: Value, last_projection: Signal) -> None:
        """Read the row of the projection in work; move on to the next one."""
        loading = Signal(2)
        m.d.comb += self.table_index.eq(self._first + self._index)
        m.d.sync += loading.eq(loading << 1)
        with m.If(loading[0]):
            m.d.sync += self._ready.eq(1)
        with m.If(advance):
            m.d.sync += [
                self._ready.eq(0),
                loading.eq(1),
                self._index.eq(Mux(last_projection, 0, self._index + 1)),
            ]
        with m.If(self.restart):
            m.d.sync += [
                self._first.eq(self.first_projection),
                self._count.eq(self.n_projections),
                self._single.eq(self.n_projections == 1),
                self._index.eq(0),
                self._ready.eq(0),
                loading.eq(self.n_projections != 0),
            ]

    def _visit(
        self,
        m: Module,
        offered: Signal,
        pair: data.View,
        odd_only: Signal,
        free: Signal,
        split: Signal,
    ) -> Value:
        """Send a pair to its rows, or to the look-up of its groups; return that all is done.

        ``free`` says that one that is offered goes.
        """
        config, entry = self.config, self.table_row
        layout = run_layout(config)
        run, load = Signal(layout), Signal()
        rows_free, active = self._rows(m, run, load)
        direct = Signal(layout)
        m.d.comb += [
            direct.row.eq(entry.row_base),
            direct.left.eq(entry.n_rows - 1),
            direct.lanes.eq(config.lanes),
            direct.lanes_last.eq(entry.lanes_last),
            direct.even_valid.eq(pair.even_valid),
            direct.odd_valid.eq(pair.odd_valid),
            direct.even.eq(entry.weight_base + pair.even),
            direct.odd.eq(entry.weight_base + pair.odd),
            direct.stride.eq(entry.stride),
            direct.shift.eq(entry.shift),
            direct.magnitude.eq(pair.magnitude),
        ]
        if not config.groups:
            m.d.comb += [
                free.eq(self._ready & rows_free),
                load.eq(offered & rows_free),
                run.eq(direct),
            ]
            return ~active
        m.submodules.fan_out = fan_out = FanOut(config)
        for name in group_members(config):
            inner, outer = getattr(fan_out, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if name.endswith("_row") else outer.eq(inner)
        same = self._request(m, fan_out.i.payload, pair, odd_only)
        m.d.comb += [
            split.eq(entry.grouped & pair.even_valid & pair.odd_valid & ~odd_only & ~same),
            fan_out.i.valid.eq(offered & entry.grouped),
            fan_out.o.ready.eq(rows_free),
            free.eq(
                self._ready & Mux(entry.grouped, fan_out.i.ready, rows_free & ~fan_out.o.valid)
            ),
            load.eq(rows_free & (fan_out.o.valid | (offered & ~entry.grouped))),
            run.eq(Mux(fan_out.o.valid, fan_out.o.payload, direct)),
        ]
        return ~active & fan_out.idle

    def _request(self, m: Module, request: data.View, pair: data.View, odd_only: Signal) -> Value:
        """Fill in the request of a pair; return that both spikes are of one group."""
        entry = self.table_row
        assert request.shape() == group_request_layout(self.config)
        sources = [Cat(Const(0, 1), pair.even), Cat(Const(1, 1), pair.odd)]
        groups = [Signal(len(s), name=f"group{i}") for i, s in enumerate(sources)]
        inside = Signal(len(pair.even))
        same = Signal()
        first = Signal()
        outside = Const(-1, len(inside) + 1) << entry.group_bits
        m.d.comb += [
            *(group.eq(s >> entry.group_bits) for group, s in zip(groups, sources, strict=True)),
            inside.eq(Mux(entry.shared, 0, ~(outside >> 1))),
            same.eq(groups[0] == groups[1]),
            first.eq(pair.even_valid & ~odd_only),
            request.group.eq(entry.group_base + Mux(first, groups[0], groups[1])),
            request.even_valid.eq(first),
            request.odd_valid.eq(pair.odd_valid & (~first | same)),
            request.even.eq(pair.even & inside),
            request.odd.eq(pair.odd & inside),
            request.stride.eq(entry.stride),
            request.shift.eq(entry.shift),
            request.magnitude.eq(pair.magnitude),
        ]
        return same

    def _rows(self, m: Module, run: data.View, load: Signal) -> tuple[Value, Signal]:
        """Count through the rows of a run; return that another one may be loaded, and busy."""
        now = Signal(run_layout(self.config), reset_less=True)
        active, last_row = Signal(), Signal(reset_less=True)
        op = self.o.payload
        m.d.comb += [
            self.o.valid.eq(active),
            op.kind.eq(OpKind.ADD),
            op.row.eq(now.row),
            op.even_valid.eq(now.even_valid),
            op.odd_valid.eq(now.odd_valid),
            op.even.eq(now.even),
            op.odd.eq(now.odd),
            op.lanes.eq(Mux(last_row, now.lanes_last, now.lanes)),
            op.last_row.eq(last_row),
        ]
        if self.config.graded:
            m.d.comb += [op.magnitude.eq(now.magnitude), op.shift.eq(now.shift)]
        with m.If(self.o.ready & active):
            m.d.sync += [
                active.eq(~last_row),
                last_row.eq(now.left == 1),
                now.row.eq(now.row + 1),
                now.left.eq(now.left - 1),
                now.even.eq(now.even + now.stride),
                now.odd.eq(now.odd + now.stride),
            ]
        with m.If(load):
            m.d.sync += [active.eq(1), now.eq(run), last_row.eq(run.left == 0)]
        return ~active | (self.o.ready & last_row), active

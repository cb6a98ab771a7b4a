"""Proofs of queues, of the arbiter, and of the address generators."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom_hw.layouts import OpKind

from .prover import Proof, past, stable, started, stream_rule
from .streams import GROUPED, PLAIN

DEPTH = 4
QUEUE_BITS = 1


class _Queue(wiring.Component):
    """The queue between the parts of a core, with its handshakes as the core uses them."""

    def __init__(self, module: Any) -> None:
        self.module = module
        super().__init__(
            {
                "w_en": In(1),
                "w_data": In(QUEUE_BITS),
                "r_en": In(1),
                "w_rdy": Out(1),
                "r_rdy": Out(1),
                "r_data": Out(QUEUE_BITS),
                "level": Out(range(DEPTH + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = self.module.SyncFIFOBuffered(width=QUEUE_BITS, depth=DEPTH)
        for name, member in self.signature.members.items():
            ours, theirs = getattr(self, name), getattr(queue, name)
            m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)
        return m


def queue(m: Module, dut: Any) -> None:
    """What goes in comes out, in order; never more than its depth; nothing is withdrawn."""
    words = [Signal(QUEUE_BITS, name=f"word{i}") for i in range(DEPTH)]
    held = Signal(range(DEPTH + 1))
    puts, gets = dut.w_en & dut.w_rdy, dut.r_en & dut.r_rdy
    m.d.sync += held.eq(held + puts - gets)
    for i, word in enumerate(words):
        behind = words[i + 1] if i + 1 < DEPTH else word
        after = Mux(gets, behind, word)
        m.d.sync += word.eq(Mux(puts & (held - gets == i), dut.w_data, after))
    waited = past(m, dut.r_rdy & ~dut.r_en, "waited")
    m.d.comb += [
        Assert(held <= DEPTH),
        Assert(dut.level == held),
        Assert(~dut.r_rdy | ((held != 0) & (dut.r_data == words[0]))),
        Assert(~dut.w_rdy | (held != DEPTH)),
        Assert(~waited | dut.r_rdy),
        Cover(held == DEPTH),
        Cover(waited & (held == 1) & (dut.r_data == 1)),
    ]


def encoder(m: Module, dut: Any) -> None:
    """Every spike of every mask leaves once, as long as the places are counted."""
    places = Signal(range(4 * dut.DEPTH), init=dut.DEPTH)
    m.d.sync += places.eq(places - dut.write + dut.taken)
    # One neuron, any: spikes of it that went in and have not come out.
    row, lane = Signal(2), Signal(2)
    chosen = Value.cast(dut.mask.spikes).bit_select(lane, 1)
    inside = Signal(5)
    pair = dut.o.payload
    index = Signal(3)
    m.d.comb += index.eq((row << 1) | lane[1])
    sent = Mux(
        lane[0], pair.odd_valid & (pair.odd == index), pair.even_valid & (pair.even == index)
    )
    arrives, leaves = Signal(), Signal()
    m.d.comb += [
        arrives.eq(dut.write & (dut.mask.index == row) & chosen),
        leaves.eq(dut.o.valid & dut.o.ready & sent),
    ]
    with m.If(~started(m)):
        m.d.sync += [row.eq(dut.mask.index), lane.eq(Value.cast(dut.mask.spikes)[:2])]
        m.d.comb += Assume(~dut.write)
    with m.Else():
        m.d.sync += inside.eq(inside + arrives - leaves)
    m.d.comb += [
        Assume(~dut.write | (places != 0)),
        Assert(places <= dut.DEPTH),
        Assert(~leaves | (inside != 0)),
        Assert(~dut.idle | (inside == 0)),
        Assert(~(dut.idle & started(m)) | (places == dut.DEPTH)),
        Cover(dut.idle & past(m, leaves, "leaves")),
        Cover(places == 2),
    ]


def _in_stage_0(m: Module, dut: Any, cycles: int) -> tuple[list[Signal], ...]:
    """Return ADD, SWEEP and row of what goes on from stage 0, by how many cycles ago.

    A SWEEP is there in the cycle behind the one in which it is taken.  An ADD waits there for
    SWEEPs, for the slot of a write-back and for the end of a hold; none is taken meanwhile.
    """
    taken = {name: getattr(dut, name) for name in ("sweep", "spikes", "inputs")}
    takes = {name: port.valid & port.ready for name, port in taken.items()}
    waits, goes, waiting_row, row = Signal(), Signal(), Signal(2), Signal(2)
    sweep = past(m, takes["sweep"], "sweep")
    add = takes["spikes"] | takes["inputs"]
    history = []
    for name, first in (("add", goes), ("sweep", sweep), ("row", row)):
        values = [first]
        for k in range(cycles):
            values.append(past(m, values[-1], f"{name}{k}"))
        history.append(values)
    m.d.comb += [
        Assert(~(takes["spikes"] & takes["inputs"])),
        Assert(~(add & waits & ~goes)),
        goes.eq(waits & ~sweep & ~history[1][6] & ~past(m, dut.hold, "hold")),
        row.eq(Mux(sweep, past(m, dut.sweep.payload.row, "sweep_row"), waiting_row)),
    ]
    m.d.sync += waits.eq(add | (waits & ~goes))
    with m.If(add):
        m.d.sync += waiting_row.eq(
            Mux(takes["spikes"], dut.spikes.payload.row, dut.inputs.payload.row)
        )
    return tuple(history)


def arbiter(m: Module, dut: Any) -> None:
    """One operation per cycle; none is lost; sweeps first; one write per cycle."""
    for name, kind in (("spikes", OpKind.ADD), ("inputs", OpKind.ADD)):
        port = getattr(dut, name)
        stream_rule(m, port, name, Assume)
        m.d.comb += Assume(~port.valid | (port.payload.kind == kind))
    m.d.comb += Assume(~dut.sweep.valid | (dut.sweep.payload.kind == OpKind.SWEEP))
    adds, sweeps, rows = _in_stage_0(m, dut, 11)
    control = dut.controls[0]
    same = rows[3] == rows[4], rows[3] == rows[5]
    ops = [add | sweep for add, sweep in zip(adds, sweeps, strict=True)]
    m.d.comb += [
        Assert(dut.sweep.ready),
        Assert(~(dut.spikes.valid & dut.inputs.valid & dut.inputs.ready)),
        Assert(dut.inputs.ready <= dut.input_open),
        Assert(~dut.hold | ~(dut.spikes.ready | dut.inputs.ready)),
        # An ADD that was in stage 0 4 cycles ago writes now, such a SWEEP 10 cycles ago does.
        Assert(control.write == (adds[4] | sweeps[10])),
        Assert(~adds[4] | (control.write_row == rows[4])),
        Assert(control.write10 == sweeps[10]),
        Assert(~sweeps[10] | (control.write_row == rows[10])),
        Assert(~(adds[4] & sweeps[10])),
        Assert(control.forward3 == (ops[3] & ops[4] & same[0])),
        Assert(control.forward_older3 == (ops[3] & ops[5] & same[1])),
        Assert(dut.busy >= control.write),
        Cover(control.write10 & past(m, adds[4], "add")),
        Cover(control.forward3 & control.forward_older3),
    ]


def rows_of_walker(m: Module, dut: Any) -> None:
    """Row after row of a projection, with the addresses of the table's formula, none outside.

    The compiler's invariants are assumed: the rows of the table lie in the memories.
    """
    entry = dut.table_row
    begun = started(m)
    stable(m, entry, "entry")
    stream_rule(m, dut.i, "i", Assume)
    pair, count, active = Signal.like(dut.i.payload), Signal(3), Signal()
    source, op = dut.i.payload, dut.o.payload
    # The assumptions bound the fields, so that narrow products are exact.
    last = Signal(20)
    m.d.comb += last.eq((entry.n_rows - 1)[:2] * entry.stride[:4] + entry.weight_base)
    m.d.comb += [
        Assume(dut.restart == ~begun),
        Assume(dut.n_projections == 1),
        Assume(begun | ~dut.i.valid),
        Assume((entry.n_rows >= 1) & (entry.row_base + entry.n_rows <= PLAIN.state_rows)),
        Assume(entry.stride < PLAIN.weight_rows),
        *(Assume(last + index < PLAIN.weight_rows) for index in (source.even, source.odd)),
    ]
    takes, sends = dut.i.valid & dut.i.ready, dut.o.valid & dut.o.ready
    with m.If(sends):
        m.d.sync += [count.eq(count + 1), active.eq(count + 1 != entry.n_rows)]
    with m.If(takes):
        m.d.sync += [pair.eq(source), count.eq(0), active.eq(1)]
    m.d.comb += [
        Assert(dut.o.valid == active),
        Assert(~takes | ~active | (sends & (count + 1 == entry.n_rows))),
        Cover(sends & (count == 3) & (op.even == PLAIN.weight_rows - 1)),
    ]
    with m.If(dut.o.valid):
        first = entry.weight_base + count[:2] * entry.stride[:4]
        m.d.comb += [
            Assert(op.row == entry.row_base + count),
            Assert(op.even_valid == pair.even_valid),
            Assert(op.odd_valid == pair.odd_valid),
            Assert(op.even == first + pair.even),
            Assert(op.odd == first + pair.odd),
            Assert(op.last_row == (count + 1 == entry.n_rows)),
        ]


def table_of_walker(m: Module, dut: Any) -> None:
    """The walker reads the rows of its population in the projection table and no other."""
    begun = started(m)
    stream_rule(m, dut.i, "i", Assume)
    first, count = Signal(8), Signal(8)
    before = past(m, dut.table_index, "table_index")
    # A row is what the index of the cycle before names.
    same = past(m, before, "older_index") == before
    stable(m, dut.table_row, "table_row", when=same)
    m.d.comb += [
        Assume(dut.restart == ~begun),
        Assume(begun | ~dut.i.valid),
        Assume((dut.n_projections >= 1) & (dut.n_projections <= 3)),
        Assume(dut.first_projection + dut.n_projections <= 255),
        Assume((dut.table_row.n_rows >= 1) & (dut.table_row.n_rows <= 2)),
    ]
    with m.If(dut.restart):
        m.d.sync += [first.eq(dut.first_projection), count.eq(dut.n_projections)]
    with m.If(begun):
        m.d.comb += [
            Assert(dut.table_index >= first),
            Assert(dut.table_index < first + count),
            Cover((count == 3) & (dut.table_index == first + 2) & dut.o.valid),
        ]


def runs_of_groups(m: Module, dut: Any) -> None:
    """The runs of each group are read once, in order, and no other."""
    stream_rule(m, dut.i, "i", Assume)
    read = past(m, dut.group_read, "group_read")
    asked = Signal(16)
    with m.If(dut.i.valid & dut.i.ready):
        m.d.sync += asked.eq(dut.i.payload.group)
    row = dut.group_row
    stable(m, row, "group_row", when=~read)
    m.d.comb += [
        Assume(row.first_run + row.n_runs <= GROUPED.runs),
        Assume(row.n_runs <= 3),
        Assume(dut.i.payload.group < GROUPED.groups),
    ]
    # Runs still to come of the groups that have been read, oldest first.
    first, left, held = [Signal(6) for _ in range(3)], [Signal(6) for _ in range(3)], Signal(2)
    ends = dut.run_read & (left[0] == 1)
    pushes = read & (row.n_runs != 0)
    m.d.sync += held.eq(held - ends + pushes)
    for i in range(3):
        new = pushes & (held - ends == i)
        following = (first[i + 1], left[i + 1]) if i < 2 else (first[i], left[i])
        step = dut.run_read & ~ends if i == 0 else 0
        m.d.sync += [
            first[i].eq(Mux(new, row.first_run, Mux(ends, following[0], first[i] + step))),
            left[i].eq(Mux(new, row.n_runs, Mux(ends, following[1], left[i] - step))),
        ]
    m.d.comb += [
        Assert(held < 3),
        Assert(~dut.group_read | (dut.group_index == asked)),
        Assert(~dut.run_read | ((held != 0) & (dut.run_index == first[0]))),
        Assert(~dut.run_read | (first[0] < GROUPED.runs)),
        Assert(~dut.idle | (held == 0)),
        Cover(ends & (held == 2)),
        Cover(dut.run_read & (dut.run_index == GROUPED.runs - 1)),
    ]


PROOFS = (
    Proof(
        "queue", "amaranth.lib.fifo", _Queue, queue,
        ("self.w_rdy.eq(inner_level != inner_depth)", "self.w_rdy.eq(1)"),
        depth=9,
    ),
    Proof(
        "encoder_loses_nothing", "encoder", lambda module: module.SpikeEncoder(PLAIN), encoder,
        ("empties.eq(~holds | (step & ~many))", "empties.eq(~holds | step)"),
        depth=8,
    ),
    Proof(
        "arbiter", "issue", lambda module: module.Issue(PLAIN), arbiter,
        ("self.hold | slot_taken)", "self.hold)"),
        depth=14, reach=14,
    ),
    Proof(
        "walker_rows", "walker", lambda module: module.Walker(PLAIN), rows_of_walker,
        ("last_row.eq(now.left == 1)", "last_row.eq(now.left == 0)"),
        depth=10,
    ),
    Proof(
        "walker_table", "walker", lambda module: module.Walker(PLAIN), table_of_walker,
        ("self._index + 1 == self._count", "self._index == self._count"),
        depth=14, reach=14,
    ),
    Proof(
        "fan_out_runs", "fanout", lambda module: module.FanOut(GROUPED), runs_of_groups,
        ("last.eq(left == 1)", "last.eq(left == 0)"),
        depth=9, reach=14,
    ),
)  # fmt: skip

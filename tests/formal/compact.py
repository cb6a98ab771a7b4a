"""Proofs of the compact core's components."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import (
    Array,
    Assert,
    Assume,
    Cat,
    Const,
    Cover,
    Module,
    Mux,
    Signal,
    Value,
    signed,
    unsigned,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import numfmt
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import POPULATIONS, PROJECTIONS, FireSelect

from .prover import Proof, past, stable, started

SMALL = BuildConfig("unit", lanes=4, state_rows=4, weight_rows=16, compact=True)
TWO_BLOCKS = BuildConfig("unit", lanes=4, state_rows=64, weight_rows=16, compact=True)
BLOCK_ROWS = 32
ACC = signed(numfmt.ACCUMULATOR_BITS)
READ_CYCLES = 5
TICK_AGE, END_AGE = 10, 3
"""Cycles from ``show`` to ``write``."""

PARAMETERS = {
    "threshold": unsigned(16),
    "decay": unsigned(16),
    **dict.fromkeys(("bias", "floor", "initial", "fire_constant"), signed(16)),
}


class _Neuron(wiring.Component):
    """The arithmetic unit with its way to the population's row and to the state row.

    The potential is there when it is due; in other cycles ``rubbish`` is.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        super().__init__(
            {
                **{name: In(shape) for name, shape in PARAMETERS.items()},
                **{"potential": In(ACC), "rubbish": In(ACC), "taken": In(1)},
                **{"ending": In(1), "probe": In(1), "fires": In(1), "clip_before": In(1)},
                **{"fire_select": In(2), "operand": Out(signed(16)), "result": Out(ACC)},
                **{"show": Out(1), "write": Out(1), "offers": Out(1), "fired": Out(1)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = self.module.NeuronUnit()
        words = [Signal(32, name=f"word{index}") for index in range(POPULATIONS.words)]
        for name in PARAMETERS:
            field = POPULATIONS.field(name)
            m.d.comb += words[field.word][field.lsb : field.lsb + field.bits].eq(
                getattr(self, name)
            )
        read, operand = Signal(32), Signal(signed(16))
        show1, show2 = Signal(), Signal()
        m.d.sync += [
            read.eq(Array(words)[unit.word]),
            operand.eq(Mux(unit.high, read[16:], read[:16])),
            show1.eq(unit.show),
            show2.eq(show1),
        ]
        m.d.comb += [
            unit.start.eq(1),
            unit.operand.eq(operand),
            unit.value.eq(Mux(show2, self.potential, self.rubbish)),
            self.operand.eq(operand),
        ]
        for name in ("ending", "probe", "fires", "clip_before", "fire_select", "taken"):
            m.d.comb += getattr(unit, name).eq(getattr(self, name))
        for name in ("show", "write", "offers", "fired", "result"):
            m.d.comb += getattr(self, name).eq(getattr(unit, name))
        return m


def _clipped(value: Value, floor: Value) -> Value:
    most = Const(numfmt.POTENTIAL_MAX, ACC)
    return Mux(value < floor, floor, Mux(value > most, most, value))


def _neuron(m: Module, dut: Any) -> None:
    """Rules D1 to D4, step by step, and when each step is there.

    The product is that of the unit: it is taken where the unit's two factors are, which are
    proved to be the right ones.
    """
    names = [*PARAMETERS, "potential", "ending", "probe", "fires", "clip_before", "fire_select"]
    for name in names:
        stable(m, getattr(dut, name), name)
    ticks, before, select = ~dut.ending, dut.clip_before, dut.fire_select
    h = Signal(signed(numfmt.ACCUMULATOR_BITS + 1))
    m.d.comb += [
        h.eq(dut.potential + dut.bias),
        Assume((h >= numfmt.ACCUMULATOR_MIN) & (h <= numfmt.ACCUMULATOR_MAX)),
        Assume((dut.threshold >= 1) & (dut.threshold <= numfmt.THRESHOLD_MAX)),
        Assume(dut.decay <= numfmt.DECAY_ONE),
        Assume(dut.floor <= 0),
        # what the table of FireSelect has for builds without parameter rows
        Assume(~dut.fires | (select != FireSelect.VALUE)),
        Assume(~dut.fires | (select != FireSelect.H) | ~before),
        Assume(~dut.fires | (select != FireSelect.H_MINUS_THETA) | before),
    ]
    spike, age, second = Signal(), Signal(5), Signal()
    m.d.sync += age.eq(Mux(dut.show, 1, age + (age != 31)))
    m.d.sync += second.eq((second | (dut.offers & dut.taken)) & ~dut.write)
    m.d.comb += spike.eq(dut.fires & (h >= dut.threshold))
    # Before the decay.
    reset, factor = Signal(ACC), Signal(ACC)
    m.d.comb += [reset.eq(h), factor.eq(Mux(before, _clipped(reset, dut.floor), reset))]
    with m.If(spike & (select == FireSelect.H_MINUS_THETA)):
        m.d.comb += reset.eq(h - dut.threshold)
    with m.If(spike & (select == FireSelect.ZERO)):
        m.d.comb += reset.eq(0)
    goes = (~dut.probe | second) & ticks & ~dut.show
    multiplies = goes & (age == Mux(before, 6, 4))
    exact = Signal(signed(numfmt.ACCUMULATOR_BITS + 17))
    with m.If(multiplies):
        m.d.sync += exact.eq(dut.result * Cat(dut.operand, Const(0, 1)).as_signed())
        m.d.comb += [Assert(dut.result == factor), Assert(dut.operand.as_unsigned() == dut.decay)]
    # Behind it.
    share, behind = Signal(signed(21)), Signal(signed(22))
    shift = numfmt.DECAY_FRACTION_BITS
    m.d.comb += [
        share.eq(Mux(exact < 0, -((-exact) >> shift), exact >> shift)),
        behind.eq(share),
    ]
    with m.If(spike & (select == FireSelect.H)):
        m.d.comb += behind.eq(share - dut.threshold)
    with m.If(spike & (select == FireSelect.ZERO)):
        m.d.comb += behind.eq(share + dut.fire_constant)
    due = Mux(dut.ending, END_AGE, TICK_AGE)
    m.d.comb += [
        Assert(~dut.offers | (dut.probe & ~second)),
        Assert(~dut.offers | (dut.result == Mux(ticks, h, dut.potential))),
        Assert(~started(m) | (dut.write == ((~dut.probe | second) & ~dut.show & (age == due)))),
    ]
    with m.If(dut.write & ticks):
        m.d.comb += [
            Assert(dut.fired == spike),
            Assert(dut.result == Mux(before, behind, _clipped(behind, dut.floor))),
        ]
    with m.If(dut.write & dut.ending):
        m.d.comb += [Assert(dut.result == dut.initial), Assert(~dut.fired)]
    m.d.comb += [
        Cover(dut.write & ticks & spike & (select == FireSelect.H) & (dut.result < -9)),
        Cover(dut.write & ticks & before & (dut.result < -9) & (exact[:15] != 0)),
        Cover(dut.write & ticks & ~before & (dut.result == numfmt.POTENTIAL_MAX)),
        Cover(dut.write & dut.ending),
    ]


def neuron(m: Module, dut: Any) -> None:
    """A neuron that is not probed, and the beginning of the next one."""
    m.d.comb += Assume(~dut.probe)
    _neuron(m, dut)


def probed_neuron(m: Module, dut: Any) -> None:
    """A neuron that is probed: nothing is written before the value has been taken."""
    m.d.comb += Assume(dut.probe)
    _neuron(m, dut)


WALKED = ("row_base", "n_rows", "weight_base", "stride", "lanes_last")


class _Walk(wiring.Component):
    """The walk with two rows of the projection table: that of the first projection and the next."""

    def __init__(self, module: Any) -> None:
        self.walk = module.Walk(SMALL)
        fields = {name: In(PROJECTIONS.field(name).bits) for name in WALKED}
        super().__init__(
            {
                **{f"{name}{k}": member for k in range(2) for name, member in fields.items()},
                **{
                    name: member
                    for name, member in self.walk.signature.members.items()
                    if name != "value"
                },
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walk = walk = self.walk
        words = [
            Signal(32, name=f"word{k}_{i}") for k in range(2) for i in range(PROJECTIONS.words)
        ]
        for k in range(2):
            for name in WALKED:
                field = PROJECTIONS.field(name)
                word = words[k * PROJECTIONS.words + field.word]
                m.d.comb += word[field.lsb : field.lsb + field.bits].eq(getattr(self, f"{name}{k}"))
        for name, member in walk.signature.members.items():
            if name != "value":
                ours, theirs = getattr(self, name), getattr(walk, name)
                m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)
        following = walk.projection != walk.first_projection
        m.d.sync += walk.value.eq(Array(words)[Cat(walk.word, following)])
        return m


def rows_of_walk(m: Module, dut: Any) -> None:
    """The rows of the projections and no other, each in its cycle, with the table's addresses.

    The compiler's invariants are assumed: the rows of the table lie in the memories.
    """
    facts = [{name: getattr(dut, f"{name}{k}") for name in WALKED} for k in range(2)]
    steady = [value for entry in facts for value in entry.values()]
    steady += [dut.first_projection, dut.n_projections, dut.even, dut.odd]
    stable(m, Cat(steady), "inputs")
    for entry in facts:
        last = (entry["n_rows"] - 1)[:2] * entry["stride"][:4] + entry["weight_base"]
        m.d.comb += [
            Assume(
                (entry["n_rows"] >= 1) & (entry["row_base"] + entry["n_rows"] <= SMALL.state_rows)
            ),
            Assume(entry["stride"] < SMALL.weight_rows),
            *(Assume(last + half < SMALL.weight_rows) for half in (dut.even, dut.odd)),
        ]
    m.d.comb += [
        Assume((dut.n_projections == 1) | (dut.n_projections == 2)),
        Assume((dut.n_projections == 1) | (dut.n_rows0 + dut.n_rows1 <= 4)),
    ]
    busy, second, step, count = Signal(), Signal(), Signal(3), Signal(3)
    here = {name: Mux(second, facts[1][name], facts[0][name]) for name in WALKED}
    adds, last_row, ends = Signal(), Signal(), Signal()
    first = here["weight_base"] + count[:2] * here["stride"][:4]
    m.d.comb += [
        adds.eq(busy & (step == READ_CYCLES)),
        last_row.eq(count + 1 == here["n_rows"]),
        ends.eq(adds & last_row & (second | (dut.n_projections == 1))),
        Assert(dut.busy == busy),
        Assert(dut.add == adds),
        Assert(dut.done == ends),
        Assert(~busy | (dut.projection == (dut.first_projection + second)[:8])),
    ]
    m.d.sync += step.eq(Mux(adds, READ_CYCLES, step + 1))
    with m.If(adds):
        m.d.sync += count.eq(count + 1)
        m.d.comb += [
            Assert(dut.row == here["row_base"] + count),
            Assert(dut.even_address == first + dut.even),
            Assert(dut.odd_address == first + dut.odd),
            Assert(dut.lanes == Mux(last_row, here["lanes_last"][: len(dut.lanes)], SMALL.lanes)),
        ]
        with m.If(last_row):
            m.d.sync += [second.eq(1), step.eq(0), count.eq(0)]
    with m.If(ends):
        m.d.sync += busy.eq(0)
    with m.If(~busy):
        m.d.sync += [busy.eq(dut.start), second.eq(0), step.eq(0), count.eq(0)]
    m.d.comb += [
        Cover(ends & second & (count == 1) & (dut.odd_address == SMALL.weight_rows - 1)),
        Cover(ends & ~second & (count == 3)),
    ]


NARROW = signed(4)
"""Width of an accumulator in the proof of the state rows; sums of 18 bits cost the solver hours."""


def _narrow_rows(module: Any) -> Any:
    """Return the state rows with weights of 2 bits and accumulators of :data:`NARROW`."""
    module.ACC, module.WEIGHT_BITS = NARROW, 2
    return module.StateRows(SMALL)


def _one_of(m: Module, value: Value, name: str) -> Signal:
    """Return any one value of ``value``: that of the first cycle."""
    chosen = Signal.like(value, name=name)
    with m.If(~started(m)):
        m.d.sync += chosen.eq(value)
    return chosen


def lane_of_state(m: Module, dut: Any) -> None:
    """One lane of one row, any: it is what was written, and what was added since."""
    row, lane = _one_of(m, dut.row, "row"), _one_of(m, dut.lane, "lane")
    asks = dut.add | dut.show
    rows, adds, shows = [dut.row], [dut.add], [dut.show]
    for k in range(2):
        rows.append(past(m, rows[-1], f"row{k}"))
        adds.append(past(m, adds[-1], f"add{k}"))
        shows.append(past(m, shows[-1], f"show{k}"))
    working = [adds[k] | shows[k] for k in range(3)]
    m.d.comb += [
        Assume(started(m) | ~(asks | dut.write)),
        # as the component asks
        Assume(~dut.write | ~(working[0] | working[1] | working[2])),
        Assume(~dut.write | ((rows[0] == rows[1]) & (rows[1] == rows[2]))),
        *(Assume(~asks | ~adds[k] | (rows[k] != dut.row)) for k in (1, 2)),
    ]
    held, total = Signal(NARROW), Signal(signed(NARROW.width + 1))
    least, most = numfmt.signed_range(NARROW.width)
    fits = (total >= least) & (total <= most)
    added = adds[2] & (rows[2] == row)
    written = dut.write & (dut.row == row) & (dut.lane == lane)
    weights = [Array(port[k] for k in range(SMALL.lanes))[lane] for port in (dut.even, dut.odd)]
    m.d.comb += total.eq(held + weights[0] + weights[1])
    with m.If(added):
        m.d.sync += held.eq(total)
    with m.If(written):
        m.d.sync += held.eq(dut.result)
    looked = shows[2] & (rows[2] == row) & (dut.lane == lane)
    sums = Signal(2)
    m.d.sync += sums.eq(Mux(written, 0, sums + (added & (sums != 3))))
    m.d.comb += [
        Assert(~looked | (dut.value == held)),
        Assert(~added | fits | dut.overflow),
        Assert(~dut.overflow | adds[2]),
        Cover(looked & (sums == 2) & (held == least + 2)),
        Cover(added & ~fits),
    ]


def activity(config: BuildConfig) -> Callable[[Module, Any], None]:
    """Return the rules of the activity of a build."""

    def rules(m: Module, dut: Any) -> None:
        """A row that holds a potential is active, and its block is looked at."""
        row = _one_of(m, dut.row, "row")
        noted = dut.write & (dut.row == row)
        holds, kept, due = Signal(), Signal(), Signal()
        m.d.comb += [
            Assume(started(m) | ~dut.write),
            Assume(~(dut.write & dut.closes)),
        ]
        with m.If(noted):
            m.d.sync += [
                holds.eq(dut.value),
                kept.eq(dut.value & (kept | dut.keeps)),
                due.eq(dut.value & (due | ~dut.keeps)),
            ]
        with m.If(dut.closes):
            m.d.sync += [due.eq(kept), kept.eq(0)]
        looks = dut.row == row
        settled = ~past(m, noted, "noted")
        behind = Signal(len(dut.row) + 1)
        m.d.comb += behind.eq((dut.row | min(BLOCK_ROWS, config.state_rows) - 1) + 1)
        m.d.comb += [
            Assert(~(looks & settled) | (dut.active == holds)),
            Assert(~(looks & holds & due) | (dut.block & dut.some)),
            Assert(dut.some >= dut.block),
            Assert(dut.skipped == behind),
            Cover(looks & holds & due & past(m, past(m, dut.closes, "closes"), "older")),
            Cover(looks & holds & ~due & ~dut.block & settled),
        ]

    return rules


PROOFS = (
    Proof(
        "compact_neuron", "compact.neuron", _Neuron, neuron,
        ("cut.eq(multiplied[-1] & multiplied[:fraction].any())", "cut.eq(multiplied[-1])"),
        depth=13, reach=12,
    ),
    Proof(
        "compact_neuron_probed", "compact.neuron", _Neuron, probed_neuron,
        ("m.d.sync += probed.eq(1)", "m.d.sync += probed.eq(self.ending)"),
        depth=16, reach=16,
    ),
    Proof(
        "compact_walk", "compact.walk", _Walk, rows_of_walk,
        ("last = left == 1", "last = left == 0"),
        depth=17, reach=17,
    ),
    Proof(
        "compact_state", "compact.state", _narrow_rows, lane_of_state,
        ("add2 | (self.write & (self.lane == lane))", "add2 | self.write"),
        depth=10, reach=11,
    ),
    Proof(
        "compact_activity", "compact.activity", lambda module: module.RowActivity(TWO_BLOCKS),
        activity(TWO_BLOCKS),
        ("now.eq(then)", "now.eq(0)"),
        depth=10,
    ),
    Proof(
        "compact_activity_in_one_block", "compact.activity",
        lambda module: module.RowActivity(SMALL), activity(SMALL),
        ("min(rows, BLOCK_ROWS)", "BLOCK_ROWS"),
        depth=10,
    ),
)  # fmt: skip

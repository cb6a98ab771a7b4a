"""Arbitration of operations and the control pipeline that drives all lanes."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig

from .control import SCALE, control_layout, late_stages
from .layouts import (
    OpKind,
    lane_count_bits,
    op_layout,
    parameter_row_bits,
    row_bits,
    weight_address_bits,
)
from .spread import copies, lane_groups

ADD_STAGE, WRITE_STAGE = 4, 10
"""Stages in which an ADD and a SWEEP write back.

Stages from 3 on are those of :mod:`.lane`; :func:`~.control.late_stages` comes on top.
"""

UNWRITTEN_STAGES = 7
"""An ADD granted a cycle after a SWEEP leaves these stages reads what the SWEEP wrote.

The ADD is in stage 0 two cycles later, and the potential is read between its stages 2 and 3,
while the SWEEP writes between its stages 10 and 11.
"""


class Issue(wiring.Component):
    """Take one operation per cycle: of the sequencer, else of spikes, else of the input.

    An ADD that is taken waits in stage 0 while an operation of the sequencer goes first, in the
    one cycle in which its write would meet the write-back of a SWEEP issued six cycles before, and
    while nothing may follow a PEEK.  So whether one can be taken is known from registers alone.

    Members
    -------
    sweep, spikes, inputs : streams of operations, in
    input_open, hold : In(1)
        See :class:`~spikeloom_hw.sequencer.Sequencer`.
    biased, ending : In(1)
    divide_load, divide_step : In(1)
        Passed on to the lanes.
    parameter_base, parameter_mask : In
        Facts of the population in work: where its parameters lie.
    host_read : In(1), host_row : In
        While nothing runs: read a weight row for the host.
    even_address, even_valid, odd_address, odd_valid : Out
        To the weight banks (stage 0).
    controls : Out
        To the lanes: a copy for each group of lanes (:mod:`.spread`).
    last_row4 : Out(1)
        The SWEEP in stage 4 is of its population's last row.
    sweep6, row6, sweep11, row11 : Out
        SWEEP in stages 6 and 11.
    add_taken, add_row : Out
        An ADD to this row is taken.
    sweep_taken, sweep_row : Out
        A SWEEP of this row is in stage 0.
    input_sops, spike_sops : Out
        Synaptic operations issued, from the input and from spikes; two cycles late.
    sweeping, busy : Out(1)
        A SWEEP, or any operation, is in the pipeline.
    unwritten : Out(1)
        A SWEEP in the pipeline is so young that an ADD to its row, granted in the next cycle,
        would read the potential before the SWEEP writes it.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        rows, address = row_bits(config), weight_address_bits(config)
        self.op_layout = op_layout(config)
        ops = stream.Signature(self.op_layout)
        super().__init__(
            {
                "sweep": In(ops),
                "spikes": In(ops),
                "inputs": In(ops),
                "input_open": In(1),
                "hold": In(1),
                "biased": In(1),
                "ending": In(1),
                "divide_load": In(1),
                "divide_step": In(1),
                "parameter_base": In(parameter_row_bits(config)),
                "parameter_mask": In(parameter_row_bits(config)),
                "host_read": In(1),
                "host_row": In(address),
                "even_address": Out(address),
                "even_valid": Out(1),
                "odd_address": Out(address),
                "odd_valid": Out(1),
                "controls": Out(data.ArrayLayout(control_layout(config), lane_groups(config))),
                "last_row4": Out(1),
                "sweep6": Out(1),
                "row6": Out(rows),
                "sweep11": Out(1),
                "row11": Out(rows),
                "add_taken": Out(1),
                "add_row": Out(rows),
                "sweep_taken": Out(1),
                "sweep_row": Out(rows),
                "input_sops": Out(lane_count_bits(config) + 1),
                "spike_sops": Out(lane_count_bits(config) + 1),
                "sweeping": Out(1),
                "unwritten": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # stage 0: an operation of the sequencer goes on in any case, before an ADD that waits
        add, first = (Signal(self.op_layout, reset_less=True, name=n) for n in ("add", "first"))
        add_here, first_here = Signal(), Signal()
        stalled, may_add = Signal(), Signal()
        m.d.comb += [
            may_add.eq(~self.hold & ~(add_here & stalled)),
            self.sweep.ready.eq(1),
            self.spikes.ready.eq(may_add),
            self.inputs.ready.eq(may_add & self.input_open & ~self.spikes.valid),
            self.add_taken.eq(
                (self.spikes.valid & self.spikes.ready) | (self.inputs.valid & self.inputs.ready)
            ),
            self.add_row.eq(
                Mux(self.spikes.valid, self.spikes.payload.row, self.inputs.payload.row)
            ),
            self.sweep_taken.eq(first_here & (first.kind == OpKind.SWEEP)),
            self.sweep_row.eq(first.row),
        ]
        m.d.sync += [
            first_here.eq(self.sweep.valid),
            first.eq(self.sweep.payload),
            add_here.eq(self.add_taken | (add_here & stalled)),
        ]
        with m.If(may_add):
            m.d.sync += add.eq(Mux(self.spikes.valid, self.spikes.payload, self.inputs.payload))
        with m.If(self.host_read):
            m.d.sync += [add.even.eq(self.host_row), add.odd.eq(self.host_row)]
        goes = Signal()
        m.d.comb += [
            goes.eq(add_here & ~stalled),
            self.even_address.eq(add.even),
            self.odd_address.eq(add.odd),
            self.even_valid.eq(goes & add.even_valid),
            self.odd_valid.eq(goes & add.odd_valid),
        ]
        self._count(m)
        op = Signal(self.op_layout)
        m.d.comb += op.eq(Mux(first_here, first, add))
        slot_taken, some = self._pipeline(m, op, goes, first_here)
        m.d.sync += stalled.eq(self.sweep.valid | self.hold | slot_taken)
        m.d.comb += self.busy.eq(add_here | some)
        return m

    def _count(self, m: Module) -> None:
        """Count synaptic operations as they are issued."""
        for source, counter in ((self.inputs, self.input_sops), (self.spikes, self.spike_sops)):
            once = Signal(lane_count_bits(self.config), reset_less=True)
            twice, taken = Signal(reset_less=True), Signal()
            op = source.payload
            m.d.sync += [
                taken.eq(source.valid & source.ready),
                once.eq(op.lanes),
                twice.eq(op.even_valid & op.odd_valid),
                counter.eq(Mux(taken, Mux(twice, once << 1, once), 0)),
            ]

    def _pipeline(
        self, m: Module, op: data.View, is_add: Signal, is_first: Signal
    ) -> tuple[Value, Value]:
        """Delay what the lanes need to the stages that need it.

        Returns that an ADD must not be in stage 0 in the next cycle, since its write would meet
        that of a SWEEP, and that an operation is in one of the stages.
        """
        late = late_stages(self.config)
        depth = WRITE_STAGE + 2 + late
        adds: list[Value] = [is_add]
        sweeps: list[Value] = [self.sweep_taken]
        valids: list[Value] = [is_add | is_first]
        for stage in range(1, depth + 1):
            for values, name in ((adds, "add"), (sweeps, "sweep"), (valids, "valid")):
                later = Signal(name=f"{name}{stage}")
                m.d.sync += later.eq(values[-1])
                values.append(later)
        rows = self._held(m, op.row, valids, depth, "row")
        lasts = self._held(m, op.last_row, valids, depth, "last")
        first = ((op.row & self.parameter_mask) + self.parameter_base)[: len(self.parameter_base)]
        parameters = self._held(m, first, valids, depth, "parameters")
        biased = self._held(m, ~adds[0] & self.biased, valids, 1, "biased")
        scale = Const(1)
        if self.config.graded:
            magnitude = Mux(adds[0], op.magnitude << op.shift, 1)
            scale = self._held(m, magnitude, valids, 2, "scale", SCALE)[2]

        def same_row(older: int) -> Value:
            both = valids[2 + late] & valids[older + late]
            return both & (rows[2 + late] == rows[older + late])

        writes_add, writes_sweep = adds[ADD_STAGE - 1 + late], sweeps[WRITE_STAGE - 1 + late]
        write_row = Mux(writes_sweep, rows[WRITE_STAGE - 1 + late], rows[ADD_STAGE - 1 + late])
        # every signal of a lane is a register of the lane's group: what is loaded here is seen
        # by the lanes in the next cycle, hence in the next stage
        coming = {
            "row2": rows[1 + late],
            "row3": rows[2 + late],
            "parameters1": Mux(valids[0], parameters[0], parameters[1]),
            **{f"parameters{stage}": parameters[stage - 1 + late] for stage in (2, 3, 5, 6)},
            "bias2": biased[1],
            "scale3": scale,
            "forward3": same_row(3),
            "forward_older3": same_row(4),
            "valid4": valids[3 + late],
            "sweep5": sweeps[4 + late],
            "ending": self.ending,
            "write": writes_add | writes_sweep,
            "write_row": write_row,
            "write10": writes_sweep,
        }
        for name in control_layout(self.config).members:
            if name in coming:
                value = Value.cast(coming[name])
                spread = copies(m, value, self.config, name, reset_less=len(value) > 1)
            else:  # commands of the division come when they are to be seen
                spread = [getattr(self, name)] * len(self.controls)
            for control, copy in zip(self.controls, spread, strict=True):
                m.d.comb += control[name].eq(copy)
        m.d.comb += [
            self.last_row4.eq(lasts[4 + late]),
            self.sweep6.eq(sweeps[6 + late]),
            self.row6.eq(rows[6 + late]),
            self.sweep11.eq(sweeps[11 + late]),
            self.row11.eq(rows[11 + late]),
        ]
        # registers of what they will be: whether the sequencer may go on is known late enough
        comes = self.sweep.valid & (self.sweep.payload.kind == OpKind.SWEEP)
        m.d.sync += [
            self.sweeping.eq(comes | Cat(sweeps[: depth - 1]).any()),
            self.unwritten.eq(comes | Cat(sweeps[: UNWRITTEN_STAGES - 1]).any()),
        ]
        return sweeps[WRITE_STAGE - ADD_STAGE - 1], Cat(valids).any()

    def _held(
        self,
        m: Module,
        first: Value,
        valids: list[Signal],
        depth: int,
        name: str,
        shape: ShapeLike | None = None,
    ) -> list[Value]:
        """Return ``first`` in every stage up to ``depth``.

        Stage 1 keeps what the last operation had, so that a PEEK's stays in all of them.
        """
        values: list[Value] = [first]
        for stage in range(1, depth + 1):
            later = Signal(
                len(first) if shape is None else shape, name=f"{name}{stage}", reset_less=True
            )
            with m.If(valids[stage - 1] | (stage > 1)):
                m.d.sync += later.eq(values[-1])
            values.append(later)
        return values

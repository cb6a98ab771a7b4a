"""Arbitration of operations and the control pipeline that drives all lanes."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig

from .lane import control_layout
from .layouts import OpKind, lane_count_bits, op_layout, row_bits, weight_address_bits

WRITE_STAGE = 10
"""Stage in which a SWEEP writes back; an ADD writes in stage 4."""

UNWRITTEN_STAGES = 7
"""An ADD granted a cycle after a SWEEP leaves these stages reads what the SWEEP wrote.

The ADD is in stage 0 two cycles later, and the potential is read between its stages 2 and 3,
while the SWEEP writes between its stages 10 and 11.
"""


class Issue(wiring.Component):
    """Take one operation per cycle: of the sequencer, else of spikes, else of the input.

    An ADD is held back in the one cycle in which its write would meet the write-back of a
    SWEEP issued six cycles before.

    Members
    -------
    sweep, spikes, inputs : streams of operations, in
    input_open, hold : In(1)
        See :class:`~spikeloom_hw.sequencer.Sequencer`.
    biased, ending : In(1)
    host_read : In(1), host_row : In
        While nothing runs: read a weight row for the host.
    even_address, even_valid, odd_address, odd_valid : Out
        To the weight banks (stage 0).
    control : Out
        To the lanes.
    last_row5 : Out(1)
        The SWEEP in stage 5 is of its population's last row.
    sweep6, row6, sweep11, row11 : Out
        SWEEP in stages 6 and 11.
    add_taken, add_row : Out
        An ADD enters stage 0 and goes to this row.
    sweep_taken, sweep_row : Out
        Likewise for a SWEEP.
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
                "host_read": In(1),
                "host_row": In(address),
                "even_address": Out(address),
                "even_valid": Out(1),
                "odd_address": Out(address),
                "odd_valid": Out(1),
                "control": Out(control_layout(config)),
                "last_row5": Out(1),
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
        op = Signal(self.op_layout, reset_less=True)
        valid = Signal()
        slot_taken = Signal()
        may_add = Signal()
        m.d.comb += [
            may_add.eq(~slot_taken & ~self.hold & ~self.sweep.valid),
            self.sweep.ready.eq(1),
            self.spikes.ready.eq(may_add),
            self.inputs.ready.eq(may_add & self.input_open & ~self.spikes.valid),
            self.add_taken.eq(
                (self.spikes.valid & self.spikes.ready) | (self.inputs.valid & self.inputs.ready)
            ),
            self.add_row.eq(
                Mux(self.spikes.valid, self.spikes.payload.row, self.inputs.payload.row)
            ),
            self.sweep_taken.eq(self.sweep.valid & (self.sweep.payload.kind == OpKind.SWEEP)),
            self.sweep_row.eq(self.sweep.payload.row),
        ]
        m.d.sync += valid.eq(self.sweep.valid | self.add_taken)
        with m.If(self.sweep.valid):
            m.d.sync += op.eq(self.sweep.payload)
        with m.Elif(self.spikes.valid):
            m.d.sync += op.eq(self.spikes.payload)
        with m.Else():
            m.d.sync += op.eq(self.inputs.payload)
        with m.If(self.host_read):
            m.d.sync += [op.even.eq(self.host_row), op.odd.eq(self.host_row)]
        is_add = op.kind == OpKind.ADD
        m.d.comb += [
            self.even_address.eq(op.even),
            self.odd_address.eq(op.odd),
            self.even_valid.eq(valid & is_add & op.even_valid),
            self.odd_valid.eq(valid & is_add & op.odd_valid),
        ]
        self._count(m)
        self._pipeline(m, op, valid, slot_taken)
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

    def _pipeline(self, m: Module, op: data.View, valid: Signal, slot_taken: Signal) -> None:
        """Delay what the lanes need to the stages that need it."""
        depth = WRITE_STAGE + 2
        adds, sweeps, rows, lasts = [valid & (op.kind == OpKind.ADD)], [], [op.row], [op.last_row]
        sweeps.append(valid & (op.kind == OpKind.SWEEP))
        valids = [valid]
        bias = Signal(reset_less=True)
        for stage in range(1, depth + 1):
            sweep = Signal(name=f"sweep{stage}")
            any_op = Signal(name=f"valid{stage}")
            row = Signal(row_bits(self.config), name=f"row{stage}", reset_less=True)
            m.d.sync += [sweep.eq(sweeps[-1]), any_op.eq(valids[-1])]
            # Stages 1 and 2 keep the row of the last operation, so that a PEEK's stays.
            with m.If(valids[-1] | (stage > 2)):
                m.d.sync += row.eq(rows[-1])
            if stage <= 4:
                add = Signal(name=f"add{stage}")
                m.d.sync += add.eq(adds[-1])
                adds.append(add)
            if stage <= 5:
                last = Signal(name=f"last{stage}", reset_less=True)
                m.d.sync += last.eq(lasts[-1])
                lasts.append(last)
            sweeps.append(sweep)
            valids.append(any_op)
            rows.append(row)
        with m.If(valids[1]):
            m.d.sync += bias.eq(~adds[1] & self.biased)
        control = self.control
        m.d.sync += [
            control.forward3.eq(valids[2] & valids[3] & (rows[2] == rows[3])),
            control.forward_older3.eq(valids[2] & valids[4] & (rows[2] == rows[4])),
        ]
        m.d.comb += [
            control.row2.eq(rows[2]),
            control.bias2.eq(bias),
            control.write4.eq(adds[4]),
            control.row4.eq(rows[4]),
            control.valid4.eq(valids[4]),
            control.end5.eq(self.ending),
            control.write10.eq(sweeps[WRITE_STAGE]),
            control.row10.eq(rows[WRITE_STAGE]),
            self.last_row5.eq(lasts[5]),
            self.sweep6.eq(sweeps[6]),
            self.row6.eq(rows[6]),
            self.sweep11.eq(sweeps[11]),
            self.row11.eq(rows[11]),
            slot_taken.eq(sweeps[5]),
            self.sweeping.eq(Cat(sweeps[:depth]).any()),
            self.unwritten.eq(Cat(sweeps[:UNWRITTEN_STAGES]).any()),
            self.busy.eq(Cat(valids).any()),
        ]

"""One lane: the arithmetic of one neuron per state row.

The lane keeps one potential per state row.  Its pipeline, by stage (the operation's
register in the issue unit is stage 0):

====== =====================================================================
stage  register loaded at its beginning
====== =====================================================================
2      weights from the banks
3      ``sum`` of weights, or the bias; potential from the memory
4      ``acc`` = potential + sum, written back for an ADD (two levels of forwarding)
5      H and H - threshold
6      spike; both again, 0 where neither is kept; what is added behind the multiplier
7      that of the two which is kept, clipped if the reset is before the decay
8      product with the decay
9      truncated towards zero, constant added
10     upper clip, and whether to take the floor; clipped and written back for a SWEEP
11     ``nonzero``
====== =====================================================================

Builds for graded events multiply the sum by the event's scale in a stage of their own; every
later stage then is one further (:func:`.control.late_stages`).

A population clips either before the decay or behind it, so one comparison with the floor does for
both.  What a stage chooses is written such that a LUT of six inputs takes each bit of it.

Builds for synaptic currents keep the current in the place of the potential and the potential in
a second memory; ``acc`` is C then, and H = acc + V + bias is formed in stage 5.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, ShapeLike, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import numfmt
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import PARAMETERS, FireSelect

from .control import ACC, DIGITS, POTENTIAL, REST_BITS, Parameters, control_layout
from .fixed import above, saturated, truncated_share
from .layouts import WEIGHT_BITS, parameter_row_bits


class Lane(wiring.Component):
    """Accumulate weights, fire, reset and decay.

    Members
    -------
    even, odd : In(signed(8))
        Weights in stage 2; zero where there is no event.
    control : In
        See :func:`.control.control_layout`.
    parameters : In
        See :data:`.control.Parameters`; :func:`.control.shared_parameters` of them are looked at.
        In builds with parameter rows the neuron's own threshold, decay, bias and current_decay
        take their place.
    parameter_write, parameter_row, parameter_data : In
        Words that are written (one bit each of the two), row and data of a write to the parameter
        memory; the threshold in the data is negated.
    exists5 : In(1)
        The swept row has a neuron in this lane (stage 5; it is delayed as needed here).
    value5 : Out
        H; it stands still after a PEEK, as the whole pipeline does.  When a sample ends: V.
    spike6, nonzero11, overflow5 : Out(1)
        In the stages they are named after; a lane without a neuron never fires.
    digit : Out(1)
        With ``divide_step``: the next binary digit of the number of spikes, highest first.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "even": In(signed(WEIGHT_BITS)),
                "odd": In(signed(WEIGHT_BITS)),
                "control": In(control_layout(config)),
                "parameters": In(Parameters),
                "parameter_write": In(2),
                "parameter_row": In(parameter_row_bits(config)),
                "parameter_data": In(data.ArrayLayout(32, PARAMETERS.words)),
                "exists5": In(1),
                "value5": Out(ACC),
                "spike6": Out(1),
                "nonzero11": Out(1),
                "overflow5": Out(1),
                "digit": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ctl, config = self.control, self.config
        acc, write_acc = self._accumulate(m)
        resting4 = self._resting(m) if config.refractory else Const(0)
        h5, over5 = self._potential(m, acc, resting4)
        self._fire(m, h5, over5, resting4)
        result10, some10 = self._decay(m)
        left = [some10]
        m.d.comb += [
            write_acc.en.eq(ctl.write),
            write_acc.addr.eq(ctl.write_row),
            self.value5.eq(h5),
        ]
        if config.current:
            current10 = self._current(m, acc)
            left.append(current10.any())
            m.d.comb += [
                write_acc.data.eq(Mux(ctl.write10, current10, acc)),
                self._write_potential.en.eq(ctl.write10),
                self._write_potential.addr.eq(ctl.write_row),
                self._write_potential.data.eq(result10),
            ]
        else:
            m.d.comb += write_acc.data.eq(Mux(ctl.write10, result10, acc))
        if config.refractory:
            left.append(self._rest(m))
        exists10 = self._later(m, self.exists5, 5, "exists")
        m.d.sync += self.nonzero11.eq(exists10 & Cat(left).any())
        return m

    def _parameter(self, m: Module, name: str, stage: str) -> Value:
        """Return a parameter, read with the row of the control signal ``stage``."""
        if not self.config.parameter_rows:
            value: Value = self.parameters[name]
            return value
        negated = name == "minus_threshold"
        field = PARAMETERS.field("threshold" if negated else name)
        bits = field.bits - negated  # a threshold is never 0: its sign is always the same
        m.submodules[f"{name}_at_{stage}"] = mem = memory.Memory(
            shape=unsigned(bits), depth=self.config.parameter_rows, init=[]
        )
        write, read = mem.write_port(), mem.read_port(domain="sync")
        m.d.comb += [
            write.addr.eq(self.parameter_row),
            write.data.eq(self.parameter_data[field.word][field.lsb : field.lsb + bits]),
            write.en.eq(self.parameter_write[field.word]),
            read.addr.eq(self.control[stage]),
        ]
        if negated:
            return Cat(read.data, 1).as_signed()
        return read.data.as_signed() if field.signed else read.data

    def _state(self, shape: ShapeLike) -> memory.Memory:
        """Return a memory of what neurons keep from tick to tick.

        A tool puts one of more than 128 rows into block RAM, which would take a block for each
        lane and memory and show its data 2 ns later; up to 256 rows it is told to be in LUTs.
        """
        rows = self.config.state_rows
        attributes = {"ram_style": "distributed"} if 128 < rows <= 256 else {}
        return memory.Memory(shape=shape, depth=rows, init=[], attrs=attributes)

    def _later(self, m: Module, value: Value, stages: int, name: str) -> Value:
        """Return ``value`` that many stages later."""
        for stage in range(stages):
            later = Signal.like(value, name=f"{name}_later{stage}", reset_less=True)
            m.d.sync += later.eq(value)
            value = later
        return value

    def _accumulate(self, m: Module) -> tuple[Signal, memory.WritePort]:
        """Stages 2 to 4: the potential (or current) plus the weights of an operation."""
        ctl, config = self.control, self.config
        m.submodules.potentials = mem = self._state(ACC)
        read = mem.read_port(domain="sync")
        acc, older = Signal(ACC, reset_less=True), Signal(ACC, reset_less=True)
        total = Signal(signed(16), reset_less=True)
        base = Signal(ACC)
        m.d.comb += [
            read.addr.eq(ctl.row2),
            base.eq(Mux(ctl.forward3, acc, Mux(ctl.forward_older3, older, read.data))),
        ]
        if config.current:  # the bias counts for H, not for the current
            m.d.sync += total.eq(self.even + self.odd)
        else:
            bias = self._parameter(m, "bias", "parameters1")
            # where there is a bias the weights are 0: a gate instead of a choice
            m.d.sync += total.eq(self.odd + (self.even | Mux(ctl.bias2, bias, 0)))
        if config.graded:
            product = Signal(ACC, reset_less=True)
            m.d.sync += product.eq(total * ctl.scale3)
            total = product
        m.d.sync += [acc.eq(base + total), older.eq(acc)]
        self._overflow = Signal(reset_less=True)
        base_sign, total_sign = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [
            base_sign.eq(base[-1]),
            total_sign.eq(total[-1]),
            self._overflow.eq(ctl.valid4 & (base_sign == total_sign) & (acc[-1] != base_sign)),
        ]
        m.d.comb += self.overflow5.eq(self._overflow)
        return acc, mem.write_port()

    def _resting(self, m: Module) -> Value:
        """Stage 4: the neuron rests.  Ends of samples show and take the potential as it is."""
        ctl = self.control
        m.submodules.rests = mem = self._state(unsigned(REST_BITS))
        read, self._write_rest = mem.read_port(domain="sync"), mem.write_port()
        m.d.comb += read.addr.eq(ctl.row3)
        self._rest4 = read.data
        resting: Value = read.data.any() & ~ctl.ending
        return resting

    def _rest(self, m: Module) -> Value:
        """Stages 5 to 10: what is left of the rest; returns that there is some."""
        ctl, par = self.control, self.parameters
        rest5 = self._later(m, self._rest4, 1, "rest")
        rest6 = Signal(REST_BITS, reset_less=True)
        m.d.sync += rest6.eq(Mux(rest5.any(), rest5 - 1, 0))
        with m.If(self._fire5):
            m.d.sync += rest6.eq(par.refractory)
        with m.If(ctl.ending):
            m.d.sync += rest6.eq(0)
        rest10 = self._later(m, rest6, 4, "rest_left")
        m.d.comb += [
            self._write_rest.en.eq(ctl.write10),
            self._write_rest.addr.eq(ctl.write_row),
            self._write_rest.data.eq(rest10),
        ]
        some: Value = rest10.any()
        return some

    def _potential(self, m: Module, acc: Signal, resting4: Value) -> tuple[Signal, Signal]:
        """Stage 5: H and H - threshold."""
        ctl, par, config = self.control, self.parameters, self.config
        h5 = Signal(ACC, reset_less=True)
        over5 = Signal(signed(numfmt.ACCUMULATOR_BITS + 1), reset_less=True)
        if config.current:
            rest_of_h4, rest_of_over4 = self._potentials(m)
            mine = Mux(ctl.ending, 0, acc)
            h4 = Signal(signed(numfmt.ACCUMULATOR_BITS + 1))
            beyond5 = Signal(reset_less=True)
            m.d.comb += [
                h4.eq(mine + rest_of_h4),
                self.overflow5.eq(self._overflow | (ctl.sweep5 & beyond5)),
            ]
            m.d.sync += [over5.eq(mine + rest_of_over4), beyond5.eq(h4[-1] != h4[-2])]
        else:
            self._minus_threshold = self._parameter(m, "minus_threshold", "parameters3")
            m.d.sync += over5.eq(acc + self._minus_threshold)
            h4 = acc
        m.d.sync += h5.eq(Mux(resting4, par.held, h4) if config.refractory else h4)
        return h5, over5

    def _potentials(self, m: Module) -> tuple[Signal, Signal]:
        """Return (stage 4) V + bias and V + bias - threshold, from a memory of their own."""
        ctl = self.control
        m.submodules.own_potentials = mem = self._state(POTENTIAL)
        read, self._write_potential = mem.read_port(domain="sync"), mem.write_port()
        self._minus_threshold = self._parameter(m, "minus_threshold", "parameters2")
        bias = self._parameter(m, "bias", "parameters2")
        gated = Mux(ctl.ending, 0, bias)
        h4 = Signal(signed(17), reset_less=True)
        over4 = Signal(signed(18), reset_less=True)
        m.d.comb += read.addr.eq(ctl.row2)
        m.d.sync += [
            h4.eq(read.data + gated),
            over4.eq(read.data + gated + self._minus_threshold),
        ]
        return h4, over4

    def _divide(self, m: Module, h5: Signal, may_fire5: Value) -> tuple[Signal, Signal]:
        """Return H less the threshold times the number of spikes, and that there is a spike.

        Restoring division, one digit for each ``divide_step`` after ``divide_load``, while the
        pipeline stands still behind a PEEK.
        """
        ctl = self.control
        taken = Signal(signed(16 + DIGITS), reset_less=True)
        rest = Signal(ACC, reset_less=True)
        fired = Signal(reset_less=True)
        difference = Signal(signed(16 + DIGITS + 2))
        m.d.comb += [
            difference.eq(rest + (taken >> 1)),
            self.digit.eq(may_fire5 & ~difference[-1]),
        ]
        with m.If(ctl.divide_load):
            m.d.sync += [taken.eq(self._minus_threshold << DIGITS), rest.eq(h5), fired.eq(0)]
        with m.Elif(ctl.divide_step):
            m.d.sync += taken.eq(taken >> 1)
            with m.If(self.digit):
                m.d.sync += [rest.eq(difference), fired.eq(1)]
        return rest, fired

    def _fire(self, m: Module, h5: Signal, over5: Signal, resting4: Value) -> None:
        """Stages 5 and 6: spike and reset."""
        par, ctl, config = self.parameters, self.control, self.config
        resting5 = self._later(m, resting4, 1, "resting") if config.refractory else Const(0)
        may_fire5 = Signal()
        m.d.comb += may_fire5.eq(par.fires & self.exists5 & ~resting5)
        less5: Value = over5
        spike5 = ~over5[-1]
        if config.multi_spike:
            rest, fired = self._divide(m, h5, may_fire5)
            less5 = Mux(par.multi_spike, rest, over5)
            spike5 = Mux(par.multi_spike, fired, spike5)
        fire5, value5 = Signal(), Signal()
        m.d.comb += fire5.eq(may_fire5 & spike5)
        self._fire5 = fire5
        select = par.fire_select
        if config.parameter_rows:
            m.d.comb += value5.eq(fire5 & ~ctl.ending & (select == FireSelect.VALUE))
        self._h6, self._less6 = (Signal(ACC, name=f"{n}6", reset_less=True) for n in ("h", "less"))
        self._takes_less6, self._value6 = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [
            self.spike6.eq(fire5),
            self._takes_less6.eq(fire5 & (select == FireSelect.H_MINUS_THETA)),
            self._value6.eq(value5),
            self._h6.eq(h5),
            self._less6.eq(less5),
        ]
        with m.If((fire5 & (select == FireSelect.ZERO)) | value5 | ctl.ending | resting5):
            m.d.sync += [self._h6.eq(0), self._less6.eq(0)]
        self._constant(m, h5, less5, value5, resting5)

    def _constant(
        self, m: Module, h5: Signal, less5: Value, value5: Signal, resting5: Value
    ) -> None:
        """Stage 6: what is added behind the decay."""
        par, ctl, config = self.parameters, self.control, self.config
        constant = Signal(ACC if config.multi_spike else POTENTIAL, reset_less=True)
        self._constant6 = constant
        m.d.sync += constant.eq(par.constant)
        behind = ~ctl.ending & (par.fire_select == FireSelect.H)
        if config.multi_spike:
            with m.If(behind):
                m.d.sync += constant.eq(less5 - h5)
        elif config.parameter_rows:
            stages = 2 if config.current else 1  # it is read for stage 3 or 4
            minus_threshold = self._later(m, self._minus_threshold, stages, "minus_threshold")
            with m.If(behind):
                m.d.sync += constant.eq(minus_threshold)
        if config.refractory:
            with m.If(resting5 & ~ctl.ending):
                m.d.sync += constant.eq(par.held)
        with m.If(~(self._fire5 | ctl.ending | resting5) | value5):
            m.d.sync += constant.eq(0)

    def _decay(self, m: Module) -> tuple[Value, Value]:
        """Stages 7 to 10: clip, multiply, truncate towards zero, add, clip.

        Return the new potential (stage 10), and that it is not 0.
        """
        par, config = self.parameters, self.config
        # where a spike puts ``top`` there, no other neuron is above it: it would have fired
        top = par.top if config.parameter_rows else Const(numfmt.POTENTIAL_MAX, POTENTIAL)
        kept6, kept7 = Signal(ACC), Signal(ACC, reset_less=True)
        low, high = Signal(), Signal()
        limited, second = Signal(), Signal()  # choose one of four: H, less, floor, top
        to_floor, to_top = par.clip_before & low, (par.clip_before & high) | self._value6
        m.d.comb += [
            kept6.eq(Mux(self._takes_less6, self._less6, self._h6)),
            limited.eq(to_floor | to_top),
            second.eq(to_top | (self._takes_less6 & ~to_floor)),
        ]
        m.d.sync += kept7.eq(
            Mux(
                limited,
                Mux(second, top, par.floor),
                Mux(second, self._less6, self._h6),
            )
        )
        constant7 = self._later(m, self._constant6, 1, "constant")
        decay = self._parameter(m, "decay", "parameters6")
        sum9 = truncated_share(m, kept7, decay, constant7, "decay")
        clipped = Signal.like(sum9)
        under = Signal(signed(len(clipped) + 1))
        m.d.comb += [
            clipped.eq(Mux(par.clip_before, kept6, sum9)),
            under.eq(par.floor - clipped),
            low.eq(~under[-1]),  # at the floor it makes no difference
            high.eq(above(clipped)),
        ]
        sum10 = Signal(POTENTIAL, reset_less=True)
        low10 = Signal(reset_less=True)
        m.d.sync += [low10.eq(~par.clip_before & low), sum10.eq(sum9)]
        with m.If(~par.clip_before & high):
            m.d.sync += sum10.eq(numfmt.POTENTIAL_MAX)
        some = Mux(low10, par.floor_some, sum10.any())
        return Mux(low10, par.floor, sum10), some

    def _current(self, m: Module, acc: Signal) -> Signal:
        """Stages 5 to 10: the current that is left."""
        ctl = self.control
        current5 = self._later(m, acc, 1, "current")
        current6 = Signal(POTENTIAL, reset_less=True)
        m.d.sync += current6.eq(Mux(ctl.ending, 0, saturated(current5)))
        share = self._parameter(m, "current_decay", "parameters5")
        sum8 = truncated_share(m, current6, share, Const(0, signed(2)), "current")
        left = Signal(POTENTIAL, reset_less=True)
        m.d.sync += left.eq(sum8)
        return self._later(m, left, 1, "current_left")

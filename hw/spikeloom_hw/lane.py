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
6      spike; what goes to the multiplier, what is added behind it
7      clipped (reset before decay)
8      product with the decay
9      truncated towards zero, constant added
10     clipped; written back for a SWEEP
11     ``nonzero``
====== =====================================================================

Builds for graded events multiply the sum by the event's scale in a stage of their own; every
later stage then is one further (:func:`late_stages`).

Builds for synaptic currents keep the current in the place of the potential and the potential in
a second memory; ``acc`` is C then, and H = acc + V + bias is formed in stage 5.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import numfmt
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import PARAMETERS, FireSelect

from .layouts import WEIGHT_BITS, parameter_row_bits, row_bits

ACC = signed(numfmt.ACCUMULATOR_BITS)
POTENTIAL = signed(numfmt.POTENTIAL_BITS)
REST_BITS = numfmt.REFRACTORY_MAX.bit_length()
SCALE = signed(numfmt.MAGNITUDE_BITS + numfmt.SHIFT_MAX)
DIGITS = numfmt.MAGNITUDE_BITS - 1
"""Binary digits of the number of spikes of a multi-spike neuron."""

Parameters = data.StructLayout(
    {
        "threshold": unsigned(16),
        "decay": unsigned(16),
        "bias": signed(16),
        "current_decay": unsigned(16),
        "floor": signed(16),
        "constant": signed(16),
        "fire_select": unsigned(2),
        "fires": unsigned(1),
        "clip_before": unsigned(1),
        "multi_spike": unsigned(1),
        "refractory": unsigned(REST_BITS),
        "held": signed(16),
    }
)
"""Parameters of the population that is swept; stable from issue to write-back.

``constant`` is ``initial`` when a sample ends; else ``fire_constant``, or in builds without
parameter rows -threshold where a spike subtracts it behind the decay.
"""


def late_stages(config: BuildConfig) -> int:
    """Return by how many stages the stages from 3 on are later than the table above says."""
    return int(config.graded)


def control_layout(config: BuildConfig) -> data.StructLayout:
    """Return the layout of the signals that drive all lanes alike, named by stage.

    It has what the lanes of the build look at.  Stages from 3 on are those of the table above;
    :func:`late_stages` comes on top.
    """
    rows, current = row_bits(config), config.current
    members: dict[str, tuple[Any, bool]] = {
        "row2": (rows, True),
        "row3": (rows, config.refractory),
        **{
            f"parameters{stage}": (parameter_row_bits(config), bool(config.parameter_rows) & used)
            for stage, used in {
                1: not current,
                2: current,
                3: not current,
                5: current,
                6: True,
            }.items()
        },
        "bias2": (1, not current),
        "scale3": (SCALE, config.graded),
        "forward3": (1, True),
        "forward_older3": (1, True),
        "write4": (1, True),
        "row4": (rows, True),
        "valid4": (1, True),
        "sweep5": (1, current),
        "ending": (1, True),
        "write10": (1, True),
        "row10": (rows, True),
        "divide_load": (1, config.multi_spike),
        "divide_step": (1, config.multi_spike),
    }
    return data.StructLayout({name: shape for name, (shape, used) in members.items() if used})


def shared_parameters(config: BuildConfig) -> list[str]:
    """Return the members of :data:`Parameters` that the lanes of a build look at."""
    own = ("threshold", "decay", "bias", "current_decay") if config.parameter_rows else ()
    options = {
        "current_decay": config.current,
        "multi_spike": config.multi_spike,
        "refractory": config.refractory,
        "held": config.refractory,
    }
    return [name for name in Parameters.members if name not in own and options.get(name, True)]


def clip(value: Value, floor: Value) -> Value:
    """Return a signed value clipped to ``floor`` below and 2^15 - 1 above."""
    bits = numfmt.POTENTIAL_BITS
    over = ~value[-1] & value[bits - 1 : -1].any()
    return Mux(value < floor, floor, Mux(over, numfmt.POTENTIAL_MAX, value[:bits].as_signed()))


def truncated_share(m: Module, value: Value, share: Value, addend: Value, name: str) -> Signal:
    """Return trunc(value * share / 2^15) + addend two cycles later; ``value`` is registered.

    Adding 2^15 - 1 to a negative product before the shift truncates towards zero; the addend
    rides above the fraction.  Both are added behind the multiplier.
    """
    fraction = numfmt.DECAY_FRACTION_BITS
    product = Signal(signed(len(value) + 16), name=f"{name}_product", reset_less=True)
    behind = Signal(signed(len(addend) + fraction), name=f"{name}_behind", reset_less=True)
    total = Signal(signed(len(product) + 1), name=f"{name}_sum", reset_less=True)
    m.d.sync += [
        product.eq(value * share),
        behind.eq(Cat(value[-1].replicate(fraction), addend).as_signed()),
        total.eq(product + behind),
    ]
    return (total >> fraction).as_signed()


class Lane(wiring.Component):
    """Accumulate weights, fire, reset and decay.

    Members
    -------
    even, odd : In(signed(8))
        Weights in stage 2; zero where there is no event.
    control : In
        See :func:`control_layout`.
    parameters : In
        See :data:`Parameters`; :func:`shared_parameters` of them are looked at.  In builds with
        parameter rows the neuron's own threshold, decay, bias and current_decay take their place.
    parameter_write, parameter_row, parameter_data : In
        Word (one bit each of the two), row and data of a write to the parameter memory.
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
                "parameter_data": In(32),
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
        result10 = self._fire(m, h5, over5, resting4)
        left = [result10.any()]
        m.d.comb += [
            write_acc.en.eq(ctl.write4 | ctl.write10),
            write_acc.addr.eq(Mux(ctl.write10, ctl.row10, ctl.row4)),
            self.value5.eq(h5),
        ]
        if config.current:
            current10 = self._current(m, acc)
            left.append(current10.any())
            m.d.comb += [
                write_acc.data.eq(Mux(ctl.write10, current10, acc)),
                self._write_potential.en.eq(ctl.write10),
                self._write_potential.addr.eq(ctl.row10),
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
        field = PARAMETERS.field(name)
        shape = signed(16) if field.signed else unsigned(16)
        m.submodules[f"{name}_at_{stage}"] = mem = memory.Memory(
            shape=shape, depth=self.config.parameter_rows, init=[]
        )
        write, read = mem.write_port(), mem.read_port(domain="sync")
        m.d.comb += [
            write.addr.eq(self.parameter_row),
            write.data.eq(self.parameter_data[field.lsb : field.lsb + field.bits]),
            write.en.eq(self.parameter_write[field.word]),
            read.addr.eq(self.control[stage]),
        ]
        return read.data

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
        m.submodules.potentials = mem = memory.Memory(shape=ACC, depth=config.state_rows, init=[])
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
            m.d.sync += total.eq((self.even + self.odd) | Mux(ctl.bias2, bias, 0))
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
        m.submodules.rests = mem = memory.Memory(
            shape=unsigned(REST_BITS), depth=self.config.state_rows, init=[]
        )
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
            self._write_rest.addr.eq(ctl.row10),
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
            self._threshold = self._parameter(m, "threshold", "parameters3")
            m.d.sync += over5.eq(acc - self._threshold)
            h4 = acc
        m.d.sync += h5.eq(Mux(resting4, par.held, h4) if config.refractory else h4)
        return h5, over5

    def _potentials(self, m: Module) -> tuple[Signal, Signal]:
        """Return (stage 4) V + bias and V + bias - threshold, from a memory of their own."""
        ctl = self.control
        m.submodules.own_potentials = mem = memory.Memory(
            shape=POTENTIAL, depth=self.config.state_rows, init=[]
        )
        read, self._write_potential = mem.read_port(domain="sync"), mem.write_port()
        self._threshold = self._parameter(m, "threshold", "parameters2")
        bias = self._parameter(m, "bias", "parameters2")
        gated = Mux(ctl.ending, 0, bias)
        h4 = Signal(signed(17), reset_less=True)
        over4 = Signal(signed(18), reset_less=True)
        m.d.comb += read.addr.eq(ctl.row2)
        m.d.sync += [
            h4.eq(read.data + gated),
            over4.eq(read.data + gated - self._threshold),
        ]
        return h4, over4

    def _divide(self, m: Module, h5: Signal, may_fire5: Value) -> tuple[Signal, Signal]:
        """Return H less the threshold times the number of spikes, and that there is a spike.

        Restoring division, one digit for each ``divide_step`` after ``divide_load``, while the
        pipeline stands still behind a PEEK.
        """
        ctl = self.control
        compared = Signal(16 + DIGITS, reset_less=True)
        rest = Signal(ACC, reset_less=True)
        fired = Signal(reset_less=True)
        difference = Signal(signed(16 + DIGITS + 2))
        m.d.comb += [
            difference.eq(rest - compared[1:]),
            self.digit.eq(may_fire5 & ~difference[-1]),
        ]
        with m.If(ctl.divide_load):
            m.d.sync += [compared.eq(self._threshold << DIGITS), rest.eq(h5), fired.eq(0)]
        with m.Elif(ctl.divide_step):
            m.d.sync += compared.eq(compared >> 1)
            with m.If(self.digit):
                m.d.sync += [rest.eq(difference), fired.eq(1)]
        return rest, fired

    def _fire(self, m: Module, h5: Signal, over5: Signal, resting4: Value) -> Signal:
        """Stages 5 and 6: spike and reset; returns the new potential (stage 10)."""
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
        fire5 = Signal()
        m.d.comb += fire5.eq(may_fire5 & spike5)
        self._fire5 = fire5
        kept6 = Signal(ACC, reset_less=True)
        constant6 = Signal(ACC if config.multi_spike else POTENTIAL, reset_less=True)
        select = par.fire_select
        takes_less = fire5 & (select == FireSelect.H_MINUS_THETA)
        takes_none = fire5 & (select == FireSelect.ZERO)
        m.d.sync += [
            self.spike6.eq(fire5),
            kept6.eq(
                Mux(takes_less, less5, h5)
                & (~(takes_none | ctl.ending | resting5)).replicate(len(kept6))
            ),
            # what all lanes add behind the decay if they fire, or when a sample ends
            constant6.eq(par.constant & (fire5 | ctl.ending).replicate(len(constant6))),
        ]
        if config.parameter_rows or config.multi_spike:
            with m.If(fire5 & ~ctl.ending & (select == FireSelect.H)):
                m.d.sync += constant6.eq(less5 - h5)
        if config.parameter_rows:
            with m.If(fire5 & ~ctl.ending & (select == FireSelect.VALUE)):
                m.d.sync += kept6.eq(par.constant)
                m.d.sync += constant6.eq(0)
        if config.refractory:
            with m.If(resting5 & ~ctl.ending):
                m.d.sync += constant6.eq(par.held)
        return self._decay(m, kept6, constant6)

    def _decay(self, m: Module, kept6: Signal, constant6: Signal) -> Signal:
        """Stages 7 to 10: clip, multiply, truncate towards zero, add, clip."""
        par = self.parameters
        kept7 = Signal(ACC, reset_less=True)
        constant7 = self._later(m, constant6, 1, "constant")
        decay = self._parameter(m, "decay", "parameters6")
        m.d.sync += kept7.eq(Mux(par.clip_before, clip(kept6, par.floor), kept6))
        sum9 = truncated_share(m, kept7, decay, constant7, "decay")
        result10 = Signal(POTENTIAL, reset_less=True)
        m.d.sync += result10.eq(clip(sum9, par.floor))
        return result10

    def _current(self, m: Module, acc: Signal) -> Signal:
        """Stages 5 to 10: the current that is left."""
        ctl = self.control
        current5 = self._later(m, acc, 1, "current")
        current6 = Signal(POTENTIAL, reset_less=True)
        m.d.sync += current6.eq(
            Mux(ctl.ending, 0, clip(current5, Const(numfmt.POTENTIAL_MIN, POTENTIAL)))
        )
        share = self._parameter(m, "current_decay", "parameters5")
        sum8 = truncated_share(m, current6, share, Const(0, signed(2)), "current")
        left = Signal(POTENTIAL, reset_less=True)
        m.d.sync += left.eq(sum8)
        return self._later(m, left, 1, "current_left")

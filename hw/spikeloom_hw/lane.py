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
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import numfmt
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import FireSelect

from .layouts import row_bits
from .weights import WEIGHT_BITS

ACC = signed(numfmt.ACCUMULATOR_BITS)
POTENTIAL = signed(numfmt.POTENTIAL_BITS)

Parameters = data.StructLayout(
    {
        "threshold": unsigned(16),
        "decay": unsigned(16),
        "bias": signed(16),
        "floor": signed(16),
        "initial": signed(16),
        "fire_constant": signed(16),
        "fire_select": unsigned(2),
        "fires": unsigned(1),
        "clip_before": unsigned(1),
    }
)
"""Parameters of the population that is swept; stable from issue to write-back."""


def control_layout(config: BuildConfig) -> data.StructLayout:
    """Return the layout of the signals that drive all lanes alike, named by stage."""
    rows = row_bits(config)
    return data.StructLayout(
        {
            "row2": rows,
            "bias2": unsigned(1),
            "forward3": unsigned(1),
            "forward_older3": unsigned(1),
            "write4": unsigned(1),
            "row4": rows,
            "valid4": unsigned(1),
            "end5": unsigned(1),
            "write10": unsigned(1),
            "row10": rows,
        }
    )


def clip(value: Value, floor: Value) -> Value:
    """Return a signed value clipped to ``floor`` below and 2^15 - 1 above."""
    bits = numfmt.POTENTIAL_BITS
    over = ~value[-1] & value[bits - 1 : -1].any()
    return Mux(value < floor, floor, Mux(over, numfmt.POTENTIAL_MAX, value[:bits].as_signed()))


class Lane(wiring.Component):
    """Accumulate weights, fire, reset and decay.

    Members
    -------
    even, odd : In(signed(8))
        Weights in stage 2; zero where there is no event.
    control : In
        See :func:`control_layout`.
    parameters : In
        See :data:`Parameters`.
    exists5 : In(1)
        The swept row has a neuron in this lane (stage 5; it is delayed as needed here).
    value4 : Out
        The accumulator; it shows H when the pipeline stands still after a PEEK.
    spike6, nonzero11, overflow5 : Out(1)
        In the stages they are named after; a lane without a neuron never fires.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "even": In(signed(WEIGHT_BITS)),
                "odd": In(signed(WEIGHT_BITS)),
                "control": In(control_layout(config)),
                "parameters": In(Parameters),
                "exists5": In(1),
                "value4": Out(ACC),
                "spike6": Out(1),
                "nonzero11": Out(1),
                "overflow5": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.potentials = potentials = memory.Memory(
            shape=ACC, depth=self.config.state_rows, init=[]
        )
        acc = self._accumulate(m, potentials.read_port(domain="sync"))
        result = self._fire(m, acc)
        write = potentials.write_port()
        ctl = self.control
        m.d.comb += [
            write.en.eq(ctl.write4 | ctl.write10),
            write.addr.eq(Mux(ctl.write10, ctl.row10, ctl.row4)),
            write.data.eq(Mux(ctl.write10, result, acc)),
            self.value4.eq(acc),
        ]
        return m

    def _accumulate(self, m: Module, read: memory.ReadPort) -> Signal:
        """Stages 2 to 4: the potential plus the weights of an operation."""
        ctl = self.control
        total = Signal(signed(16), reset_less=True)
        acc, older = Signal(ACC, reset_less=True), Signal(ACC, reset_less=True)
        base = Signal(ACC)
        m.d.comb += [
            read.addr.eq(ctl.row2),
            base.eq(Mux(ctl.forward3, acc, Mux(ctl.forward_older3, older, read.data))),
        ]
        m.d.sync += [
            total.eq(Mux(ctl.bias2, self.parameters.bias, self.even + self.odd)),
            acc.eq(base + total),
            older.eq(acc),
        ]
        base_sign, total_sign = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [
            base_sign.eq(base[-1]),
            total_sign.eq(total[-1]),
            self.overflow5.eq(ctl.valid4 & (base_sign == total_sign) & (acc[-1] != base_sign)),
        ]
        return acc

    def _fire(self, m: Module, acc: Signal) -> Signal:
        """Stages 5 to 11: spike, reset, decay; returns the new potential (stage 10)."""
        par, ctl = self.parameters, self.control
        h5 = Signal(ACC, reset_less=True)
        over5 = Signal(signed(numfmt.ACCUMULATOR_BITS + 1), reset_less=True)
        m.d.sync += [h5.eq(acc), over5.eq(acc - par.threshold)]

        fire5 = Signal()
        kept6 = Signal(ACC, reset_less=True)
        constant6 = Signal(POTENTIAL, reset_less=True)
        m.d.comb += fire5.eq(par.fires & self.exists5 & ~over5[-1])
        m.d.sync += [self.spike6.eq(fire5), kept6.eq(h5), constant6.eq(0)]
        with m.If(ctl.end5):
            m.d.sync += [kept6.eq(0), constant6.eq(par.initial)]
        with m.Elif(fire5):
            m.d.sync += constant6.eq(par.fire_constant)
            with m.If(par.fire_select == FireSelect.H_MINUS_THETA):
                m.d.sync += kept6.eq(over5)
            with m.If(par.fire_select == FireSelect.ZERO):
                m.d.sync += kept6.eq(0)
        return self._decay(m, kept6, constant6)

    def _decay(self, m: Module, kept6: Signal, constant6: Signal) -> Signal:
        """Stages 7 to 11: clip, multiply, truncate towards zero, add, clip."""
        par = self.parameters
        kept7 = Signal(ACC, reset_less=True)
        constant7 = Signal(POTENTIAL, reset_less=True)
        m.d.sync += [
            kept7.eq(Mux(par.clip_before, clip(kept6, par.floor), kept6)),
            constant7.eq(constant6),
        ]
        # Adding 2^15 - 1 to a negative product before the shift truncates towards zero; the
        # constant rides above the fraction.  Both make up the multiplier's addend.
        fraction = numfmt.DECAY_FRACTION_BITS
        product8 = Signal(signed(numfmt.ACCUMULATOR_BITS + 16), reset_less=True)
        addend8 = Signal(signed(numfmt.POTENTIAL_BITS + fraction), reset_less=True)
        sum9 = Signal(signed(numfmt.ACCUMULATOR_BITS + 17), reset_less=True)
        result10 = Signal(POTENTIAL, reset_less=True)
        m.d.sync += [
            product8.eq(kept7 * par.decay),
            addend8.eq(Cat(kept7[-1].replicate(fraction), constant7).as_signed()),
            sum9.eq(product8 + addend8),
            result10.eq(clip((sum9 >> fraction).as_signed(), par.floor)),
        ]
        exists = self.exists5
        for stage in range(6, 11):
            later = Signal(name=f"exists{stage}", reset_less=True)
            m.d.sync += later.eq(exists)
            exists = later
        m.d.sync += self.nonzero11.eq(exists & result10.any())
        return result10

"""The arithmetic unit: what a tick, or the end of a sample, makes of one potential."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import numfmt
from spikeloom.spec.tables import POPULATIONS, FireSelect

from ..control import ACC
from ..fixed import above


class NeuronUnit(wiring.Component):
    """One neuron from its row and back, with one adder and one multiplier.

    The parameters come from the population's row of the table, a 16-bit half of a word at a time:
    in each cycle the unit says which ``word`` is to be looked at, and which half of the one before
    it is to be the operand of the next cycle.

    ====== ============= =====================================================================
    cycle  operand       what happens in it
    ====== ============= =====================================================================
    0                    ``show``
    2      bias          potential + bias
    3      threshold     less the threshold: does it fire?  What is decayed
    4, 5   floor         compare, clip (reset before decay)
    6 to 8 decay         multiply, shift
    9      threshold or  subtract or add behind the decay; a negative product gets its fraction
           fire_constant back, which truncates towards zero
    10, 11 floor         compare, clip (reset after decay)
    12                   ``write``
    ====== ============= =====================================================================

    A population clips once, so a neuron takes 11 cycles.  One that only gets its initial
    potential takes 4.  With ``probe`` the potential is offered first, which takes 4 more.

    Members
    -------
    start : In(1)
        Begin with a neuron; looked at in cycle 0.
    ending, probe : In(1)
        Put the potential to its initial value; send it before that, or H before it fires.
    fires, clip_before : In(1), fire_select : In(2)
        Of the population; stable, like those above.
    word : Out(3), high : Out(1), operand : In(signed(16))
        Access to the population's row: the half ``high`` of the word asked for in the cycle
        before, a cycle later.
    show, write : Out(1), value : In
        See :class:`~.state.StateRows`.
    result : Out
        What is written, or offered.
    offers : Out(1), taken : In(1)
        The value to be sent is there, until it is taken.
    fired : Out(1)
        With ``write``, in the last cycle: the neuron fired.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "ending": In(1),
                "probe": In(1),
                "fires": In(1),
                "clip_before": In(1),
                "fire_select": In(2),
                "word": Out(3),
                "high": Out(1),
                "operand": In(signed(16)),
                "show": Out(1),
                "value": In(ACC),
                "write": Out(1),
                "result": Out(ACC),
                "offers": Out(1),
                "taken": In(1),
                "fired": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        acc, select = self.result, self.fire_select
        fraction = numfmt.DECAY_FRACTION_BITS
        some, minus, carry = Signal(), Signal(), Signal()
        kept, fires = Signal(ACC), Signal()
        total = Signal(signed(ACC.width + 1))
        below, probed, cut = Signal(), Signal(), Signal()
        product = Signal(signed(ACC.width + 17), reset_less=True)
        multiplied = Signal.like(product)
        # one adder: the lowest bit of both sides makes the carry
        operand = Mux(some, self.operand ^ minus.replicate(16).as_signed(), 0)
        both = Signal(signed(ACC.width + 2))
        m.d.comb += [
            both.eq(Cat(carry, kept).as_signed() + Cat(carry, operand).as_signed()),
            total.eq(both >> 1),
            kept.eq(acc),
            fires.eq(~total[-1] & self.fires),
        ]
        m.d.sync += [
            product.eq(acc * Cat(self.operand, Const(0, 1)).as_signed()),
            multiplied.eq(product),
        ]
        after = self.fired & ((select == FireSelect.H) | (select == FireSelect.ZERO))
        takes = select == FireSelect.H
        writes_back = self.ending & ~(self.probe & ~probed)

        def reads(name: str) -> None:
            m.d.comb += self.word.eq(POPULATIONS.field(name).word)

        with m.FSM():
            with m.State("SHOW"):
                reads("bias")
                with m.If(writes_back):
                    reads("initial")
                m.d.comb += self.show.eq(self.start)
                with m.If(self.start):
                    m.next = "ROW"
            with m.State("ROW"):
                reads("threshold")
                m.next = "LOAD"
            with m.State("LOAD"):
                reads("decay")
                with m.If(self.clip_before):
                    reads("floor")
                m.d.comb += [some.eq(writes_back | ~self.ending), kept.eq(self.value)]
                with m.If(writes_back):
                    m.d.comb += kept.eq(0)
                m.d.sync += [acc.eq(total), self.fired.eq(0), probed.eq(0)]
                m.next = "FIRE"
                with m.If(writes_back):
                    m.next = "WRITE"
                with m.If(self.probe & ~probed):
                    m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.offers.eq(1)
                with m.If(self.taken):
                    m.d.sync += probed.eq(1)
                    m.next = "SHOW"
            with m.State("FIRE"):
                reads("floor")
                m.d.comb += [self.high.eq(1), some.eq(1), minus.eq(1), carry.eq(1)]
                m.d.sync += self.fired.eq(fires)
                with m.If(fires & (select == FireSelect.H_MINUS_THETA)):
                    m.d.sync += acc.eq(total)
                with m.If(fires & (select == FireSelect.ZERO)):
                    m.d.sync += acc.eq(0)
                m.next = "MULTIPLY"
                with m.If(self.clip_before):
                    m.next = "COMPARE"
            with m.State("MULTIPLY"):
                m.next = "PRODUCT"
            with m.State("PRODUCT"):
                reads("fire_constant")
                with m.If(takes):
                    reads("threshold")
                m.next = "SHIFT"
            with m.State("SHIFT"):
                reads("floor")
                m.d.comb += self.high.eq(~takes)
                m.d.sync += [
                    acc.eq(multiplied >> fraction),
                    cut.eq(multiplied[-1] & multiplied[:fraction].any()),
                ]
                m.next = "ADD"
            with m.State("ADD"):
                reads("floor")
                m.d.comb += [
                    self.high.eq(1),
                    some.eq(after),
                    minus.eq(takes),
                    # a neuron that fires has nothing negative here
                    carry.eq(Mux(after, takes, cut)),
                ]
                m.d.sync += acc.eq(total)
                m.next = "COMPARE"
                with m.If(self.clip_before):
                    m.next = "WRITE"
            with m.State("COMPARE"):
                reads("decay")
                m.d.comb += [self.high.eq(1), some.eq(1), minus.eq(1), carry.eq(1)]
                m.d.sync += below.eq(total[-1])
                m.next = "CLIP"
            with m.State("CLIP"):
                m.d.comb += [self.high.eq(1), some.eq(1), kept.eq(0)]
                with m.If(below):
                    m.d.sync += acc.eq(total)
                with m.Elif(above(acc)):
                    m.d.sync += acc.eq(numfmt.POTENTIAL_MAX)
                m.next = "WRITE"
                with m.If(self.clip_before):
                    m.next = "MULTIPLY"
            with m.State("WRITE"):
                m.d.comb += self.write.eq(1)
                m.next = "SHOW"
        return m

"""Proofs of arithmetic against statements by inequalities."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Const, Cover, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import numfmt
from spikeloom.spec.config import BuildConfig

from .prover import Proof, past

DIVIDING = BuildConfig("unit", lanes=4, state_rows=4, weight_rows=16, graded=True, multi_spike=True)
WIDTH = numfmt.ACCUMULATOR_BITS
ROWS = 16
"""Width of the trees that are proved; wider ones are more levels of the same."""


class _Clip(wiring.Component):
    """The function ``saturated`` as a component."""

    def __init__(self, module: Any) -> None:
        self.module = module
        super().__init__(
            {
                "value": In(signed(WIDTH + 1)),
                "result": Out(signed(numfmt.POTENTIAL_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.result.eq(self.module.saturated(self.value))
        return m


class _Decay(wiring.Component):
    """The function ``truncated_share`` as a component."""

    def __init__(self, module: Any) -> None:
        self.module = module
        super().__init__(
            {
                "value": In(signed(WIDTH)),
                "share": In(unsigned(16)),
                "addend": In(signed(16)),
                "result": Out(signed(WIDTH + 2)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.result.eq(
            self.module.truncated_share(m, self.value, self.share, self.addend, "share")
        )
        return m


class _Trees(wiring.Component):
    """The trees ``first_set`` and ``below`` as a component."""

    def __init__(self, module: Any) -> None:
        self.module = module
        super().__init__(
            {
                "bits": In(ROWS),
                "some": Out(1),
                "first": Out(range(ROWS)),
                "value": In(range(ROWS + 1)),
                "below": Out(ROWS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        some, first = self.module.first_set(m, self.bits, "first")
        m.d.comb += [
            self.some.eq(some),
            self.first.eq(first),
            self.below.eq(self.module.below(m, self.value, ROWS, "below")),
        ]
        return m


def clip(m: Module, dut: Any) -> None:
    """Inside the limits a value stays; outside it becomes the limit it has passed."""
    floor, most = numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX
    value, result = dut.value, dut.result
    m.d.comb += [
        Assert(result >= floor),
        Assert((value < floor) | (result <= value)),
        Assert((value > most) | (result >= value)),
        Assert((value <= most) | (result == most)),
        Assert((value >= floor) | (result == floor)),
        Cover(value > most),
        Cover(value < floor),
        Cover(value == -1),
    ]


def decay(m: Module, dut: Any) -> None:
    """q * 2^15 lies at the product or next to it on the side of 0; q never grows.

    ``q`` is the result less the addend.
    """
    value, share, addend = (
        past(m, past(m, getattr(dut, name), name), f"{name}_before")
        for name in ("value", "share", "addend")
    )
    product = Signal(signed(WIDTH + 16))
    m.d.sync += product.eq(dut.value * dut.share)
    exact = past(m, product, "product")
    # The addend comes a cycle after the value.
    quotient = Signal(signed(WIDTH + 3))
    m.d.comb += quotient.eq(dut.result - addend)
    one = numfmt.DECAY_ONE
    scaled = Signal(signed(WIDTH + 3 + 15))
    m.d.comb += scaled.eq(quotient << 15)
    running = past(m, past(m, Const(1, 1), "one"), "two")
    with m.If(running):
        with m.If(value >= 0):
            m.d.comb += [Assert(scaled <= exact), Assert(exact < scaled + one)]
        with m.Else():
            m.d.comb += [Assert(scaled >= exact), Assert(exact > scaled - one)]
    m.d.comb += [
        Cover(running & (value == -1) & (share == one - 1) & (quotient == 0)),
        Cover(running & (value < 0) & (quotient < -9) & (addend > 5)),
    ]


def division(m: Module, dut: Any) -> None:
    """n thresholds fit in H and n + 1 do not, or n is 127; below the threshold n is 0."""
    digits, total, ahead = 7, numfmt.MAGNITUDE_MAX, 6
    now = Signal(range(ahead + digits + 2))
    count = Signal(digits)
    h, theta = dut.value5, -dut.parameters.minus_threshold
    # Before the load H may come to be whatever additions make of it; then, behind a PEEK, the
    # pipeline stands still.
    forms = (now > ahead) & (now <= ahead + digits)
    m.d.comb += [
        Assume(dut.control.divide_load == (now == ahead)),
        Assume(dut.control.divide_step == forms),
        Assume(dut.parameters.fires & dut.exists5),
        Assume((theta >= 1) & (theta <= numfmt.THRESHOLD_MAX)),
        Assume((now <= ahead) | (past(m, h, "h") == h)),
        Assume((now <= ahead) | (past(m, theta, "theta") == theta)),
    ]
    with m.If(now != ahead + digits + 1):
        m.d.sync += now.eq(now + 1)
    taken = Signal(25)  # count * theta; a product costs the solver minutes
    with m.If(forms):
        m.d.sync += [
            count.eq((count << 1) | dut.digit),
            taken.eq((taken << 1) + Mux(dut.digit, theta, 0)),
        ]
    with m.If(now == ahead + digits + 1):
        m.d.comb += [
            Assert((count == 0) | (taken <= h)),
            Assert((count == total) | (h < taken + theta)),
            Assert((h >= theta) | (count == 0)),
            Cover((count == 5) & (h > 40000)),
            Cover((count == total) & (h < 1000)),
        ]


def trees(m: Module, dut: Any) -> None:
    """The first set bit is set and none before it; bit i of ``below`` is i < value."""
    shifted = Signal(ROWS)
    m.d.comb += shifted.eq(dut.bits >> dut.first)
    m.d.comb += [
        Assume(dut.value <= ROWS),
        Assert(dut.some == (dut.bits != 0)),
        Assert(~dut.some | shifted[0]),
        Assert(~dut.some | ((shifted << dut.first)[:ROWS] == dut.bits)),
        *(Assert(dut.below[i] == (dut.value > i)) for i in range(ROWS)),
        Cover(dut.some & (dut.first == ROWS - 1)),
        Cover(dut.below.all()),
    ]


PROOFS = (
    Proof(
        "clip", "fixed", _Clip, clip,
        ("~value[-1] & value[numfmt.POTENTIAL_BITS - 1 : -1].any()",
         "~value[-1] & value[numfmt.POTENTIAL_BITS - 1]"),
        depth=1, reach=2, quick=True,
    ),
    Proof(
        "decay_truncates", "fixed", _Decay, decay,
        ("Cat(value[-1].replicate(fraction), addend)",
         "Cat((value[-1] & 0).replicate(fraction), addend)"),
        depth=5, reach=5,
    ),
    Proof(
        "division_digits", "lane", lambda module: module.Lane(DIVIDING), division,
        ("difference.eq(rest + (taken >> 1))", "difference.eq(rest + (taken >> 1) - 1)"),
        depth=16, reach=16,
    ),
    Proof(
        "trees_of_rows", "activity", _Trees, trees,
        ("index.eq(Cat(Mux(low, low_index, high_index), ~low))",
         "index.eq(Cat(Mux(low, low_index, high_index), high))"),
        depth=1, reach=2,
    ),
)  # fmt: skip

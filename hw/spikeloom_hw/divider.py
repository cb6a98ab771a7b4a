"""The steps of a division of H by the threshold, the same for all lanes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .control import DIGITS

SETTLE_CYCLES = 9
"""Cycles from a PEEK until H stands still in the lanes."""


class Divider(wiring.Component):
    """After a PEEK: wait until H stands still, load it, form digit after digit.

    Members
    -------
    start : In(1)
        The PEEK is issued in this cycle.
    load, step : Out(1), digit : Out(3)
        To the lanes; ``digit`` is the number of the digit that ``step`` forms, highest first.
    busy : Out(1)
        From the cycle after ``start`` for ``BUSY_CYCLES`` cycles; the pipeline must stand still.
    """

    BUSY_CYCLES = SETTLE_CYCLES + 1 + DIGITS

    def __init__(self) -> None:
        super().__init__(
            {"start": In(1), "load": Out(1), "step": Out(1), "digit": Out(3), "busy": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(range(self.BUSY_CYCLES + 1))
        # a register of its own: much waits for it
        m.d.sync += self.busy.eq(self.start | (self.busy & (left != 1)))
        m.d.comb += [
            self.load.eq(left == DIGITS + 1),
            self.step.eq(self.busy & (left <= DIGITS)),
            self.digit.eq(left - 1),
        ]
        with m.If(self.start):
            m.d.sync += left.eq(self.BUSY_CYCLES)
        with m.Elif(self.busy):
            m.d.sync += left.eq(left - 1)
        return m

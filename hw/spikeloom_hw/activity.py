"""Which state rows are not at rest."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig

from .layouts import row_bits


def first_set(m: Module, bits: Signal, name: str) -> tuple[Signal, Signal]:
    """Return (any bit of ``bits`` is set, index of the lowest set bit) as a balanced tree.

    The width must be a power of two.  A tree of two-input choices, not a carry chain: carry
    chains were the critical path of wide builds.  Every node is a signal of its own, since
    Amaranth emits an expression again wherever it is used.
    """
    nodes: list[tuple[Signal, Signal]] = []
    for i in range(0, len(bits), 2):
        some, index = Signal(name=f"{name}_some"), Signal(1, name=f"{name}_index")
        m.d.comb += [some.eq(bits[i] | bits[i + 1]), index.eq(~bits[i])]
        nodes.append((some, index))
    while len(nodes) > 1:
        merged = []
        for (low, low_index), (high, high_index) in zip(nodes[0::2], nodes[1::2], strict=True):
            some = Signal(name=f"{name}_some")
            index = Signal(len(low_index) + 1, name=f"{name}_index")
            m.d.comb += [
                some.eq(low | high),
                index.eq(Cat(Mux(low, low_index, high_index), ~low)),
            ]
            merged.append((some, index))
        nodes = merged
    return nodes[0]


def below(m: Module, value: Value, width: int, name: str) -> Signal:
    """Return ``width`` bits of which bit i is set where i < ``value``.

    ``width`` is a power of two and ``value`` at most that.  A tree of gates: comparisons with
    constants become carry chains, which were the critical path of many rows.
    """
    levels = width.bit_length() - 1
    bits: Value = Const(0, 1)  # of the values below 1: none
    for level in range(levels):
        digit = value[level]
        wider = Signal(2 << level, name=f"{name}{level}")
        m.d.comb += wider.eq(
            Cat(bits | digit.replicate(len(bits)), bits & digit.replicate(len(bits)))
        )
        bits = wider
    out = Signal(width, name=name)
    m.d.comb += out.eq(bits | value[levels].replicate(width))
    return out


class ActivityMap(wiring.Component):
    """One bit per state row: set where a potential may differ from 0.

    A row is set when an event is issued to it, cleared when a sweep of it is issued, and
    set again if the sweep leaves a potential other than 0.  Clearing at write-back instead
    would lose events issued in between.

    Members
    -------
    set, set_row : In
        An event goes to the row.
    clear, clear_row : In
        A sweep of the row is issued.
    keep, keep_row : In
        The sweep left a potential.
    active : Out(state_rows)
        The map.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        rows = row_bits(config)
        super().__init__(
            {
                "set": In(1),
                "set_row": In(rows),
                "clear": In(1),
                "clear_row": In(rows),
                "keep": In(1),
                "keep_row": In(rows),
                "active": Out(config.state_rows),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits = Array(self.active[i] for i in range(self.config.state_rows))
        with m.If(self.clear):
            m.d.sync += bits[self.clear_row].eq(0)
        with m.If(self.keep):
            m.d.sync += bits[self.keep_row].eq(1)
        with m.If(self.set):
            m.d.sync += bits[self.set_row].eq(1)
        return m

"""Which state rows are not at rest."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
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

    ``width`` is a power of two and ``value`` at most that.  Gates over the two halves of the
    number: comparisons with constants become carry chains, which were the critical path of
    many rows.
    """
    out = Signal(width, name=name)
    levels = width.bit_length() - 1
    if levels <= 1:
        m.d.comb += out.eq(Cat(value.any(), value[1:].any())[:width])
        return out
    low = levels // 2
    less_low = below(m, value[:low], 1 << low, f"{name}_low")
    less_high = below(m, value[low:], 1 << levels - low, f"{name}_high")
    same = Signal(1 << levels - low, name=f"{name}_same")
    for high in range(len(same)):
        m.d.comb += same[high].eq(value[low:] == high)
    for i in range(width):
        high = i >> low
        m.d.comb += out[i].eq(less_high[high] | (same[high] & less_low[i & (1 << low) - 1]))
    return out


def chosen(m: Module, row: Value, enable: Value, name: str) -> list[Value]:
    """Return for each row whether it is ``row`` and ``enable`` is 1, by gates over two halves."""
    low = len(row) // 2
    halves = []
    for part, half, enabled in ((row[:low], "low", Const(1)), (row[low:], "high", enable)):
        found = Signal(1 << len(part), name=f"{name}_{half}")
        m.d.comb += [found[i].eq((part == i) & enabled) for i in range(len(found))]
        halves.append(found)
    return [high & low_ for high in halves[1] for low_ in halves[0]]


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
        sets = chosen(m, self.set_row, self.set, "sets")
        keeps = chosen(m, self.keep_row, self.keep, "keeps")
        clears = chosen(m, self.clear_row, self.clear, "clears")
        for bit, set_, keep, clear in zip(self.active, sets, keeps, clears, strict=True):
            m.d.sync += bit.eq(set_ | keep | (bit & ~clear))
        return m

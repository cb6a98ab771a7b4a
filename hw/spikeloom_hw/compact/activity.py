"""Which state rows may hold a potential: a bit each, and one for every 32 of them."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig

from ..layouts import row_bits

BLOCK_ROWS = 32


class RowActivity(wiring.Component):
    """Say whether a row may hold a potential, and whether any row of its block may.

    Every row that holds a potential is visited between two ``closes``; those that keep one make
    the blocks to be looked at from then on.

    Members
    -------
    row : In
    active, block, some : Out(1)
        Of ``row``, of its block of :data:`BLOCK_ROWS`, and of all blocks.
    skipped : Out
        The first row behind the block.
    write, value : In(1)
        Note that ``row`` holds a potential, or that it does not: seen two cycles later.
    keeps : In(1)
        With ``write``: the value is that of a row that has been visited.
    closes : In(1)
        All rows have been visited.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "row": In(row_bits(config)),
                "active": Out(1),
                "block": Out(1),
                "some": Out(1),
                "skipped": Out(row_bits(config) + 1),
                "write": In(1),
                "value": In(1),
                "keeps": In(1),
                "closes": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self.config.state_rows
        blocks, low = max(rows // BLOCK_ROWS, 1), min(rows, BLOCK_ROWS).bit_length() - 1
        m.submodules.bits = bits = memory.Memory(shape=unsigned(1), depth=rows, init=[])
        write, read = bits.write_port(), bits.read_port(domain="comb")
        now, then = (Signal(blocks, name=name) for name in ("now", "then"))
        number = self.row[low:] if blocks > 1 else Const(0, 1)
        m.d.sync += [
            write.addr.eq(self.row),
            write.data.eq(self.value),
            write.en.eq(self.write),
        ]
        m.d.comb += [
            read.addr.eq(self.row),
            self.active.eq(read.data),
            self.block.eq(Array(now)[number]),
            self.some.eq(now.any()),
            self.skipped.eq(Cat(Const(0, low), number + 1)),
        ]
        for block in range(blocks):
            here = self.write & self.value & (number == block)
            with m.If(here & ~self.keeps):
                m.d.sync += now[block].eq(1)
            with m.If(here & self.keeps):
                m.d.sync += then[block].eq(1)
        with m.If(self.closes):
            m.d.sync += [now.eq(then), then.eq(0)]
        return m

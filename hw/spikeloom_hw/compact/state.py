"""State rows: the potentials of all neurons, and an adder per lane."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig

from ..control import ACC
from ..layouts import WEIGHT_BITS, row_bits


class StateRows(wiring.Component):
    """Add weights to a row, show the potential of a lane, write one.

    Members
    -------
    row : In
        State row; stands still from two cycles before ``write`` on.
    add : In(1)
        Add the weights that come ``LATENCY_CYCLES`` later to ``row``.  The row is written at the
        end of that cycle; it must not be asked for before.
    even, odd : In
        Signed weights of all lanes.
    show : In(1), lane : In, value : Out
        ``LATENCY_CYCLES`` after ``show``, and in that cycle only: the potential of ``lane`` in
        the row that was asked for.
    write : In(1), result : In
        Write ``result`` into ``lane`` of ``row``; not within two cycles behind ``show`` or
        ``add``.
    overflow : Out(1)
        A sum of this cycle left the accumulator.
    """

    LATENCY_CYCLES = 2

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        weights = data.ArrayLayout(signed(WEIGHT_BITS), config.lanes)
        super().__init__(
            {
                "row": In(row_bits(config)),
                "add": In(1),
                "even": In(weights),
                "odd": In(weights),
                "show": In(1),
                "lane": In(range(config.lanes)),
                "value": Out(ACC),
                "write": In(1),
                "result": In(ACC),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, bits = self.config.lanes, ACC.width
        m.submodules.rows = rows = memory.Memory(
            shape=unsigned(bits * lanes),
            depth=self.config.state_rows,
            init=[],
            attrs={"ram_style": "block"},
        )
        read, write = rows.read_port(domain="sync"), rows.write_port(granularity=bits)
        row1, row2 = (Signal.like(self.row, name=f"row{stage}") for stage in (1, 2))
        add1, add2, show1 = (Signal(name=name) for name in ("add1", "add2", "show1"))
        # all zero but in the cycle in which it is looked at: a result is added to 0 then
        shown = Signal(data.ArrayLayout(ACC, lanes))
        m.d.comb += [read.addr.eq(self.row), write.addr.eq(row2)]
        m.d.sync += [
            row1.eq(self.row),
            row2.eq(row1),
            add1.eq(self.add),
            add2.eq(add1),
            show1.eq(self.show),
            shown.as_value().eq(Mux(add1 | show1, read.data, 0)),
        ]
        m.d.comb += self.value.eq(Array(shown[lane] for lane in range(lanes))[self.lane])
        over = []
        for lane in range(lanes):
            addend = Signal(ACC, name=f"addend{lane}")
            total = Signal(signed(bits + 1), name=f"total{lane}")
            m.d.comb += [
                addend.eq(Mux(self.write, self.result, self.even[lane] + self.odd[lane])),
                total.eq(shown[lane] + addend),
                write.data.word_select(lane, bits).eq(total),
                write.en[lane].eq(add2 | (self.write & (self.lane == lane))),
            ]
            over.append(total[bits] != total[bits - 1])
        m.d.comb += self.overflow.eq(add2 & Cat(over).any())
        return m

"""From spike masks of swept rows to pairs of spikes."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig

from .activity import first_set
from .layouts import Pair, mask_layout


def _many(m: Module, bits: Signal, name: str) -> Value:
    """Return that more than one bit is set, as a balanced tree."""
    nodes: list[tuple[Value, Value]] = [(bit, Const(0, 1)) for bit in bits]
    while len(nodes) > 1:
        merged = []
        for (low, low_many), (high, high_many) in zip(nodes[0::2], nodes[1::2], strict=True):
            some, many = Signal(name=f"{name}_any"), Signal(name=f"{name}_many")
            m.d.comb += [some.eq(low | high), many.eq(low_many | high_many | (low & high))]
            merged.append((some, many))
        nodes = merged
    return nodes[0][1]


class SpikeEncoder(wiring.Component):
    """Turn masks of P spikes into pairs, one pair per cycle, lowest lanes first.

    Members
    -------
    write : In(1)
        A mask arrives; there must be room for it (``DEPTH`` masks; the sequencer counts).
    mask : In
        Row (counted in its population) and spikes.  A mask without spikes is not stored.
    taken : Out(2)
        How many masks gave their place back in this cycle (0, 1 or 2).
    o : stream of Pair, out
    idle : Out(1)
        No mask and no pair is held.
    """

    DEPTH = 8

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "write": In(1),
                "mask": In(mask_layout(config)),
                "taken": Out(2),
                "o": Out(stream.Signature(Pair)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = mask_layout(self.config)
        m.submodules.masks = masks = fifo.SyncFIFO(width=layout.size, depth=self.DEPTH)
        some = Signal()
        m.d.comb += [
            some.eq(self.mask.spikes.any()),
            masks.w_data.eq(self.mask),
            masks.w_en.eq(self.write & some),
        ]
        head = layout(masks.r_data)
        current = Signal(layout)
        half = self.config.lanes // 2
        evens, odds = Signal(half), Signal(half)
        m.d.comb += [
            evens.eq(Cat(current.spikes[i] for i in range(0, self.config.lanes, 2))),
            odds.eq(Cat(current.spikes[i] for i in range(1, self.config.lanes, 2))),
        ]
        any_even, even = first_set(m, evens, "even")
        any_odd, odd = first_set(m, odds, "odd")
        many = Signal()  # more than one spike of a parity: this step leaves some
        m.d.comb += many.eq(_many(m, evens, "even") | _many(m, odds, "odd"))
        evens_after, odds_after = Signal(half), Signal(half)
        m.d.comb += [
            evens_after.eq(evens & ~(1 << even)),
            odds_after.eq(odds & ~(1 << odd)),
        ]
        # the mask in work has a spike left; a second pair waits behind the one that is offered, so
        # that whether that one is taken, which is known late, decides on little
        holds, waits = Signal(), Signal()
        step, empties = Signal(), Signal()
        left = Signal(self.config.lanes)
        m.d.comb += [
            left.eq(Cat(Cat(evens_after[i], odds_after[i]) for i in range(half))),
            step.eq(holds & ~waits),
            empties.eq(~holds | (step & ~many)),
            masks.r_en.eq(empties),
            self.taken.eq((self.write & ~some) + (masks.r_en & masks.r_rdy)),
            self.idle.eq(~masks.r_rdy & ~holds & ~self.o.valid),
        ]
        with m.If(step):
            m.d.sync += current.spikes.eq(left)
        with m.If(empties):
            m.d.sync += holds.eq(masks.r_rdy)
            with m.If(masks.r_rdy):
                m.d.sync += current.eq(head)
        pair, waiting = Signal(Pair), Signal(Pair, reset_less=True)
        m.d.comb += [
            pair.even_valid.eq(any_even),
            pair.odd_valid.eq(any_odd),
            pair.even.eq(Cat(even, current.index)),
            pair.odd.eq(Cat(odd, current.index)),
            pair.magnitude.eq(1 << current.digit if self.config.multi_spike else 1),
        ]
        with m.If(~waits):
            m.d.sync += waiting.eq(pair)
        stands = self.o.valid & ~self.o.ready
        m.d.sync += waits.eq(stands & (waits | holds))
        with m.If(~stands):
            m.d.sync += [
                self.o.valid.eq(waits | holds),
                self.o.payload.eq(Mux(waits, waiting, pair)),
            ]
        return m

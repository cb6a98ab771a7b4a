"""Spikes to the walker and, where wanted, out of the core."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

from .layouts import Beat, Pair

_KIND_BITS = aer.WORD_BITS - aer.KIND_SHIFT


class SpikeFork(wiring.Component):
    """Hand each pair to the walker, to the output, or to both, in any order.

    A pair leaves in one beat; with ``graded``, one whose magnitude is not 1 leaves in a beat of
    GRADED and SPIKE for each of its spikes.

    Members
    -------
    i : stream of Pair, in
    walks, sends : In(1)
        Pairs go to the walker; to the output.
    population : In(8)
        Index for the words.
    walk : stream of Pair, out
    beats : stream of Beat, out
    sent : Out(2)
        Number of spikes that leave in this cycle.
    """

    def __init__(self, graded: bool = False) -> None:
        self.graded = graded
        super().__init__(
            {
                "i": In(stream.Signature(Pair)),
                "walks": In(1),
                "sends": In(1),
                "population": In(aer.POPULATION_BITS),
                "walk": Out(stream.Signature(Pair)),
                "beats": Out(stream.Signature(Beat)),
                "sent": Out(2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pair, beat = self.i.payload, self.beats.payload
        walked, sent, sent_even = Signal(), Signal(), Signal()
        wants_walk = self.walks & ~walked
        wants_send = self.sends & ~sent
        words = [
            Cat(Const(parity, 1), index, self.population, Const(Kind.SPIKE, _KIND_BITS))
            for parity, index in ((0, pair.even), (1, pair.odd))
        ]
        valids = (pair.even_valid, pair.odd_valid)
        done, sends_all = Signal(), Signal()
        m.d.comb += [
            self.walk.payload.eq(pair),
            self.walk.valid.eq(self.i.valid & wants_walk),
            self.beats.valid.eq(self.i.valid & wants_send),
            beat.data.eq(
                Cat(*(Mux(valid, word, 0) for valid, word in zip(valids, words, strict=True)))
            ),
            sends_all.eq(1),
            done.eq(
                (~wants_walk | self.walk.ready) & (~wants_send | (self.beats.ready & sends_all))
            ),
            self.i.ready.eq(done),
        ]
        leaves = Mux(self.beats.valid & self.beats.ready, 1, 0)
        m.d.comb += self.sent.eq(Mux(leaves, pair.even_valid + pair.odd_valid, 0))
        if self.graded:
            graded = Cat(
                pair.magnitude,
                Const(0, aer.PAYLOAD_BITS - aer.MAGNITUDE_BITS),
                Const(Kind.GRADED, _KIND_BITS),
            )
            even_next = pair.even_valid & ~sent_even
            with m.If(pair.magnitude != 1):
                m.d.comb += [
                    beat.data.eq(Cat(graded, Mux(even_next, words[0], words[1]))),
                    sends_all.eq(~(even_next & pair.odd_valid)),
                    self.sent.eq(leaves),
                ]
                with m.If(leaves):
                    m.d.sync += sent_even.eq(~sends_all)
        with m.If(self.i.valid):
            m.d.sync += [
                walked.eq(~done & (walked | (self.walk.valid & self.walk.ready))),
                sent.eq(~done & (sent | (leaves & sends_all))),
            ]
        return m

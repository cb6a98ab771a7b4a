"""From stream beats to pairs of spikes, ticks and ends."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer

from .layouts import HALF_INDEX_BITS, Beat, Item, Token
from .words import classify

_Word = data.StructLayout(
    {
        "spike": unsigned(1),
        "tick": unsigned(1),
        "end": unsigned(1),
        "payload": unsigned(aer.PAYLOAD_BITS),
        "magnitude": signed(aer.MAGNITUDE_BITS),
    }
)
"""A classified word; at most one flag is set, none for a word that needs no work."""


class Decoder(wiring.Component):
    """Classify the words of each beat and hand them on as items.

    Two spikes of one beat leave as one item if one neuron is even and the other odd and their
    magnitudes are equal, else one after the other.  With ``graded``, GRADED words set the
    magnitude of the next spike of the tick; without, they are of unknown kind.

    Words of unknown kind, and spikes whose population is not 0 or whose neuron is not below
    ``n_neurons``, are dropped: NULL words silently, the others with a pulse on ``bad_kind`` or
    ``bad_address`` per word.  TLAST belongs to the last END of its beat.

    Members
    -------
    i : stream of Beat, in
    o : stream of Item, out
    n_neurons : In(20)
        Size of the input population.
    accepted, dropped : Out(2)
        Number of spikes taken, and of words dropped, in this cycle.
    bad_kind, bad_address, bad_frame : Out(1)
        Pulses; ``bad_frame``: TLAST came in a beat without END.
    idle : Out(1)
        Nothing is held.

    Timing: two cycles from beat to item; one beat per cycle where each beat makes one item.
    """

    LATENCY_CYCLES = 2

    def __init__(self, graded: bool = False) -> None:
        self.graded = graded
        super().__init__(
            {
                "i": In(stream.Signature(Beat)),
                "o": Out(stream.Signature(Item)),
                "n_neurons": In(aer.NEURON_BITS),
                "accepted": Out(2),
                "dropped": Out(2),
                "bad_kind": Out(1),
                "bad_address": Out(1),
                "bad_frame": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [Signal(_Word, name=f"word{i}") for i in range(aer.BEAT_WORDS)]
        self._held_magnitude = Signal(signed(aer.MAGNITUDE_BITS), init=1)
        held_last = Signal()
        full = Signal()
        advance = Signal()
        m.d.comb += [self.i.ready.eq(~full | advance), self.idle.eq(~full)]
        with m.If(self.i.ready):
            m.d.sync += full.eq(self.i.valid)
        with m.If(self.i.valid & self.i.ready):
            self._classify(m, words)
            m.d.sync += held_last.eq(self.i.payload.last)
        self._emit(m, words, held_last, full, advance)
        return m

    def _classify(self, m: Module, words: list[data.View]) -> None:
        """Load the classified words of the arriving beat."""
        classes = []
        magnitude: Value = self._held_magnitude
        for index, word in enumerate(words):
            raw = self.i.payload.data.word_select(index, aer.WORD_BITS)
            found = classify(raw, self.n_neurons, self.graded)
            m.d.sync += [
                word.spike.eq(found.spike),
                word.tick.eq(found.tick),
                word.end.eq(found.end),
                word.payload.eq(raw[: aer.PAYLOAD_BITS]),
            ]
            if self.graded:
                m.d.sync += word.magnitude.eq(magnitude)
                used = Signal(signed(aer.MAGNITUDE_BITS), name=f"magnitude{index}")
                m.d.comb += used.eq(magnitude)
                with m.If(found.spike | found.lost | found.tick | found.end):
                    m.d.comb += used.eq(1)
                with m.If(found.graded):
                    m.d.comb += used.eq(raw[: aer.MAGNITUDE_BITS])
                magnitude = used
            classes.append(found)
        if self.graded:
            m.d.sync += self._held_magnitude.eq(magnitude)
        m.d.comb += [
            self.accepted.eq(sum(found.spike for found in classes)),
            self.dropped.eq(sum(found.unknown | found.lost for found in classes)),
            self.bad_kind.eq(Cat(found.unknown for found in classes).any()),
            self.bad_address.eq(Cat(found.lost for found in classes).any()),
            self.bad_frame.eq(self.i.payload.last & ~Cat(found.end for found in classes).any()),
        ]

    def _emit(
        self, m: Module, words: list[data.View], held_last: Signal, full: Signal, advance: Signal
    ) -> None:
        """Offer the held words as items, low word first."""
        low, high = words
        pending = [w.spike | w.tick | w.end for w in words]
        both = low.spike & high.spike & (low.payload[0] != high.payload[0])
        if self.graded:
            both &= low.magnitude == high.magnitude
        first = Signal(_Word)
        alone = Signal()
        m.d.comb += [
            first.eq(low),
            alone.eq(both | ~(pending[0] & pending[1])),
        ]
        with m.If(~pending[0]):
            m.d.comb += first.eq(high)
        item = self.o.payload
        pair = item.pair
        half = slice(1, 1 + HALF_INDEX_BITS)
        odd_first = first.payload[0]
        m.d.comb += [
            self.o.valid.eq(full & (pending[0] | pending[1])),
            advance.eq(full & (~(pending[0] | pending[1]) | (self.o.ready & alone))),
            pair.even_valid.eq(first.spike & (~odd_first | both)),
            pair.odd_valid.eq(first.spike & (odd_first | both)),
            pair.even.eq(first.payload[half]),
            pair.odd.eq(first.payload[half]),
            pair.magnitude.eq(first.magnitude if self.graded else 1),
            item.payload.eq(first.payload),
            item.last.eq(held_last & first.end & ~(pending[0] & high.end)),
        ]
        with m.If(both & odd_first):
            m.d.comb += pair.even.eq(high.payload[half])
        with m.If(both & ~odd_first):
            m.d.comb += pair.odd.eq(high.payload[half])
        with m.If(first.tick):
            m.d.comb += item.token.eq(Token.TICK)
        with m.Elif(first.end):
            m.d.comb += item.token.eq(Token.END)
        with m.If(full & self.o.ready & ~alone):
            m.d.sync += [low.spike.eq(0), low.tick.eq(0), low.end.eq(0)]

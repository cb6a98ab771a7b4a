"""What the compact core does when: pairs of the input, ticks, and the ends of samples."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import POPULATIONS, Field

from ..control import ACC
from ..layouts import TABLE_BITS, Beat, Item, Token, lane_count_bits, row_bits

_HEADER = ("fires", "row_base", "lanes_last", "first_projection", "n_neurons")
"""A field of each word of a population's row that is read before its rows are visited."""


class Control(wiring.Component):
    """One thing after the other: a pair of spikes, or all that a TICK or END brings.

    At TICK and END the populations are visited in order, the active rows of each row by row, the
    lanes of a row one by one; the spikes of a row go out and to their projections before the next
    row.  A tick in which no row is active passes without a look at the table.

    Read before the rows of a population are visited: the words of its table row that hold
    :data:`_HEADER`, a word per cycle, the last of them of the input population only.

    Members
    -------
    run, n_populations, ready
        See :class:`~spikeloom_hw.sequencer.Sequencer`.
    idle : Out(1)
        Between two items.
    i : stream of Item, in
    n_inputs : Out(20)
        Neurons of the input population.
    population : Out(8), word : Out(3), value : In(32)
        Read access to the population table, one cycle, when no neuron and no pair is in work.
    row : Out, active : In(1), some : In(1), block : In(1)
        State row; whether it, any row, and any of its block of rows may hold a potential.
    skipped : In
        The first row behind the block of ``row``.
    swept, nonzero : Out(1)
        All neurons of ``row`` have been visited; one of them holds a potential.
    closes : Out(1)
        All populations have been visited.
    neuron : Out(1), lane : Out, ending, probe, fires, clip_before, fire_select : Out
        A neuron to be worked on: see :class:`~.neuron.NeuronUnit`.
    written, fired, offers, taken, result
        Of the same.
    walk : Out(1), walked : In(1)
        A pair for :class:`~.walk.Walk`, and that it is done.
    pair_valid : Out(2), even, odd : Out(19), first_projection, n_projections : Out(8)
        The pair.
    sample_cycles, sample_sops : In(28)
        Counters of the sample.
    beats : stream of Beat, out
    spikes_sent : Out(2), tick_sent, sample_sent : Out(1)
        Spikes that leave in this cycle; TICK, or END, leaves.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        half = aer.NEURON_BITS - 1
        super().__init__(
            {
                "run": In(1),
                "n_populations": In(9),
                "ready": Out(1),
                "idle": Out(1),
                "i": In(stream.Signature(Item)),
                "n_inputs": Out(aer.NEURON_BITS),
                "population": Out(TABLE_BITS),
                "word": Out(3),
                "value": In(32),
                "row": Out(row_bits(config)),
                "active": In(1),
                "some": In(1),
                "block": In(1),
                "skipped": In(row_bits(config) + 1),
                "swept": Out(1),
                "nonzero": Out(1),
                "closes": Out(1),
                "neuron": Out(1),
                "lane": Out(range(config.lanes)),
                "ending": Out(1, init=1),
                "probe": Out(1),
                "fires": Out(1),
                "clip_before": Out(1),
                "fire_select": Out(2),
                "written": In(1),
                "fired": In(1),
                "offers": In(1),
                "taken": Out(1),
                "result": In(ACC),
                "walk": Out(1),
                "walked": In(1),
                "pair_valid": Out(2),
                "even": Out(half),
                "odd": Out(half),
                "first_projection": Out(TABLE_BITS),
                "n_projections": Out(TABLE_BITS),
                "sample_cycles": In(aer.PAYLOAD_BITS),
                "sample_sops": In(aer.PAYLOAD_BITS),
                "beats": Out(stream.Signature(Beat)),
                "spikes_sent": Out(2),
                "tick_sent": Out(1),
                "sample_sent": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        self._facts = {
            name: Signal(_field(name).bits, name=name)
            for name in (
                *("fires", "clip_before", "fire_select", "always_visit", "always_clear"),
                *("emit_spikes", "probe_ticks", "probe_end", "n_projections", "first_projection"),
            )
        }
        self._base = Signal(row_bits(config))
        self._end = Signal(row_bits(config) + 1)
        self._row = Signal(row_bits(config) + 1)
        self._lanes_last = Signal(lane_count_bits(config))
        self._step = Signal(range(len(_HEADER) + 1))
        self._clearing = Signal(init=1)
        self._any_visit, self._any_clear = Signal(), Signal()
        self._inputs = {
            name: Signal(TABLE_BITS, name=f"input_{name}")
            for name in ("first_projection", "n_projections")
        }
        self._mask = Signal(config.lanes)
        self._walking = Signal()
        facts = self._facts
        probe = Mux(self.ending, facts["probe_end"], facts["probe_ticks"])
        m.d.comb += [
            self.row.eq(self._row),
            self.probe.eq(probe & ~self._clearing),
            *(
                getattr(self, name).eq(facts[name])
                for name in ("fires", "clip_before", "fire_select")
            ),
        ]
        self._pair(m)
        self._words(m)
        with m.FSM():
            self._item_states(m)
            self._header_state(m)
            self._row_states(m)
            self._answer_states(m)
        return m

    def _pair(self, m: Module) -> None:
        """Choose between the pair of the input and the lowest one that the row has sent."""
        pair = self.i.payload.pair
        index = Cat(self.lane[1:], (self._row - self._base)[: len(self.row)])
        m.d.comb += [
            self.pair_valid.eq(self._mask[:2]),
            self.even.eq(index),
            self.odd.eq(index),
            *(getattr(self, name).eq(self._facts[name]) for name in self._inputs),
        ]
        with m.If(self.idle):
            m.d.comb += [
                self.pair_valid.eq(Cat(pair.even_valid, pair.odd_valid)),
                self.even.eq(pair.even),
                self.odd.eq(pair.odd),
                *(getattr(self, name).eq(value) for name, value in self._inputs.items()),
            ]

    def _words(self, m: Module) -> None:
        """Form the beat that is offered: two words."""
        low, high = Signal(aer.WORD_BITS), Signal(aer.WORD_BITS)
        self._offers = offers = Signal(4)
        spikes, readout, token, counters = offers
        neuron = Cat(self.lane, (self._row - self._base)[: len(self.row)])
        address = Cat(neuron, Const(0, aer.NEURON_BITS - len(neuron)), self.population)
        payload = self.i.payload.payload
        kind = Mux(self.ending, Kind.END, Kind.TICK)
        value = Cat(self.result, self.result[-1].replicate(aer.PAYLOAD_BITS - ACC.width))
        odd = Cat(Const(1, 1), address[1:])
        even = self._mask[0] & spikes
        m.d.comb += [
            self.beats.valid.eq(offers.any()),
            self.beats.payload.data.eq(Cat(low, high)),
            self.beats.payload.last.eq(token & self.i.payload.last),
        ]
        with m.If(even | readout):
            m.d.comb += low.eq(Cat(address, Mux(readout, Const(Kind.READOUT, 4), Kind.SPIKE)))
        with m.If(self._mask[1] & spikes):
            m.d.comb += high.eq(Cat(odd, Const(Kind.SPIKE, 4)))
        with m.If(readout):
            m.d.comb += high.eq(Cat(value, Const(Kind.VALUE, 4)))
        with m.If(token):
            m.d.comb += low.eq(Cat(payload, kind[:4]))
        with m.If(counters):
            m.d.comb += [
                low.eq(Cat(self.sample_cycles, Const(Kind.CYCLES, 4))),
                high.eq(Cat(self.sample_sops, Const(Kind.SOPS, 4))),
            ]

    def _item_states(self, m: Module) -> None:
        """Wait for an item; a pair is walked, a token begins with the first population."""
        item = self.i.payload
        is_pair, end = item.token == Token.PAIR, item.token == Token.END
        walks = self._inputs["n_projections"] != 0
        with m.State("LOAD"), m.If(self.run):
            m.next = "HEADER"
        with m.State("IDLE"):
            m.d.comb += [
                self.idle.eq(1),
                self.walk.eq(self.i.valid & is_pair & walks & ~self._walking),
            ]
            m.d.sync += [self.ending.eq(end), self.population.eq(1), self._step.eq(0)]
            with m.If(self.walk):
                m.d.sync += self._walking.eq(1)
            with m.If(self.walked | (is_pair & ~walks)):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += self._walking.eq(0)
            with m.If(self.i.valid & ~is_pair):
                m.next = "ANSWER"
                with m.If(self.some | Mux(end, self._any_clear, self._any_visit)):
                    m.next = "HEADER"

    def _header_state(self, m: Module) -> None:
        """Read what is to be known of the population before its rows are visited."""
        facts, step = self._facts, self._step

        def arrives(number: int, name: str) -> Value:
            """Return the field ``name`` of the word of step ``number``."""
            found = _field(name)
            assert found.word == _field(_HEADER[number]).word
            return self.value[found.lsb : found.lsb + found.bits]

        with m.State("HEADER"):
            with m.Switch(step):
                for number, name in enumerate(_HEADER):
                    with m.Case(number):
                        m.d.comb += self.word.eq(_field(name).word)
            m.d.sync += step.eq(step + 1)
            for number, word in enumerate(_HEADER):
                with m.If(step == number + 1):
                    for name, signal in facts.items():
                        if _field(name).word == _field(word).word:
                            m.d.sync += signal.eq(arrives(number, name))
            with m.If(step == 1):
                m.d.sync += [
                    self._any_visit.eq(self._any_visit | arrives(0, "always_visit")),
                    self._any_clear.eq(self._any_clear | arrives(0, "always_clear")),
                ]
            with m.If(step == 2):
                m.d.sync += [
                    self._row.eq(arrives(1, "row_base")),
                    self._base.eq(arrives(1, "row_base")),
                    self._end.eq(arrives(1, "n_rows")),
                ]
            with m.If(step == 3):
                m.d.sync += [
                    self._end.eq(self._end + self._base),
                    self._lanes_last.eq(arrives(2, "lanes_last")),
                ]
            with m.If((step == 4) & (self.population != 0)):
                m.d.sync += step.eq(0)
                m.next = "ROW"
            with m.If(step == 5):
                m.d.sync += [
                    step.eq(0),
                    self.n_inputs.eq(arrives(4, "n_neurons")),
                    self.population.eq(1),
                    *(value.eq(facts[name]) for name, value in self._inputs.items()),
                ]

    def _row_states(self, m: Module) -> None:
        """Visit the rows of a population, and the lanes of each."""
        facts, row = self._facts, self._row
        every = self._clearing | Mux(self.ending, facts["always_clear"], facts["always_visit"])
        last_lane = Signal.like(self.lane)
        last_row = row + 1 == self._end
        m.d.comb += last_lane.eq(Mux(last_row, self._lanes_last, self.config.lanes) - 1)
        nonzero = Signal()
        here = Signal(self.config.lanes)
        m.d.comb += here.eq(self.fired << self.lane)
        with m.State("ROW"):
            m.d.sync += [self._mask.eq(0), nonzero.eq(0), self.lane.eq(0)]
            with m.If(row >= self._end):
                m.d.sync += self.population.eq(self.population + 1)
                m.next = "HEADER"
                with m.If(self.population + 1 == self.n_populations):
                    m.d.comb += self.closes.eq(1)
                    m.next = "ANSWER"
                    with m.If(self._clearing):
                        m.d.sync += [self._clearing.eq(0), self.ready.eq(1)]
                        m.next = "IDLE"
            with m.Elif(every | self.active):
                m.next = "NEURON"
            with m.Elif(self.block):
                m.d.sync += row.eq(row + 1)
            with m.Else():
                m.d.sync += row.eq(self.skipped)
        with m.State("NEURON"):
            m.d.comb += self.neuron.eq(1)
            m.d.comb += [
                self._offers[1].eq(self.offers),
                self.taken.eq(self.beats.ready),
                self.nonzero.eq(nonzero | self.result.any()),
            ]
            with m.If(self.written):
                m.d.sync += [
                    nonzero.eq(self.nonzero),
                    self._mask.eq(self._mask | here),
                    self.lane.eq(self.lane + 1),
                ]
                with m.If(self.lane == last_lane):
                    m.d.comb += self.swept.eq(1)
                    m.d.sync += self.lane.eq(0)
                    m.next = "SEND"
                    with m.If(~(self._mask | here).any()):
                        m.d.sync += row.eq(row + 1)
                        m.next = "ROW"
        with m.State("SEND"):
            some = self._mask[:2].any()
            with m.If(facts["emit_spikes"] & some):
                m.d.comb += self._offers[0].eq(1)
            with m.If(~self.beats.valid | self.beats.ready):
                m.next = "NEXT"
                m.d.comb += self.spikes_sent.eq(
                    Mux(self.beats.valid, self._mask[0] + self._mask[1], 0)
                )
                with m.If(some & (facts["n_projections"] != 0)):
                    m.next = "WALK"
        with m.State("WALK"):
            m.d.comb += self.walk.eq(1)
            with m.If(self.walked):
                m.next = "NEXT"
        with m.State("NEXT"):
            m.d.sync += [self._mask.eq(self._mask >> 2), self.lane.eq(self.lane + 2)]
            m.next = "SEND"
            with m.If(~self._mask[2:].any()):
                m.d.sync += row.eq(row + 1)
                m.next = "ROW"

    def _answer_states(self, m: Module) -> None:
        """Answer the token."""
        with m.State("ANSWER"):
            with m.If(self.ending):
                m.d.comb += self._offers[3].eq(1)
            with m.Else():
                m.d.comb += [self._offers[2].eq(1), self.tick_sent.eq(self.beats.ready)]
                m.d.comb += self.i.ready.eq(self.beats.ready)
            with m.If(self.beats.ready):
                m.next = "IDLE"
                with m.If(self.ending):
                    m.next = "END"
        with m.State("END"):
            m.d.comb += [self._offers[2].eq(1), self.sample_sent.eq(self.beats.ready)]
            m.d.comb += self.i.ready.eq(self.beats.ready)
            with m.If(self.beats.ready):
                m.next = "IDLE"


def _field(name: str) -> Field:
    return POPULATIONS.field(name)

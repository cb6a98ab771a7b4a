"""The core: components joined, and the host's way into its memories."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import POPULATIONS, PROJECTIONS, Table

from .activity import ActivityMap
from .decode import Decoder
from .encoder import SpikeEncoder
from .issue import Issue
from .lane import Lane
from .layouts import Beat, Item, Token, table_row
from .readout import Readout
from .sequencer import Sequencer
from .walker import Walker
from .weights import WeightBank

SPIKE = Const(Kind.SPIKE, aer.WORD_BITS - aer.KIND_SHIFT)
INPUT_ITEMS = 4
OUTPUT_BEATS = 16

Events = data.StructLayout(
    {
        "spikes_in": unsigned(2),
        "spikes_out": unsigned(2),
        "dropped": unsigned(2),
        "sops": unsigned(10),
        "tick": unsigned(1),
        "sample": unsigned(1),
        "busy": unsigned(1),
        "stall_in": unsigned(1),
        "stall_out": unsigned(1),
    }
)
"""What happened in a cycle, for the performance counters."""

Faults = data.StructLayout(
    {"kind": unsigned(1), "address": unsigned(1), "frame": unsigned(1), "overflow": unsigned(1)}
)
"""Faults of a cycle, for the sticky flags."""


class Core(wiring.Component):
    """One core without its AXI4-Lite port.

    Members
    -------
    i, o : streams of Beat
    run : In(1), n_populations : In(9)
        See :class:`~spikeloom_hw.sequencer.Sequencer`.
    ready, idle : Out(1)
    events, faults : Out
    host_memory : In(2)
        Memory of the window: 0 populations, 1 projections, 2 even weights, 3 odd weights.
    host_row, host_word, host_data : In
        Row and 32-bit word in it.
    host_write : In(1)
        Write ``host_data`` (while stopped only).
    host_value : Out(32)
        The word, ``HOST_READ_CYCLES`` after row and word stand still (while stopped only).
    """

    HOST_READ_CYCLES = 4

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        rows = max(config.weight_rows, config.populations, config.projections)
        super().__init__(
            {
                "i": In(stream.Signature(Beat)),
                "o": Out(stream.Signature(Beat)),
                "run": In(1),
                "n_populations": In(9),
                "ready": Out(1),
                "idle": Out(1),
                "events": Out(Events),
                "faults": Out(Faults),
                "host_memory": In(2),
                "host_row": In(range(rows)),
                "host_word": In(range(max(config.lanes // 4, POPULATIONS.words))),
                "host_data": In(32),
                "host_write": In(1),
                "host_value": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        self._parts = parts = {
            "decoder": Decoder(),
            "input_walker": Walker(config),
            "spike_walker": Walker(config),
            "issue": Issue(config),
            "sequencer": Sequencer(config),
            "activity": ActivityMap(config),
            "encoder": SpikeEncoder(config),
            "readout": Readout(config),
        }
        for name, part in parts.items():
            m.submodules[name] = part
        items_idle = self._input(m)
        self._tables(m)
        self._issue(m)
        self._lanes(m)
        spikes_idle = self._spikes(m)
        output_idle = self._output(m)
        self._sample_counters(m)
        sequencer, issue = parts["sequencer"], parts["issue"]
        m.d.comb += [
            sequencer.run.eq(self.run),
            sequencer.n_populations.eq(self.n_populations),
            sequencer.spikes_idle.eq(spikes_idle),
            self.ready.eq(sequencer.ready),
            self.idle.eq(sequencer.ready & sequencer.idle & items_idle & ~issue.busy & output_idle),
        ]
        return m

    def _input(self, m: Module) -> Signal:
        """Decode the input; pairs to the walker, tokens to the sequencer."""
        decoder, walker = self._parts["decoder"], self._parts["input_walker"]
        sequencer = self._parts["sequencer"]
        m.submodules.items = items = fifo.SyncFIFOBuffered(width=Item.size, depth=INPUT_ITEMS)
        item = Item(items.r_data)
        is_pair = item.token == Token.PAIR
        idle = Signal()
        m.d.comb += [
            decoder.i.payload.eq(self.i.payload),
            decoder.i.valid.eq(self.i.valid & sequencer.ready),
            self.i.ready.eq(decoder.i.ready & sequencer.ready),
            decoder.n_neurons.eq(sequencer.n_inputs),
            items.w_data.eq(decoder.o.payload),
            items.w_en.eq(decoder.o.valid),
            decoder.o.ready.eq(items.w_rdy),
            walker.i.payload.eq(item.pair),
            walker.i.valid.eq(items.r_rdy & is_pair),
            sequencer.token.payload.eq(item),
            sequencer.token.valid.eq(items.r_rdy & ~is_pair & walker.idle),
            items.r_en.eq(Mux(is_pair, walker.i.ready, sequencer.token.ready & walker.idle)),
            idle.eq(decoder.idle & (items.level == 0) & walker.idle & ~self.i.valid),
        ]
        taken = self.i.valid & self.i.ready
        events, faults = self.events, self.faults
        m.d.comb += [
            events.spikes_in.eq(Mux(taken, decoder.accepted, 0)),
            events.dropped.eq(Mux(taken, decoder.dropped, 0)),
            events.busy.eq(sequencer.ready & ~self.idle),
            events.stall_in.eq(
                events.busy & sequencer.idle & walker.idle & ~items.r_rdy & ~self.i.valid
            ),
            faults.kind.eq(taken & decoder.bad_kind),
            faults.address.eq(taken & decoder.bad_address),
            faults.frame.eq(taken & decoder.bad_frame),
        ]
        return idle

    def _tables(self, m: Module) -> None:
        """Instantiate the run-time tables; the host reads through the ports of the core."""
        input_walker, spike_walker = self._parts["input_walker"], self._parts["spike_walker"]
        sequencer = self._parts["sequencer"]
        config = self.config
        self._host_words: list[Signal] = []

        def table(which: int, spec: Table, rows: int) -> memory.Memory:
            layout = unsigned(32 * spec.words)
            m.submodules[spec.name] = mem = memory.Memory(shape=layout, depth=rows, init=[])
            write = mem.write_port(granularity=32)
            m.d.comb += [
                write.addr.eq(self.host_row),
                write.data.eq(self.host_data.replicate(spec.words)),
            ]
            for word in range(spec.words):
                m.d.comb += write.en[word].eq(
                    self.host_write & (self.host_memory == which) & (self.host_word == word)
                )
            return mem

        populations = table(0, POPULATIONS, config.populations)
        projections = table(1, PROJECTIONS, config.projections)
        read = populations.read_port(domain="sync")
        m.d.comb += [
            read.addr.eq(Mux(self.run, sequencer.table_index, self.host_row)),
            sequencer.table_row.eq(table_row(POPULATIONS)(read.data)),
        ]
        self._host_words.append(read.data.word_select(self.host_word, 32))
        for walker in (input_walker, spike_walker):
            read = projections.read_port(domain="sync")
            m.d.comb += [
                read.addr.eq(Mux(self.run, walker.table_index, self.host_row)),
                walker.table_row.eq(table_row(PROJECTIONS)(read.data)),
            ]
        self._host_words.append(read.data.word_select(self.host_word, 32))

    def _issue(self, m: Module) -> None:
        """Join sequencer, walkers, issue unit and activity map."""
        issue, sequencer = self._parts["issue"], self._parts["sequencer"]
        activity = self._parts["activity"]
        wiring.connect(m, sequencer.o, issue.sweep)
        wiring.connect(m, self._parts["input_walker"].o, issue.inputs)
        wiring.connect(m, self._parts["spike_walker"].o, issue.spikes)
        for name in ("input_open", "hold", "biased", "ending"):
            m.d.comb += getattr(issue, name).eq(getattr(sequencer, name))
        for name, walker in (("input", "input_walker"), ("spikes", "spike_walker")):
            m.d.comb += self._parts[walker].restart.eq(getattr(sequencer, f"restart_{name}"))
            for fact in ("first_projection", "n_projections"):
                m.d.comb += getattr(self._parts[walker], fact).eq(getattr(sequencer, fact))
        m.d.comb += [
            issue.host_read.eq(~self.run),
            issue.host_row.eq(self.host_row),
            sequencer.sweeping.eq(issue.sweeping),
            sequencer.unwritten.eq(issue.unwritten),
            sequencer.active.eq(activity.active),
            activity.set.eq(issue.add_taken),
            activity.set_row.eq(issue.add_row),
            activity.clear.eq(issue.sweep_taken),
            activity.clear_row.eq(issue.sweep_row),
            self.events.sops.eq(issue.input_sops + issue.spike_sops),
        ]

    def _lanes(self, m: Module) -> None:
        """Instantiate weight banks and lanes and gather what the lanes say."""
        config = self.config
        issue, sequencer = self._parts["issue"], self._parts["sequencer"]
        activity, encoder = self._parts["activity"], self._parts["encoder"]
        banks = []
        for index, name in enumerate(("even", "odd")):
            m.submodules[f"weights_{name}"] = bank = WeightBank(config)
            m.d.comb += [
                bank.address.eq(getattr(issue, f"{name}_address")),
                bank.valid.eq(getattr(issue, f"{name}_valid")),
                bank.write_row.eq(self.host_row),
                bank.write_word.eq(self.host_word),
                bank.write_data.eq(self.host_data),
                bank.write.eq(self.host_write & (self.host_memory == 2 + index)),
            ]
            self._host_words.append(bank.raw.word_select(self.host_word, 32))
            banks.append(bank)
        spikes, nonzero, overflow = [], [], []
        for index in range(config.lanes):
            m.submodules[f"lane{index}"] = lane = Lane(config)
            m.d.comb += [
                lane.even.eq(banks[0].weights[index]),
                lane.odd.eq(banks[1].weights[index]),
                lane.control.eq(issue.control),
                lane.parameters.eq(sequencer.parameters),
                lane.exists5.eq(sequencer.tail[index] | ~issue.last_row5),
                self._parts["readout"].values[index].eq(lane.value4),
            ]
            spikes.append(lane.spike6)
            nonzero.append(lane.nonzero11)
            overflow.append(lane.overflow5)
        m.d.comb += [
            encoder.write.eq(issue.sweep6),
            encoder.mask.index.eq(issue.row6 - sequencer.row_base),
            encoder.mask.spikes.eq(Mux(sequencer.ending, 0, Cat(spikes))),
            activity.keep.eq(issue.sweep11 & Cat(nonzero).any()),
            activity.keep_row.eq(issue.row11),
        ]
        host_value = Signal(32, reset_less=True)
        m.d.comb += self.host_value.eq(host_value)
        m.d.sync += [
            self.faults.overflow.eq(Cat(overflow).any()),
            host_value.eq(data.ArrayLayout(32, 4)(Cat(self._host_words))[self.host_memory]),
        ]

    def _spikes(self, m: Module) -> Signal:
        """Fork spikes to the walker and, where wanted, to the output."""
        encoder, walker = self._parts["encoder"], self._parts["spike_walker"]
        sequencer = self._parts["sequencer"]
        self._spike_beat = beat = stream.Signature(Beat).create()
        walked, sent = Signal(), Signal()
        wants_walk = (sequencer.n_projections != 0) & ~walked
        wants_send = sequencer.emit_spikes & ~sent
        done = Signal()
        pair = encoder.o.payload
        words = [
            Mux(valid, Cat(parity, index, sequencer.population, SPIKE), 0)
            for parity, valid, index in (
                (0, pair.even_valid, pair.even),
                (1, pair.odd_valid, pair.odd),
            )
        ]
        m.d.comb += [
            walker.i.payload.eq(pair),
            walker.i.valid.eq(encoder.o.valid & wants_walk),
            beat.valid.eq(encoder.o.valid & wants_send),
            beat.payload.data.eq(Cat(words)),
            done.eq((~wants_walk | walker.i.ready) & (~wants_send | beat.ready)),
            encoder.o.ready.eq(done),
            sequencer.masks_taken.eq(encoder.taken),
            self.events.spikes_out.eq(
                Mux(beat.valid & beat.ready, pair.even_valid + pair.odd_valid, 0)
            ),
        ]
        with m.If(encoder.o.valid):
            m.d.sync += [
                walked.eq(~done & (walked | (walker.i.valid & walker.i.ready))),
                sent.eq(~done & (sent | (beat.valid & beat.ready))),
            ]
        idle = Signal()
        m.d.comb += idle.eq(encoder.idle & walker.idle)
        return idle

    def _output(self, m: Module) -> Signal:
        """Merge spikes, readouts and tokens; never two of them are offered at once."""
        sequencer, readout = self._parts["sequencer"], self._parts["readout"]
        sources = (self._spike_beat, readout.o, sequencer.beats)
        m.submodules.beats = beats = fifo.SyncFIFOBuffered(width=Beat.size, depth=OUTPUT_BEATS)
        idle = Signal()
        m.d.comb += [
            beats.w_en.eq(Cat(source.valid for source in sources).any()),
            beats.w_data.eq(sources[-1].payload),
            self.o.valid.eq(beats.r_rdy),
            self.o.payload.eq(beats.r_data),
            beats.r_en.eq(self.o.ready),
            idle.eq(beats.level == 0),
            self.events.stall_out.eq(self.o.valid & ~self.o.ready),
            self.events.tick.eq(sequencer.tick_sent),
            self.events.sample.eq(sequencer.sample_sent),
        ]
        for source in sources:
            m.d.comb += source.ready.eq(beats.w_rdy)
        for source in sources[:-1]:
            with m.If(source.valid):
                m.d.comb += beats.w_data.eq(source.payload)
        wiring.connect(m, sequencer.readout, readout.request)
        return idle

    def _sample_counters(self, m: Module) -> None:
        """Count cycles and synaptic operations per sample.

        Input of the next sample may be issued before END leaves; its operations count for
        the next sample, so those of the input are put aside when END is taken.
        """
        sequencer, issue = self._parts["sequencer"], self._parts["issue"]
        bits = aer.PAYLOAD_BITS
        cycles, inputs, aside, spikes = (
            Signal(bits, name=f"sample_{name}") for name in ("cycles", "inputs", "aside", "spikes")
        )
        taken = Signal(3)
        m.d.sync += [
            taken.eq(Cat(sequencer.end_taken, taken)),
            cycles.eq(cycles + self.events.busy),
            inputs.eq(inputs + issue.input_sops),
            spikes.eq(spikes + issue.spike_sops),
        ]
        with m.If(taken[1]):
            m.d.sync += [aside.eq(inputs), inputs.eq(0)]
        with m.If(sequencer.sample_sent):
            m.d.sync += [cycles.eq(0), spikes.eq(0)]
        m.d.comb += [
            sequencer.sample_settled.eq(~taken.any()),
            sequencer.sample_cycles.eq(cycles),
            sequencer.sample_sops.eq(aside + spikes),
        ]

"""The core: components joined, and the host's way into its memories."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, wiring

from spikeloom.spec import aer
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import memory_map
from spikeloom.spec.tables import GROUPS, PARAMETERS, POPULATIONS, PROJECTIONS, REPLAYS, RUNS, Table

from .activity import ActivityMap
from .control import Parameters, shared_parameters
from .decode import Decoder
from .divider import Divider
from .encoder import SpikeEncoder
from .fork import SpikeFork
from .history import History
from .issue import Issue
from .lane import Lane
from .layouts import Beat, Item, Token
from .ports import core_members
from .readout import Readout
from .replayer import Replayer
from .sequencer import Sequencer
from .spread import LANES_PER_COPY, copies, lane_groups
from .table import TableMemory
from .walker import Walker
from .weights import WeightBank

INPUT_ITEMS = 4
OUTPUT_BEATS = 16


class Core(wiring.Component):
    """One core without its AXI4-Lite port.

    Members: see :func:`~.ports.core_members`.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self.memories = memory_map(config)
        super().__init__(core_members(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        self._parts = parts = {
            "decoder": Decoder(config.graded),
            "input_walker": Walker(config),
            "spike_walker": Walker(config),
            "issue": Issue(config),
            "sequencer": Sequencer(config),
            "activity": ActivityMap(config),
            "encoder": SpikeEncoder(config),
            "fork": SpikeFork(config.multi_spike),
            "readout": Readout(config),
        }
        if config.multi_spike:
            parts["divider"] = Divider()
        if config.history_rows:
            parts["replayer"], parts["history"] = Replayer(), History(config)
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
            sequencer.n_replays.eq(self.n_replays),
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

    def _host_writes(self, name: str) -> Value:
        """Return that the host writes the memory ``name``."""
        which = list(self.memories).index(name)
        return self.host_write & (self.host_memory == which)

    def _tables(self, m: Module) -> None:
        """Instantiate the run-time tables and join them to those who read them."""
        walkers = [self._parts["input_walker"], self._parts["spike_walker"]]
        sequencer = self._parts["sequencer"]
        self._host_words: dict[str, Value] = {}
        readers: dict[Table, list[tuple[str, str | None, str, Any]]] = {
            POPULATIONS: [("table_index", None, "table_row", sequencer)],
            PROJECTIONS: [("table_index", None, "table_row", walker) for walker in walkers],
            GROUPS: [("group_index", "group_read", "group_row", walker) for walker in walkers],
            RUNS: [("run_index", "run_read", "run_row", walker) for walker in walkers],
            REPLAYS: [("index", None, "row", self._parts.get("replayer"))],
        }
        for spec, ports in readers.items():
            if spec.name not in self.memories:
                continue
            rows = self.memories[spec.name].rows
            m.submodules[spec.name] = table = TableMemory(spec, rows, len(ports))
            table.serve(m, self, self.run, self._host_writes(spec.name))
            for number, (index, read, row, part) in enumerate(ports):
                m.d.comb += [
                    getattr(table, f"index{number}").eq(getattr(part, index)),
                    getattr(table, f"read{number}").eq(getattr(part, read) if read else 1),
                    getattr(part, row).eq(getattr(table, f"row{number}")),
                ]
            self._host_words[spec.name] = table.host_value

    def _issue(self, m: Module) -> None:
        """Join sequencer, walkers, issue unit and activity map."""
        issue, sequencer = self._parts["issue"], self._parts["sequencer"]
        activity = self._parts["activity"]
        wiring.connect(m, sequencer.o, issue.sweep)
        wiring.connect(m, self._parts["input_walker"].o, issue.inputs)
        wiring.connect(m, self._parts["spike_walker"].o, issue.spikes)
        facts = ("parameter_base", "parameter_mask")
        for name in ("input_open", "hold", "biased", "ending", *facts):
            m.d.comb += getattr(issue, name).eq(getattr(sequencer, name))
        for name, walker in (("input", "input_walker"), ("spikes", "spike_walker")):
            m.d.comb += self._parts[walker].restart.eq(getattr(sequencer, f"restart_{name}"))
            for fact in ("first_projection", "n_projections"):
                m.d.comb += getattr(self._parts[walker], fact).eq(getattr(sequencer, fact))
        if self.config.history_rows:
            replayer, spike_walker = self._parts["replayer"], self._parts["spike_walker"]
            with m.If(replayer.busy):
                m.d.comb += [
                    spike_walker.restart.eq(replayer.restart),
                    spike_walker.first_projection.eq(replayer.first_projection),
                    spike_walker.n_projections.eq(replayer.n_projections),
                ]
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
        for name in ("even", "odd"):
            m.submodules[f"weights_{name}"] = bank = WeightBank(config)
            m.d.comb += [
                bank.address.eq(getattr(issue, f"{name}_address")),
                bank.valid.eq(getattr(issue, f"{name}_valid") | ~self.run),
                bank.word.eq(self.host_word),
                bank.write_row.eq(self.host_row),
                bank.write_word.eq(self.host_word),
                bank.write_data.eq(self.host_data),
                bank.write.eq(self._host_writes(f"weights_{name}")),
            ]
            self._host_words[f"weights_{name}"] = bank.value
            banks.append(bank)
        # the lanes keep the threshold negated: one place negates it for all of them
        bits = PARAMETERS.field("threshold").bits
        written = (Cat((-self.host_data[:bits])[:bits], self.host_data[bits:]), self.host_data)
        spikes, nonzero, overflow, digits = [], [], [], []
        parameters = self._parameters(m)
        exists = Signal(config.lanes, reset_less=True)
        m.d.sync += exists.eq(sequencer.tail | (~issue.last_row4).replicate(config.lanes))
        for index in range(config.lanes):
            group = index // LANES_PER_COPY
            m.submodules[f"lane{index}"] = lane = Lane(config)
            m.d.comb += [
                lane.even.eq(banks[0].weights[index]),
                lane.odd.eq(banks[1].weights[index]),
                lane.control.eq(issue.controls[group]),
                lane.parameters.eq(parameters[group]),
                lane.exists5.eq(exists[index]),
                self._parts["readout"].values[index].eq(lane.value5),
            ]
            if config.parameter_rows:
                m.d.comb += [
                    lane.parameter_row.eq(self.host_row),
                    *(lane.parameter_data[word].eq(host) for word, host in enumerate(written)),
                    *(
                        lane.parameter_write[word].eq(
                            self._host_writes("parameters") & (self.host_word == 2 * index + word)
                        )
                        for word in range(2)
                    ),
                ]
            digits.append(lane.digit)
            spikes.append(lane.spike6)
            nonzero.append(lane.nonzero11)
            overflow.append(lane.overflow5)
        m.d.comb += [
            encoder.write.eq(issue.sweep6 & ~sequencer.divides),
            encoder.mask.index.eq(issue.row6 - sequencer.row_base),
            encoder.mask.spikes.eq(Mux(sequencer.ending, 0, Cat(spikes))),
        ]
        # a cycle later, still before anyone looks at the map again
        m.d.sync += [
            activity.keep.eq(issue.sweep11 & Cat(nonzero).any()),
            activity.keep_row.eq(issue.row11),
        ]
        if config.multi_spike:
            self._digits(m, Cat(digits))
        if config.history_rows:
            self._history(m)
        host_value = Signal(32, reset_less=True)
        choices = [self._host_words.get(name, Const(0, 32)) for name in self.memories]
        choices += [Const(0, 32)] * (8 - len(choices))
        m.d.comb += self.host_value.eq(host_value)
        m.d.sync += [
            self.faults.overflow.eq(Cat(overflow).any()),
            host_value.eq(Array(choices)[self.host_memory]),
        ]

    def _parameters(self, m: Module) -> list[data.View]:
        """Return the parameters of the population in work for each group of lanes.

        They are a cycle late, which no operation is early enough to see.
        """
        found = [
            Signal(Parameters, name=f"parameters{group}")
            for group in range(lane_groups(self.config))
        ]
        for name in shared_parameters(self.config):
            value = self._parts["sequencer"].parameters[name]
            for parameters, copy in zip(found, copies(m, value, self.config, name), strict=True):
                m.d.comb += parameters[name].eq(copy)
        return found

    def _digits(self, m: Module, digits: Value) -> None:
        """Hand the digits of the numbers of spikes to the encoder, each as a mask."""
        encoder, sequencer = self._parts["encoder"], self._parts["sequencer"]
        divider, issue = self._parts["divider"], self._parts["issue"]
        formed = Signal()
        digit, spikes = Signal.like(divider.digit), Signal(self.config.lanes)
        m.d.comb += [
            divider.start.eq(sequencer.divide),
            sequencer.dividing.eq(divider.busy),
            sequencer.digit_formed.eq(divider.step),
            issue.divide_load.eq(divider.load),
            issue.divide_step.eq(divider.step),
        ]
        m.d.sync += [formed.eq(divider.step), digit.eq(divider.digit), spikes.eq(digits)]
        with m.If(formed):
            m.d.comb += [
                encoder.write.eq(1),
                encoder.mask.digit.eq(digit),
                encoder.mask.spikes.eq(spikes),
            ]

    def _history(self, m: Module) -> None:
        """Keep the masks that go to the encoder; replay them through it."""
        encoder, sequencer = self._parts["encoder"], self._parts["sequencer"]
        history, replayer = self._parts["history"], self._parts["replayer"]
        m.d.comb += [
            history.write.eq(encoder.write & sequencer.records & ~replayer.busy),
            history.mask.eq(encoder.mask),
            history.population.eq(sequencer.population),
            history.tick.eq(sequencer.begins),
            history.clear.eq(sequencer.ends),
            history.replay.eq(replayer.replay),
            history.delay.eq(replayer.delay),
            history.replayed.eq(replayer.population),
            history.room.eq(sequencer.room),
            sequencer.history_quiet.eq(history.quiet),
            sequencer.history_valid.eq(history.valid),
            sequencer.replaying.eq(replayer.busy),
            replayer.start.eq(sequencer.replay),
            replayer.n_replays.eq(self.n_replays),
            replayer.history_busy.eq(history.busy),
            replayer.spikes_idle.eq(sequencer.spikes_idle),
        ]
        with m.If(history.valid):
            m.d.comb += [encoder.write.eq(1), encoder.mask.eq(history.o)]

    def _spikes(self, m: Module) -> Signal:
        """Fork spikes to the walker and to the output; return that none is left."""
        encoder, walker = self._parts["encoder"], self._parts["spike_walker"]
        sequencer, fork = self._parts["sequencer"], self._parts["fork"]
        wiring.connect(m, encoder.o, fork.i)
        wiring.connect(m, fork.walk, walker.i)
        idle = Signal()
        # known long before the first spike
        m.d.sync += fork.walks.eq(walker.n_projections != 0)
        m.d.comb += [
            fork.sends.eq(sequencer.emit_spikes & ~sequencer.replaying),
            fork.population.eq(sequencer.population),
            sequencer.masks_taken.eq(encoder.taken),
            self.events.spikes_out.eq(fork.sent),
            idle.eq(encoder.idle & walker.idle),
        ]
        return idle

    def _output(self, m: Module) -> Signal:
        """Merge spikes, readouts and tokens; never two of them are offered at once."""
        sequencer, readout = self._parts["sequencer"], self._parts["readout"]
        sources = (self._parts["fork"].beats, readout.o, sequencer.beats)
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
            taken.eq(Cat(sequencer.ends, taken)),
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

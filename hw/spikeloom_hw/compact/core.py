"""The compact core: its components joined, and the host's way into its memories."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import memory, wiring

from spikeloom.spec import aer
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import memory_map
from spikeloom.spec.tables import POPULATIONS, PROJECTIONS

from ..decode import Decoder
from ..layouts import Beat
from ..ports import core_members
from ..weights import WeightBank
from .activity import RowActivity
from .control import Control
from .neuron import NeuronUnit
from .state import StateRows
from .walk import Walk


class CompactCore(wiring.Component):
    """A core of little logic for builds without options.

    Members: see :func:`~spikeloom_hw.ports.core_members`.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self.memories = list(memory_map(config))
        super().__init__(core_members(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.decoder = self._decoder = Decoder()
        m.submodules.control = self._control = Control(config)
        m.submodules.walk = self._walk = Walk(config)
        m.submodules.neuron = self._neuron = NeuronUnit()
        m.submodules.state = self._state = StateRows(config)
        m.submodules.activity = self._activity = RowActivity(config)
        self._tables(m)
        self._weights(m)
        self._rows(m)
        self._neurons(m)
        self._streams(m)
        self._counters(m)
        return m

    def _host_writes(self, name: str) -> Signal:
        return self.host_write & (self.host_memory == self.memories.index(name))

    def _tables(self, m: Module) -> None:
        """Keep both tables, word by word, in one memory: projections behind populations."""
        control, walk, neuron = self._control, self._walk, self._neuron
        sizes = [t.words.bit_length() - 1 for t in (POPULATIONS, PROJECTIONS)]
        counts = (self.config.populations, self.config.projections)
        bits = max((n - 1).bit_length() + size for n, size in zip(counts, sizes, strict=True))
        m.submodules.tables = tables = memory.Memory(
            shape=unsigned(32), depth=2 << bits, init=[], attrs={"ram_style": "block"}
        )
        read, write = tables.read_port(domain="sync"), tables.write_port()
        of_population, of_projection = (Signal(bits, name=n) for n in ("population", "projection"))
        own, asked = (Signal(bits + 1, name=name) for name in ("own", "asked"))
        which = Signal()
        operand = Signal(signed(16), reset_less=True)
        hosts = [Cat(self.host_word[:size], self.host_row)[:bits] for size in sizes]
        m.d.comb += [
            of_population.eq(
                Cat(Mux(control.neuron, neuron.word, control.word), control.population)
            ),
            of_projection.eq(Cat(walk.word, walk.projection)),
            own.eq(Cat(Mux(walk.busy, of_projection, of_population), walk.busy)),
            asked.eq(Cat(Mux(which, hosts[1], hosts[0]), which)),
            which.eq(self.host_memory == self.memories.index("projections")),
            read.addr.eq(Mux(self.run, own, asked)),
            write.addr.eq(asked),
            write.data.eq(self.host_data),
            write.en.eq(self._host_writes("populations") | self._host_writes("projections")),
            walk.value.eq(read.data),
            control.value.eq(read.data),
            neuron.operand.eq(operand),
        ]
        m.d.sync += operand.eq(Mux(neuron.high, read.data[16:], read.data[:16]))
        self._table_word = read.data

    def _weights(self, m: Module) -> None:
        """Keep the weights; show words of all memories to the host."""
        walk, state, control = self._walk, self._state, self._control
        words = [self._table_word, self._table_word]
        for number, name in enumerate(("even", "odd")):
            m.submodules[f"weights_{name}"] = bank = WeightBank(self.config)
            valid = walk.add & control.pair_valid[number]
            m.d.comb += [
                bank.address.eq(Mux(self.run, getattr(walk, f"{name}_address"), self.host_row)),
                bank.valid.eq(valid | ~self.run),
                bank.word.eq(self.host_word),
                bank.write_row.eq(self.host_row),
                bank.write_word.eq(self.host_word),
                bank.write_data.eq(self.host_data),
                bank.write.eq(self._host_writes(f"weights_{name}")),
                getattr(state, name).eq(bank.weights),
            ]
            words.append(bank.value)
        value = Signal(32, reset_less=True)
        m.d.sync += value.eq(Array(words)[self.host_memory[:2]])
        m.d.comb += self.host_value.eq(value)

    def _rows(self, m: Module) -> None:
        """Join the state rows to those who ask for them."""
        control, walk, state = self._control, self._walk, self._state
        neuron, activity = self._neuron, self._activity
        m.d.comb += [
            state.row.eq(Mux(walk.busy, walk.row, control.row)),
            state.add.eq(walk.add),
            state.lane.eq(control.lane),
            state.show.eq(neuron.show),
            state.write.eq(neuron.write),
            state.result.eq(neuron.result),
            activity.row.eq(state.row),
            activity.write.eq(walk.add | control.swept),
            activity.value.eq(walk.add | control.nonzero),
            activity.keeps.eq(~walk.add),
            activity.closes.eq(control.closes),
            *(getattr(control, n).eq(getattr(activity, n)) for n in ("active", "some", "block")),
            control.skipped.eq(activity.skipped),
            walk.start.eq(control.walk),
            control.walked.eq(walk.done),
            *(
                getattr(walk, name).eq(getattr(control, name))
                for name in ("first_projection", "n_projections", "even", "odd")
            ),
        ]

    def _neurons(self, m: Module) -> None:
        """Join the arithmetic unit to the state rows and the control."""
        control, neuron = self._control, self._neuron
        m.d.comb += [
            neuron.start.eq(control.neuron),
            *(
                getattr(neuron, name).eq(getattr(control, name))
                for name in ("ending", "probe", "fires", "clip_before", "fire_select", "taken")
            ),
            neuron.value.eq(self._state.value),
            control.written.eq(neuron.write),
            *(
                getattr(control, name).eq(getattr(neuron, name))
                for name in ("fired", "offers", "result")
            ),
        ]

    def _streams(self, m: Module) -> None:
        """Join the streams; a beat that leaves waits in a register."""
        control, decoder = self._control, self._decoder
        wiring.connect(m, decoder.o, control.i)
        beat, full = Signal(Beat), Signal()
        m.d.comb += [
            control.run.eq(self.run),
            control.n_populations.eq(self.n_populations),
            self.ready.eq(control.ready),
            decoder.i.payload.eq(self.i.payload),
            decoder.i.valid.eq(self.i.valid & control.ready),
            self.i.ready.eq(decoder.i.ready & control.ready),
            decoder.n_neurons.eq(control.n_inputs),
            control.beats.ready.eq(~full | self.o.ready),
            self.o.valid.eq(full),
            self.o.payload.eq(beat),
            self.idle.eq(
                control.ready
                & control.idle
                & decoder.idle
                & ~control.i.valid
                & ~full
                & ~self.i.valid
            ),
        ]
        with m.If(control.beats.ready):
            m.d.sync += [full.eq(control.beats.valid), beat.eq(control.beats.payload)]

    def _counters(self, m: Module) -> None:
        """Report what happens, and count for the sample."""
        control, decoder, walk = self._control, self._decoder, self._walk
        events, faults = self.events, self.faults
        taken = self.i.valid & self.i.ready
        operations = Signal(range(2 * self.config.lanes + 1))
        cycles, sops = (Signal(aer.PAYLOAD_BITS, name=name) for name in ("cycles", "sops"))
        both = control.pair_valid.all()
        m.d.comb += [
            operations.eq(Mux(both, walk.lanes << 1, walk.lanes)),
            events.spikes_in.eq(Mux(taken, decoder.accepted, 0)),
            events.dropped.eq(Mux(taken, decoder.dropped, 0)),
            events.spikes_out.eq(control.spikes_sent),
            events.sops.eq(Mux(walk.add, operations, 0)),
            events.tick.eq(control.tick_sent),
            events.sample.eq(control.sample_sent),
            events.busy.eq(control.ready & ~self.idle),
            events.stall_in.eq(events.busy & control.idle & ~control.i.valid & ~self.i.valid),
            events.stall_out.eq(self.o.valid & ~self.o.ready),
            faults.kind.eq(taken & decoder.bad_kind),
            faults.address.eq(taken & decoder.bad_address),
            faults.frame.eq(taken & decoder.bad_frame),
            faults.overflow.eq(self._state.overflow),
            control.sample_cycles.eq(cycles),
            control.sample_sops.eq(sops),
        ]
        m.d.sync += [cycles.eq(cycles + events.busy), sops.eq(sops + events.sops)]
        with m.If(control.sample_sent):
            m.d.sync += [cycles.eq(0), sops.eq(0)]

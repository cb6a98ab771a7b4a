"""Top levels: the accelerator with its AXI ports, under names Vivado infers."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetInserter, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import address_bits, core_address_bits, core_memories

from .axi_lite import AxiLiteSlave, axi_lite_members
from .cluster import Cluster
from .compact.core import CompactCore
from .core import Core
from .registers import Registers
from .sensor.port import PINS, SensorInput

TOP_NAME = "spikeloom_core"
WINDOW_BASE = 0x1000


def port_members(config: BuildConfig) -> dict[str, wiring.Member]:
    """Return the ports of a build: ``s_axi_*``, ``s_axis_*``, ``m_axis_*`` and its sensor's."""
    members = {
        f"s_axi_{name}": member for name, member in axi_lite_members(address_bits(config)).items()
    }
    widths = {"tdata": aer.BEAT_BITS, "tkeep": aer.BEAT_BITS // 8, "tlast": 1, "tvalid": 1}
    for name, width in widths.items():
        members[f"s_axis_{name}"] = In(width)
        members[f"m_axis_{name}"] = Out(width)
    members["s_axis_tready"] = Out(1)
    members["m_axis_tready"] = In(1)
    if config.sensor:
        members |= {f"aer_{name}": member for name, member in PINS.items()}
    return members


class Accelerator(wiring.Component):
    """A core or a cluster with its AXI4-Lite registers, memory window and AXI4-Stream ports.

    Members
    -------
    s_axi_* : AXI4-Lite slave
        Registers and memory window (:mod:`spikeloom.spec.regmap`, :mod:`~.memmap`).
    s_axis_*, m_axis_* : AXI4-Stream, 64 bits
        Beats of two event words (:mod:`spikeloom.spec.aer`).  A beat whose TKEEP is not all
        ones has its unkept words read as NULL.
    aer_* : pins of the sensor input
        In builds that have it (:mod:`~.sensor`).

    While ``CONTROL.RUN`` is 0 the core is held in reset and the host owns its memories.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(port_members(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.bus = bus = AxiLiteSlave(address_bits(config))
        m.submodules.registers = registers = Registers(config)
        core = self._core()
        # Registered, as are the requests to the memory window: the way from the bus to every
        # flip-flop of the core would set the clock of a placed design.
        stopped = Signal(init=1)
        m.d.sync += stopped.eq(~registers.run | registers.reset_core)
        m.submodules.core = ResetInserter({"sync": stopped})(core)
        for name, member in axi_lite_members(address_bits(config)).items():
            outer, inner = getattr(self, f"s_axi_{name}"), getattr(bus.axi, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        self._requests(m, bus, registers, core)
        feed = core.i
        if config.sensor:
            m.submodules.sensor = sensor = SensorInput()
            m.d.comb += sensor.reset.eq(stopped)
            wiring.connect(m, sensor.o, core.i)
            self._sensor(m, bus, sensor)
            feed = sensor.host
        self._streams(m, feed, core)
        return m

    def _core(self) -> Core | CompactCore | Cluster:
        if self.config.compact:
            return CompactCore(self.config)
        return Core(self.config) if self.config.cores == 1 else Cluster(self.config)

    def _sensor(self, m: Module, bus: AxiLiteSlave, sensor: SensorInput) -> None:
        """Join the sensor input to its pins and to the bus."""
        for name, member in PINS.items():
            outer, inner = getattr(self, f"aer_{name}"), getattr(sensor, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        hit = (bus.address < WINDOW_BASE) & sensor.hit
        m.d.comb += [
            sensor.offset.eq(bus.address[:12]),
            sensor.write.eq(bus.write & hit),
            sensor.write_data.eq(bus.write_data),
            sensor.write_strobe.eq(bus.write_strobe),
        ]
        with m.If(hit):
            m.d.comb += [
                bus.write_error.eq(sensor.write_error),
                bus.read_error.eq(sensor.read_error),
                bus.read_data.eq(sensor.read_data),
            ]

    def _streams(
        self, m: Module, feed: stream.Interface, core: Core | CompactCore | Cluster
    ) -> None:
        """Join the stream ports to ``feed`` and the core; words that TKEEP leaves out are NULL."""
        half = aer.WORD_BITS // 8
        for index in range(aer.BEAT_WORDS):
            kept = self.s_axis_tkeep[index * half : (index + 1) * half].all()
            word = self.s_axis_tdata.word_select(index, aer.WORD_BITS)
            m.d.comb += feed.payload.data.word_select(index, aer.WORD_BITS).eq(
                word & kept.replicate(aer.WORD_BITS)
            )
        m.d.comb += [
            feed.valid.eq(self.s_axis_tvalid),
            feed.payload.last.eq(self.s_axis_tlast),
            self.s_axis_tready.eq(feed.ready),
            self.m_axis_tvalid.eq(core.o.valid),
            self.m_axis_tdata.eq(core.o.payload.data),
            self.m_axis_tlast.eq(core.o.payload.last),
            self.m_axis_tkeep.eq(-1),
            core.o.ready.eq(self.m_axis_tready),
        ]

    def _requests(
        self, m: Module, bus: AxiLiteSlave, registers: Registers, core: Core | CompactCore | Cluster
    ) -> None:
        """Send requests to the registers or to the memory window."""
        is_register = Signal()
        window_hit = Signal()
        refused = Signal()
        m.d.comb += [
            is_register.eq(bus.address < WINDOW_BASE),
            registers.offset.eq(bus.address[:12]),
            registers.write.eq(bus.write & is_register),
            registers.write_data.eq(bus.write_data),
            registers.write_strobe.eq(bus.write_strobe),
            registers.read_done.eq(bus.read_done & is_register),
            registers.events.eq(core.events),
            registers.faults.eq(core.faults),
            registers.idle.eq(core.idle),
            registers.ready.eq(core.ready),
            *(getattr(core, name).eq(getattr(registers, name)) for name in registers.facts),
            registers.window_busy.eq(bus.write & ~is_register & registers.run),
            core.run.eq(registers.run),
            refused.eq(~window_hit | registers.run),
            bus.write_error.eq(refused | ~bus.write_strobe.all()),
            bus.read_error.eq(refused),
            bus.read_data.eq(core.host_value),
        ]
        m.d.sync += [
            core.host_data.eq(bus.write_data),
            core.host_write.eq(bus.write & ~is_register & ~refused & bus.write_strobe.all()),
        ]
        with m.If(is_register):
            m.d.comb += [
                bus.write_error.eq(registers.write_error),
                bus.read_error.eq(registers.read_error),
                bus.read_data.eq(registers.read_data),
            ]
        window = core_address_bits(self.config)
        number = bus.address[window:]
        if isinstance(core, Cluster):
            m.d.sync += core.host_core.eq(number)
        for which, memory in enumerate(core_memories(self.config).values()):
            size = memory.n_bytes.bit_length() - 1
            words = memory.row_words.bit_length() - 1
            here = (bus.address[size:window] == memory.base >> size) & (number < self.config.cores)
            with m.If(here):
                m.d.comb += window_hit.eq(1)
                m.d.sync += [
                    core.host_memory.eq(which),
                    core.host_word.eq(bus.address[2 : 2 + words]),
                    core.host_row.eq(bus.address[2 + words : size]),
                ]


class Top(wiring.Component):
    """The accelerator as an IP block: ports ``aclk`` and ``aresetn`` beside the AXI ports."""

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__({"aclk": In(1), "aresetn": In(1), **port_members(config)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.accelerator = inner = Accelerator(self.config)
        m.d.comb += [ClockSignal("sync").eq(self.aclk), ResetSignal("sync").eq(~self.aresetn)]
        for name, member in port_members(self.config).items():
            outer, port = getattr(self, name), getattr(inner, name)
            m.d.comb += port.eq(outer) if member.flow is In else outer.eq(port)
        return m

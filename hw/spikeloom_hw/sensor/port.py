"""The sensor input as a whole: pins, registers and the host's stream in, one stream out."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..layouts import Beat
from .layouts import Address
from .limiter import EventLimiter
from .mapper import AddressMapper
from .merger import SourceMerger
from .packer import WordPacker
from .receiver import AerReceiver
from .registers import SensorRegisters
from .timestamper import Timestamper

PINS: dict[str, wiring.Member] = {"request": In(1), "address": In(Address), "acknowledge": Out(1)}
"""The pins of the AER port; in a top level their names begin with ``aer_``."""


class SensorInput(wiring.Component):
    """Everything between the pins of a camera and the input stream of a core.

    Members
    -------
    request, address, acknowledge
        Pins, see :class:`~.receiver.AerReceiver`.
    registers
        Bus side of :class:`~.registers.SensorRegisters`.
    host : stream of Beat, in
    o : stream of Beat, out
    reset : In(1)
        Abandon the words in flight and give the core to the host; registers, counters and the
        handshake with the camera stay.

    Timing: ``LATENCY_CYCLES + handshake.filter`` clock edges after the first edge that sees its
    request, the timestamper takes an event; that edge decides on its tick.
    """

    LATENCY_CYCLES = AerReceiver.LATENCY_CYCLES + AddressMapper.LATENCY_CYCLES

    BUS = ("offset", "hit", "write", "write_data", "write_strobe", "write_error", "read_data",
           "read_error")  # fmt: skip

    def __init__(self, depth: int = Timestamper.DEPTH, neurons: int = EventLimiter.NEURONS) -> None:
        self._registers = registers = SensorRegisters()
        self._timestamper = Timestamper(depth)
        self._limiter = EventLimiter(neurons)
        bus = {name: registers.signature.members[name] for name in self.BUS}
        super().__init__(
            {
                **PINS,
                **bus,
                "host": In(stream.Signature(Beat)),
                "o": Out(stream.Signature(Beat)),
                "reset": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.registers = registers = self._registers
        m.submodules.receiver = receiver = AerReceiver()
        m.submodules.mapper = mapper = AddressMapper()
        inside = Module()
        m.submodules.stream = ResetInserter({"sync": self.reset})(inside)
        inside.submodules.timestamper = timestamper = self._timestamper
        inside.submodules.limiter = limiter = self._limiter
        inside.submodules.packer = packer = WordPacker()
        inside.submodules.merger = merger = SourceMerger()
        for name in self.BUS:
            ours, theirs = getattr(self, name), getattr(registers, name)
            is_input = self.signature.members[name].flow is In
            m.d.comb += theirs.eq(ours) if is_input else ours.eq(theirs)
        wiring.connect(m, receiver.o, mapper.i)
        wiring.connect(m, mapper.o, timestamper.i)
        wiring.connect(m, timestamper.o, limiter.i)
        wiring.connect(m, limiter.o, packer.i)
        wiring.connect(m, packer.o, merger.sensor)
        wiring.connect(m, wiring.flipped(self.host), merger.host)
        wiring.connect(m, merger.o, wiring.flipped(self.o))
        for part in (receiver, mapper, timestamper, limiter):
            m.d.comb += part.settings.eq(registers.settings)
        source = registers.settings.control.source
        m.d.comb += [
            receiver.request.eq(self.request),
            receiver.address.eq(self.address),
            self.acknowledge.eq(receiver.acknowledge),
            merger.source.eq(source),
            timestamper.run.eq(merger.selected),
            timestamper.stop.eq(~source),
            merger.sensor_over.eq(timestamper.stopped & limiter.idle & packer.idle),
            registers.selected.eq(merger.selected),
            registers.request.eq(receiver.active),
            registers.stuck.eq(receiver.stuck),
        ]
        self._report(m, receiver, mapper)
        return m

    def _report(self, m: Module, receiver: AerReceiver, mapper: AddressMapper) -> None:
        """Join what the parts report to counters and flags."""
        timestamper, limiter = self._timestamper, self._limiter
        counts, errors = self._registers.counts, self._registers.errors
        outside = Signal()
        live = ~self.reset
        m.d.comb += [
            outside.eq(limiter.outside & live),
            counts.events.eq(receiver.received),
            counts.glitches.eq(receiver.glitch),
            counts.timeouts.eq(receiver.timeout),
            counts.outside.eq(mapper.outside + outside),
            counts.sent.eq(limiter.sent & live),
            counts.limited.eq(limiter.limited & live),
            counts.dropped.eq(timestamper.dropped & live),
            counts.ignored.eq(timestamper.ignored),
            errors.timeout.eq(receiver.timeout),
            errors.unstable.eq(receiver.unstable),
            errors.dropped.eq(timestamper.dropped & live),
            errors.ticks.eq(timestamper.lost_tick & live),
        ]

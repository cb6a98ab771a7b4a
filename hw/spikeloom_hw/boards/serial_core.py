"""A core behind its serial bridge: two wires in place of the AXI ports."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import serial
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import address_bits

from ..axi_lite import axi_lite_members
from ..top import TOP_NAME, Accelerator
from .bridge import SerialBridge
from .uart import UartReceiver, UartTransmitter

__all__ = ["TOP_NAME", "SerialCore", "SerialTop"]


class SerialCore(wiring.Component):
    """The accelerator of a build with :class:`.SerialBridge` and UART.

    Parameters
    ----------
    config
        The build.
    divisor
        Clock cycles per bit of the serial line.
    idle_cycles
        See :class:`.SerialBridge`.

    Members
    -------
    rx : In(1), tx : Out(1)
        The serial line, as seen from here.
    busy : Out(1)
        High for 2^20 cycles after each byte received, for a light.
    """

    def __init__(
        self, config: BuildConfig, divisor: int, idle_cycles: int = serial.IDLE_CYCLES
    ) -> None:
        self.config = config
        self.divisor = divisor
        self.idle_cycles = idle_cycles
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self.divisor)
        m.submodules.bridge = bridge = SerialBridge(address_bits(self.config), self.idle_cycles)
        m.submodules.core = core = Accelerator(self.config)
        wiring.connect(m, receiver.o, bridge.i)
        wiring.connect(m, bridge.o, transmitter.i)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]
        for name, member in axi_lite_members(address_bits(self.config)).items():
            master, slave = getattr(bridge.axi, name), getattr(core, f"s_axi_{name}")
            m.d.comb += slave.eq(master) if member.flow is In else master.eq(slave)
        m.d.comb += [
            core.s_axis_tdata.eq(bridge.to_core.payload.data),
            core.s_axis_tlast.eq(bridge.to_core.payload.last),
            core.s_axis_tkeep.eq(-1),
            core.s_axis_tvalid.eq(bridge.to_core.valid),
            bridge.to_core.ready.eq(core.s_axis_tready),
            bridge.from_core.payload.data.eq(core.m_axis_tdata),
            bridge.from_core.payload.last.eq(core.m_axis_tlast),
            bridge.from_core.valid.eq(core.m_axis_tvalid),
            core.m_axis_tready.eq(bridge.from_core.ready),
        ]
        light = Signal(20)
        m.d.comb += self.busy.eq(light != 0)
        with m.If(receiver.o.valid):
            m.d.sync += light.eq(-1)
        with m.Elif(light != 0):
            m.d.sync += light.eq(light - 1)
        return m


class SerialTop(wiring.Component):
    """:class:`SerialCore` with the ports ``aclk`` and ``aresetn``, for simulators."""

    def __init__(self, config: BuildConfig, divisor: int, idle_cycles: int) -> None:
        self.inner = SerialCore(config, divisor, idle_cycles)
        super().__init__(
            {"aclk": In(1), "aresetn": In(1), "rx": In(1, init=1), "tx": Out(1, init=1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.inner = inner = self.inner
        m.d.comb += [
            ClockSignal("sync").eq(self.aclk),
            ResetSignal("sync").eq(~self.aresetn),
            inner.rx.eq(self.rx),
            self.tx.eq(inner.tx),
        ]
        return m

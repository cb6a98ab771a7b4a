"""The top level of a ULX3S-85F: 25 MHz clock, PLL, FT231X as serial line, lights."""

from __future__ import annotations

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig

from .serial_core import SerialCore

TOP_NAME = "spikeloom_ulx3s"
INPUT_MHZ = 25
VCO_MHZ = 600
PFD_DIVISOR = 5
"""The phase detector runs at 25 / 5 = 5 MHz, so the clock is a multiple of that."""


def makes(clock_mhz: float) -> bool:
    """Return whether the PLL can make this clock."""
    return clock_mhz > 0 and not VCO_MHZ % clock_mhz and not clock_mhz % (INPUT_MHZ / PFD_DIVISOR)


class Ulx3s(wiring.Component):
    """A core on a ULX3S; the port names are those of ``hw/boards/ulx3s-85f/pins.lpf``.

    Parameters
    ----------
    config
        The build.
    clock_mhz
        Clock of the core, one that :func:`makes` takes.
    baud
        Bits per second of the serial line.
    """

    def __init__(self, config: BuildConfig, clock_mhz: int, baud: int) -> None:
        self.config = config
        self.clock_mhz = clock_mhz
        self.divisor = round(clock_mhz * 1e6 / baud)
        super().__init__(
            {
                "clk_25mhz": In(1),
                "ftdi_txd": In(1),
                "ftdi_rxd": Out(1),
                "wifi_gpio0": Out(1),
                "led": Out(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        locked = Signal()
        m.submodules.pll = self._pll(locked)
        m.submodules.reset = ResetSynchronizer(~locked)
        m.submodules.core = core = SerialCore(self.config, self.divisor)
        beat = Signal(26)
        m.d.sync += beat.eq(beat + 1)
        m.d.comb += [
            core.rx.eq(self.ftdi_txd),
            self.ftdi_rxd.eq(core.tx),
            self.wifi_gpio0.eq(1),  # 0 would let the ESP32 start and take the board over
            self.led[0].eq(beat[-1]),
            self.led[1].eq(core.busy),
            self.led[2].eq(~ResetSignal("sync")),
        ]
        return m

    def _pll(self, locked: Signal) -> Instance:
        divide = VCO_MHZ // self.clock_mhz
        zero = Const(0, 1)
        return Instance(
            "EHXPLLL",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            a_FREQUENCY_PIN_CLKI=str(INPUT_MHZ),
            a_FREQUENCY_PIN_CLKOP=str(self.clock_mhz),
            p_CLKI_DIV=PFD_DIVISOR,
            p_CLKFB_DIV=self.clock_mhz * PFD_DIVISOR // INPUT_MHZ,
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=divide,
            p_CLKOP_CPHASE=divide - 1,
            p_CLKOP_FPHASE=0,
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            i_CLKI=self.clk_25mhz,
            i_CLKFB=ClockSignal("sync"),
            i_RST=zero,
            i_STDBY=zero,
            i_PHASESEL0=zero,
            i_PHASESEL1=zero,
            i_PHASEDIR=zero,
            i_PHASESTEP=zero,
            i_PHASELOADREG=zero,
            i_PLLWAKESYNC=zero,
            i_ENCLKOP=zero,
            o_CLKOP=ClockSignal("sync"),
            o_LOCK=locked,
        )

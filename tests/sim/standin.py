"""A small design with the ports of a core: 32 words of memory and an echo of the stream.

Word 16 says how the stream misbehaves: 0 not at all, 1 swallows everything, 2 lets TVALID
fall before TREADY, 3 clears a bit of TKEEP, 4 sends every beat twice.  The words from
address 0x80 on answer SLVERR.
"""

from __future__ import annotations

import hashlib
import inspect

from amaranth.back import rtlil, verilog
from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom_sim.transports.design import TOP, Design

ADDRESS_BITS = 9
MODE_ADDRESS = 0x40

AXI_IN = {"awaddr": ADDRESS_BITS, "awprot": 3, "awvalid": 1, "wdata": 32, "wstrb": 4, "wvalid": 1,
          "bready": 1, "araddr": ADDRESS_BITS, "arprot": 3, "arvalid": 1, "rready": 1}  # fmt: skip
AXI_OUT = {"awready": 1, "wready": 1, "bresp": 2, "bvalid": 1, "arready": 1, "rdata": 32,
           "rresp": 2, "rvalid": 1}  # fmt: skip
STREAM = {"tdata": 64, "tkeep": 8, "tlast": 1, "tvalid": 1}


def ports():
    return {
        **{f"s_axi_{n}": In(w) for n, w in AXI_IN.items()},
        **{f"s_axi_{n}": Out(w) for n, w in AXI_OUT.items()},
        **{f"s_axis_{n}": In(w) for n, w in STREAM.items()},
        **{f"m_axis_{n}": Out(w) for n, w in STREAM.items()},
        "s_axis_tready": Out(1),
        "m_axis_tready": In(1),
    }


class Echo(wiring.Component):
    def __init__(self):
        super().__init__(ports())

    def elaborate(self, platform):
        m = Module()
        words = [Signal(32, name=f"word{i}") for i in range(32)]
        mode = words[MODE_ADDRESS // 4]
        self.bus(m, words)
        self.stream(m, mode)
        return m

    def bus(self, m, words):
        have_aw, have_w = Signal(), Signal()
        address, data = Signal(ADDRESS_BITS), Signal(32)
        m.d.comb += [self.s_axi_awready.eq(~have_aw), self.s_axi_wready.eq(~have_w)]
        with m.If(self.s_axi_awvalid & ~have_aw):
            m.d.sync += [have_aw.eq(1), address.eq(self.s_axi_awaddr)]
        with m.If(self.s_axi_wvalid & ~have_w):
            m.d.sync += [have_w.eq(1), data.eq(self.s_axi_wdata)]
        with m.If(self.s_axi_bready):
            m.d.sync += self.s_axi_bvalid.eq(0)
        with m.If(have_aw & have_w & ~self.s_axi_bvalid):
            m.d.sync += [have_aw.eq(0), have_w.eq(0), self.s_axi_bvalid.eq(1)]
            m.d.sync += self.s_axi_bresp.eq(2)
            with m.Switch(address[2:]):
                for index, word in enumerate(words):
                    with m.Case(index):
                        m.d.sync += [word.eq(data), self.s_axi_bresp.eq(0)]
        m.d.comb += self.s_axi_arready.eq(~self.s_axi_rvalid)
        with m.If(self.s_axi_arvalid & self.s_axi_arready):
            m.d.sync += [self.s_axi_rvalid.eq(1), self.s_axi_rresp.eq(2)]
            with m.Switch(self.s_axi_araddr[2:]):
                for index, word in enumerate(words):
                    with m.Case(index):
                        m.d.sync += [self.s_axi_rdata.eq(word), self.s_axi_rresp.eq(0)]
        with m.Elif(self.s_axi_rready):
            m.d.sync += self.s_axi_rvalid.eq(0)

    def stream(self, m, mode):
        again = Signal()
        m.d.comb += [
            self.s_axis_tready.eq(~self.m_axis_tvalid),
            self.m_axis_tkeep.eq(0xFF ^ (mode == 3)),
        ]
        with m.If(self.m_axis_tvalid & (self.m_axis_tready | (mode == 2))):
            m.d.sync += self.m_axis_tvalid.eq(again & (mode == 4))
            m.d.sync += again.eq(0)
        with m.If(self.s_axis_tvalid & self.s_axis_tready):
            m.d.sync += [
                self.m_axis_tvalid.eq(mode != 1),
                self.m_axis_tdata.eq(self.s_axis_tdata),
                self.m_axis_tlast.eq(self.s_axis_tlast),
                again.eq(1),
            ]


class Top(wiring.Component):
    def __init__(self):
        super().__init__({"aclk": In(1), "aresetn": In(1), **ports()})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.inner = inner = Echo()
        m.d.comb += [ClockSignal("sync").eq(self.aclk), ResetSignal("sync").eq(~self.aresetn)]
        for name, member in ports().items():
            outer, port = getattr(self, name), getattr(inner, name)
            m.d.comb += port.eq(outer) if member.flow is In else outer.eq(port)
        return m


def standin(on_emit=lambda: None) -> Design:
    """Return the stand-in; ``on_emit`` is called when its text is asked for."""

    def emit(convert, **options):
        on_emit()
        return convert(Top(), name=TOP, **options)

    source = inspect.getsource(inspect.getmodule(standin))
    return Design(
        name="echo",
        fingerprint=hashlib.sha256(source.encode()).hexdigest(),
        address_bits=ADDRESS_BITS,
        verilog=lambda: emit(verilog.convert, strip_internal_attrs=True),
        rtlil=lambda: emit(rtlil.convert, emit_src=False),
        component=Echo,
    )

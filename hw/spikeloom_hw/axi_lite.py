"""AXI4-Lite slave front end: one request at a time to a simple local bus."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

OKAY = 0
SLVERR = 2

_MASTER_DRIVES = ("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "bready",
                  "araddr", "arprot", "arvalid", "rready")  # fmt: skip


def axi_lite_members(address_bits: int) -> dict[str, wiring.Member]:
    """Return the members of an AXI4-Lite slave, without a prefix."""
    widths = {
        "awaddr": address_bits, "awprot": 3, "awvalid": 1, "awready": 1,
        "wdata": 32, "wstrb": 4, "wvalid": 1, "wready": 1,
        "bresp": 2, "bvalid": 1, "bready": 1,
        "araddr": address_bits, "arprot": 3, "arvalid": 1, "arready": 1,
        "rdata": 32, "rresp": 2, "rvalid": 1, "rready": 1,
    }  # fmt: skip
    return {n: (In if n in _MASTER_DRIVES else Out)(w) for n, w in widths.items()}


class AxiLiteSlave(wiring.Component):
    """Answer AXI4-Lite requests from a local bus.

    Address and data of a write may come in either order.  Reads and writes wait for each
    other, so that the local bus sees one request at a time.

    Members
    -------
    axi : In
        AXI4-Lite, see :func:`axi_lite_members`.
    address : Out
        Word-aligned byte address of the request.
    write_data : Out(32), write_strobe : Out(4)
    write : Out(1)
        Pulse: carry out the write now.
    write_error : In(1)
        With ``write``: refuse it (SLVERR).
    read_done : Out(1)
        Pulse: ``address`` has stood still for ``READ_CYCLES`` and is read now.
    read_data : In(32), read_error : In(1)
        Looked at with ``read_done``.
    """

    READ_CYCLES = 6

    def __init__(self, address_bits: int) -> None:
        self.address_bits = address_bits
        super().__init__(
            {
                "axi": Out(wiring.Signature(axi_lite_members(address_bits))),
                "address": Out(address_bits),
                "write_data": Out(32),
                "write_strobe": Out(4),
                "write": Out(1),
                "write_error": In(1),
                "read_done": Out(1),
                "read_data": In(32),
                "read_error": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        axi = self.axi
        have_address, have_data = Signal(), Signal()
        write_address = Signal(self.address_bits)
        m.d.comb += [axi.awready.eq(~have_address), axi.wready.eq(~have_data)]
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += [have_address.eq(1), write_address.eq(axi.awaddr)]
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [
                have_data.eq(1),
                self.write_data.eq(axi.wdata),
                self.write_strobe.eq(axi.wstrb),
            ]
        read_address = Signal(self.address_bits)
        wait = Signal(range(self.READ_CYCLES + 1))
        # Every bit is driven in one place: a constant part would be an always block without an
        # event, which leaves X in four-state simulators.
        m.d.comb += self.address.eq(Cat(Const(0, 2), write_address[2:]))
        with m.FSM():
            with m.State("IDLE"):
                with m.If(have_address & have_data):
                    m.next = "WRITE"
                with m.Elif(axi.arvalid):
                    m.next = "READ"
            with m.State("WRITE"):
                m.d.comb += self.write.eq(1)
                m.d.sync += [
                    have_address.eq(0),
                    have_data.eq(0),
                    axi.bvalid.eq(1),
                    axi.bresp.eq(self.write_error << 1),
                ]
                m.next = "RESPOND"
            with m.State("RESPOND"), m.If(axi.bready):
                m.d.sync += axi.bvalid.eq(0)
                m.next = "IDLE"
            with m.State("READ"):
                m.d.comb += axi.arready.eq(1)
                m.d.sync += [read_address.eq(axi.araddr), wait.eq(self.READ_CYCLES)]
                m.next = "WAIT"
            with m.State("WAIT"):
                m.d.comb += self.address.eq(Cat(Const(0, 2), read_address[2:]))
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 0):
                    m.d.comb += self.read_done.eq(1)
                    m.d.sync += [
                        axi.rvalid.eq(1),
                        axi.rdata.eq(self.read_data),
                        axi.rresp.eq(self.read_error << 1),
                    ]
                    m.next = "DELIVER"
            with m.State("DELIVER"), m.If(axi.rready):
                m.d.sync += axi.rvalid.eq(0)
                m.next = "IDLE"
        return m

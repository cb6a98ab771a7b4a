"""Proofs of the AXI4-Lite slave."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal

from .prover import Proof, past, stream_rule

ADDRESS_BITS = 6
PAYLOADS = {
    "aw": ("awaddr", "awprot"),
    "w": ("wdata", "wstrb"),
    "b": ("bresp",),
    "ar": ("araddr", "arprot"),
    "r": ("rdata", "rresp"),
}
PATIENCE = 24
"""Cycles in which a master that is always ready gets its answer, if it asks for one thing."""


def channels(axi: Any) -> dict[str, Any]:
    """Return the channels of the bus as streams."""
    return {
        name: SimpleNamespace(
            valid=getattr(axi, f"{name}valid"),
            ready=getattr(axi, f"{name}ready"),
            payload=Cat(getattr(axi, member) for member in members),
        )
        for name, members in PAYLOADS.items()
    }


def taken(port: Any) -> Any:
    """Return that a word passes in this cycle."""
    return port.valid & port.ready


def ports(m: Module, dut: Any) -> Any:
    """Assume the rules of a master; return the channels."""
    named = channels(dut.axi)
    for name in ("aw", "w", "ar"):
        stream_rule(m, named[name], name, Assume)
    return SimpleNamespace(**named)


def responses(m: Module, dut: Any) -> None:
    """Responses are held; there is one for each request and none without."""
    bus = ports(m, dut)
    stream_rule(m, bus.b, "b", Assert)
    stream_rule(m, bus.r, "r", Assert)
    for answer, asked in ((bus.b, (bus.aw, bus.w)), (bus.r, (bus.ar,))):
        for request in asked:
            # Requests without an answer so far; the slave takes one at a time.
            waiting = Signal(2)
            m.d.sync += waiting.eq(waiting + taken(request) - taken(answer))
            m.d.comb += Assert(~answer.valid | (waiting != 0))
            if answer is bus.b:
                m.d.comb += Assert(waiting == answer.valid + ~request.ready)
            else:
                m.d.comb += Assert(waiting <= 1)
    for name in ("bresp", "rresp"):
        response = getattr(dut.axi, name)
        m.d.comb += Assert((response == 0) | (response == 2))
    m.d.comb += Cover(bus.b.valid & (dut.axi.bresp == 2))
    m.d.comb += Cover(bus.r.valid & bus.r.ready)


def requests(m: Module, dut: Any) -> None:
    """The local bus sees what the master sent, once, and the answer is what it said."""
    bus = ports(m, dut)
    axi = dut.axi
    address, read_address = Signal(ADDRESS_BITS), Signal(ADDRESS_BITS)
    data, strobe = Signal(32), Signal(4)
    with m.If(taken(bus.aw)):
        m.d.sync += address.eq(axi.awaddr)
    with m.If(taken(bus.w)):
        m.d.sync += [data.eq(axi.wdata), strobe.eq(axi.wstrb)]
    with m.If(taken(bus.ar)):
        m.d.sync += read_address.eq(axi.araddr)
    with m.If(dut.write):
        m.d.comb += [
            Assert(dut.address == (address & ~3)),
            Assert((dut.write_data == data) & (dut.write_strobe == strobe)),
            Assert(~axi.bvalid),
        ]
    with m.If(dut.read_done):
        m.d.comb += [Assert(dut.address == (read_address & ~3)), Assert(~dut.write)]
    before = {
        name: past(m, getattr(dut, name), name)
        for name in ("write", "write_error", "read_done", "read_error", "read_data")
    }
    before |= {name: past(m, getattr(axi, name), name) for name in ("bvalid", "rvalid")}
    m.d.comb += [
        Assert(~axi.bvalid | before["bvalid"] | before["write"]),
        Assert(~axi.rvalid | before["rvalid"] | before["read_done"]),
    ]
    with m.If(before["write"]):
        m.d.comb += [Assert(axi.bvalid), Assert(axi.bresp == Mux(before["write_error"], 2, 0))]
    with m.If(before["read_done"]):
        m.d.comb += [
            Assert(axi.rvalid),
            Assert(axi.rresp == Mux(before["read_error"], 2, 0)),
            Assert(axi.rdata == before["read_data"]),
        ]
    m.d.comb += [Cover(dut.write & (dut.write_strobe == 5)), Cover(dut.read_done)]


def patience(m: Module, dut: Any) -> None:
    """Whoever asks is answered: W before AW, AW before W, or both; no hang."""
    bus = ports(m, dut)
    axi = dut.axi
    m.d.comb += [Assume(axi.bready), Assume(axi.rready)]
    for kind, asks, answer in (
        ("write", (~axi.awready | axi.awvalid) & (~axi.wready | axi.wvalid), bus.b),
        ("read", axi.arvalid, bus.r),
    ):
        waits = Signal(range(PATIENCE + 1), name=f"{kind}_waits")
        other = dut.write if kind == "read" else dut.read_done
        with m.If(taken(answer) | ~asks | other):
            m.d.sync += waits.eq(0)
        with m.Elif(waits != PATIENCE):
            m.d.sync += waits.eq(waits + 1)
        m.d.comb += Assert(waits != PATIENCE)
    m.d.comb += Cover(bus.b.valid)


def component(module: Any) -> Any:
    """Return the slave."""
    return module.AxiLiteSlave(ADDRESS_BITS)


PROOFS = (
    Proof(
        "axi_lite_responses",
        "axi_lite",
        component,
        responses,
        ('with m.State("RESPOND"), m.If(axi.bready):', 'with m.State("RESPOND"):'),
        depth=14,
        reach=14,
    ),
    Proof(
        "axi_lite_requests",
        "axi_lite",
        component,
        requests,
        (
            "m.d.comb += self.address.eq(Cat(Const(0, 2), read_address[2:]))",
            "m.d.comb += self.address.eq(Cat(Const(0, 2), write_address[2:]))",
        ),
        depth=16,
        reach=14,
    ),
    Proof(
        "axi_lite_no_hang",
        "axi_lite",
        component,
        patience,
        ("with m.If(have_address & have_data):", "with m.If(axi.awvalid & axi.wvalid):"),
        depth=28,
    ),
)

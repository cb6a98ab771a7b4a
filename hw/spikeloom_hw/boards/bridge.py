"""The serial bridge of :mod:`spikeloom.spec.serial`: requests in, responses out."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer, serial
from spikeloom.spec.serial import Op, Status

from ..axi_lite import axi_lite_members
from ..layouts import Beat

WORD_BYTES = 4
BEAT_BYTES = aer.BEAT_BITS // 8


class SerialBridge(wiring.Component):
    """Master of a core's AXI4-Lite port and streams, driven by bytes.

    Members
    -------
    i, o : streams of 8 bits
        Requests and responses.
    axi : Out
        AXI4-Lite master.
    to_core, from_core : streams of Beat
    clear : Out(1)
        Pulse: both buffers are emptied.

    Parameters
    ----------
    address_bits
        Width of the core's byte address.
    idle_cycles
        Cycles without a byte after which an unfinished request is forgotten.

    Timing: one byte in or out per cycle at most; an AXI access per 4 bytes.
    """

    def __init__(self, address_bits: int, idle_cycles: int = serial.IDLE_CYCLES) -> None:
        self.address_bits = address_bits
        self.idle_cycles = idle_cycles
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "axi": In(wiring.Signature(axi_lite_members(address_bits))),
                "to_core": Out(stream.Signature(Beat)),
                "from_core": In(stream.Signature(Beat)),
                "clear": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._op = Signal(8)
        self._count = Signal(range(serial.MAX_WORDS))
        self._byte = Signal(range(BEAT_BYTES))
        self._data = Signal(aer.BEAT_BITS)
        self._address = Signal(32)
        self._last = Signal()
        self._status = Signal(8)
        self._buffers(m)
        self._protect(m)
        self._forget(m)
        m.d.comb += [
            self.axi.awaddr.eq(self._address),
            self.axi.araddr.eq(self._address),
            self.axi.wdata.eq(self._data[-32:]),
            self.axi.wstrb.eq(-1),
        ]
        with m.FSM():
            self._requests(m)
            self._bus(m)
            self._beats(m)
            self._ends(m)
        return m

    def _buffers(self, m: Module) -> None:
        """Put a buffer in front of the core and one behind it."""
        width = Beat.as_shape().width
        self._input, self._output = (
            fifo.SyncFIFOBuffered(width=width, depth=serial.FIFO_BEATS) for _ in range(2)
        )
        emptied = ResetInserter({"sync": self.clear})
        m.submodules.input = emptied(self._input)
        m.submodules.output = emptied(self._output)
        m.d.comb += [
            self.to_core.payload.eq(self._input.r_data),
            self.to_core.valid.eq(self._input.r_rdy),
            self._input.r_en.eq(self.to_core.ready),
            self._input.w_data.eq(Cat(self._data, self._last & (self._count == 0))),
            self._output.w_data.eq(self.from_core.payload),
            self._output.w_en.eq(self.from_core.valid),
            self.from_core.ready.eq(self._output.w_rdy),
        ]

    def _protect(self, m: Module) -> None:
        """Take every byte of a request and of its response into the CRC."""
        self._crc = crc = m.submodules.crc = catalog.CRC16_IBM_3740(8).create()
        self._in_crc = Signal()
        got, sent = self.i.valid & self.i.ready, self.o.valid & self.o.ready & ~self._in_crc
        m.d.comb += [
            crc.valid.eq(got | sent),
            crc.data.eq(Mux(got, self.i.payload, self.o.payload)),
        ]

    def _forget(self, m: Module) -> None:
        """Notice a request that stops in its midst."""
        idle = Signal(range(self.idle_cycles + 1))
        self._waiting = Signal()
        self._stale = Signal()
        m.d.comb += self._stale.eq(idle == self.idle_cycles)
        m.d.sync += idle.eq(idle + 1)
        with m.If(~self._waiting | self.i.valid | self._stale):
            m.d.sync += idle.eq(0)

    def _take(self, m: Module) -> Value:
        """Wait for a byte; the result is true in the cycle that takes it."""
        m.d.comb += [self.i.ready.eq(1), self._waiting.eq(1)]
        with m.If(self._stale):
            m.next = "IDLE"
        return self.i.valid

    def _collect(self, m: Module, n_bytes: int) -> Value:
        """Take bytes into the top of the data; true with the last of ``n_bytes``."""
        taken = self._take(m)
        with m.If(taken):
            m.d.sync += [
                self._data.eq(Cat(self._data[8:], self.i.payload)),
                self._byte.eq(Mux(self._byte == n_bytes - 1, 0, self._byte + 1)),
            ]
        return taken & (self._byte == n_bytes - 1)

    def _send(self, m: Module, value: Value | int) -> Value:
        """Offer a byte; true in the cycle that it is taken."""
        m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(value)]
        return self.o.ready

    def _deliver(self, m: Module, n_bytes: int) -> Value:
        """Send bytes from the bottom of the data; true with the last of ``n_bytes``."""
        sent = self._send(m, self._data[:8])
        with m.If(sent):
            m.d.sync += [
                self._data.eq(self._data >> 8),
                self._byte.eq(Mux(self._byte == n_bytes - 1, 0, self._byte + 1)),
            ]
        return sent & (self._byte == n_bytes - 1)

    def _requests(self, m: Module) -> None:
        with m.State("IDLE"):
            m.d.comb += [self.i.ready.eq(1), self._crc.start.eq(1)]
            m.d.sync += [self._byte.eq(0), self._status.eq(0)]
            with m.If(self.i.valid):
                m.d.sync += self._op.eq(self.i.payload)
                with m.Switch(self.i.payload):
                    with m.Case(Op.READ, Op.WRITE):
                        m.next = "ADDRESS"
                    with m.Case(Op.BEATS):
                        m.next = "HEAD"
                    with m.Case(Op.CLEAR):
                        m.d.comb += self.clear.eq(1)
                        m.next = "OP"
                    with m.Default():
                        m.d.sync += [self._op.eq(Op.UNKNOWN), self._status.eq(Status.UNKNOWN)]
                        m.next = "OP"
        with m.State("ADDRESS"), m.If(self._collect(m, WORD_BYTES)):
            m.next = "COUNT"
        with m.State("COUNT"), m.If(self._take(m)):
            m.d.sync += [self._count.eq(self.i.payload), self._address.eq(self._data[-32:])]
            m.next = "OP"
            with m.If(self._op == Op.WRITE):
                m.next = "WORD"
        with m.State("HEAD"), m.If(self._take(m)):
            m.d.sync += [self._count.eq(self.i.payload[:7] - 1), self._last.eq(self.i.payload[7])]
            m.next = "BEAT"
            with m.If(self.i.payload[:7] == 0):
                m.next = "OP"

    def _bus(self, m: Module) -> None:
        axi = self.axi
        sent_address, sent_data = Signal(), Signal()
        with m.State("WORD"), m.If(self._collect(m, WORD_BYTES)):
            m.d.sync += [sent_address.eq(0), sent_data.eq(0)]
            m.next = "WRITE"
        with m.State("WRITE"):
            m.d.comb += [axi.awvalid.eq(~sent_address), axi.wvalid.eq(~sent_data)]
            m.d.comb += axi.bready.eq(1)
            with m.If(axi.awready):
                m.d.sync += sent_address.eq(1)
            with m.If(axi.wready):
                m.d.sync += sent_data.eq(1)
            with m.If(axi.bvalid):
                self._advance(m, axi.bresp, "OP", "WORD")
        with m.State("READ"):
            m.d.comb += axi.arvalid.eq(1)
            with m.If(axi.arready):
                m.next = "VALUE"
        with m.State("VALUE"):
            m.d.comb += axi.rready.eq(1)
            with m.If(axi.rvalid):
                m.d.sync += self._data.eq(axi.rdata)
                with m.If(axi.rresp != 0):
                    m.d.sync += self._status.eq(Status.BUS)
                m.next = "SEND"
        with m.State("SEND"), m.If(self._deliver(m, WORD_BYTES)):
            self._advance(m, Const(0, 1), "STATUS", "READ")

    def _advance(self, m: Module, failed: Value, done: str, again: str) -> None:
        """Go on to the next word, or to ``done`` behind the last."""
        with m.If(failed != 0):
            m.d.sync += self._status.eq(Status.BUS)
        m.d.sync += [self._address.eq(self._address + WORD_BYTES), self._count.eq(self._count - 1)]
        m.next = again
        with m.If(self._count == 0):
            m.next = done

    def _beats(self, m: Module) -> None:
        with m.State("BEAT"), m.If(self._collect(m, BEAT_BYTES)):
            m.next = "PUSH"
        with m.State("PUSH"):
            m.d.comb += self._input.w_en.eq(1)
            with m.If(~self._input.w_rdy):
                m.d.sync += self._status.eq(Status.OVERRUN)
            m.d.sync += self._count.eq(self._count - 1)
            m.next = "BEAT"
            with m.If(self._count == 0):
                m.next = "OP"
        out = Beat(self._output.r_data)
        with m.State("ITEM"):
            flag = Mux(out.last, serial.ITEM_LAST, serial.ITEM)
            none = ~self._output.r_rdy | (self._count == serial.MAX_BEATS)
            with m.If(self._send(m, Mux(none, 0, flag))):
                m.d.sync += [self._data.eq(out.data), self._last.eq(out.last)]
                m.d.comb += self._output.r_en.eq(~none)
                m.next = "PAYLOAD"
                with m.If(none):
                    m.next = "FREE"
        with m.State("PAYLOAD"), m.If(self._deliver(m, BEAT_BYTES)):
            m.d.sync += self._count.eq(Mux(self._last, serial.MAX_BEATS, self._count + 1))
            m.next = "ITEM"
        with m.State("FREE"), m.If(self._send(m, serial.FIFO_BEATS - self._input.level)):
            m.next = "STATUS"

    def _ends(self, m: Module) -> None:
        with m.State("OP"), m.If(self._send(m, self._op)):
            m.next = "STATUS"
            with m.Switch(self._op):
                with m.Case(Op.READ):
                    m.next = "READ"
                with m.Case(Op.BEATS):
                    m.d.sync += self._count.eq(0)
                    m.next = "ITEM"
                with m.Case(Op.CLEAR):
                    m.next = "VERSION"
        with m.State("VERSION"), m.If(self._send(m, serial.VERSION)):
            m.next = "STATUS"
        with m.State("STATUS"), m.If(self._send(m, self._status)):
            m.next = "CRC"
        with m.State("CRC"):
            m.d.comb += self._in_crc.eq(1)
            with m.If(self._send(m, self._crc.crc[:8])):
                m.next = "CRC_HIGH"
        with m.State("CRC_HIGH"):
            m.d.comb += self._in_crc.eq(1)
            with m.If(self._send(m, self._crc.crc[8:])):
                m.next = "IDLE"

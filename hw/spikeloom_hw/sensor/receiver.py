"""The port of an event camera: addresses by the 4-phase handshake."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Address, Settings

LEAST_FILTER = 2


def synchronised(m: Module, pins: Value, name: str) -> Signal:
    """Return ``pins`` behind two flip-flops that vendor tools know as a synchroniser."""
    attributes = {"ASYNC_REG": "TRUE"}
    first, second = (
        Signal(len(pins), name=f"{name}_sync{k}", reset_less=True, attrs=attributes) for k in (0, 1)
    )
    m.d.sync += [first.eq(pins), second.eq(first)]
    return second


class AerReceiver(wiring.Component):
    """Receive addresses from an asynchronous sender, one per handshake.

    The sender puts an address on its lines, activates ``request``, waits for ``acknowledge``,
    takes the request back and waits until the acknowledge is inactive (bundled data: the
    address stands still from before the request until the acknowledge).

    A request counts when it has been seen in ``handshake.filter`` cycles in a row, at least
    2, and the address was the same in the last two of them; a shorter one is a glitch, and so
    is a shorter break in the request.  The acknowledge comes when the event has been taken.

    A request that is still active ``handshake.timeout`` cycles after the acknowledge has timed
    out: the acknowledge is taken back, and nothing counts until the request has been inactive
    for ``filter`` cycles.  An address that has not stood still for so long is acknowledged
    without an event.  The sender may wait for the stream ``o`` without limit.

    Members
    -------
    request, address : In
        Pins, asynchronous.  Lines of the address are active high.
    acknowledge : Out(1)
        Pin, driven by a flip-flop.
    settings : In
        ``control`` and ``handshake`` are used.
    o : stream of Address, out
    active, stuck : Out(1)
        The request is active; it has timed out and is active still.
    received, glitch, timeout, unstable : Out(1)
        Pulses.

    Timing: an event is offered ``LATENCY_CYCLES + filter`` clock edges after the first that
    sees the request.  A sender that answers at once is served every 2 * filter + 5 cycles.
    """

    LATENCY_CYCLES = 2

    def __init__(self) -> None:
        pulses = ("received", "glitch", "timeout", "unstable")
        super().__init__(
            {
                "request": In(1),
                "address": In(Address),
                "acknowledge": Out(1),
                "settings": In(Settings),
                "o": Out(stream.Signature(Address)),
                "active": Out(1),
                "stuck": Out(1),
                **{name: Out(1) for name in pulses},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        control, handshake = self.settings.control, self.settings.handshake
        request = synchronised(m, self.request, "request")
        address = synchronised(m, self.address, "address")
        before = Signal.like(address)
        answer = Signal()
        m.d.comb += self.active.eq(control.enable & (request ^ control.request_low))
        m.d.sync += [before.eq(address), self.acknowledge.eq(answer ^ control.acknowledge_low)]
        # Consecutive cycles, this one included, in which the request was active or inactive.
        run, seen, was = Signal(5), Signal(4), Signal()
        m.d.comb += run.eq(Mux(self.active == was, seen, 0) + 1)
        m.d.sync += [was.eq(self.active), seen.eq(Mux(run[-1], 15, run))]
        long = Signal()
        least = Mux(handshake.filter > LEAST_FILTER, handshake.filter, LEAST_FILTER)
        m.d.comb += long.eq(run >= least)
        timer = Signal(24)
        late = Signal()
        m.d.comb += late.eq((handshake.timeout != 0) & (timer >= handshake.timeout))
        m.d.sync += timer.eq(timer + 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += timer.eq(0)
                with m.If(self.active):
                    m.next = "QUALIFY"
            with m.State("QUALIFY"):
                with m.If(~self.active):
                    m.d.comb += self.glitch.eq(1)
                    m.next = "IDLE"
                with m.Elif(long & (address == before)):
                    m.d.sync += self.o.payload.eq(address)
                    m.next = "OFFER"
                with m.Elif(long & late):
                    m.d.comb += self.unstable.eq(1)
                    m.d.sync += timer.eq(0)
                    m.next = "RELEASE"
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                m.d.sync += timer.eq(0)
                with m.If(self.o.ready):
                    m.d.comb += [self.received.eq(1), answer.eq(1)]
                    m.next = "RELEASE"
            with m.State("RELEASE"):
                m.d.comb += answer.eq(1)
                with m.If(~self.active & long):
                    m.d.comb += answer.eq(0)
                    m.next = "IDLE"
                with m.Elif(self.active & late):
                    m.d.comb += [self.timeout.eq(1), answer.eq(0)]
                    m.next = "STUCK"
                with m.Elif(self.active & ~was):
                    m.d.comb += self.glitch.eq(1)
            with m.State("STUCK"):
                m.d.comb += self.stuck.eq(1)
                with m.If(~self.active & long):
                    m.next = "IDLE"
        return m

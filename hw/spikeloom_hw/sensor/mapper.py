"""From a camera's address to the index of an input neuron."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer

from .layouts import COORDINATE_BITS, Address, Neuron, Settings

STEPS = COORDINATE_BITS // 2
INDEX_BITS = COORDINATE_BITS + 14 + 1


class Polarity(enum.Enum, shape=2):
    """What becomes of an event's polarity."""

    KEEP = 0
    MERGE = 1
    ON_ONLY = 2
    OFF_ONLY = 3


class AddressMapper(wiring.Component):
    """Take the coordinates out of an address, crop, downscale and number the neurons.

    x, y and the polarity are bit fields of the address.  The crop keeps the columns from
    ``origin.x`` on, ``size.width`` of them, and rows likewise.  The neuron is
    row * ``scale.stride`` + column * channels + channel: row-major, channels last.  Events
    outside the crop, of a polarity that is not wanted, or with an index of more than 20 bits
    are dropped.

    Members
    -------
    i : stream of Address, in
    o : stream of Neuron, out
    settings : In
        ``x``, ``y``, ``polarity``, ``origin``, ``size`` and ``scale`` are used.
    outside : Out(1)
        Pulse: an event was dropped.

    Timing: ``LATENCY_CYCLES`` from transfer to transfer, for every address; an event can be
    taken as often.
    """

    LATENCY_CYCLES = 3 + STEPS

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(Address)),
                "o": Out(stream.Signature(Neuron)),
                "settings": In(Settings),
                "outside": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        settings = self.settings
        on, channel, doubled = Signal(), Signal(), Signal()
        mode = Polarity(settings.polarity.mode)
        kept = self._kept(mode, on)
        x = self._axis(m, "x", settings.origin.x, settings.size.width)
        y = self._axis(m, "y", settings.origin.y, settings.size.height)
        column = Signal(COORDINATE_BITS)
        digits = Signal(COORDINATE_BITS)
        index = Signal(INDEX_BITS)
        step = Signal(range(STEPS))
        stride = settings.scale.stride
        full = Signal()
        place = Signal(COORDINATE_BITS + 1)
        m.d.comb += [
            place.eq(Mux(doubled, Cat(channel, column), column)),
            full.eq(self.o.valid & ~self.o.ready),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                line = self.i.payload.bit_select(settings.polarity.shift, 1)
                m.d.sync += [
                    x["field"].eq(self._field(settings.x)),
                    y["field"].eq(self._field(settings.y)),
                    on.eq(line ^ settings.polarity.invert),
                ]
                with m.If(self.i.valid):
                    m.next = "CROP"
            with m.State("CROP"):
                m.d.sync += [
                    column.eq(x["offset"][:COORDINATE_BITS] >> settings.scale.x),
                    digits.eq(y["offset"][:COORDINATE_BITS] >> settings.scale.y),
                    doubled.eq(mode == Polarity.KEEP),
                    channel.eq(on),
                    index.eq(0),
                    step.eq(STEPS - 1),
                ]
                with m.If(x["inside"] & y["inside"] & kept):
                    m.next = "MULTIPLY"
                with m.Else():
                    m.d.comb += self.outside.eq(1)
                    m.next = "IDLE"
            with m.State("MULTIPLY"):
                # two bits of the row at a time, the highest first
                low, high = digits[-2], digits[-1]
                m.d.sync += [
                    index.eq((index << 2) + Mux(low, stride, 0) + Mux(high, stride << 1, 0)),
                    digits.eq(digits << 2),
                    step.eq(step - 1),
                ]
                with m.If(step == 0):
                    m.next = "ADD"
            with m.State("ADD"):
                total = Signal(INDEX_BITS)
                m.d.comb += total.eq(index + place)
                with m.If(total[aer.NEURON_BITS :].any()):
                    m.d.comb += self.outside.eq(1)
                    m.next = "IDLE"
                with m.Elif(~full):
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(total)]
                    m.next = "IDLE"
        return m

    def _field(self, setting: data.View) -> Value:
        """Return a coordinate as the address and the settings have it."""
        mask = Mux(
            setting.width >= COORDINATE_BITS,
            (1 << COORDINATE_BITS) - 1,
            ((1 << setting.width) - 1)[:COORDINATE_BITS],
        )
        raw = (self.i.payload >> setting.shift)[:COORDINATE_BITS]
        return (raw ^ setting.invert.replicate(COORDINATE_BITS)) & mask

    def _axis(self, m: Module, name: str, origin: Value, size: Value) -> dict[str, Signal]:
        """Return the register of a coordinate, its place in the crop, and whether it is inside."""
        field = Signal(COORDINATE_BITS, name=name)
        offset = Signal(COORDINATE_BITS + 1, name=f"{name}_offset")
        inside = Signal(name=f"{name}_inside")
        m.d.comb += [
            offset.eq(field - origin),
            inside.eq((field >= origin) & (offset[:COORDINATE_BITS] < size)),
        ]
        return {"field": field, "offset": offset, "inside": inside}

    @staticmethod
    def _kept(mode: Value, on: Value) -> Value:
        """Return whether events of polarity ``on`` are wanted."""
        return ~(((mode == Polarity.ON_ONLY) & ~on) | ((mode == Polarity.OFF_ONLY) & on))

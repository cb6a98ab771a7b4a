"""The choice of what feeds the core: the host's stream or the sensor."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

from ..layouts import Beat


class SourceMerger(wiring.Component):
    """Feed the core from the host or the sensor, and change over between samples only.

    The host's sample is over when the last word it sent, NULL words apart, was END.  The sensor
    says itself that its last sample has been sent.  A beat that has been offered to the core is
    never withdrawn.  The stream that is not chosen waits.

    Members
    -------
    host, sensor : streams of Beat, in
    o : stream of Beat, out
    source : In(1)
        What is wanted: 0 the host, 1 the sensor.
    sensor_over : In(1)
        The sensor's last sample has been sent; looked at while ``source`` is 0.
    selected : Out(1)
        What feeds the core.

    Timing: ``LATENCY_CYCLES`` is 0.  One cycle from the end of a sample to the change.
    """

    LATENCY_CYCLES = 0

    def __init__(self) -> None:
        super().__init__(
            {
                "host": In(stream.Signature(Beat)),
                "sensor": In(stream.Signature(Beat)),
                "o": Out(stream.Signature(Beat)),
                "source": In(1),
                "sensor_over": In(1),
                "selected": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.If(self.selected):
            wiring.connect(m, wiring.flipped(self.sensor), wiring.flipped(self.o))
            with m.If(~self.source & self.sensor_over):
                m.d.sync += self.selected.eq(0)
        with m.Else():
            wiring.connect(m, wiring.flipped(self.host), wiring.flipped(self.o))
            self._leave_host(m)
        return m

    def _leave_host(self, m: Module) -> None:
        """Change to the sensor where the host's sample ends."""
        is_open, now_open = Signal(), Signal()
        m.d.comb += now_open.eq(is_open)
        with m.If(self.o.valid & self.o.ready):
            for index in range(aer.BEAT_WORDS):
                kind = self.o.payload.data.word_select(index, aer.WORD_BITS)[aer.KIND_SHIFT :]
                with m.If(kind != Kind.NULL):
                    m.d.comb += now_open.eq(kind != Kind.END)
            m.d.sync += is_open.eq(now_open)
        with m.If(self.source & ~now_open & (~self.o.valid | self.o.ready)):
            m.d.sync += self.selected.eq(1)

"""Sending of potentials, one neuron per beat."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig

from .control import ACC
from .layouts import Beat, ReadoutRequest


class Readout(wiring.Component):
    """Send READOUT and VALUE words for the lanes of one row.

    The request comes with a PEEK; the values are looked at ``SETTLE_CYCLES`` later, when the
    lanes stand still and show the row's accumulators.

    Members
    -------
    request : stream of ReadoutRequest, in
        Ready only when nothing is being sent.
    values : In
        Accumulator of every lane.
    o : stream of Beat, out
    """

    SETTLE_CYCLES = 8

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "request": In(stream.Signature(ReadoutRequest)),
                "values": In(data.ArrayLayout(ACC, config.lanes)),
                "o": Out(stream.Signature(Beat)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        job = Signal(ReadoutRequest)
        lane = Signal(range(self.config.lanes + 1))
        settle = Signal(range(self.SETTLE_CYCLES + 1))
        value = Signal(ACC)
        first, neuron = Signal(aer.NEURON_BITS), Signal(aer.NEURON_BITS)
        fetched = Signal()
        more, sending = Signal(), Signal()
        values = Array(self.values[i] for i in range(self.config.lanes))
        m.d.comb += [
            more.eq(lane != job.lanes),
            self.request.ready.eq(~sending),
            self.o.valid.eq(fetched),
            self.o.payload.data.eq(
                Cat(
                    neuron,
                    job.population,
                    Const(Kind.READOUT, 4),
                    Cat(value, value[-1].replicate(aer.PAYLOAD_BITS - len(value))),
                    Const(Kind.VALUE, 4),
                )
            ),
        ]
        # known long before the values have settled
        m.d.sync += first.eq((job.row - job.row_base) << (self.config.lanes - 1).bit_length())
        with m.If(settle != 0):
            m.d.sync += settle.eq(settle - 1)
        with m.Elif(~fetched | self.o.ready):
            m.d.sync += [
                fetched.eq(more),
                value.eq(values[lane[: max((self.config.lanes - 1).bit_length(), 1)]]),
                neuron.eq(first + lane),
            ]
            with m.If(more):
                m.d.sync += lane.eq(lane + 1)
            with m.Else():
                m.d.sync += sending.eq(0)
        # taken in every cycle, since it is known late whether something is asked for
        with m.If(self.request.ready):
            m.d.sync += [
                job.eq(self.request.payload),
                lane.eq(0),
                settle.eq(self.SETTLE_CYCLES),
                sending.eq(self.request.valid),
            ]
        return m

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
from .spread import LANES_PER_COPY, lane_groups


class Readout(wiring.Component):
    """Send READOUT and VALUE words for the lanes of one row.

    The request comes with a PEEK; the values are looked at ``SETTLE_CYCLES`` later, when the
    lanes stand still and show the row's accumulators.  One of each group of lanes is chosen first,
    near them, and one of these a cycle later.

    Members
    -------
    request : stream of ReadoutRequest, in
        Ready only when nothing is being sent.
    values : In
        Accumulator of every lane.
    o : stream of Beat, out
    """

    SETTLE_CYCLES = 7

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
        groups = lane_groups(self.config)
        near = [Signal(ACC, name=f"near{group}", reset_less=True) for group in range(groups)]
        near_lane, chosen, moves = Signal.like(lane, reset_less=True), Signal(), Signal()
        low_bits = (LANES_PER_COPY - 1).bit_length()
        low, high = lane[:low_bits], near_lane[low_bits:]
        m.d.comb += [
            more.eq(lane != job.lanes),
            moves.eq(~fetched | self.o.ready),
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
        with m.Elif(~chosen | moves):
            m.d.sync += [chosen.eq(more), near_lane.eq(lane)]
            for group, kept in enumerate(near):
                lanes = self.values[group * LANES_PER_COPY : (group + 1) * LANES_PER_COPY]
                m.d.sync += kept.eq(Array(lanes)[low])
            with m.If(more):
                m.d.sync += lane.eq(lane + 1)
            with m.Elif(moves & ~chosen):
                m.d.sync += sending.eq(0)
        with m.If(moves):
            m.d.sync += [
                fetched.eq(chosen),
                value.eq(Array(near)[high[: max((groups - 1).bit_length(), 1)]]),
                neuron.eq(first + near_lane),
            ]
        # taken in every cycle, since it is known late whether something is asked for
        with m.If(self.request.ready):
            m.d.sync += [
                job.eq(self.request.payload),
                lane.eq(0),
                settle.eq(self.SETTLE_CYCLES),
                sending.eq(self.request.valid),
            ]
        return m

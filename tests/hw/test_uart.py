"""Bytes over two wires, back to back, at several speeds, and with damaged bits."""

import random

import pytest

pytest.importorskip("amaranth")

from amaranth.hdl import Module
from amaranth.lib import wiring

from hw.bench import receive, send, simulate
from spikeloom_hw.boards.uart import UartReceiver, UartTransmitter

pytestmark = pytest.mark.rtl


class Pair(wiring.Component):
    """A transmitter and a receiver on one wire, each with a divisor of its own."""

    def __init__(self, divisor, other):
        self.transmitter, self.receiver = UartTransmitter(divisor), UartReceiver(other)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.transmitter, self.receiver]
        m.d.comb += self.receiver.rx.eq(self.transmitter.tx)
        return m


@pytest.mark.parametrize(("divisor", "other"), [(4, 4), (20, 20), (30, 31), (31, 30)])
def test_bytes_arrive_in_order(divisor, other):
    values = [0, 0xFF, 0x55, 0xAA, *random.Random(1).choices(range(256), k=8)]
    dut = Pair(divisor, other)
    found = []

    async def give(ctx):
        await send(ctx, dut.transmitter.i, values)

    async def take(ctx):
        found.extend(p for _, p in await receive(ctx, dut.receiver.o, len(values)))

    simulate(dut, give, take, cycles=12 * divisor * (len(values) + 2))
    assert found == values


class Line:
    """Drives the receiver's pin bit by bit."""

    def __init__(self, divisor=8):
        self.divisor = divisor
        self.dut = UartReceiver(divisor)

    async def bits(self, ctx, bits):
        for bit in bits:
            ctx.set(self.dut.rx, bit)
            await ctx.tick().repeat(self.divisor)


def frame(value, stop=1):
    return [0, *(value >> k & 1 for k in range(8)), stop]


def test_byte_without_stop_bit_is_dropped_and_the_next_one_is_not():
    line = Line()
    found = []

    async def give(ctx):
        await line.bits(ctx, [1, 1, *frame(0x3C, stop=0), *[1] * 12, *frame(0x5A), 1, 1])

    async def take(ctx):
        found.extend(p for _, p in await receive(ctx, line.dut.o, 1))

    simulate(line.dut, give, take)
    assert found == [0x5A]


def test_byte_that_nobody_takes_keeps_its_place():
    line = Line()
    seen = []

    async def give(ctx):
        await line.bits(ctx, [1, *frame(0x11), 1, *frame(0x22), 1])
        seen.append((ctx.get(line.dut.o.valid), ctx.get(line.dut.o.payload)))

    simulate(line.dut, give)
    assert seen == [(1, 0x11)]

import random

import pytest

from hw.bench import simulate, stalled
from spikeloom_hw.axi_lite import OKAY, SLVERR, AxiLiteSlave

BITS = 12
REFUSED = 0x800
"""Addresses from here on answer with an error."""


def value_at(address):
    return (address * 0x9E3779B1 + 1) & 0xFFFFFFFF


class AxiBench:
    """A slave, the local bus behind it, and checks of its responses in every cycle."""

    def __init__(self):
        self.dut = AxiLiteSlave(BITS)
        self.writes = []
        self.reads = []
        self.done = False

    async def local_bus(self, ctx):
        """Record what the slave asks for; addresses from REFUSED on are in error."""
        dut = self.dut
        steady, before = 0, None
        while not self.done:
            address = ctx.get(dut.address)
            refused = address >= REFUSED
            ctx.set(dut.write_error, refused)
            ctx.set(dut.read_error, refused)
            ctx.set(dut.read_data, value_at(address))
            _, _, address, write, data, strobe, read = await ctx.tick().sample(
                dut.address, dut.write, dut.write_data, dut.write_strobe, dut.read_done
            )
            steady = steady + 1 if address == before else 0
            before = address
            assert not (write and read)
            if write:
                self.writes.append((address, data, strobe))
            if read:
                assert steady >= AxiLiteSlave.READ_CYCLES
                self.reads.append(address)

    async def monitor(self, ctx):
        """A response, once given, stays as it is until it is taken."""
        axi = self.dut.axi
        held = {"b": None, "r": None}
        while not self.done:
            _, _, bv, br, bresp, rv, rr, rresp, rdata = await ctx.tick().sample(
                axi.bvalid, axi.bready, axi.bresp, axi.rvalid, axi.rready, axi.rresp, axi.rdata
            )
            seen = {"b": (bv, br, bresp), "r": (rv, rr, (rresp, rdata))}
            for name, (valid, ready, response) in seen.items():
                assert held[name] is None or (valid, response) == (1, held[name]), name
                held[name] = response if valid and not ready else None

    async def channel(self, ctx, name, fields, delay):
        axi = self.dut.axi
        for _ in range(delay):
            await ctx.tick()
        for field, value in fields.items():
            ctx.set(getattr(axi, field), value)
        ctx.set(getattr(axi, f"{name}valid"), 1)
        ready = 0
        while not ready:
            _, _, ready = await ctx.tick().sample(getattr(axi, f"{name}ready"))
        ctx.set(getattr(axi, f"{name}valid"), 0)

    async def response(self, ctx, name, rng, stall):
        axi = self.dut.axi
        signals = [getattr(axi, f"{name}valid"), getattr(axi, f"{name}resp")]
        signals += [axi.rdata] if name == "r" else []
        while True:
            ready = not stalled(rng, stall)
            ctx.set(getattr(axi, f"{name}ready"), ready)
            _, _, valid, *rest = await ctx.tick().sample(*signals)
            if valid and ready:
                ctx.set(getattr(axi, f"{name}ready"), 0)
                return tuple(int(v) for v in rest)


def run(addresses, datas, delays, reads=(), seed=0, stall=0.0):
    """Write with given delays before AW and W; return (write responses, read answers)."""
    bench = AxiBench()
    rng = random.Random(seed)
    responses, answers = [], []
    left = {"w": len(addresses), "r": len(reads)}

    async def aw(ctx):
        for address, (delay, _) in zip(addresses, delays, strict=True):
            await bench.channel(ctx, "aw", {"awaddr": address}, delay)

    async def w(ctx):
        for (data, strobe), (_, delay) in zip(datas, delays, strict=True):
            await bench.channel(ctx, "w", {"wdata": data, "wstrb": strobe}, delay)

    async def b(ctx):
        for _ in addresses:
            responses.append((await bench.response(ctx, "b", rng, stall))[0])
            left["w"] -= 1

    async def ar(ctx):
        for address in reads:
            await bench.channel(ctx, "ar", {"araddr": address}, rng.randrange(3))

    async def r(ctx):
        for _ in reads:
            answers.append(await bench.response(ctx, "r", rng, stall))
            left["r"] -= 1

    async def end(ctx):
        while any(left.values()):
            await ctx.tick()
        for _ in range(10):
            _, _, bvalid, rvalid = await ctx.tick().sample(
                bench.dut.axi.bvalid, bench.dut.axi.rvalid
            )
            assert not bvalid, "a write response too many"
            assert not rvalid, "a read response too many"
        bench.done = True

    n = len(addresses) + len(reads)
    simulate(bench.dut, aw, w, b, ar, r, end, bench.local_bus, bench.monitor, cycles=200 + 200 * n)
    return bench, responses, answers


def code(address):
    return SLVERR if address & ~3 >= REFUSED else OKAY


@pytest.mark.parametrize("delays", [(0, 0), (0, 1), (1, 0), (0, 7), (7, 0)])
@pytest.mark.parametrize("address", [0, 4, 0x7FC, REFUSED, 0xFFC])
def test_address_and_data_in_any_order(delays, address):
    bench, responses, _ = run([address], [(0x12345678, 0xF)], [delays])
    assert bench.writes == [(address, 0x12345678, 0xF)]
    assert responses == [code(address)]


def test_two_writes_whose_channels_cross():
    """The second address comes before the first data."""
    bench, responses, _ = run([4, 8], [(1, 0xF), (2, 0xF)], [(0, 9), (0, 0)])
    assert bench.writes == [(4, 1, 0xF), (8, 2, 0xF)]
    assert responses == [OKAY, OKAY]


@pytest.mark.parametrize("strobe", range(16))
def test_strobes_reach_the_local_bus(strobe):
    bench, _, _ = run([0x10], [(0xFFFFFFFF, strobe)], [(0, 0)])
    assert bench.writes == [(0x10, 0xFFFFFFFF, strobe)]


@pytest.mark.parametrize("low", range(4))
def test_the_two_low_address_bits_are_ignored(low):
    bench, responses, answers = run([0x20 + low], [(7, 0xF)], [(0, 0)], reads=[0x24 + low])
    assert bench.writes == [(0x20, 7, 0xF)]
    assert bench.reads == [0x24]
    assert responses == [OKAY]
    assert answers == [(OKAY, value_at(0x24))]


def test_reads_and_their_errors():
    reads = [0, 4, 0x7FC, REFUSED, 0xFFC, 0]
    bench, _, answers = run([], [], [], reads)
    assert bench.reads == reads
    assert [resp for resp, _ in answers] == [code(a) for a in reads]
    assert all(data == value_at(a) for a, (_, data) in zip(reads, answers, strict=True))


@pytest.mark.parametrize("stall", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("seed", range(3))
def test_random_traffic_with_slow_responses(seed, stall):
    rng = random.Random(seed)
    n = 25
    addresses = [rng.randrange(0, 1 << BITS) for _ in range(n)]
    datas = [(rng.getrandbits(32), rng.getrandbits(4)) for _ in range(n)]
    delays = [
        (rng.choice([0, 0, rng.randrange(8)]), rng.choice([0, 0, rng.randrange(8)]))
        for _ in range(n)
    ]
    reads = [rng.randrange(0, 1 << BITS) for _ in range(n)]
    bench, responses, answers = run(addresses, datas, delays, reads, seed, stall)
    words = [a & ~3 for a in addresses]
    assert bench.writes == [(a, *d) for a, d in zip(words, datas, strict=True)], f"seed {seed}"
    assert responses == [code(a) for a in addresses], f"seed {seed}"
    assert bench.reads == [a & ~3 for a in reads], f"seed {seed}"
    assert answers == [(code(a), value_at(a & ~3)) for a in reads], f"seed {seed}"

"""The parts of the sensor input together: latency at full rate, and no event without account."""

import random

import numpy as np
import pytest

from hw.bench import STALLS, simulate, stalled
from hw.sensor.pins import MHZ, Sender, setup
from spikeloom.events import AddressField
from spikeloom.spec import aer, regmap
from spikeloom.spec.aer import Kind
from spikeloom_hw.sensor.port import SensorInput

R = regmap.SENSOR_BY_NAME
FACTS = {
    "x": AddressField(1, 5), "y": AddressField(6, 5), "polarity": AddressField(0, 1),
    "crop": (2, 3, 20, 24), "downscale": 2,
}  # fmt: skip


class Bench:
    """A sensor input with a bus, a camera, and a core that takes beats."""

    def __init__(self, chosen, depth=16, neurons=512, seed=0, stall=0.0):
        self.dut = SensorInput(depth, neurons)
        self.chosen, self.stall = chosen, stall
        self.rngs = [random.Random(f"{seed} {k}") for k in range(3)]
        self.sender = Sender(self.dut)
        self.words, self.cycle, self.zero, self.ended = [], 0, None, False
        self.quiet = 0

    async def write(self, ctx, name, value):
        d = self.dut
        for port, data in ((d.offset, R[name].offset), (d.write_data, value), (d.write, 1)):
            ctx.set(port, data)
        ctx.set(d.write_strobe, 0xF)
        _, _, error = await ctx.tick().sample(d.write_error)
        ctx.set(d.write, 0)
        assert not error, name

    async def read(self, ctx, name):
        ctx.set(self.dut.offset, R[name].offset)
        _, _, data = await ctx.tick().sample(self.dut.read_data)
        return data

    async def prepare(self, ctx):
        for name, value in self.chosen.registers(MHZ).items():
            await self.write(ctx, name, value)
            self.control = value
        for _ in range(80):  # both banks of the limiter are clear then
            await ctx.tick()
        await self.choose(ctx, True)
        self.zero = self.cycle + 1

    async def choose(self, ctx, sensor):
        source = R["SENSOR_CONTROL"].mask("SOURCE") if sensor else 0
        await self.write(ctx, "SENSOR_CONTROL", self.control | source)

    async def core(self, ctx):
        held = None
        while not self.ended:
            if not self.quiet and self.stall and self.rngs[1].random() < 0.004:
                self.quiet = self.rngs[1].randint(1, 400)
            self.quiet = max(0, self.quiet - 1)
            ready = not self.quiet and not stalled(self.rngs[1], self.stall)
            ctx.set(self.dut.o.ready, ready)
            _, _, valid, beat = await ctx.tick().sample(self.dut.o.valid, self.dut.o.payload)
            now = (beat.data, beat.last)
            assert held is None or (valid and held == now), "a beat changed"
            held = now if valid and not ready else None
            if valid and ready:
                self.words += [w for w in (beat.data & 0xFFFFFFFF, beat.data >> 32) if w]
            self.cycle += 1

    def run(self, host, camera, cycles=20000):
        async def host_side(ctx):
            await host(ctx)
            self.ended = True

        # the count of cycles comes first, so that the others see the cycle they are in
        simulate(self.dut, self.core, host_side, camera, cycles=cycles)


def ticks_of(words, n_neurons):
    """Return uint8 (ticks, neurons) of the words up to the last TICK."""
    out, counts = [], np.zeros(n_neurons, np.uint8)
    for word in words:
        if word >> 28 == Kind.SPIKE:
            counts[word & aer.NEURON_MASK] += 1
        elif word >> 28 == Kind.TICK:
            out.append(counts)
            counts = np.zeros(n_neurons, np.uint8)
    return np.array(out)


@pytest.mark.parametrize("filter", [2, 4])
def test_at_the_full_rate_the_latency_is_the_documented_one(filter):
    """Ticks of 7 cycles: an event a cycle late is in another tick every seventh time."""
    chosen = setup(**FACTS, period_us=7, n_ticks=10, limit=0, filter_cycles=filter)
    b = Bench(chosen)
    rng = np.random.default_rng(1)
    addresses = rng.integers(0, 1 << 11, 120)

    async def host(ctx):
        await b.prepare(ctx)
        while len(b.sender.requests) < 120:
            await ctx.tick()
        for _ in range(100):
            await ctx.tick()

    async def camera(ctx):
        b.sender.request(ctx, 0)
        while b.zero is None:
            await b.sender.idle(ctx)
        await b.sender.send(ctx, addresses.tolist())

    b.run(host, camera)
    taken = np.array(b.sender.requests) - b.zero + SensorInput.LATENCY_CYCLES + filter
    assert set(np.diff(b.sender.requests).tolist()) == {2 * filter + 5}
    n_samples = int(taken[-1]) // 70
    expected = chosen.ticks(addresses, taken, n_samples * 70).reshape(-1, chosen.n_neurons)
    got = ticks_of(b.words, chosen.n_neurons)[: len(expected)]
    assert np.array_equal(got, expected)
    assert n_samples > 10


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("limit", [0, 1])
def test_every_event_is_accounted_for(wait, stall, limit):
    """With a core that is behind: dropped or waited for, in order, and never a TICK less."""
    chosen = setup(**FACTS, period_us=150, n_ticks=3, limit=limit, wait=wait)
    b = Bench(chosen, depth=4, seed=f"{wait} {stall} {limit}", stall=stall)
    rng = np.random.default_rng(2)
    addresses = rng.integers(0, 1 << 11, 150)
    counts = {}

    async def host(ctx):
        await b.prepare(ctx)
        while len(b.sender.requests) < 140:
            await ctx.tick()
        await b.choose(ctx, False)
        while len(b.sender.requests) < 150 or await b.read(ctx, "SENSOR_STATUS") & 1:
            await ctx.tick()
        for _ in range(100):
            await ctx.tick()
        for name, _ in regmap.SENSOR_COUNTERS:
            counts[name] = await b.read(ctx, f"SENSOR_{name}")
        counts["ERRORS"] = await b.read(ctx, "SENSOR_ERRORS")

    async def camera(ctx):
        b.sender.request(ctx, 0)
        while b.zero is None:
            await b.sender.idle(ctx)
        await b.sender.send(ctx, addresses.tolist(), rng=b.rngs[0], slow=3)

    b.run(host, camera)
    parts = ("SENT", "OUTSIDE", "LIMITED", "DROPPED", "IGNORED")
    assert counts["EVENTS"] == 150 == sum(counts[name] for name in parts), counts
    assert not (wait and counts["DROPPED"])
    assert bool(counts["ERRORS"]) == bool(counts["DROPPED"])
    kinds = [w >> 28 for w in b.words]
    n_samples = kinds.count(Kind.END)
    assert kinds[-1] == Kind.END
    frame = [w for w in b.words if w >> 28 != Kind.SPIKE]
    assert frame == [
        aer.word(*word)
        for sample in range(n_samples)
        for word in ((Kind.TICK, 0), (Kind.TICK, 1), (Kind.TICK, 2), (Kind.END, sample))
    ]
    # what was sent are events of the recording, in their order
    sent = [w & aer.NEURON_MASK for w in b.words if w >> 28 == Kind.SPIKE]
    neurons = iter(n for n in chosen.neurons(addresses).tolist() if n >= 0)
    assert all(n in neurons for n in sent), "an event was moved or made up"
    assert len(sent) == counts["SENT"] > 20
    assert ticks_of(b.words, chosen.n_neurons).max() <= (limit or 127)

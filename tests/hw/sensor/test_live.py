"""A camera at the pins of a whole accelerator: real recordings, spike by spike as the golden model.

The NumPy twin makes the golden model's input from the cycles in which the camera raised its
requests.  A microsecond has one or three clock cycles here, and recordings run faster.
"""

import random
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from hw.bench import simulate
from hw.host import CONTROL, Host
from hw.network_case import case_of
from hw.sensor.pins import MHZ, Sender, setup
from spikeloom.events import AddressField, Events, SensorSetup
from spikeloom.spec import regmap
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_hw.sensor.port import SensorInput

CONFIG = BuildConfig(
    "unit", lanes=4, state_rows=4, weight_rows=64, populations=4, projections=4, sensor=True
)
COMPACT = replace(CONFIG, compact=True)
PINS = ("aer_request", "aer_address", "aer_acknowledge")
R = regmap.SENSOR_BY_NAME
SOURCE, ENABLE = (R["SENSOR_CONTROL"].mask(name) for name in ("SOURCE", "ENABLE"))
START_CYCLES = 1
"""From the answer to the write that chooses the sensor to the first cycle of its time."""


def recording(file, index, width, n_events, skip=0):
    """Return events of sample ``index``, in times that begin with 0."""
    with np.load(file) as arrays:
        first = arrays["offsets"][index] + skip
        part = slice(first, first + n_events)
        t, x, y, p = (arrays[name][part] for name in "txyp")
    return Events(t.astype(np.int64) - int(t[0]), x, y, p, width, width)


def network_for(chosen: SensorSetup, seed: int) -> Network:
    """Return input - 8 - 3 with weights that make some neurons fire."""
    rng = np.random.default_rng(seed)
    height, width, channels = chosen.shape
    pixels = InputPopulation("pixels", (height, width, channels), chosen.limit or 127)
    hidden = rng.integers(-30, 60, (8, chosen.n_neurons))
    if not chosen.limit:  # up to 127 events of a neuron may come in a tick
        hidden //= 2
    return Network(
        (pixels,),
        (
            Population("hidden", (8,), threshold=500, decay=30000),
            Population("out", (3,), threshold=100, decay=32768, reset="none"),
        ),
        (
            Projection("pixels", "hidden", hidden),
            Projection("hidden", "out", rng.integers(-90, 90, (3, 8))),
        ),
        ("hidden", "out"),
    )


@dataclass
class Live:
    """One accelerator with a host on the bus and a camera at the pins."""

    chosen: SensorSetup
    seed: int = 0
    clock: int = MHZ
    config: BuildConfig = CONFIG
    host: Host = field(init=False)
    zero: int | None = None

    def __post_init__(self):
        self.host = Host(self.config)
        self.rng = random.Random(self.seed)
        self.network = network_for(self.chosen, self.seed)
        none = np.zeros(0, np.int64)
        self.empty = case_of(self.network, self.chosen.ticks(none, none, 0), self.config)
        low = (self.chosen.request_low, self.chosen.acknowledge_low)
        self.sender = Sender(self.host.dut, PINS, low)
        self.ended = False

    async def put(self, ctx, name, value):
        assert await self.host.write(ctx, R[name].offset, value) == 0, name

    async def get(self, ctx, name):
        value, response = await self.host.read(ctx, R[name].offset)
        assert response == 0, name
        return value

    async def prepare(self, ctx):
        """Load the network, set up the sensor and run the core."""
        await self.host.load(ctx, self.empty)
        for name, value in self.chosen.registers(self.clock).items():
            if name == "SENSOR_CONTROL":  # the levels first
                await self.put(ctx, name, value & ~ENABLE)
                for _ in range(4):
                    await ctx.tick()
            await self.put(ctx, name, value)
            self.control = value
        await self.host.start(ctx)

    async def choose(self, ctx, sensor):
        """Make the sensor or the host the source."""
        await self.put(ctx, "SENSOR_CONTROL", self.control | SOURCE * sensor)

    async def watch(self, ctx):
        """Find the cycle in which the sensor's time starts."""
        d, cycle = self.host.dut, 0
        chosen = (R["SENSOR_CONTROL"].offset, 1)
        while not self.ended:
            _, _, valid, address, data = await ctx.tick().sample(
                d.s_axi_bvalid, d.s_axi_awaddr, d.s_axi_wdata
            )
            if valid and (address, bool(data & SOURCE)) == chosen:
                self.zero = cycle + START_CYCLES
            cycle += 1

    async def camera(self, ctx, addresses, times, disturb=None):
        """Send each event at its time, and note when."""
        sender = self.sender
        sender.request(ctx, 0)
        sender.requests.clear()
        while self.zero is None:
            await sender.idle(ctx)
        zero, scale = self.zero, self.clock // MHZ
        for index, (address, time) in enumerate(zip(addresses, times, strict=True)):
            wait = zero + int(time) * scale - sender.cycle
            await sender.idle(ctx, max(0, wait))
            if disturb:
                await disturb(ctx, index)
            await sender.send(ctx, [int(address)], rng=self.rng, slow=2)

    def expected(self, addresses, cycles):
        """Return the case whose input is what the twin makes of the requests."""
        scale = self.clock // MHZ
        latency = SensorInput.LATENCY_CYCLES + max(self.chosen.filter_cycles, 2)
        taken = np.array(self.sender.requests) + latency - self.zero
        inputs = self.chosen.ticks(addresses[: len(taken)], taken // scale, cycles // scale)
        return case_of(self.network, inputs, self.config)

    def simulate(self, host, camera, cycles):
        async def host_side(ctx):
            await host(ctx)
            self.ended = True

        simulate(self.host.dut, host_side, camera, self.watch, cycles=cycles)


NMNIST = {
    "x": AddressField(1, 6), "y": AddressField(7, 6), "polarity": AddressField(0, 1),
    "crop": (1, 2, 32, 30), "downscale": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "clock", "stall", "changes", "config"),
    [
        ("nmnist", MHZ, 0.0, {"limit": 2}, CONFIG),
        ("nmnist", 3 * MHZ, 0.6, {"limit": 0, "polarities": "merge", "request_low": True,
                                  "acknowledge_low": True, "filter_cycles": 3}, CONFIG),
        ("dvs128", MHZ, 0.3, {"limit": 15, "polarities": "on"}, CONFIG),
        ("dvs128", MHZ, 0.3, {"limit": 15, "polarities": "on"}, COMPACT),
    ],
)  # fmt: skip
def test_a_recording_through_the_pins(data, name, clock, stall, changes, config):
    if name == "nmnist":
        events = recording(data / "nmnist" / "nmnist_test100.npz", 5, 34, 200, skip=900)
        facts = {**NMNIST, "period_us": 600 * MHZ // clock, "n_ticks": 3}
    else:
        events = recording(data / "dvs128_gesture" / "dvs128_gesture_7.npz", 2, 128, 200)
        facts = {"crop": (0, 0, 128, 128), "downscale": 32, "period_us": 560, "n_ticks": 3}
    live = Live(setup(**{**facts, **changes}), seed=4, clock=clock, config=config)
    chosen = live.chosen
    addresses = chosen.addresses(events)
    n_samples = 2
    whole = n_samples * chosen.n_ticks * chosen.period_us
    times = events.t * (whole - 90) // (int(events.t[-1]) + 1)
    result = {}

    async def host(ctx):
        await live.prepare(ctx)
        await live.choose(ctx, True)
        beats = await live.host.exchange(
            ctx, [], random.Random(1), (0, stall), cycles=60000, answers=n_samples
        )
        result["beats"] = beats
        for name in ("EVENTS", "SENT", "OUTSIDE", "LIMITED", "DROPPED", "GLITCHES", "ERRORS"):
            result[name] = await live.get(ctx, f"SENSOR_{name}")
        assert await live.host.get(ctx, "ERRORS") == 0

    async def camera(ctx):
        await live.camera(ctx, addresses, times)

    live.simulate(host, camera, 60000)
    case = live.expected(addresses, whole * clock // MHZ)
    assert case.inputs.shape[0] == n_samples
    assert case.expected.spikes["hidden"].any()
    case.check(result["beats"])
    # the conditions under which the test means something
    assert result["EVENTS"] == len(events)
    assert result["DROPPED"] == result["GLITCHES"] == result["ERRORS"] == 0
    assert result["SENT"] + result["OUTSIDE"] + result["LIMITED"] == len(events)
    assert bool(result["LIMITED"]) == (chosen.limit == 2)
    assert case.inputs.sum() == result["SENT"] > 50
    assert case.inputs.max() > 1


def test_glitches_and_a_stuck_request_in_a_run(data):
    events = recording(data / "nmnist" / "nmnist_test100.npz", 7, 34, 120, skip=500)
    live = Live(setup(**NMNIST, period_us=600, n_ticks=4, timeout_cycles=50), seed=5)
    addresses = live.chosen.addresses(events)
    times = events.t * 2300 // (int(events.t[-1]) + 1)
    result, counts = {}, {"glitches": 0, "stuck": 0}

    async def host(ctx):
        await live.prepare(ctx)
        await live.choose(ctx, True)
        result["beats"] = await live.host.exchange(ctx, [], answers=1)
        for name in ("EVENTS", "GLITCHES", "TIMEOUTS", "ERRORS", "STATUS"):
            result[name] = await live.get(ctx, f"SENSOR_{name}")

    async def disturb(ctx, index):
        sender = live.sender
        await sender.until(ctx, False)
        if index % 7 == 0:
            sender.request(ctx, 1)
            await sender.idle(ctx, 1)
            sender.request(ctx, 0)
            await sender.idle(ctx, 4)
            counts["glitches"] += 1
        if index == 40:  # an event whose request stays
            ctx.set(live.host.dut.aer_address, 0)
            sender.request(ctx, 1)
            await sender.idle(ctx, 90)
            sender.request(ctx, 0)
            await sender.idle(ctx, 8)
            counts["stuck"] += 1

    async def camera(ctx):
        await live.camera(ctx, addresses, times, disturb)

    live.simulate(host, camera, 30000)
    # address 0 lies outside the crop, so its event changes nothing
    live.expected(addresses, 2400).check(result["beats"])
    assert result["EVENTS"] == len(events) + counts["stuck"]
    assert result["GLITCHES"] == counts["glitches"]
    assert result["TIMEOUTS"] == counts["stuck"] == 1
    assert result["ERRORS"] == R["SENSOR_ERRORS"].mask("TIMEOUT")
    assert result["STATUS"] == R["SENSOR_STATUS"].mask("SELECTED")


@pytest.mark.parametrize("moment", [7, 611])
def test_a_reset_in_mid_run_and_then_a_right_run(data, moment):
    """CONTROL.RESET while words are everywhere; the camera goes on as if nothing were."""
    events = recording(data / "nmnist" / "nmnist_test100.npz", 7, 34, 220, skip=500)
    live = Live(setup(**NMNIST, period_us=550, n_ticks=2), seed=6)
    addresses = live.chosen.addresses(events)
    result = {}

    async def host(ctx):
        await live.prepare(ctx)
        await live.choose(ctx, True)
        await live.host.exchange(ctx, [], cycles=moment + 1, answers=0)
        await live.host.put(ctx, "CONTROL", CONTROL.mask("RESET"))
        await live.choose(ctx, False)
        assert not await live.get(ctx, "SENSOR_STATUS") & 1
        await live.host.start(ctx)
        await live.put(ctx, "SENSOR_CONTROL", live.control | R["SENSOR_CONTROL"].mask(
            "CLEAR_COUNTERS"))  # fmt: skip
        live.zero = None
        await live.choose(ctx, True)
        result["first"] = len(live.sender.requests)
        result["beats"] = await live.host.exchange(ctx, [], answers=1)
        await live.choose(ctx, False)
        assert not await live.get(ctx, "SENSOR_ERRORS")

    async def camera(ctx):
        await live.camera(ctx, addresses, np.arange(len(addresses)) * 14)

    live.simulate(host, camera, 40000)
    latency = SensorInput.LATENCY_CYCLES + 2
    after = np.array(live.sender.requests) + latency >= live.zero
    live.sender.requests[:] = np.array(live.sender.requests)[after].tolist()
    live.expected(addresses[: len(after)][after], 1100).check(result["beats"])
    assert after.sum() > 20


def test_host_and_sensor_take_turns(data):
    """A host's packet, the sensor without end until it is stopped, the host's packet again."""
    events = recording(data / "nmnist" / "nmnist_test100.npz", 3, 34, 100, skip=500)
    live = Live(setup(**NMNIST, period_us=550, n_ticks=0), seed=7)
    addresses = live.chosen.addresses(events)
    inputs = np.random.default_rng(7).integers(0, 2, (1, 3, live.chosen.n_neurons))
    packet = case_of(live.network, inputs.astype(np.uint8), CONFIG)
    result = {}

    async def host(ctx):
        await live.prepare(ctx)
        packet.check(await live.host.exchange(ctx, [packet.beats()]))
        await live.choose(ctx, True)
        beats = await live.host.exchange(ctx, [], cycles=1800, answers=0)
        await live.choose(ctx, False)
        result["beats"] = beats + await live.host.exchange(ctx, [], answers=1)
        for _ in range(20):
            await ctx.tick()
        assert not await live.get(ctx, "SENSOR_STATUS") & 1
        packet.check(await live.host.exchange(ctx, [packet.beats()]))
        result["ignored"] = await live.get(ctx, "SENSOR_IGNORED")
        result["events"] = await live.get(ctx, "SENSOR_EVENTS")

    async def camera(ctx):
        await live.camera(ctx, addresses, np.arange(len(addresses)) * 30)

    live.simulate(host, camera, 40000)
    case = live.expected(addresses, 4 * 550)
    assert case.inputs.shape[:2] == (1, 4)
    case.check(result["beats"])
    assert result["ignored"] > 5


def test_settings_are_refused_while_the_sensor_is_chosen():
    live = Live(setup(**NMNIST), seed=8)

    async def host(ctx):
        await live.prepare(ctx)
        await live.choose(ctx, True)
        before = await live.get(ctx, "SENSOR_ORIGIN")
        assert await live.host.write(ctx, R["SENSOR_ORIGIN"].offset, 0) == 2
        assert await live.get(ctx, "SENSOR_ORIGIN") == before != 0

    async def camera(ctx):
        pass

    live.simulate(host, camera, 5000)

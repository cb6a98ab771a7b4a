"""A camera at the pins of the emitted Verilog that keeps no clock: its edges fall anywhere."""

import random

import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, Timer
from cocotb.utils import get_sim_time
from core_bench import STALLS, TIMEOUT, CoreBench

import cocotb
from hw.bench import CONFIG
from hw.network_case import Case, case_of
from spikeloom.events import AddressField, SensorSetup
from spikeloom.spec import regmap
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_hw.sensor.port import SensorInput

R = regmap.SENSOR_BY_NAME
CONTROL = R["SENSOR_CONTROL"]
CYCLE_PS = 10_000
HALF_PS = CYCLE_PS // 2
TICK_CYCLES = 540
SETUP = SensorSetup(
    x=AddressField(1, 5, invert=True),
    y=AddressField(6, 5),
    polarity=AddressField(0, 1),
    crop=(4, 6, 16, 20),
    downscale=8,
    polarities="keep",
    period_us=TICK_CYCLES,
    n_ticks=3,
    limit=2,
    request_low=True,
    filter_cycles=3,
)


def network() -> Network:
    """Return the input of the setup and four neurons."""
    rng = np.random.default_rng(1)
    return Network(
        (InputPopulation("pixels", SETUP.shape, SETUP.limit),),
        (Population("out", (4,), threshold=150, decay=30000),),
        (Projection("pixels", "out", rng.integers(-20, 60, (4, SETUP.n_neurons))),),
        ("out",),
    )


class Camera:
    """A sender whose steps take random times of picoseconds."""

    def __init__(self, bench: CoreBench, seed: int) -> None:
        self.bench, self.dut = bench, bench.dut
        self.rng = random.Random(seed)
        self.addresses: list[int] = []
        self.rises: list[int] = []
        self.zero: int | None = None
        self.edge = 0

    async def watch(self) -> None:
        """Note when the clock rises, and when the sensor's time starts."""
        chosen = False
        while True:
            await FallingEdge(self.dut.aclk)
            now = round(get_sim_time("ps"))
            self.edge = now - HALF_PS
            if int(self.dut.s_axi_bvalid.value) and chosen and self.zero is None:
                self.zero = self.edge + 2 * CYCLE_PS
            if int(self.dut.s_axi_wvalid.value) and int(self.dut.s_axi_wready.value):
                offset = int(self.dut.s_axi_awaddr.value)
                data = int(self.dut.s_axi_wdata.value)
                chosen = offset == CONTROL.offset and bool(data & CONTROL.mask("SOURCE"))

    async def pause(self, most_ps: int) -> None:
        """Wait a random time that ends at no edge of the clock."""
        end = round(get_sim_time("ps")) + self.rng.randint(1, most_ps)
        if (end - self.edge) % HALF_PS == 0:
            end += 1
        await Timer(end - round(get_sim_time("ps")), unit="ps")

    async def until(self, level: int) -> None:
        """Wait for the acknowledge."""
        while int(self.dut.aer_acknowledge.value) != level:
            await self.pause(7000)

    async def handshake(self, address: int) -> None:
        """Send one event; the lines carry rubbish when they need not carry it."""
        await self.until(0)
        self.dut.aer_address.value = address
        await self.pause(3000)
        self.dut.aer_request.value = 0
        self.addresses.append(address)
        self.rises.append(round(get_sim_time("ps")))
        await self.until(1)
        await self.pause(20_000)
        self.dut.aer_request.value = 1
        self.dut.aer_address.value = self.rng.getrandbits(24)

    async def run(self, until_cycle: int) -> None:
        """Send bursts, single events and glitches until the given cycle of the sensor's time."""
        while self.zero is None:
            await ClockCycles(self.dut.aclk, 1)
        end = self.zero + until_cycle * CYCLE_PS
        while get_sim_time("ps") < end:
            if self.rng.random() < 0.4:
                await self.until(0)
                self.dut.aer_request.value = 0
                await self.pause(2 * CYCLE_PS)
                self.dut.aer_request.value = 1
                await self.pause(2 * CYCLE_PS)
                await Timer(4 * CYCLE_PS, unit="ps")
            for _ in range(self.rng.choice([1, 1, 2, 15])):
                await self.handshake(self.rng.getrandbits(11))
            await self.pause(self.rng.choice([1, 60, 120]) * CYCLE_PS)

    def expected(self, n_samples: int) -> Case:
        """Return the case whose input is what the twin makes of the requests."""
        assert self.zero is not None
        # the first clock edge that sees a request
        seen = -(-(np.array(self.rises) - self.zero) // CYCLE_PS)
        taken = seen + SensorInput.LATENCY_CYCLES + SETUP.filter_cycles
        inside = taken >= 0
        inputs = SETUP.ticks(
            np.array(self.addresses)[inside],
            taken[inside],
            n_samples * SETUP.n_ticks * TICK_CYCLES,
        )
        return case_of(network(), inputs, CONFIG)


async def started(dut) -> CoreBench:
    """Return a bench that runs the network, with the sensor set up and not yet chosen."""
    dut.aer_request.value, dut.aer_address.value = 1, 0
    bench = await CoreBench.started(dut)
    await bring_up(bench)
    return bench


async def bring_up(bench: CoreBench) -> None:
    """Load the network and the settings, and run."""
    none = np.zeros(0, np.int64)
    await bench.load(case_of(network(), SETUP.ticks(none, none, 0), CONFIG))
    values = SETUP.registers(1_000_000)
    enable = CONTROL.mask("ENABLE")
    for name, value in [("SENSOR_CONTROL", values["SENSOR_CONTROL"] & ~enable), *values.items()]:
        assert await bench.write(R[name].offset, [value]) == 0, name


async def choose(bench: CoreBench, sensor: bool) -> None:
    """Make the sensor or the host the source."""
    value = SETUP.registers(1_000_000)["SENSOR_CONTROL"]
    await bench.write(CONTROL.offset, [value | sensor * CONTROL.mask("SOURCE")])


async def live(bench: CoreBench, seed: int, n_samples: int = 2) -> None:
    """Run samples of the sensor and compare them with the golden model."""
    camera = Camera(bench, seed)
    watch = cocotb.start_soon(camera.watch())
    sending = cocotb.start_soon(camera.run(n_samples * SETUP.n_ticks * TICK_CYCLES))
    await choose(bench, True)
    packets = [await bench.receive() for _ in range(n_samples)]
    await sending
    await choose(bench, False)
    for _ in range(SETUP.n_ticks * 4):  # the sample in progress
        (status,), _ = await bench.read(R["SENSOR_STATUS"].offset)
        if not status & 1:
            break
        await ClockCycles(bench.dut.aclk, TICK_CYCLES)
    assert not status & 1, "the host must get the core back"
    watch.cancel()
    case = camera.expected(n_samples)
    assert case.inputs.sum() > 10 * n_samples
    assert case.expected.spikes["out"].any(), f"seed {seed}"
    case.check(np.concatenate(packets))
    for name in ("SENSOR_ERRORS", "SENSOR_DROPPED"):
        assert (await bench.read(R[name].offset))[0] == [0], name
    while not bench.sink.empty():
        bench.sink.recv_nowait()


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(stall=STALLS[1:])
async def recordings_without_a_clock(dut, stall):
    """Requests anywhere in the cycle, short ones among them, while the output stalls."""
    seed = STALLS.index(stall)
    bench = await started(dut)
    bench.set_stalls("none", stall, seed)
    await live(bench, seed)
    (glitches,), _ = await bench.read(R["SENSOR_GLITCHES"].offset)
    assert glitches > 0


@cocotb.test(**TIMEOUT)
async def a_reset_in_a_handshake(dut):
    """The wire aresetn while a request is up and the core runs; then everything anew."""
    bench = await started(dut)
    for delay in (1, 4, 9):
        await choose(bench, True)
        dut.aer_address.value = 77
        dut.aer_request.value = 0
        await ClockCycles(dut.aclk, delay)
        bench.abandoned = True
        await bench.reset()
        bench.abandoned = False
        assert int(dut.aer_acknowledge.value) == 0
        dut.aer_request.value = 1
        await ClockCycles(dut.aclk, 8)
        while not bench.sink.empty():
            bench.sink.recv_nowait()
        await bring_up(bench)
    await live(bench, 9, 1)

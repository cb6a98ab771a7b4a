"""Random networks under every mixture of stalls, against the golden model."""

from core_bench import STALLS, TIMEOUT, CoreBench

import cocotb
from hw.bench import CONFIG
from hw.network_case import make_case


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(stall_in=STALLS, stall_out=STALLS)
async def one_packet(dut, stall_in, stall_out):
    """Samples back to back in one packet."""
    seed = 3 * STALLS.index(stall_in) + STALLS.index(stall_out)
    case = make_case(seed, CONFIG)
    bench = await CoreBench.started(dut)
    await bench.load(case)
    bench.set_stalls(stall_in, stall_out, seed)
    case.check(await bench.run([case.beats()]))
    assert await bench.get("ERRORS") == 0
    assert await bench.get("DROPPED_LO") == 0


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(stall=STALLS)
async def a_packet_per_sample(dut, stall):
    """Packets back to back; every one is answered by one."""
    case = make_case(20 + STALLS.index(stall), CONFIG, n_samples=4, n_ticks=3)
    bench = await CoreBench.started(dut)
    await bench.load(case)
    bench.set_stalls(stall, stall, case.seed)
    case.check(await bench.run(case.packets()))
    assert await bench.get("SAMPLES_LO") == 4


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(stall=STALLS[1:])
async def a_slow_bus(dut, stall):
    """All five channels of the bus pause while the memories are written and read back."""
    case = make_case(30 + STALLS.index(stall), CONFIG, n_samples=1, n_ticks=2)
    bench = await CoreBench.started(dut)
    bench.set_bus_stalls(stall, case.seed)
    await bench.load(case)
    case.check(await bench.run([case.beats()]))


@cocotb.test(**TIMEOUT)
async def two_networks_one_after_the_other(dut):
    """The second network finds nothing of the first."""
    bench = await CoreBench.started(dut)
    for seed in (40, 41):
        case = make_case(seed, CONFIG, n_samples=1)
        await bench.load(case)
        case.check(await bench.run([case.beats()]))

"""Bad words, resets, stuck outputs: what goes wrong stays where it is."""

import random

import numpy as np
from cocotb.triggers import ClockCycles
from core_bench import OKAY, SLVERR, TIMEOUT, CoreBench

import cocotb
from hw.bench import CONFIG
from hw.network_case import make_case
from spikeloom.spec import aer, regmap
from spikeloom.spec.aer import Kind
from spikeloom.spec.memmap import memory_map

ERRORS = regmap.BY_NAME["ERRORS"]
RESET_DELAYS = (1, 5, 17, 40, 90, 150)


def spoilt(beats, bad_words, rng):
    """Return the beats with a bad word in beats of its own, in either half, in between."""
    out = [int(b) for b in beats]
    for bad in bad_words:
        beat = bad << rng.choice([0, 32])
        out.insert(rng.randrange(len(out)), beat)
    return out


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(fault=["KIND", "ADDRESS"])
async def bad_words_are_dropped_counted_and_flagged(dut, fault):
    case = make_case(50, CONFIG)
    n = case.network.inputs[0].n_neurons
    rng = random.Random(50)
    known = {int(k) for k in (Kind.NULL, Kind.SPIKE, Kind.TICK, Kind.END)}
    if fault == "KIND":
        bad = [kind << 28 | rng.getrandbits(28) for kind in range(16) if kind not in known]
    else:
        bad = [int(aer.addressed(Kind.SPIKE, 0, k)) for k in (n, n + 1, (1 << 20) - 1)]
        bad += [int(aer.addressed(Kind.SPIKE, p, 0)) for p in (1, 2, 255)]
    bench = await CoreBench.started(dut)
    await bench.load(case)
    case.check(await bench.run([spoilt(case.beats(), bad, rng)]))
    assert await bench.get("DROPPED_LO") == len(bad)
    assert await bench.get("EVENTS_IN_LO") == int(case.inputs.sum())
    assert await bench.get("ERRORS") == ERRORS.mask(fault)
    await bench.put("ERRORS", ERRORS.mask(fault))
    case.check(await bench.run([case.beats()]))
    assert await bench.get("ERRORS") == 0
    assert await bench.get("DROPPED_LO") == len(bad)


@cocotb.test(**TIMEOUT)
async def a_packet_cut_short_by_its_last_goes_on(dut):
    case = make_case(51, CONFIG, n_samples=1)
    bench = await CoreBench.started(dut)
    await bench.load(case)
    beats = case.beats()
    bench.send(beats[:2])
    bench.send(beats[2:])
    case.check(await bench.receive())
    assert await bench.get("ERRORS") == ERRORS.mask("FRAME")


@cocotb.test(**TIMEOUT)
@cocotb.parametrize(how=["aresetn", "CONTROL"])
async def a_reset_in_mid_run_and_then_a_right_run(dut, how):
    case = make_case(52, CONFIG, n_samples=1, n_ticks=3)
    bench = await CoreBench.started(dut)
    await bench.load(case)
    for delay in RESET_DELAYS:
        bench.set_stalls("none", "random", delay)
        bench.send(case.beats())
        await ClockCycles(dut.aclk, delay)
        if how == "aresetn":
            await bench.reset()
            assert await bench.get("NETWORK") == 0
        else:
            await bench.abandon()
        assert await bench.get("CONTROL") == 0
        assert await bench.get("STATUS") == 0
        assert not int(dut.m_axis_tvalid.value), f"after {delay} cycles"
        while not bench.sink.empty():
            bench.sink.recv_nowait()
        bench.set_stalls("none", "none", delay)
        await bench.start(case.n_populations)
        case.check(await bench.run([case.beats()]))


@cocotb.test(**TIMEOUT)
async def an_output_that_stands_for_long_loses_nothing(dut):
    case = make_case(53, CONFIG, n_samples=3)
    bench = await CoreBench.started(dut)
    await bench.load(case)
    bench.sink.pause = True
    bench.send(case.beats())
    await ClockCycles(dut.aclk, 3000)
    assert await bench.get("STALL_OUT_LO") > 2500
    assert not await bench.get("STATUS") & 1
    assert int(dut.s_axis_tvalid.value)
    assert not int(dut.s_axis_tready.value)
    taken = await bench.get("EVENTS_IN_LO")
    await ClockCycles(dut.aclk, 500)
    assert await bench.get("EVENTS_IN_LO") == taken
    bench.sink.pause = False
    case.check(await bench.receive())
    assert await bench.get("STATUS") == 3


@cocotb.test(**TIMEOUT)
async def the_window_is_refused_while_the_core_runs(dut):
    case = make_case(54, CONFIG, n_samples=1)
    bench = await CoreBench.started(dut)
    await bench.load(case)
    bench.send(case.beats())
    for name, memory in memory_map(CONFIG).items():
        assert await bench.write(memory.base, [0xFFFFFFFF]) == SLVERR, name
        assert (await bench.read(memory.base))[1] == SLVERR, name
    case.check(await bench.receive())
    assert await bench.get("ERRORS") == ERRORS.mask("BUSY")
    await bench.put("CONTROL", 0)
    for name, memory in memory_map(CONFIG).items():
        words = case.images[name].ravel()[:1].tolist()
        if words:
            assert await bench.read(memory.base) == (words, OKAY), name


@cocotb.test(**TIMEOUT)
async def the_host_may_look_while_the_core_works(dut):
    """Reads of every register during a run do not disturb it."""
    case = make_case(55, CONFIG)
    bench = await CoreBench.started(dut)
    await bench.load(case)
    bench.send(case.beats())
    while bench.sink.empty():
        for register in regmap.REGISTERS:
            await bench.get(register.name)
        assert (await bench.read(0xFFC))[1] == SLVERR
    beats = await bench.receive()
    case.check(beats)
    words = aer.to_words(beats)
    spikes = int((aer.kind_of(words) == np.uint32(Kind.SPIKE)).sum())
    assert await bench.get("EVENTS_OUT_LO") == spikes

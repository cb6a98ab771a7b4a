import random
from dataclasses import replace

import numpy as np
import pytest

from hw.bench import simulate
from hw.host import CONTROL, Host
from hw.network_case import case_of, make_case
from spikeloom.spec import aer, regmap
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import address_bits, memory_map
from spikeloom.spec.network import InputPopulation, Network, Population, Projection

CONFIG = BuildConfig("unit", lanes=4, state_rows=8, weight_rows=32, populations=4, projections=4)
WIDE = BuildConfig("unit", lanes=16, state_rows=4, weight_rows=16, populations=4, projections=4)
DEEP = BuildConfig("unit", lanes=4, state_rows=16, weight_rows=16, populations=4, projections=4)
COMPACT, COMPACT_WIDE, COMPACT_DEEP = (replace(c, compact=True) for c in (CONFIG, WIDE, DEEP))
CORES = pytest.mark.parametrize("config", [CONFIG, COMPACT], ids=["core", "compact"])
OKAY, SLVERR = 0, 2
BUSY = regmap.BY_NAME["ERRORS"].mask("BUSY")


def with_host(run, config=CONFIG, cycles=20000):
    host = Host(config)

    async def bench(ctx):
        await run(ctx, host)

    simulate(host.dut, bench, cycles=cycles)


def every_word(config):
    return [
        memory.base + 4 * index
        for memory in memory_map(config).values()
        for index in range(memory.rows * memory.row_words)
    ]


@pytest.mark.parametrize(
    "config",
    [CONFIG, WIDE, COMPACT, COMPACT_WIDE],
    ids=lambda c: f"{c.lanes} lanes{', compact' * c.compact}",
)
def test_every_word_of_every_memory_reads_what_was_written(config):
    rng = random.Random(1)
    words = {address: rng.getrandbits(32) for address in every_word(config)}

    async def run(ctx, host):
        for address in rng.sample(sorted(words), len(words)):
            assert await host.write(ctx, address, words[address]) == OKAY
        for address in rng.sample(sorted(words), len(words)):
            assert await host.read(ctx, address) == (words[address], OKAY), hex(address)

    with_host(run, config)


@CORES
def test_addresses_that_hold_nothing_are_refused(config):
    held = set(every_word(config)) | {r.offset for r in regmap.REGISTERS}
    end = 1 << address_bits(config)
    edges = {0, 0xFFC, 0x1000, end - 4}
    for memory in memory_map(config).values():
        edges |= {memory.base - 4, memory.base, memory.base + memory.n_bytes}
    free = sorted(a for a in {*edges, *range(0x1000, end, 0x40)} if a < end and a not in held)

    async def run(ctx, host):
        assert free
        for address in free:
            assert (await host.read(ctx, address))[1] == SLVERR, hex(address)
            assert await host.write(ctx, address, 0xFFFFFFFF) == SLVERR, hex(address)
        for address in every_word(config):
            assert await host.read(ctx, address) == (0, OKAY), hex(address)
        assert await host.get(ctx, "ERRORS") == 0

    with_host(run, config)


@CORES
def test_partial_strobes_change_no_memory(config):
    async def run(ctx, host):
        for memory in memory_map(config).values():
            last = memory.base + memory.n_bytes - 4
            assert await host.write(ctx, last, 0x01234567) == OKAY
            for strobe in range(15):
                assert await host.write(ctx, last, 0xFFFFFFFF, strobe) == SLVERR
            assert await host.read(ctx, last) == (0x01234567, OKAY)

    with_host(run, config)


def test_registers_over_the_bus():
    async def run(ctx, host):
        assert await host.get(ctx, "ID") == regmap.ID_VALUE
        assert await host.write(ctx, regmap.BY_NAME["ID"].offset, 1) == SLVERR
        assert await host.write(ctx, regmap.BY_NAME["TAG"].offset, 0xABCD1234) == OKAY
        assert await host.write(ctx, regmap.BY_NAME["TAG"].offset + 2, 0x1234ABCD) == OKAY
        assert await host.read(ctx, regmap.BY_NAME["TAG"].offset + 3) == (0x1234ABCD, OKAY)
        assert await host.write(ctx, regmap.BY_NAME["TAG"].offset, 0, 7) == SLVERR
        assert await host.get(ctx, "TAG") == 0x1234ABCD

    with_host(run)


@CORES
def test_the_window_is_refused_while_running(config):
    case = make_case(3, config)

    async def run(ctx, host):
        await host.load(ctx, case)
        words = [m.base + m.n_bytes - 4 for m in memory_map(config).values()]
        words += [m.base for m in memory_map(config).values()]
        before = [await host.read(ctx, address) for address in words]
        await host.start(ctx)
        for address in words:
            assert (await host.read(ctx, address))[1] == SLVERR
        assert await host.get(ctx, "ERRORS") == 0
        for address in words:
            assert await host.write(ctx, address, 0x5A5A5A5A) == SLVERR
            assert await host.get(ctx, "ERRORS") == BUSY
            await host.put(ctx, "ERRORS", BUSY)
        assert await host.write(ctx, regmap.BY_NAME["NETWORK"].offset, 1) == SLVERR
        case.check(await host.exchange(ctx, [case.beats()]))
        await host.put(ctx, "CONTROL", 0)
        assert [await host.read(ctx, address) for address in words] == before

    with_host(run, config)


@CORES
def test_no_beat_is_taken_before_the_core_is_ready(config):
    async def run(ctx, host):
        ctx.set(host.dut.s_axis_tvalid, 1)
        for _ in range(20):
            _, _, ready = await ctx.tick().sample(host.dut.s_axis_tready)
            assert not ready
        assert await host.get(ctx, "STATUS") == 0

    with_host(run, config)


@pytest.mark.parametrize(("seed", "config"), [(0, CONFIG), (1, CONFIG), (2, CONFIG), (3, COMPACT)])
@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.7, 0.0), (0.0, 0.7), (0.5, 0.5)])
def test_random_networks(seed, stalls, config):
    case = make_case(seed, config)

    async def run(ctx, host):
        await host.load(ctx, case)
        await host.start(ctx)
        rng = random.Random(seed)
        case.check(await host.exchange(ctx, case.packets(), rng, stalls))
        assert await host.get(ctx, "STATUS") == 3
        assert await host.get(ctx, "ERRORS") == 0

    with_host(run, config)


@pytest.mark.parametrize("config", [DEEP, COMPACT_DEEP], ids=["core", "compact"])
@pytest.mark.parametrize("stall", [0.0, 0.9])
def test_more_firing_rows_than_the_encoder_holds(stall, config):
    """All neurons of 16 rows fire in every tick; the sweep waits for places."""
    network = Network(
        (InputPopulation("input", (1,)),),
        (Population("out", (64,), threshold=5, decay=32768),),
        (Projection("input", "out", np.full((64, 1), 9, np.int8)),),
        ("out",),
    )
    case = case_of(network, np.ones((1, 3, 1), np.uint8), config)
    assert case.expected.spikes["out"].all()
    images = case.compiled.images

    async def run(ctx, host):
        await host.load_images(ctx, dict(images), case.n_populations)
        await host.start(ctx)
        beats = await host.exchange(ctx, [case.beats()], random.Random(1), (0, stall))
        words = aer.to_words(np.array(beats, np.uint64))
        spikes = words[aer.kind_of(words) == int(Kind.SPIKE)]
        assert aer.neuron_of(spikes).tolist() == [*range(64)] * 3

    with_host(run, config)


@CORES
def test_counters_after_a_run(config):
    case = make_case(4, config, n_samples=3)
    events = int(case.inputs.sum())

    async def run(ctx, host):
        await host.load(ctx, case)
        await host.start(ctx)
        for times in (1, 2):
            beats = await host.exchange(ctx, [case.beats()])
            words = aer.to_words(np.array(beats, np.uint64))
            kinds = aer.kind_of(words)
            expected = {
                "EVENTS_IN": events,
                "EVENTS_OUT": int((kinds == int(Kind.SPIKE)).sum()),
                "TICKS": case.inputs.shape[0] * case.inputs.shape[1],
                "SAMPLES": case.inputs.shape[0],
                "SOPS": int(case.expected.sops.sum()),
                "DROPPED": 0,
                "STALL_OUT": 0,
            }
            for name, value in expected.items():
                assert await host.counter(ctx, name) == times * value, name
            cycles = aer.payload_of(words[kinds == int(Kind.CYCLES)])
            assert await host.counter(ctx, "CYCLES") >= int(cycles.sum()) > 0
        await host.put(ctx, "CONTROL", CONTROL.mask("RUN") | CONTROL.mask("CLEAR_COUNTERS"))
        for name, _ in regmap.COUNTERS:
            assert await host.counter(ctx, name) == 0, name

    with_host(run, config)


@pytest.mark.parametrize(("how", "config"), [("RESET", CONFIG), ("RUN", CONFIG), ("RUN", COMPACT)])
def test_a_reset_at_any_cycle_and_then_a_right_run(how, config):
    """The memories stay; everything else starts anew."""
    case = make_case(5, config, n_samples=1, n_ticks=3)
    delays = [*range(0, 60, 7), 75, 90, 120, 160]

    async def run(ctx, host):
        await host.load(ctx, case)
        await host.start(ctx)
        for delay in delays:
            rng = random.Random(delay)
            await host.exchange(ctx, [case.beats()], rng, (0, 0.5), cycles=delay + 1, answers=0)
            reset = CONTROL.mask("RESET") if how == "RESET" else 0
            await host.put(ctx, "CONTROL", reset)
            assert await host.get(ctx, "CONTROL") == 0
            assert await host.get(ctx, "STATUS") == 0
            assert not ctx.get(host.dut.m_axis_tvalid), f"after {delay} cycles"
            await host.start(ctx)
            case.check(await host.exchange(ctx, [case.beats()]))

    with_host(run, config)


def word(kind, payload=0):
    return int(kind) << 28 | payload


@CORES
def test_words_that_tkeep_leaves_out_are_null(config):
    case = make_case(6, config, n_samples=2, n_ticks=3)
    rubbish = word(Kind.END, 99)
    rng = random.Random(6)
    beats, keeps = [], []
    for beat in case.beats():
        low, high = int(beat) & 0xFFFFFFFF, int(beat) >> 32
        beats += [rubbish | rubbish << 32, low | rubbish << 32, rubbish | high << 32]
        # a word of which any byte is left out does not count
        partial = rng.randrange(15)
        keeps += [partial | rng.randrange(15) << 4, 0x0F | partial << 4, 0xF0 | partial]
    # the beat with TLAST must hold END
    beats[-2:], keeps[-2:] = [int(case.beats()[-1])], [0xFF]

    async def run(ctx, host):
        await host.load(ctx, case)
        await host.start(ctx)
        case.check(await host.exchange(ctx, [beats], keeps=keeps))
        assert await host.counter(ctx, "EVENTS_IN") == int(case.inputs.sum())
        assert await host.counter(ctx, "DROPPED") == 0
        assert await host.get(ctx, "ERRORS") == 0

    with_host(run, config)


@CORES
def test_last_without_end_is_flagged_and_the_packet_goes_on(config):
    case = make_case(7, config, n_samples=1)

    async def run(ctx, host):
        await host.load(ctx, case)
        await host.start(ctx)
        beats = [int(b) for b in case.beats()]
        case.check(await host.exchange(ctx, [beats[:1], beats[1:]], answers=1))
        assert await host.get(ctx, "ERRORS") == regmap.BY_NAME["ERRORS"].mask("FRAME")

    with_host(run, config)

"""The whole accelerator of compact builds: what the tests of the other core do not ask for."""

import random
from dataclasses import replace

import numpy as np
import pytest

from hw.bench import BURSTY, COMPACT, simulate
from hw.host import Host
from hw.network_case import case_of, make_case
from spikeloom.spec import aer, regmap
from spikeloom.spec.aer import Kind
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom.spec.tables import POPULATIONS, unpack_row

ERRORS = regmap.BY_NAME["ERRORS"]
TICK_CYCLES = 2
"""Of a tick in which there is nothing to be done."""


def with_host(run, config=COMPACT, cycles=40_000):
    host = Host(config)

    async def bench(ctx):
        await run(ctx, host)

    simulate(host.dut, bench, cycles=cycles)


def joined(*populations, weight=1):
    """A network whose input of two reaches every population; all of them are outputs."""
    return Network(
        (InputPopulation("in", (2,), 3),),
        populations,
        tuple(
            Projection("in", p.name, np.full((p.n_neurons, 2), weight, np.int8))
            for p in populations
        ),
        tuple(p.name for p in populations),
    )


def silence(n_ticks, n_samples=1):
    return np.zeros((n_samples, n_ticks, 2), np.uint8)


def cycles_of(beats):
    words = aer.to_words(np.array(beats, np.uint64))
    return aer.payload_of(words[aer.kind_of(words) == int(Kind.CYCLES)]).tolist()


async def answered(ctx, host, case):
    """Load and run a case without probes and return its beats."""
    await host.put(ctx, "CONTROL", 0)
    await host.load_images(ctx, dict(case.compiled.images), case.n_populations)
    await host.start(ctx)
    return await host.exchange(ctx, [case.beats()])


@pytest.mark.parametrize(("lanes", "state_rows"), [(4, 4), (4, 64), (8, 8)])
def test_random_networks_on_builds_of_other_sizes(lanes, state_rows):
    config = replace(COMPACT, lanes=lanes, state_rows=state_rows)
    case = make_case(lanes + state_rows, config, n_samples=2, n_ticks=3)

    async def run(ctx, host):
        await host.load(ctx, case)
        await host.start(ctx)
        for stall in (0.0, BURSTY):
            rng = random.Random(state_rows)
            case.check(await host.exchange(ctx, [case.beats()], rng, (stall, stall)))
        assert await host.get(ctx, "ERRORS") == 0

    with_host(run, config)


@pytest.mark.parametrize(("rows", "weight_bits"), [(4, 2), (8, 4), (16, 8), (32, 8), (64, 8)])
def test_populations_at_rest_beside_one_with_a_bias(rows, weight_bits):
    """Before the first event nothing holds a potential, and one population is visited."""
    config = replace(COMPACT, state_rows=rows, weight_bits=weight_bits)
    at_rest = Population("rests", (5,), threshold=3, decay=32768)
    biased = Population("biased", (3,), threshold=100, decay=32768, bias=5)
    inputs = silence(4)
    inputs[0, 2] = 3, 1
    cases = [
        case_of(joined(*order), inputs, config) for order in ((biased, at_rest), (at_rest, biased))
    ]
    assert all(case.expected.spikes["rests"].any() for case in cases)

    async def run(ctx, host):
        for case in cases:
            await host.load(ctx, case)
            await host.start(ctx)
            case.check(await host.exchange(ctx, [case.beats()], cycles=2000))

    with_host(run, config)


def test_a_tick_in_which_nothing_holds_a_potential_takes_two_cycles():
    network = joined(*(Population(f"p{k}", (7,), threshold=9, decay=32768) for k in range(3)))

    async def run(ctx, host):
        took = {}
        for n_ticks in (0, 2, 50):
            case = case_of(network, silence(n_ticks), COMPACT)
            took[n_ticks] = cycles_of(await answered(ctx, host, case))[0]
        assert took[50] - took[2] == 48 * TICK_CYCLES
        assert took[0] < 10

    with_host(run)


def test_rows_at_rest_cost_a_cycle_for_32():
    """In ticks in which the table is looked at, as another population has a bias."""
    config = replace(COMPACT, state_rows=128, weight_rows=256)

    rests = [32 * blocks * config.lanes for blocks in (1, 2, 3)]

    async def run(ctx, host):
        per_tick = []
        for n_neurons in rests:
            network = joined(
                Population("rests", (n_neurons,), threshold=3, decay=32768),
                Population("biased", (3,), threshold=30000, decay=32768, bias=1),
            )
            cases = [case_of(network, silence(n_ticks), config) for n_ticks in (2, 6)]
            first = cases[0].compiled.images["populations"][1]
            assert unpack_row(POPULATIONS, first)["n_neurons"] == n_neurons
            few, many = [cycles_of(await answered(ctx, host, case))[0] for case in cases]
            per_tick.append((many - few) / 4)
        assert per_tick == [per_tick[0] + blocks for blocks in range(3)]

    with_host(run, config, cycles=100_000)


@pytest.mark.parametrize("n_samples", [1, 3])
def test_samples_without_ticks_show_the_initial_potentials(n_samples):
    network = joined(
        Population("zero", (5,), threshold=9, decay=32768),
        Population("some", (6,), threshold=9, decay=32768, initial=-7),
    )
    case = case_of(network, silence(0, n_samples), COMPACT)
    assert case.expected.final["some"].tolist() == [[-7] * 6] * n_samples

    async def run(ctx, host):
        await host.load(ctx, case)
        await host.start(ctx)
        case.check(await host.exchange(ctx, [case.beats()]))

    with_host(run)


def test_a_network_after_another_finds_nothing_of_it():
    """Half-filled rows whose other lanes hold potentials: the same beats in the same cycles."""
    lanes, rows = COMPACT.lanes, COMPACT.state_rows
    filling = joined(
        Population(
            "fills", (lanes * rows,), threshold=32767, decay=32768, initial=32767, bias=32767
        )
    )
    small = Network(
        (InputPopulation("in", (2,), 3),),
        (
            Population("a", (lanes + 1,), threshold=5, decay=30000),
            Population("b", (1,), threshold=4, decay=16384, initial=3),
        ),
        (
            Projection("in", "a", np.array([[3, 2]] * (lanes + 1), np.int8)),
            Projection("a", "b", np.ones((1, lanes + 1), np.int8)),
        ),
        ("a", "b"),
    )
    rng = np.random.default_rng(1)
    case = case_of(small, rng.integers(0, 3, (2, 6, 2)).astype(np.uint8), COMPACT)
    before = case_of(filling, np.ones((1, 1, 2), np.uint8), COMPACT)
    assert 0 < case.expected.spikes["b"].mean() < 1

    async def run(ctx, host):
        fresh = await answered(ctx, host, case)
        await host.load(ctx, before)
        await host.start(ctx)
        # no END comes: every lane of every row holds a potential
        tick = int(Kind.TICK) << 28
        await host.exchange(ctx, [[tick]], cycles=1000, answers=0)
        await host.put(ctx, "ERRORS", ERRORS.mask("FRAME"))
        assert await answered(ctx, host, case) == fresh
        await host.load(ctx, case)
        await host.start(ctx)
        case.check(await host.exchange(ctx, [case.beats()]))
        assert await host.get(ctx, "ERRORS") == 0

    with_host(run)

"""The images say what the network says, read back word by word."""

import numpy as np
import pytest

from spikeloom.compile import compile_network
from spikeloom.compile.images import fire_facts
from spikeloom.spec.build import build_id
from spikeloom.spec.config import PRESETS, BuildConfig
from spikeloom.spec.memmap import memory_map
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom.spec.tables import POPULATIONS, PROJECTIONS, FireSelect, unpack_row
from spikeloom_sim.random_networks import random_network

CONFIG = BuildConfig("test", lanes=8, state_rows=64, weight_rows=4096)


def network_of(population, n_source=3):
    weights = np.ones((population.n_neurons, n_source), np.int8)
    return Network(
        (InputPopulation("input", (n_source,), 3),),
        (population,),
        (Projection("input", population.name, weights),),
        (population.name,),
    )


def rows_of(done, table):
    return [unpack_row(table, row) for row in done.images[table.name]]


def weight(images, row, source, destination, lanes):
    """Read one weight as the core addresses it (see spikeloom.spec.tables.PROJECTIONS)."""
    bank = images["weights_odd" if source % 2 else "weights_even"]
    line = row["weight_base"] + (destination // lanes) * row["stride"] + source // 2
    lane = destination % lanes
    byte = int(bank[line, lane // 4]) >> (8 * (lane % 4)) & 0xFF
    return byte - 256 if byte > 127 else byte


def read_back(done, network, lanes):
    """Return every projection's weights from the images, found by way of the tables."""
    populations, projections = rows_of(done, POPULATIONS), rows_of(done, PROJECTIONS)
    names = [p.name for p in done.build.populations]
    at = {p["row_base"]: name for p, name in zip(populations, names, strict=True) if p["n_rows"]}
    found = {}
    for name, population in zip(names, populations, strict=True):
        first, count = population["first_projection"], population["n_projections"]
        for row in projections[first : first + count]:
            target = at[row["row_base"]]
            n_target = (row["n_rows"] - 1) * lanes + row["lanes_last"]
            found[name, target] = np.array(
                [
                    [weight(done.images, row, s, d, lanes) for s in range(population["n_neurons"])]
                    for d in range(n_target)
                ]
            )
    return found


@pytest.mark.parametrize("seed", range(12))
def test_weights_read_back_one_by_one(seed):
    network = random_network(np.random.default_rng(seed), CONFIG)
    done = compile_network(network, CONFIG)
    found = read_back(done, network, CONFIG.lanes)
    assert len(found) == len(network.projections)
    for projection in network.projections:
        np.testing.assert_array_equal(
            found[projection.source, projection.destination], projection.weights
        )


@pytest.mark.parametrize("lanes", [4, 16])
def test_odd_sizes_several_rows_and_several_projections(lanes, rng):
    sizes = {"input": 7, "a": 2 * lanes + 3, "b": lanes - 1, "c": lanes}
    links = [("input", "a"), ("a", "b"), ("input", "b"), ("b", "c"), ("a", "c"), ("input", "c")]
    network = Network(
        (InputPopulation("input", (7,)),),
        tuple(Population(n, (sizes[n],), 9, 0) for n in "cab"),
        tuple(Projection(s, d, rng.integers(-128, 128, (sizes[d], sizes[s]))) for s, d in links),
        ("c",),
    )
    config = BuildConfig("test", lanes=lanes, state_rows=8, weight_rows=256)
    found = read_back(compile_network(network, config), network, lanes)
    assert found.keys() == set(links)
    for projection in network.projections:
        np.testing.assert_array_equal(
            found[projection.source, projection.destination], projection.weights
        )


def test_what_no_weight_fills_is_zero():
    """Lanes without a neuron, and the odd bank beside the last of an odd number of sources."""
    done = compile_network(network_of(Population("n", (9,), 5, 0), n_source=5), CONFIG)
    even, odd = done.images["weights_even"], done.images["weights_odd"]
    assert even.shape == odd.shape == (2 * 3, 2)
    ones = np.uint32(0x01010101)
    np.testing.assert_array_equal(even, [[ones, ones]] * 3 + [[1, 0]] * 3)
    np.testing.assert_array_equal(odd, [[ones, ones]] * 2 + [[0, 0]] + [[1, 0]] * 2 + [[0, 0]])


def test_images_have_the_shapes_of_the_memories():
    for config in (CONFIG, *PRESETS.values()):
        done = compile_network(network_of(Population("n", (9,), 5, 0)), config)
        memories = memory_map(config)
        assert done.images.keys() == memories.keys()
        for name, image in done.images.items():
            assert image.dtype == np.uint32
            assert image.shape[1] == memories[name].row_words
            assert image.shape[0] <= memories[name].rows


def test_a_network_without_projections_has_empty_banks():
    network = Network((InputPopulation("input", (3,)),), (Population("n", (2,), 5, 0, 1),), (), "n")
    done = compile_network(network, CONFIG)
    assert done.images["projections"].shape == (0, PROJECTIONS.words)
    assert done.images["weights_even"].shape == (0, CONFIG.lanes // 4)
    assert rows_of(done, POPULATIONS)[1]["opens_input"] == 1


def test_every_field_of_a_population_row():
    population = Population(
        "n", (2, 5, 2), 32767, 32768, -32768, "value", "after_decay", -9, initial=-77, floor=-99
    )
    source, row = rows_of(compile_network(network_of(population), CONFIG), POPULATIONS)
    assert {k: v for k, v in source.items() if v} == {"n_neurons": 3, "n_projections": 1}
    assert row == {
        "row_base": 0,
        "n_rows": 3,
        "n_neurons": 20,
        "threshold": 32767,
        "decay": 32768,
        "bias": -32768,
        "floor": -99,
        "initial": -77,
        "fire_constant": -9,
        "fire_select": FireSelect.ZERO,
        "fires": 1,
        "clip_before": 0,
        "always_visit": 1,
        "always_clear": 1,
        "opens_input": 1,
        "emit_spikes": 1,
        "probe_ticks": 0,
        "probe_end": 1,
        "lanes_last": 4,
        "first_projection": 0,
        "n_projections": 0,
        "multi_spike": 0,
        "records": 0,
        "refractory": 0,
        "held": -9,
        "current_decay": 0,
        "parameter_base": 0,
        "parameter_mask": 0,
    }


def test_a_hidden_population_at_rest_asks_for_nothing():
    network = Network(
        (InputPopulation("input", (2,)),),
        (Population("hidden", (9,), 40, 30000), Population("out", (1,), 40, 30000, reset="none")),
        (
            Projection("input", "hidden", np.ones((9, 2), np.int8)),
            Projection("hidden", "out", np.ones((1, 9), np.int8)),
        ),
        ("out",),
    )
    done = compile_network(network, CONFIG)
    _, hidden, out = rows_of(done, POPULATIONS)
    flags = (
        *("fires", "clip_before", "always_visit", "always_clear", "opens_input", "emit_spikes"),
        *("probe_end", "lanes_last", "row_base", "first_projection", "n_projections"),
    )
    assert [hidden[f] for f in flags] == [1, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1]
    assert [out[f] for f in flags] == [0, 1, 0, 0, 0, 1, 1, 1, 2, 0, 0]
    ungrouped = dict.fromkeys(("grouped", "group_bits", "group_base", "shared", "shift"), 0)
    assert rows_of(done, PROJECTIONS) == [
        {"row_base": 0, "n_rows": 2, "weight_base": 0, "stride": 1, "lanes_last": 1, **ungrouped},
        {"row_base": 2, "n_rows": 1, "weight_base": 2, "stride": 5, "lanes_last": 1, **ungrouped},
    ]


def test_input_opens_behind_the_last_population_that_it_feeds():
    ones = np.ones((2, 2), np.int8)
    network = Network(
        (InputPopulation("input", (2,)),),
        tuple(Population(n, (2,), 40, 0) for n in "abc"),
        (
            Projection("input", "a", ones),
            Projection("a", "b", ones),
            Projection("input", "b", ones),
            Projection("b", "c", ones),
        ),
        ("c",),
    )
    rows = rows_of(compile_network(network, CONFIG), POPULATIONS)
    assert [row["opens_input"] for row in rows] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("reset", "order", "expected"),
    [
        ("subtract", "before_decay", (FireSelect.H_MINUS_THETA, 0)),
        ("subtract", "after_decay", (FireSelect.H, 0)),
        ("zero", "before_decay", (FireSelect.ZERO, 0)),
        ("zero", "after_decay", (FireSelect.ZERO, 0)),
        ("none", "before_decay", (FireSelect.ZERO, 0)),
        ("none", "after_decay", (FireSelect.ZERO, 0)),
    ],
)
def test_how_a_spike_resets(reset, order, expected):
    population = Population("n", (1,), 600, 20000, reset=reset, reset_order=order)
    assert fire_facts(population, True) == expected
    row = rows_of(compile_network(network_of(population), CONFIG), POPULATIONS)[1]
    assert (row["fire_select"], row["fire_constant"]) == expected
    assert row["clip_before"] == (order == "before_decay")
    assert row["fires"] == (reset != "none")


@pytest.mark.parametrize(
    ("value", "floor", "kept"),
    [(3, -32768, 3), (-300, -7, -7), (-300, 0, 0), (-32768, -32768, -32768), (32767, -9, 32767)],
)
def test_a_reset_value_is_clipped_and_decays_in_its_order(value, floor, kept):
    for order, select in (("before_decay", FireSelect.VALUE), ("after_decay", FireSelect.ZERO)):
        population = Population(
            "n", (1,), 600, 9000, reset="value", reset_order=order, reset_value=value, floor=floor
        )
        assert fire_facts(population, True) == (select, kept)
        # with one decay for the population the decayed value is known beforehand
        decayed = int(kept * 9000 / 32768) if order == "before_decay" else kept
        row = rows_of(compile_network(network_of(population), CONFIG), POPULATIONS)[1]
        assert (row["fire_select"], row["fire_constant"]) == (FireSelect.ZERO, decayed)
        assert row["held"] == kept


def test_build_facts_are_those_of_the_build():
    for name, config in PRESETS.items():
        done = compile_network(network_of(Population("n", (9,), 5, 0)), config)
        assert done.build.config is config
        assert done.build.id == build_id(config)
        assert done.report.config.name == name
        assert [p.name for p in done.build.populations] == ["input", "n"]
        assert done.build.inputs[0].max_magnitude == 3
        assert done.bounds["n"].high == 9


def test_compiling_twice_gives_the_same_words():
    network = random_network(np.random.default_rng(5), CONFIG)
    first, second = (compile_network(network, CONFIG) for _ in range(2))
    assert first.build == second.build
    for name, image in first.images.items():
        np.testing.assert_array_equal(image, second.images[name])

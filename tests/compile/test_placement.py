"""Nothing overlaps, sources come first, and the last row knows its neurons."""

import numpy as np
import pytest

from spikeloom.compile import place
from spikeloom.compile.placement import lanes_last, state_rows
from spikeloom.spec.config import PRESETS, BuildConfig
from spikeloom.spec.manifest import PlacedInput
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.random_networks import random_network

CONFIGS = (
    BuildConfig("narrow", lanes=4, state_rows=128, weight_rows=8192),
    BuildConfig("wide", lanes=16, state_rows=32, weight_rows=2048),
)


@pytest.fixture(params=CONFIGS, ids=lambda c: c.name)
def drawn(request):
    print("seeds 0 to 39")
    return request.param, [
        random_network(np.random.default_rng(seed), request.param) for seed in range(40)
    ]


def test_rows_are_disjoint_and_inside_the_memories(drawn):
    config, networks = drawn
    for network in networks:
        placement = place(network, config.lanes)
        rows = [r for p in placement.populations for r in range(p.row_base, p.row_base + p.n_rows)]
        assert sorted(rows) == list(range(len(rows)))
        assert len(rows) <= config.state_rows
        weights = [
            row
            for p in placement.projections
            for row in range(p.weight_base, p.weight_base + p.n_rows * p.stride)
        ]
        assert sorted(weights) == list(range(len(weights)))
        assert len(weights) <= config.weight_rows


def test_inputs_come_first_and_then_sources_before_destinations(drawn):
    config, networks = drawn
    for network in networks:
        placement = place(network, config.lanes)
        index = {p.name: i for i, p in enumerate(placement.populations)}
        assert len(index) == len(network.inputs) + len(network.populations)
        assert [p.is_input for p in placement.populations] == [True] + [False] * len(
            network.populations
        )
        for projection in network.projections:
            assert index[projection.source] < index[projection.destination]


def test_projections_are_grouped_by_source(drawn):
    config, networks = drawn
    for network in networks:
        placement = place(network, config.lanes)
        taken = []
        for index, population in enumerate(placement.populations):
            first, count = placement.fan_out(index)
            chosen = placement.projections[first : first + count]
            assert {p.projection.source for p in chosen} <= {population.name}
            taken += [p.projection.name for p in chosen]
        assert sorted(taken) == sorted(p.name for p in network.projections)


def test_facts_of_a_population_are_those_of_the_network(drawn):
    config, networks = drawn
    for network in networks:
        placement = place(network, config.lanes)
        (source,) = network.inputs
        assert placement.inputs == (
            PlacedInput(
                source.name, source.shape, source.n_neurons, max_magnitude=source.max_magnitude
            ),
        )
        for placed in placement.populations:
            source = network.source(placed.name)
            assert (placed.shape, placed.n_neurons) == (source.shape, source.n_neurons)
            assert placed.is_output == (placed.name in network.outputs)
            if placed.is_input:
                assert placed.n_rows == 0
            else:
                assert placed.n_rows == -(-source.n_neurons // config.lanes)


def test_topological_order_does_not_depend_on_the_order_of_writing():
    names = ("last", "middle", "first")
    network = Network(
        (InputPopulation("input", (3,)),),
        tuple(Population(n, (5,), 7, 0) for n in names),
        (
            Projection("middle", "last", np.ones((5, 5), np.int8)),
            Projection("first", "middle", np.ones((5, 5), np.int8)),
            Projection("first", "last", np.ones((5, 5), np.int8)),
            Projection("input", "first", np.ones((5, 3), np.int8)),
        ),
        ("last",),
    )
    placement = place(network, PRESETS["tiny"].lanes)
    assert [p.name for p in placement.populations] == ["input", "first", "middle", "last"]
    assert [(p.row_base, p.n_rows) for p in placement.populations[1:]] == [(0, 2), (2, 2), (4, 2)]
    assert [(p.projection.name, p.weight_base, p.stride) for p in placement.projections] == [
        ("input->first", 0, 2),
        ("first->middle", 4, 3),
        ("first->last", 10, 3),
        ("middle->last", 16, 3),
    ]
    assert placement.fan_out(3) == (0, 0)


@pytest.mark.parametrize(
    ("n", "lanes", "last", "rows"),
    [(1, 4, 1, 1), (3, 4, 3, 1), (4, 4, 4, 1), (5, 4, 1, 2), (8, 4, 4, 2), (256, 256, 256, 1)],
)
def test_neurons_of_the_last_row(n, lanes, last, rows):
    assert (lanes_last(n, lanes), state_rows(n, lanes)) == (last, rows)

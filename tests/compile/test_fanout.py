"""Groups, runs and blocks: what is shared, what is split, and what does not fit."""

import numpy as np
import pytest

from compile.interpreter import Images
from spikeloom.compile import capacity_report, compile_network, place
from spikeloom.compile.inputs import input_ranges
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import CapacityError
from spikeloom.spec.network import (
    Conv2d,
    Dense,
    InputPopulation,
    Network,
    OneToOne,
    Pool,
    Population,
    Projection,
    Sparse,
    Uniform,
)

CONFIG = BuildConfig(
    "test", lanes=8, state_rows=128, weight_rows=1024, groups=512, runs=1024, history_rows=16
)


def pair(source, destination, kind, weights, config=CONFIG):
    """Return the one placed projection of a network of two populations."""
    network = Network(
        (InputPopulation("input", source),),
        (Population("n", destination, 90, 0),),
        (Projection("input", "n", weights, kind=kind),),
        ("n",),
    )
    return network, place(network, config.lanes)


def test_a_convolution_stores_its_filter_once():
    weights = np.arange(8 * 3 * 3 * 4).reshape(8, 3, 3, 4) % 91
    _, placement = pair((9, 9, 4), (9, 9, 8), Conv2d(padding=(1, 1)), weights)
    (placed,) = placement.projections
    fan_out = placed.fan_out
    # 4 channels of a place form a group; a place is a row, three places side by side are a run
    assert (fan_out.group_bits, fan_out.stride, fan_out.shared) == (2, 2, False)
    assert len(fan_out.groups) == 81
    assert [len(fan_out.groups[g]) for g in (0, 1, 40)] == [2, 2, 3]
    # three runs of three places, each of them 3 blocks of 2 rows; the edges are parts of them
    assert placement.banks.n_rows == 3 * 3 * 2


def test_a_pool_needs_as_many_rows_as_channels_have_places_in_a_row():
    _, placement = pair((4, 4, 8), (2, 2, 8), Pool((2, 2)), np.ones((), np.int8))
    (placed,) = placement.projections
    # two places side by side send to the same row, channel c to lane c
    assert (placed.fan_out.group_bits, placed.fan_out.stride) == (4, 8)
    assert placement.banks.n_rows == 8


def test_a_uniform_projection_shares_one_row_of_weights():
    _, placement = pair((50,), (20,), Uniform(), np.array(-3))
    (placed,) = placement.projections
    assert placed.fan_out.shared
    assert [(r.row, r.n_rows, r.lanes, r.lanes_last) for r in placed.fan_out.groups[0]] == [
        (0, 3, 8, 4)
    ]
    assert (len(placed.fan_out.groups), placed.stride, placement.banks.n_rows) == (1, 1, 3)


def test_even_and_odd_sources_fill_their_banks_apart():
    indptr, indices = np.arange(5), np.array([0, 8, 16, 24])
    _, placement = pair((4,), (32,), Sparse(indptr, indices), np.array([1, 2, 3, 4]))
    (placed,) = placement.projections
    assert placed.fan_out.group_bits == 0
    assert placement.banks.n_rows == 2


def test_runs_are_split_where_the_number_of_synapses_changes():
    there = np.array([8, 9, 16, 17, 24, 40, 41, 48])
    indptr = np.array([0, len(there)])
    _, placement = pair((1,), (64,), Sparse(indptr, there), np.ones(len(there), np.int8))
    (runs,) = placement.projections[0].fan_out.groups
    assert [(r.row, r.n_rows, r.lanes, r.lanes_last) for r in runs] == [(1, 3, 2, 1), (5, 2, 2, 1)]


def test_dense_networks_need_no_groups():
    _, placement = pair((7,), (20,), Dense(), np.ones((20, 7), np.int8))
    assert (placement.n_groups, placement.n_runs) == (0, 0)


def test_inputs_and_their_delays_have_ranges_of_their_own():
    network = Network(
        (InputPopulation("a", (3,)), InputPopulation("b", (9,), 5, True)),
        (Population("n", (9,), 90, 0), Population("m", (9,), 90, 0)),
        (
            Projection("a", "n", np.ones((9, 3), np.int8)),
            Projection("a", "m", np.ones((9, 3), np.int8), delay=4),
            Projection("b", "n", np.array(2), kind=OneToOne(), delay=1),
        ),
        ("n",),
    )
    found = [(r.source.name, r.delay, r.address) for r in input_ranges(network)]
    assert found == [("a", 0, 16), ("a", 4, 20), ("b", 1, 0)]
    placement = place(network, CONFIG.lanes)
    assert placement.populations[0].n_neurons == 23
    assert placement.fan_out(0) == (0, 3)
    assert placement.replays() == ()


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("lanes", [4, 16])
def test_weights_of_fewer_bits_lie_side_by_side(bits, lanes, rng):
    config = BuildConfig("test", lanes, state_rows=16, weight_rows=256, weight_bits=bits)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    weights = rng.integers(low, high + 1, (13, 5))
    network, _ = pair((5,), (13,), Dense(), weights)
    images = Images(config, compile_network(network, config).images)
    for source in range(5):
        arriving = np.zeros((config.state_rows, lanes), np.int64)
        images.event(0, source, arriving)
        np.testing.assert_array_equal(arriving.reshape(-1)[:13], weights[:, source])


def test_weights_that_a_build_cannot_hold_are_named():
    network, _ = pair((1,), (1,), Dense(), np.array([[8]]))
    config = BuildConfig("test", 4, state_rows=16, weight_rows=256, weight_bits=4)
    with pytest.raises(CapacityError, match="input->n must be from -8 to 7 in a build of 4 bits"):
        compile_network(network, config)


@pytest.mark.parametrize(("delay", "multi_spike", "rows"), [(7, False, 16), (8, False, 18)])
def test_the_history_of_delayed_projections_is_counted(delay, multi_spike, rows):
    network = Network(
        (InputPopulation("input", (1,)),),
        (Population("n", (9,), 90, 0, multi_spike=multi_spike),),
        (
            Projection("input", "n", np.ones((9, 1), np.int8)),
            Projection("n", "n", np.array(-1), kind=OneToOne(), delay=delay),
        ),
        ("n",),
    )
    uses = {use.resource: use.used for use in capacity_report(network, CONFIG).uses}
    assert (uses["history_rows"], uses["replays"]) == (rows, 1)  # two rows a tick, delay + 1 ticks
    if rows > CONFIG.history_rows:
        with pytest.raises(CapacityError, match=r"18 rows of spikes that wait .* \(2 more than"):
            compile_network(network, CONFIG)
    else:
        assert compile_network(network, CONFIG).images["replays"].shape == (1, 1)

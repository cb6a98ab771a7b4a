"""The overflow bound over the whole contract, and what the compiler refuses of it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.compile import capacity_report, compile_network, prove_no_overflow
from spikeloom.compile.proof import population_bound, spike_magnitudes
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import CapacityError, NetworkError
from spikeloom.spec.network import (
    Conv2d,
    InputPopulation,
    Network,
    OneToOne,
    Pool,
    Population,
    Projection,
    Sparse,
    Uniform,
)
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel
from spikeloom_sim.random_contract import random_contract_input, random_contract_network


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_runs_stay_inside_the_bounds(seed):
    rng = np.random.default_rng(seed)
    network = random_contract_network(rng)
    bounds = prove_no_overflow(network)
    magnitudes = spike_magnitudes(network)
    trace = MatrixModel(network).run(random_contract_input(rng, network, 8, 12))
    for name, bound in bounds.items():
        potentials = trace.potentials[name]
        assert bound.low <= potentials.min()
        assert potentials.max() <= bound.high
        assert (trace.spikes[name] <= magnitudes[name]).all()
        assert bound == population_bound(network, network.population(name))


def every_input(network, n_ticks):
    """Return all inputs of a network of one input population, one sample each."""
    source = network.inputs[0]
    values = range(source.min_magnitude, source.max_magnitude + 1)
    runs = list(itertools.product(values, repeat=source.n_neurons * n_ticks))
    return np.array(runs).reshape(len(runs), n_ticks, source.n_neurons)


def both(weights, source=None, n_ticks=3, kind="dense", **facts):
    """Return (bound, least H, greatest H) of a network of one population, over all inputs."""
    source = source or InputPopulation("input", (2,))
    shape = facts.pop("shape", (1,))
    facts = {"threshold": 50, "decay": 32768, **facts}
    network = Network(
        (source,),
        (Population("n", shape, **facts),),
        (Projection("input", "n", np.array(weights), kind=kind),),
        ("n",),
    )
    bound = population_bound(network, network.populations[0])
    h = GoldenModel(network).run(every_input(network, n_ticks)).potentials["n"]
    return bound, int(h.min()), int(h.max())


SIGNED = InputPopulation("input", (2,), 2, signed=True)


@pytest.mark.parametrize(
    ("weights", "facts", "expected"),
    [
        # H = V + drive, V from -40 (floor) to 49; drive from -30 to 49
        ([[49, -30]], {"floor": -40}, (-70, 98)),
        # magnitudes -2 to 2: both weights count on both sides
        ([[20, -30]], {"source": SIGNED, "floor": 0, "decay": 0}, (-100, 100)),
        # C forgets at once: as without a current
        ([[20, -30]], {"current_decay": 0, "decay": 0, "floor": 0}, (-30, 20)),
        # C <- trunc(C / 2) + drive: 20, 30, 35, 37, 38, 39, 39 ...
        ([[20, 0]], {"current_decay": 16384, "decay": 0, "n_ticks": 6}, (0, 39)),
        # 127 * 2 + 127 * 2 leaves H // 5 = 101 spikes and 3 of it
        ([[127, 127]], {"source": InputPopulation("input", (2,), 2), "threshold": 5,
          "multi_spike": True, "decay": 32768, "n_ticks": 2}, (0, 512)),
        # held without its decay: -90 shows although decay is 0
        ([[60, -1]], {"reset": "value", "reset_value": -90, "refractory": 1, "decay": 0},
         (-91, 60)),
        # held at 0 from an initial potential above
        ([[10, -1]], {"initial": 45, "refractory": 1, "n_ticks": 4}, None),
    ],
)  # fmt: skip
def test_bounds_that_a_run_over_all_inputs_confirms(weights, facts, expected):
    bound, least, greatest = both(weights, **facts)
    if expected:
        assert (bound.low, bound.high) == expected
        assert greatest == bound.high
    assert bound.low <= least
    assert greatest <= bound.high


@pytest.mark.parametrize("reset_order", ["before_decay", "after_decay"])
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_input_at_all_leaves_the_bounds_of_small_networks(reset_order, seed):
    rng = np.random.default_rng(seed)
    multi_spike = bool(rng.random() < 0.5)
    reset = "subtract" if multi_spike else str(rng.choice(["subtract", "zero", "value", "none"]))
    facts = {
        "threshold": int(rng.integers(1, 40)),
        "decay": int(rng.choice([0, 9000, 30000, 32768])),
        "bias": int(rng.integers(-20, 21)),
        "reset": reset,
        "reset_order": reset_order,
        "reset_value": int(rng.integers(-60, 30)) if reset == "value" else 0,
        "floor": int(rng.integers(-100, 1)),
        "initial": int(rng.integers(0, 60)),
        "refractory": int(rng.integers(0, 3)),
        "current_decay": rng.choice([None, 0, 16000, 32768]),
        "multi_spike": multi_spike,
    }
    source = InputPopulation("input", (1,), int(rng.integers(1, 3)), bool(rng.random() < 0.5))
    bound, least, greatest = both([[int(rng.integers(-60, 61))]], source, 4, **facts)
    assert bound.low <= least
    assert greatest <= bound.high


PLANE = InputPopulation("input", (2, 2, 1))
KINDS = [
    # (kind, weights, shape of the destination): all synapses count once per destination
    (Conv2d(padding=1), np.array([[[[5], [-9], [7]]] * 3]), (2, 2, 1)),
    (Conv2d(stride=2), np.array([[[[5], [-9]], [[7], [-3]]]]), (1, 1, 1)),
    (Pool(2), np.array(-4), (1, 1, 1)),
    (OneToOne(), np.array([5, -9, 7, 0]), (4,)),
    (Uniform(), np.array(6), (2,)),
    (Uniform(except_partner=True), np.array(-6), (4,)),
    (Sparse([0, 2, 2, 3, 4], [0, 1, 1, 0]), np.array([5, -9, 7, 8]), (2,)),
]


@pytest.mark.parametrize(("kind", "weights", "shape"), KINDS, ids=lambda x: type(x).__name__)
def test_bounds_of_every_kind_are_reached(kind, weights, shape):
    # no memory, so that the extremes of the drive are those of H
    facts = {"decay": 0, "floor": 0, "reset": "none"}
    bound, least, greatest = both(weights, PLANE, 1, kind, shape=shape, **facts)
    assert (bound.low, bound.high) == (least, greatest)


def test_magnitudes_of_multi_spike_neurons_follow_from_their_potentials():
    network = Network(
        (InputPopulation("input", (1,), 2),),
        (
            Population("a", (2,), threshold=np.array([10, 100]), decay=0, multi_spike=True),
            Population("b", (1,), threshold=30, decay=0, multi_spike=True),
        ),
        (
            Projection("input", "a", np.array([[60], [60]])),
            Projection("a", "b", np.array([[3, -50]])),
        ),
        ("b",),
    )
    found = spike_magnitudes(network)
    assert {name: m.tolist() for name, m in found.items()} == {
        "input": [2], "a": [12, 1], "b": [1],
    }  # fmt: skip
    bound = prove_no_overflow(network)["b"]
    assert (bound.low, bound.high) == (-50, 36)


def test_magnitudes_that_grow_from_tick_to_tick_are_bounded():
    # each round of the loop adds one spike, until 127
    network = Network(
        (InputPopulation("input", (1,)),),
        (Population("n", (1,), threshold=10, decay=0, multi_spike=True),),
        (
            Projection("input", "n", np.array([[10]])),
            Projection("n", "n", np.array([[10]]), delay=1),
        ),
        ("n",),
    )
    trace = GoldenModel(network).run(np.ones((1, 140, 1), int))
    assert trace.spikes["n"][0, :, 0].tolist() == [min(t, 127) for t in range(1, 141)]
    assert spike_magnitudes(network)["n"].tolist() == [127]
    bound = prove_no_overflow(network)["n"]
    assert bound.high == trace.potentials["n"].max() == 1280


def test_a_convolution_that_may_overflow_is_refused():
    network = Network(
        (InputPopulation("input", (3, 3, 8), 15, signed=True),),
        (Population("n", (1, 1, 1), threshold=1, decay=0),),
        (Projection("input", "n", np.full((1, 3, 3, 8), -127), kind=Conv2d()),),
        ("n",),
    )
    with pytest.raises(NetworkError, match=r"may reach -137160 to 137160; use smaller weights"):
        prove_no_overflow(network)


def unsupported():
    """Return a network that has everything the gateware cannot do yet."""
    return Network(
        (InputPopulation("x", (4, 4, 2), 3, signed=True), InputPopulation("y", (4,))),
        (
            Population("a", (2, 2, 2), 100, 30000, refractory=2, multi_spike=True),
            Population("b", (4,), 100, 30000, np.arange(4), current_decay=9),
        ),
        (
            Projection("x", "a", kind=Pool(2), shift=1),
            Projection("a", "b", np.array([1, 2]), kind=Sparse([0, *[1] * 7, 2], [0, 1])),
            Projection("y", "b", kind=OneToOne()),
            Projection("b", "b", kind=Uniform(True), delay=1),
        ),
        ("b",),
    )


FULL = "pynq-z2-full or zu3"


def test_everything_the_gateware_cannot_do_is_in_one_message():
    with pytest.raises(CapacityError) as caught:
        compile_network(unsupported(), PRESETS["tiny"])
    assert str(caught.value) == "build tiny cannot run this network: " + "; ".join(
        f"{what} needs the build option {option}, as in {presets}"
        for what, option, presets in [
            ("signed of x must be false: it", "graded", FULL),
            ("refractory of a must be 0, not 2: it", "refractory", FULL),
            ("multi_spike of a must be false: it", "multi_spike", FULL),
            (
                "bias of b must be the same for the whole population: one per neuron",
                *("parameter_rows", f"pynq-z2 or {FULL}"),
            ),
            ("current_decay of b must not be given: it", "current", FULL),
            ("shift of x->a must be 0, not 1: it", "graded", FULL),
            ("kind of x->a must be dense, not pool: it", "groups", f"pynq-z2 or {FULL}"),
            ("kind of a->b must be dense, not sparse: it", "groups", f"pynq-z2 or {FULL}"),
            ("kind of y->b must be dense, not one_to_one: it", "groups", f"pynq-z2 or {FULL}"),
            ("delay of b->b must be 0, not 1: it", "history_rows", FULL),
            ("kind of b->b must be dense, not uniform: it", "groups", f"pynq-z2 or {FULL}"),
        ]
    )


def test_a_capacity_report_of_any_kind_is_possible():
    assert capacity_report(unsupported(), PRESETS["tiny"]).uses[0].used > 0

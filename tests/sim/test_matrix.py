"""The matrix form equals the golden model in every field, on any network of the spec."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.networks import assert_traces_equal, one_neuron
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import NetworkError
from spikeloom.spec.network import (
    InputPopulation,
    Network,
    Population,
    Projection,
    Reset,
    ResetOrder,
)
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel
from spikeloom_sim.random_networks import random_input, random_network

CONFIG = BuildConfig("test", lanes=4, state_rows=64, weight_rows=2048)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_matrix_equals_golden_on_networks_for_the_hardware(seed):
    rng = np.random.default_rng(seed)
    network = random_network(rng, CONFIG)
    inputs = random_input(rng, network, 3, 5)
    assert_traces_equal(GoldenModel(network).run(inputs), MatrixModel(network).run(inputs))


def any_population(draw, name, n):
    low, high = -(1 << 15), (1 << 15) - 1
    edge = st.sampled_from
    floor = draw(edge([low, -100, -1, 0]) | st.integers(low, 0))
    reset = draw(edge(Reset))
    per_neuron = draw(st.booleans())

    def parameter(values):
        if per_neuron:
            return np.array(draw(st.lists(values, min_size=n, max_size=n)), np.int32)
        return np.array(draw(values), np.int32)

    return Population(
        name,
        (n,),
        threshold=parameter(edge([1, 2, 60, 32767]) | st.integers(1, 200)),
        decay=parameter(edge([0, 1, 32767, 32768]) | st.integers(0, 32768)),
        bias=parameter(edge([0, low, high]) | st.integers(-50, 50)),
        reset=reset,
        reset_order=draw(edge(ResetOrder)),
        reset_value=draw(st.integers(low, high)) if reset is Reset.VALUE else 0,
        initial=draw(edge([floor, high]) | st.integers(floor, high)),
        floor=floor,
        refractory=draw(st.integers(0, 3)),
    )


@st.composite
def any_network(draw):
    """Networks of the whole spec: recurrence, delays, shifts, several inputs."""
    sizes = {name: draw(st.integers(1, 4)) for name in ("x", "y", "a", "b", "c")}
    magnitude = draw(st.integers(1, 3))
    inputs = (InputPopulation("x", (sizes["x"],)), InputPopulation("y", (sizes["y"],), magnitude))
    populations = tuple(any_population(draw, name, sizes[name]) for name in ("b", "a", "c"))
    projections = []
    for source in sizes:
        for destination in ("a", "b", "c"):
            if draw(st.booleans()):
                backwards = source >= destination and source not in "xy"
                shape = (sizes[destination], sizes[source])
                weights = draw(
                    st.lists(
                        st.integers(-128, 127),
                        min_size=shape[0] * shape[1],
                        max_size=shape[0] * shape[1],
                    )
                )
                projections.append(
                    Projection(
                        source,
                        destination,
                        np.array(weights, np.int8).reshape(shape),
                        shift=draw(st.integers(0, 3)),
                        delay=draw(st.integers(1 if backwards else 0, 3)),
                    )
                )
    return Network(inputs, populations, tuple(projections), ("a", "c"))


@settings(max_examples=120, deadline=None)
@given(any_network(), st.integers(0, 2**32 - 1))
def test_matrix_equals_golden_on_any_network(network, seed):
    rng = np.random.default_rng(seed)
    inputs = {
        p.name: rng.integers(0, p.max_magnitude + 1, (2, 5, p.n_neurons)) for p in network.inputs
    }
    assert_traces_equal(GoldenModel(network).run(inputs), MatrixModel(network).run(inputs))


@pytest.mark.parametrize("magnitude", [1, 127])
def test_sums_beyond_float32_stay_exact(magnitude):
    # 127 << 7 times 2000 events of up to 127 leaves 2^24; the odd weight must not be lost
    network = one_neuron(weight=127, shift=7, n_inputs=2000, magnitude=magnitude)
    with pytest.raises(NetworkError, match=f"not {2000 * 127 * 128 * magnitude};"):
        MatrixModel(network).run(np.full((1, 1, 2000), magnitude))


@pytest.mark.parametrize("sign", [1, -1])
def test_odd_sums_beyond_float32_cancel_exactly(sign):
    # the positive weights come first, so that partial sums leave 2^24
    n = 40001
    weights = np.full((1, n), 127, np.int8)
    weights[0, n // 2 + 1 :] = -127
    network = Network(
        (InputPopulation("input", (n,), 127, signed=True),),
        (Population("n", (1,), np.int32(1), np.int32(0)),),
        (Projection("input", "n", weights),),
        ("n",),
    )
    inputs = np.full((4, 1, n), 127 * sign)
    inputs[:, 0, -1] = sign
    expected = sign * (127 * 254 - 127)
    assert MatrixModel(network).run(inputs).potentials["n"].tolist() == [[[expected]]] * 4

"""Rules G7 to G8, D9, D10, E3 and S4 by examples worked by hand; both models give the same."""

import numpy as np
import pytest

from sim.networks import column, history, one_neuron, run
from spikeloom.spec.errors import DataError, NetworkError
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

HALF = 16384


# Synaptic current (rule D9)


def test_current_decays_and_adds_to_the_potential_in_every_tick():
    # C = 20, 10, 5, 2 + 20; H sums them up
    network = one_neuron(weight=20, current_decay=HALF, threshold=1000)
    assert history(network, 1, 0, 0, 1) == ([20, 30, 35, 57], [0] * 4, 57)


def test_current_is_truncated_towards_zero():
    # C = -5, -2, -1, 0
    network = one_neuron(weight=-5, current_decay=HALF, decay=0)
    assert history(network, 1, 0, 0, 0)[0] == [-5, -2, -1, 0]


def test_current_without_memory_is_no_current():
    network = one_neuron(weight=20, current_decay=0, threshold=1000)
    assert history(network, 1, 0, 1)[0] == [20, 20, 40]


def test_bias_goes_to_the_potential_and_not_to_the_current():
    network = one_neuron(weight=0, bias=3, current_decay=32768, decay=0)
    assert history(network, 0, 0, 0)[0] == [3, 3, 3]


def test_current_goes_on_while_the_neuron_is_refractory():
    # C = 120, 60 + 120 = 180, 90, 45; H is held in ticks 1 and 2 and starts from 0
    network = one_neuron(weight=120, refractory=2, current_decay=HALF)
    assert history(network, 1, 1, 0, 0) == ([120, 0, 0, 45], [1, 0, 0, 0], 45)


def test_current_saturates_at_16_bits_after_the_tick():
    # C = 65024 in the first tick, all of it in H; 32767 + 16256 and so on behind the clip
    network = one_neuron(
        weight=127, shift=7, magnitude=4, current_decay=32768, decay=0, threshold=1, reset="zero"
    )
    assert history(network, 4, 1, 0)[0] == [65024, 32767 + 16256, 32767]


def test_negative_current_saturates_at_16_bits_whatever_the_floor():
    network = one_neuron(
        weight=-128, shift=7, magnitude=4, current_decay=32768, decay=0, floor=0, reset="none"
    )
    assert history(network, 4, 0)[0] == [-65536, -32768]


def test_samples_start_without_a_current():
    network = one_neuron(weight=20, current_decay=32768, decay=0)
    trace = run(network, np.array([[[1], [0]], [[0], [0]]]))
    assert trace.potentials["n"][:, :, 0].tolist() == [[20, 20], [0, 0]]


@pytest.mark.parametrize("model", [GoldenModel, MatrixModel])
def test_a_current_that_leaves_its_accumulator_is_an_error_even_at_rest(model):
    facts = {"weight": 127, "shift": 7, "magnitude": 7, "current_decay": 32768, "refractory": 5}
    with pytest.raises(NetworkError, match=r"^C of n\[0\] in sample 0, tick 1 .* not 146559;"):
        model(one_neuron(**facts)).run(column(6, 7))


# Multi-spike (rule D10)


@pytest.mark.parametrize(
    ("events", "spikes", "left"), [(2, 0, 20), (3, 1, 0), (5, 1, 20), (6, 2, 0), (20, 6, 20)]
)
def test_multi_spike_fires_as_often_as_the_threshold_fits(events, spikes, left):
    network = one_neuron(weight=10, threshold=30, multi_spike=True, magnitude=20)
    assert history(network, events) == ([10 * events], [spikes], left)


def test_multi_spike_stops_at_127_and_keeps_the_rest():
    network = one_neuron(weight=100, threshold=3, multi_spike=True, magnitude=5)
    assert history(network, 5, 0) == ([500, 119], [127, 39], 2)


def test_multi_spike_reset_behind_the_decay():
    # 70 * 1/2 - 2 * 30
    network = one_neuron(
        weight=70, threshold=30, multi_spike=True, reset_order="after_decay", decay=HALF
    )
    assert history(network, 1) == ([70], [2], 35 - 60)


def test_multi_spike_rests_after_any_number_of_spikes():
    network = one_neuron(weight=70, threshold=30, multi_spike=True, refractory=1)
    assert history(network, 1, 1, 1) == ([70, 0, 70], [2, 0, 2], 10)


def pair(**facts):
    """Return input -> a (multi-spike) -> n with a weight of -4."""
    return Network(
        (InputPopulation("input", (1,), 10),),
        (
            Population("a", (1,), threshold=10, decay=0, multi_spike=True),
            Population("n", (1,), threshold=100, decay=32768, **facts),
        ),
        (
            Projection("input", "a", np.array([[10]])),
            Projection("a", "n", np.array([[-4]]), shift=1, delay=1),
        ),
        ("a", "n"),
    )


def test_multi_spike_event_is_an_operation_per_binary_one_of_its_magnitude():
    trace = run(pair(), column(3, 0, 1, 0))
    assert trace.spikes["a"][0, :, 0].tolist() == [3, 0, 1, 0]
    assert trace.potentials["n"][0, :, 0].tolist() == [0, -24, -24, -32]
    assert trace.sops.tolist() == [3 + 1 + 2 + 1]  # unit events of the input, 2 + 1 and 1 of a
    assert trace.counts["a"].tolist() == [[4]]


# Signed input (rule E3)


def signed(magnitude=5):
    return Network(
        (InputPopulation("input", (2,), magnitude, signed=True),),
        (Population("n", (1,), threshold=100, decay=0),),
        (Projection("input", "n", np.array([[3, -7]])),),
        ("n",),
    )


def test_signed_input_has_graded_events_that_count_once():
    trace = run(signed(), np.array([[[5, 0], [-2, 5], [0, 0], [-5, -5]]]))
    assert trace.potentials["n"][0, :, 0].tolist() == [15, -6 - 35, 0, -15 + 35]
    assert trace.sops.tolist() == [1 + 2 + 0 + 2]


@pytest.mark.parametrize("model", [GoldenModel, MatrixModel])
@pytest.mark.parametrize("value", [6, -6])
def test_signed_input_out_of_range_is_refused(model, value):
    message = rf"^input input\[0, 0, 1\] must be from -5 to 5, not {value}$"
    with pytest.raises(DataError, match=message):
        model(signed()).run(np.array([[[0, value]]]))


# Kinds of projections (rules G7 and G8)


def plane(kind, weights, source, destination, **facts):
    return Network(
        (InputPopulation("input", source, 3),),
        (Population("n", destination, threshold=100, decay=0),),
        (Projection("input", "n", np.array(weights), kind=kind, **facts),),
        ("n",),
    )


def potentials(network, *values):
    trace = run(network, np.array(values).reshape(1, 1, -1))
    return trace.potentials["n"][0, 0].tolist(), int(trace.sops[0])


def test_convolution_does_not_turn_its_filter():
    # [1, 2] over [3, 0, 1]: 1*3 + 2*0, 1*0 + 2*1; the middle neuron has 2 synapses and is silent
    network = plane(Conv2d(), np.reshape([1, 2], (1, 1, 2, 1)), (1, 3, 1), (1, 2, 1))
    assert potentials(network, 3, 0, 1) == ([3, 2], 3 + 1)


def test_convolution_with_padding_stride_and_dilation():
    # taps at o * 2 - 2 + 2 k: o = 0 sees -2, 0, 2; o = 1 sees 0, 2, 4
    kind = Conv2d(stride=(1, 2), padding=(0, 2), dilation=(1, 2))
    network = plane(kind, np.reshape([1, 10, 100], (1, 1, 3, 1)), (1, 5, 1), (1, 3, 1))
    # o = 2 sees 2, 4, 6
    assert potentials(network, 1, 0, 2, 0, 3) == ([210, 321, 32], 2 * 1 + 3 * 2 + 2 * 3)


def test_depthwise_convolution_has_a_filter_per_channel():
    network = plane(Conv2d(groups=2), np.reshape([5, -6], (2, 1, 1, 1)), (1, 2, 2), (1, 2, 2))
    assert potentials(network, 1, 1, 0, 2) == ([5, -6, 0, -12], 4)


def test_convolution_sees_channels_last():
    # one output, two input channels with weights 1 and 10; positions (0, 0) and (1, 0)
    network = plane(Conv2d(), np.reshape([1, 10], (1, 1, 1, 2)), (2, 1, 2), (2, 1, 1))
    assert potentials(network, 1, 2, 3, 0) == ([21, 3], 6)


def test_pool_sums_windows_and_drops_what_is_left_over():
    network = plane(Pool((1, 2)), 1, (1, 5, 1), (1, 2, 1), shift=1)
    assert potentials(network, 1, 2, 3, 0, 3) == ([6, 6], 6)


def test_overlapping_pool_with_padding():
    network = plane(Pool((1, 2), stride=1, padding=(0, 1)), -1, (1, 3, 1), (1, 4, 1))
    assert potentials(network, 1, 2, 3) == ([-1, -3, -5, -3], 12)


def test_sparse_rows_are_those_of_sources_and_zero_weights_count():
    network = plane(Sparse([0, 2, 2, 3], [0, 2, 1]), [5, 0, -7], (3,), (3,))
    assert potentials(network, 1, 3, 2) == ([5, -14, 0], 2 * 1 + 0 * 3 + 1 * 2)


@pytest.mark.parametrize(("weights", "expected"), [(4, [4, 8, 0]), ([1, -2, 3], [1, -4, 0])])
def test_one_to_one_goes_by_the_index(weights, expected):
    assert potentials(plane(OneToOne(), weights, (3,), (1, 1, 3)), 1, 2, 0) == (expected, 3)


@pytest.mark.parametrize(
    ("kind", "expected"), [(Uniform(), ([-6] * 3, 9)), (Uniform(True), ([-4, -2, -6], 6))]
)
def test_uniform_is_one_weight_for_all(kind, expected):
    assert potentials(plane(kind, -2, (3,), (3,)), 1, 2, 0) == expected


def test_lateral_inhibition_of_a_population_by_itself():
    network = Network(
        (InputPopulation("input", (3,)),),
        (Population("n", (3,), threshold=10, decay=32768),),
        (
            Projection("input", "n", np.array(10), kind=OneToOne()),
            Projection("n", "n", np.array(-3), kind=Uniform(True), delay=1),
        ),
        ("n",),
    )
    trace = run(network, np.array([[[1, 0, 1], [0, 0, 0]]]))
    assert trace.potentials["n"][0].tolist() == [[10, 0, 10], [-3, -6, -3]]
    assert trace.sops.tolist() == [2 + 2 * 2]


@pytest.mark.parametrize("delay", [1, 63])
def test_the_longest_delay_and_events_of_every_kind_in_it(delay):
    network = plane(Conv2d(), np.reshape([2], (1, 1, 1, 1)), (1, 1, 1), (1, 1, 1), delay=delay)
    events = np.zeros((1, 65, 1), int)
    events[0, 0] = 3
    trace = run(network, events)
    assert np.flatnonzero(trace.potentials["n"]).tolist() == [delay]
    assert trace.sops.tolist() == [3]

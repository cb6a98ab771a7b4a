"""The golden model against examples computed by hand; both forms give the same trace."""

import numpy as np
import pytest

from sim.networks import column, history, one_neuron, run
from spikeloom.spec.errors import DataError, NetworkError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel

HALF = 16384


def test_integrator_adds_weights_without_decay():
    assert history(one_neuron(weight=10), 1, 0, 1) == ([10, 10, 20], [0, 0, 0], 20)


@pytest.mark.parametrize(("threshold", "spike"), [(29, 1), (30, 1), (31, 0)])
def test_neuron_fires_when_h_reaches_threshold(threshold, spike):
    h, s, v = history(one_neuron(weight=30, threshold=threshold), 1)
    assert (h, s) == ([30], [spike])
    assert v == (30 - threshold if spike else 30)


@pytest.mark.parametrize(
    ("facts", "final"),
    [
        ({"reset": "subtract", "reset_order": "before_decay"}, (37 - 20) * HALF >> 15),
        ({"reset": "subtract", "reset_order": "after_decay"}, (37 * HALF >> 15) - 20),
        ({"reset": "zero", "reset_order": "before_decay"}, 0),
        ({"reset": "zero", "reset_order": "after_decay"}, 0),
        ({"reset": "value", "reset_value": -7, "reset_order": "before_decay"}, -3),
        ({"reset": "value", "reset_value": -7, "reset_order": "after_decay"}, -7),
        ({"reset": "none", "reset_order": "before_decay"}, 18),
        ({"reset": "none", "reset_order": "after_decay"}, 18),
    ],
)
def test_reset_and_its_order(facts, final):
    h, s, v = history(one_neuron(weight=37, threshold=20, decay=HALF, **facts), 1)
    assert (h, s) == ([37], [0 if facts["reset"] == "none" else 1])
    assert v == final


def test_decay_truncates_negative_potentials_towards_zero():
    h, _, v = history(one_neuron(weight=-5, decay=HALF), 1, 0, 0)
    assert (h, v) == ([-5, -2, -1], 0)


def test_decay_truncates_positive_potentials_towards_zero():
    h, _, v = history(one_neuron(weight=5, decay=HALF), 1, 0, 0)
    assert (h, v) == ([5, 2, 1], 0)


def test_decay_zero_forgets_everything():
    assert history(one_neuron(weight=50, decay=0), 1, 0, 1) == ([50, 0, 50], [0, 0, 0], 0)


def test_floor_clips_before_the_decay():
    network = one_neuron(weight=-50, floor=-20, decay=HALF)
    assert history(network, 1, 0) == ([-50, -10], [0, 0], -5)


def test_floor_clips_behind_the_decay_with_reset_after_decay():
    network = one_neuron(weight=-50, floor=-20, decay=HALF, reset_order="after_decay")
    assert history(network, 1, 0) == ([-50, -20], [0, 0], -10)


def test_floor_holds_for_a_reset_value_below_it():
    network = one_neuron(weight=100, reset="value", reset_value=-90, floor=-20)
    assert history(network, 1) == ([100], [1], -20)


def test_potential_clips_at_16_bits_but_h_does_not():
    network = one_neuron(weight=127, shift=7, threshold=1, magnitude=4, reset="none")
    h, _, v = history(network, 4, 0)
    assert h == [127 * 128 * 4, 32767]
    assert v == 32767


def test_after_decay_decays_the_whole_h():
    network = one_neuron(
        weight=127, shift=7, magnitude=4, decay=HALF, reset="none", reset_order="after_decay"
    )
    assert history(network, 4)[2] == 127 * 128 * 4 // 2


def test_initial_potential_counts_from_the_first_tick_and_after_every_sample():
    network = one_neuron(weight=10, initial=95, decay=HALF)
    trace = run(network, np.array([[[1], [0]], [[0], [1]]]))
    assert trace.potentials["n"][:, :, 0].tolist() == [[105, 2], [95, 57]]
    assert trace.spikes["n"][:, :, 0].tolist() == [[1, 0], [0, 0]]


def test_samples_do_not_see_each_other():
    network = one_neuron(weight=40, threshold=100, refractory=3, delay=1)
    both = run(network, np.array([[[1], [1], [1], [1]], [[0], [0], [0], [0]]]))
    assert both.spikes["n"][0].any()
    assert not both.potentials["n"][1].any()
    assert not both.final["n"][1].any()


def test_bias_fires_without_any_input():
    network = one_neuron(bias=40, threshold=100)
    assert history(network, 0, 0, 0, 0) == ([40, 80, 120, 60], [0, 0, 1, 0], 60)


def test_refractory_holds_zero_and_discards_input():
    network = one_neuron(weight=120, refractory=2)
    assert history(network, 1, 1, 1, 1, 0) == ([120, 0, 0, 120, 0], [1, 0, 0, 1, 0], 0)


def test_refractory_discards_the_rest_of_a_subtraction():
    network = one_neuron(weight=120, refractory=1)
    assert history(network, 1) == ([120], [1], 20)
    assert history(network, 1, 0, 0) == ([120, 0, 0], [1, 0, 0], 0)


def test_refractory_holds_the_reset_value():
    network = one_neuron(
        weight=110, refractory=2, reset="value", reset_value=-9, decay=HALF, bias=3
    )
    assert history(network, 1, 1, 1, 0) == ([113, -9, -9, -6], [1, 0, 0, 0], -3)


def test_refractory_input_costs_synaptic_operations_still():
    assert run(one_neuron(weight=120, refractory=2), column(1, 1, 1)).sops.tolist() == [3]


def test_delay_moves_events_by_whole_ticks():
    assert history(one_neuron(weight=10, delay=2), 1, 0, 0, 0)[0] == [0, 0, 10, 10]


def test_events_that_would_come_behind_the_last_tick_cost_nothing():
    assert run(one_neuron(delay=2), column(1, 1, 1)).sops.tolist() == [1]


def test_shift_scales_every_product():
    assert history(one_neuron(weight=-3, shift=4), 1)[0] == [-48]


def test_graded_input_counts_as_unit_events():
    trace = run(one_neuron(weight=3, magnitude=5), column(5, 0, 2))
    assert trace.potentials["n"][0, :, 0].tolist() == [15, 15, 21]
    assert trace.sops.tolist() == [7]


def chain(delay_back):
    """Return input -> a -> b, input -> b, b -> a with a delay."""
    one = np.array([[1]], np.int8)
    facts = {"shape": (1,), "decay": np.int32(32768)}
    return Network(
        inputs=(InputPopulation("input", (1,)),),
        populations=(
            Population("b", threshold=np.int32(20), **facts),
            Population("a", threshold=np.int32(10), **facts),
        ),
        projections=(
            Projection("input", "a", 10 * one),
            Projection("a", "b", 15 * one),
            Projection("input", "b", 5 * one),
            Projection("b", "a", -4 * one, delay=delay_back),
        ),
        outputs=("b", "a"),
    )


def test_spikes_without_delay_arrive_in_the_same_tick():
    trace = run(chain(1), column(1, 0, 0))
    assert list(trace.spikes) == ["a", "b"]
    assert trace.potentials["a"][0, :, 0].tolist() == [10, -4, -4]
    assert trace.potentials["b"][0, :, 0].tolist() == [20, 0, 0]
    assert trace.sops.tolist() == [4]
    assert {name: c.tolist() for name, c in trace.counts.items()} == {"b": [[1]], "a": [[1]]}


def test_recurrent_spikes_arrive_behind_their_delay():
    trace = run(chain(2), column(1, 0, 0))
    assert trace.potentials["a"][0, :, 0].tolist() == [10, 0, -4]


def test_several_inputs_and_per_neuron_parameters():
    network = Network(
        inputs=(InputPopulation("x", (2,)), InputPopulation("y", (1, 1, 2), 3)),
        populations=(
            Population(
                "n",
                (1, 2, 2),
                threshold=np.array([10, 20], np.int32),
                decay=np.array([32768, 16384, 0, 32768], np.int32),
                bias=np.array([1, 0, 0, 0], np.int32),
            ),
        ),
        projections=(
            Projection("x", "n", np.array([[9, 0], [0, 19], [5, 5], [0, 20]], np.int8)),
            Projection("y", "n", np.array([[0, 1], [1, 0], [0, 0], [0, -1]], np.int8)),
        ),
        outputs=("n",),
    )
    x = np.array([[[1, 1], [0, 0]]])
    y = np.array([[[0, 1], [3, 0]]]).reshape(1, 2, 1, 1, 2)
    trace = run(network, {"x": x, "y": y})
    assert trace.potentials["n"][0].tolist() == [[11, 19, 10, 19], [2, 12, 0, 19]]
    assert trace.spikes["n"][0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]
    assert trace.sops.tolist() == [4 * (2 + 1 + 3)]


def test_zero_ticks_leave_the_initial_potential():
    trace = run(one_neuron(initial=7), np.zeros((2, 0, 1), np.int64))
    assert trace.final["n"].tolist() == [[7], [7]]
    assert trace.spikes["n"].shape == (2, 0, 1)


def test_zero_samples_are_a_run_too():
    assert run(one_neuron(), np.zeros((0, 3, 1), np.int64)).spikes["n"].shape == (0, 3, 1)


def test_input_may_have_the_shape_of_the_population():
    network = Network(
        inputs=(InputPopulation("input", (2, 1, 3)),),
        populations=(Population("n", (1,), np.int32(9), np.int32(0)),),
        projections=(Projection("input", "n", np.arange(6, dtype=np.int8).reshape(1, 6)),),
        outputs=("n",),
    )
    inputs = np.zeros((1, 1, 2, 1, 3), bool)
    inputs[0, 0, 1, 0, 2] = True
    assert run(network, inputs).potentials["n"].tolist() == [[[5]]]


@pytest.mark.parametrize("model", [GoldenModel, MatrixModel])
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((1, 2, 1)), r"input input must have an integer type, not float64"),
        (np.zeros((1, 2, 2), int), r"must have the shape .*'ticks', 1\), not \(1, 2, 2\)"),
        (np.zeros((2, 1), int), r"must have the shape .* not \(2, 1\)"),
        (column(0, 3), r"input\[0, 1, 0\] must be from 0 to 2 events, not 3"),
        (column(0, 0, -1), r"input\[0, 2, 0\] must be from 0 to 2 events, not -1"),
        ({"x": column(1)}, r"input must be given for the populations input, not for x"),
    ],
)
def test_bad_input_is_refused(model, inputs, message):
    with pytest.raises(DataError, match=message):
        model(one_neuron(magnitude=2)).run(inputs)


@pytest.mark.parametrize("model", [GoldenModel, MatrixModel])
@pytest.mark.parametrize(("weight", "h"), [(127, 32767 + 9 * 127 * 128), (-128, -9 * 128 * 128)])
def test_overflow_of_the_accumulator_is_an_error(model, weight, h):
    network = one_neuron(
        weight=weight, shift=7, n_inputs=9, reset="none", initial=32767 if weight > 0 else 0
    )
    with pytest.raises(NetworkError, match=rf"H of n\[0\] in sample 0, tick 0 .* not {h};"):
        model(network).run(np.ones((1, 1, 9), int))


@pytest.mark.parametrize("model", [GoldenModel, MatrixModel])
def test_accumulator_takes_its_extremes(model):
    network = one_neuron(weight=-128, shift=7, n_inputs=8, reset="none")
    assert model(network).run(np.ones((1, 1, 8), int)).potentials["n"][0, 0, 0] == -(1 << 17)

"""Conversion to integers: the simulator is the golden model, and the counts are the values."""

import numpy as np
import pytest
import torch
from torch import nn

from convert import models
from spikeloom.convert.activation import ClipFloorShift
from spikeloom.convert.balance import LEAST_SHARE, Limits, balance, limit_of
from spikeloom.convert.run import convert_model
from spikeloom.convert.simulate import Simulator
from spikeloom.convert.stages import read_stages
from spikeloom.spec.errors import CapacityError, DataError, NetworkError, UsageError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel

pytestmark = pytest.mark.torch

RATE = {"kind": "rate", "maximum": 255}
DIRECT = {"kind": "direct", "maximum": 255, "max_magnitude": 9}
SHAPE = (2, 12, 12)


def assert_equal_runs(got, expected):
    for what in ("spikes", "potentials", "final"):
        ours, theirs = getattr(got, what), getattr(expected, what)
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert np.array_equal(value, theirs[name]), f"{what} of {name}"


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize(
    ("encoder", "limits"), [(RATE, Limits()), (DIRECT, Limits(100, per_channel=True))]
)
def test_every_spike_and_potential_is_the_golden_models(encoder, limits, bits):
    samples = models.images(SHAPE)
    converted = convert_model(models.pools(), samples, 7, encoder, bits, limits)
    inputs = converted.encoded(samples)
    got = Simulator(converted.network).run(inputs)
    assert_equal_runs(got, MatrixModel(converted.network).run(inputs))
    part = inputs[:2]
    assert_equal_runs(
        Simulator(converted.network).run(part), GoldenModel(converted.network).run(part)
    )
    assert all(got.spikes[name].any() for name in ("conv1", "pool1", "conv2", "pool2", "dense1"))


def test_dense_networks_are_converted_too():
    samples = models.images((20,))
    converted = convert_model(models.dense(), samples, 6, RATE)
    assert converted.input_facts.axes == "flat"
    inputs = converted.encoded(samples)
    assert_equal_runs(
        Simulator(converted.network).run(inputs), GoldenModel(converted.network).run(inputs)
    )


@pytest.mark.parametrize("encoder", [RATE, DIRECT])
def test_many_ticks_give_the_values_of_the_model(encoder):
    """8-bit weights: the output's potential per tick is near the model's output."""
    model, samples, ticks = models.pools(), models.images(SHAPE, 30), 128
    converted = convert_model(model, samples, ticks, encoder, limits=Limits(100))
    with torch.no_grad():
        expected = model(torch.from_numpy(samples.astype(np.float32)) / 255).numpy()
    run = Simulator(converted.network).run(converted.encoded(samples))
    unit = int(converted.network.population("output").threshold) * ticks
    assert np.abs(run.final["output"] / unit - expected).max() < 0.03 * np.abs(expected).max()
    assert max(r.error for r in converted.reports) < 0.01
    assert all(r.above == 0 for r in converted.reports)


def test_the_output_does_not_leave_its_sixteen_bits():
    samples = models.images(SHAPE)
    converted = convert_model(models.pools(), samples, 1024, RATE)
    final = Simulator(converted.network).run(converted.encoded(samples)).final["output"]
    assert 2000 < np.abs(final).max() < 32767


def test_learnt_limits_are_kept():
    model = nn.Sequential(
        nn.Linear(20, 6), ClipFloorShift(4, 0.37), nn.Linear(6, 3)
    ).eval()  # fmt: skip
    converted = convert_model(model, models.images((20,)), 4, RATE)
    assert converted.reports[0].limit == pytest.approx(0.37)


def test_accuracies_are_those_of_the_golden_models_potentials():
    samples = models.images(SHAPE, 20)
    converted = convert_model(models.pools(), samples, 5, RATE)
    potentials = MatrixModel(converted.network).run(converted.encoded(samples)).potentials
    guesses = potentials["output"].argmax(2)
    labels = guesses[:, 3].astype(np.uint8)
    expected = [float((guesses[:, t] == labels).mean()) for t in range(5)]
    assert converted.accuracies(samples, labels) == expected
    assert expected[3] == 1


def test_the_model_is_left_as_it_was():
    model = models.pools()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    convert_model(model, models.images(SHAPE), 3, RATE)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_limits_are_maximum_percentile_and_per_channel():
    values = torch.arange(0.0, 101.0).reshape(1, 101)
    assert limit_of(values, Limits(100)) == 100
    assert limit_of(values, Limits(90)) == 90
    assert limit_of(-values, Limits()) == 1  # never active
    channels = torch.cat([values, values / 1000]).reshape(1, 2, 101, 1)
    got = limit_of(channels, Limits(100, per_channel=True))
    assert got.tolist() == [100, 100 * LEAST_SHARE]
    with pytest.raises(UsageError, match=r"^percentile must be above 0 and at most 100, not 0"):
        Limits(0)


def test_balance_needs_a_sample():
    stages = read_stages(models.dense(), (20,))
    with pytest.raises(DataError, match=r"^calibration needs at least 1 sample, not 0"):
        balance(stages, torch.zeros(0, 20), Limits())


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"ticks": 0}, UsageError, r"^ticks must be an integer from 1 to 1024, not 0"),
        ({"ticks": 2.0}, UsageError, r"^ticks must be an integer"),
        ({"weight_bits": 5}, UsageError, r"^weight_bits must be one of \(8, 4, 2\), not 5"),
        ({"encoder": {"kind": "latency"}}, UsageError, r"^encoder must be one of rate, poisson, d"),
        ({"encoder": {"kind": "no"}}, DataError, r"^encoder\.kind must be one of"),
        ({"samples": np.zeros((0, 20))}, DataError, r"^samples must have .* at least 1 sample"),
        ({"samples": np.zeros((3, 4, 5))}, DataError, r"^samples must have the shape"),
        ({"samples": np.zeros((3, 21))}, NetworkError, r"takes 20 inputs, not 21"),
    ],
)
def test_wrong_arguments_are_named(change, error, match):
    given = {"samples": models.images((20,)), "ticks": 4, "encoder": RATE, **change}
    with pytest.raises(error, match=match):
        convert_model(models.dense(), **given)


def test_a_sum_that_no_step_can_hold_is_refused():
    model = nn.Sequential(nn.Linear(20, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].weight[0, 0] = 1e6  # reaches 1e6 limits where the calibration has zeros
        model[0].bias.zero_()
    samples = models.images((20,))
    samples[:, 0] = 0
    with pytest.raises(CapacityError, match=r"^the input of population dense1 may reach"):
        convert_model(model, samples, 4, RATE)


@pytest.mark.parametrize(
    "neuron",
    [{"decay": 30000}, {"reset": "zero"}, {"refractory": 1}, {"multi_spike": True},
     {"threshold": np.array([3, 4])}, {"current_decay": 5}],
)  # fmt: skip
def test_networks_of_another_kind_are_refused_by_the_simulator(neuron):
    given = {"threshold": 5, "decay": 32768, **neuron}
    network = Network(
        (InputPopulation("input", (2,)),),
        (Population("neurons", (2,), **given),),
        (Projection("input", "neurons", np.ones((2, 2), np.int64)),),
        ("neurons",),
    )
    with pytest.raises(NetworkError, match=r"^population neurons must be one of integrate-and-f"):
        Simulator(network)


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (np.zeros((2, 3, 19), np.uint8), r"^inputs must have shape \(samples, ticks, 20\), not"),
        (np.zeros((2, 0, 20), np.uint8), r"^inputs must have at least 1 tick, not 0"),
        (np.full((2, 3, 20), 2, np.uint8), r"^inputs must be at most 1, not 2"),
    ],
)
def test_wrong_inputs_are_refused_by_the_simulator(inputs, match):
    converted = convert_model(models.dense(), models.images((20,)), 3, RATE)
    with pytest.raises(DataError, match=match):
        Simulator(converted.network).run(inputs)


@pytest.mark.parametrize("ticks", [2, 8, 16])
def test_counts_are_the_values_of_the_fine_tuning_activation(ticks):
    """Where nothing is rounded, that is exact: weights of 1/64, one layer, constant input."""
    rng = np.random.default_rng(6)
    weights = rng.integers(-128, 128, (30, 20))
    weights[0, 0] = -128  # so that the step is 1/64
    model = nn.Sequential(nn.Linear(20, 30), ClipFloorShift(ticks, 1.0), nn.Linear(30, 2)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(weights / 64))
        model[0].bias.copy_(torch.from_numpy(rng.integers(-64, 65, 30) / 64))
        samples = rng.integers(0, 3, (25, 20))
        expected = model[:2](torch.from_numpy(samples / 2)) * ticks
    encoder = {"kind": "direct", "maximum": 2, "max_magnitude": 2}
    converted = convert_model(model.float(), samples, ticks, encoder)
    spikes = GoldenModel(converted.network).run(converted.encoded(samples)).spikes["dense1"]
    assert spikes.sum(1).tolist() == expected.tolist()
    assert len(np.unique(spikes.sum(1))) == ticks + 1

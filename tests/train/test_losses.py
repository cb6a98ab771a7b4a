"""Losses, predictions and regularisers against numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch

from spikeloom.train.choices import LOSS_NAMES
from spikeloom.train.config import TrainConfig
from spikeloom.train.losses import (
    LOSSES,
    count_loss,
    first_spike_ticks,
    latency_loss,
    objective,
    predict,
    prediction,
    rate_penalty,
    synaptic_operations,
    tick_loss,
)
from spikeloom.train.model import Activity, NeuronConfig, SpikingNetwork

pytestmark = pytest.mark.torch


def cross_entropy(logits, label):
    return -math.log(math.exp(logits[label]) / sum(map(math.exp, logits)))


def some_spikes():
    spikes = torch.zeros(4, 1, 3)
    spikes[:, 0, 1] = 1
    spikes[:2, 0, 2] = 1
    return spikes


def test_count_loss_is_cross_entropy_of_scaled_counts():
    expected = cross_entropy([0.0, 2.0, 1.0], 2)
    assert float(count_loss(some_spikes(), torch.tensor([2]), 0.5)) == pytest.approx(expected)
    assert predict(some_spikes()).tolist() == [1]


def test_tick_loss_is_the_mean_over_ticks_and_its_regulariser():
    early, late = cross_entropy([0, 3, 3], 2), cross_entropy([0, 3, 0], 2)
    got = float(tick_loss(some_spikes(), torch.tensor([2]), 3.0, share=0.2))
    assert got == pytest.approx(0.8 * (early + late) / 2 + 0.2 * 0.25)


def test_tick_loss_takes_the_label_of_each_sample():
    rng = torch.Generator().manual_seed(2)
    spikes = (torch.rand(5, 4, 3, generator=rng) < 0.4).float()
    labels = torch.tensor([0, 2, 1, 1])
    expected = np.mean(
        [cross_entropy((2 * spikes[t, n]).tolist(), labels[n]) for t in range(5) for n in range(4)]
    )
    assert float(tick_loss(spikes, labels, 2.0, share=0.0)) == pytest.approx(expected)


def test_first_spike_ticks_and_their_gradient():
    spikes = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 0.0]])
    spikes = spikes[:, None].requires_grad_()
    ticks = first_spike_ticks(spikes)
    assert ticks.tolist() == [[1, 0, 3, 4]]
    ticks.sum().backward()
    # a spike at tick t would save all ticks from t on up to the first spike; without the
    # first spike the next one decides
    assert spikes.grad[:, 0, 2].tolist() == [-3, -2, -1, -1]
    assert spikes.grad[:, 0, 3].tolist() == [-4, -3, -2, -1]
    assert spikes.grad[:, 0, 0].tolist() == [-1, -2, 0, 0]
    assert spikes.grad[:, 0, 1].tolist() == [-2, 0, 0, 0]


def test_latency_loss_wants_the_class_first():
    spikes = torch.zeros(4, 1, 2)
    spikes[1, 0, 0] = spikes[3, 0, 1] = 1
    expected = [cross_entropy([-0.5, -1.5], label) for label in (0, 1)]
    got = [float(latency_loss(spikes, torch.tensor([label]), 0.5)) for label in (0, 1)]
    assert got == pytest.approx(expected)
    assert got[0] < got[1]


def test_membrane_loss_is_cross_entropy_of_scaled_potentials():
    activity = Activity(torch.zeros(1, 1, 1), {}, torch.tensor([[0.5, -1.0, 2.0]]))
    got = LOSSES["membrane"](activity, torch.tensor([0]), TrainConfig(logit_scale=2.0))
    assert float(got) == pytest.approx(cross_entropy([1, -2, 4], 0))


def test_names_match_the_configuration():
    assert tuple(LOSSES) == LOSS_NAMES


def test_prediction_takes_the_least_class_of_a_tie():
    assert predict(torch.ones(3, 2, 5)).tolist() == [0, 0]
    model = SpikingNetwork((3, 4), readout=True)
    tie = torch.tensor([[1.0, 3.0, 3.0, 2.0]] * 500)
    assert set(prediction(model, Activity(tie, {}, tie)).tolist()) == {1}


def test_rate_penalty_counts_what_leaves_the_range():
    spikes = torch.zeros(10, 2, 3)
    spikes[:5, :, 1] = 1
    spikes[:, :, 2] = 1
    activity = Activity(spikes, {"hidden": spikes}, spikes[0])
    expected = ((0.1 - 0) ** 2 + 0 + (1 - 0.6) ** 2) / 3
    assert float(rate_penalty(activity, 0.1, 0.6)) == pytest.approx(expected)


def random_run(gate_ticks=0):
    model = SpikingNetwork((20, 12, 9, 4), NeuronConfig(), seed=3, gate_ticks=gate_ticks)
    generator = torch.Generator().manual_seed(3)
    return model, (torch.rand(7, 5, 20, generator=generator) < 0.4).float()


def test_synaptic_operations_are_those_of_the_golden_model():
    from spikeloom.train.export import export_network

    model, events = random_run()
    model.quantise()
    activity = model.activity(events)
    matrix = pytest.importorskip("spikeloom_sim.matrix")
    golden = matrix.MatrixModel(export_network(model)).run(
        events.numpy().swapaxes(0, 1).astype(np.uint8)
    )
    assert round(synaptic_operations(model, activity).item() * 5) == golden.sops.sum()
    assert golden.sops.mean() > 7 * 20 * 0.2


def test_gradient_of_synaptic_operations_lowers_them():
    model, events = random_run()
    before = synaptic_operations(model, model.activity(events))
    before.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0 if p.grad is None else 0.01 * p.grad.sign()
    assert synaptic_operations(model, model.activity(events)) < before


def test_objective_adds_penalties_only_beyond_their_targets():
    model, events = random_run()
    labels = torch.zeros(5, dtype=torch.int64)
    activity = model.activity(events)
    operations = synaptic_operations(model, activity).item()
    config = TrainConfig()
    plain = objective(model, activity, labels, config).item()

    def with_(**fields):
        return objective(model, activity, labels, TrainConfig(**fields)).item()

    above, below = int(operations / 2), int(operations * 2)
    expected = plain + 3 * (operations / above - 1)
    assert with_(sop_penalty=3, sop_target=above) == pytest.approx(expected)
    assert with_(sop_penalty=3, sop_target=below) == pytest.approx(plain)
    assert with_(rate_penalty=1e3, rate_low=0.0, rate_high=1.0) == pytest.approx(plain)
    assert with_(rate_penalty=1e3, rate_low=0.9, rate_high=1.0) > plain + 1


def test_training_on_the_objective_reaches_its_target_of_operations():
    """The gate closes until the target is met, and the loss still falls."""
    model, events = random_run(gate_ticks=7)
    labels = torch.arange(5) % 4
    config = TrainConfig(sop_penalty=1.0, sop_target=300)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    first = synaptic_operations(model, model.activity(events))
    assert first > 600
    for _ in range(60):
        loss = objective(model, model.activity(events), labels, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert synaptic_operations(model, model.activity(events)) < 330

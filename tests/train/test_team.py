"""Shards and processes: the same bits, wherever the shards are computed."""

import numpy as np
import pytest
import torch
from torch import nn

from spikeloom.spec.errors import UsageError
from spikeloom.train.team import Team, is_leader

pytestmark = pytest.mark.torch


def batch(samples=10, seed=0):
    torch.manual_seed(seed)
    return torch.rand(3, samples, 5), torch.randint(4, (samples,))


class Small(nn.Module):
    """Normalisation, a layer without gradient, and a counter."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.norm, self.layer, self.unused = nn.BatchNorm1d(5), nn.Linear(5, 4), nn.Linear(2, 2)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def loss(self, events, labels):
        self.count += 1
        out = self.layer(self.norm(events.mean(0)))
        return nn.functional.cross_entropy(out, labels), (out.argmax(1) == labels).sum()


def step(model, team, samples=10):
    events, labels = batch(samples)
    loss, right = team.step(model, events, labels, model.loss, seed=3)
    return loss, right, [p.grad for p in model.parameters()]


def test_shards_sum_to_the_gradient_of_the_batch():
    """Without normalisation the gradient is that of the whole batch, but for rounding."""
    whole, parts = Small(), Small()
    whole.norm.eval(), parts.norm.eval()
    loss, right, gradients = step(whole, Team(1))
    loss3, right3, gradients3 = step(parts, Team(3))
    assert torch.allclose(loss, loss3, rtol=1e-6)
    assert right == right3
    for one, three in zip(gradients[:4], gradients3[:4], strict=True):
        assert torch.allclose(one, three, atol=1e-7)


def test_statistics_start_from_the_same_values_and_are_averaged():
    model, expected = Small(), Small()
    step(model, Team(2))
    start = expected.norm.running_mean.clone()
    means = []
    events, labels = batch()
    for part, label in zip(events.split(5, 1), labels.split(5), strict=True):
        expected.norm.running_mean.copy_(start)
        expected.loss(part, label)
        means.append(expected.norm.running_mean.clone())
    assert torch.equal(model.norm.running_mean, (means[0] + means[1]) / 2)
    assert int(model.count) == 1  # whole numbers are not summed


def test_more_shards_than_samples_are_possible():
    model = Small()
    model.norm.eval()
    _, _, gradients = step(model, Team(4), samples=3)
    assert gradients[2].abs().sum() > 0
    assert all(p.grad is not None for p in model.parameters())


def test_accuracy_of_parts_is_that_of_the_whole():
    labels = np.arange(11, dtype=np.uint8)
    right = labels % 3 == 0

    def evaluate(inputs, part):
        assert np.array_equal(inputs, part)
        return right[part].mean() if len(part) else 0.0

    assert Team(1).accuracy(evaluate, labels, labels) == right.mean()


def test_shards_must_be_a_multiple_of_the_processes():
    with pytest.raises(UsageError, match=r"^shards must be a multiple of the 2 processes, not 3"):
        Team(3, 0, 2)


def test_the_leader_is_the_process_of_rank_0(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert is_leader()
    monkeypatch.setenv("RANK", "1")
    assert not is_leader()

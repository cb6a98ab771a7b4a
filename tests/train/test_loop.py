"""Batches, shifts, loss and learning rate."""

import numpy as np
import pytest
import torch

from spikeloom.spec.errors import UsageError
from spikeloom.spec.manifest import InputFacts
from spikeloom.train.datasets import load_dataset
from spikeloom.train.defaults import default_config
from spikeloom.train.encoders import encode, input_count
from spikeloom.train.loop import Batches, learning_rate, to_events, train_epoch
from spikeloom.train.run import build_model

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.mark.parametrize("kind", ["rate", "latency", "phase", "direct", "population", "poisson"])
def test_batches_cover_the_data_once_and_are_encoded_as_promised(digits, kind):
    config = default_config("digits", encoder=kind, ticks=5, batch_size=500)
    batches = list(Batches(config, digits).epoch(0))
    assert [len(labels) for _, labels in batches] == [500, 500, 437]
    labels = torch.cat([labels for _, labels in batches]).numpy()
    assert np.array_equal(np.bincount(labels), np.bincount(digits.train_labels))
    if kind == "poisson":
        return
    encoder = config.encoder_facts()
    facts = InputFacts((input_count(encoder, 64, 5),), 5, encoder=encoder)
    expected = to_events(encode(facts, digits.train_values))
    got = torch.cat([events for events, _ in batches], 1)
    assert torch.equal(_sorted(got), _sorted(expected))


def _sorted(events):
    rows = events.permute(1, 0, 2).flatten(1).numpy()
    return torch.from_numpy(rows[np.lexsort(rows.T)])


@pytest.mark.parametrize("kind", ["rate", "poisson"])
def test_epochs_differ_and_repeat_exactly(digits, kind):
    config = default_config("digits", augment_shift=1, encoder=kind, ticks=3)
    first = [[e.clone() for e, _ in Batches(config, digits).epoch(k)] for k in (0, 1, 0)]
    assert all(torch.equal(a, b) for a, b in zip(first[0], first[2], strict=True))
    assert not torch.equal(first[0][0], first[1][0])


def test_learning_rate_falls_from_base_to_zero():
    assert learning_rate(0.1, 0, 10) == 0.1
    assert learning_rate(0.1, 5, 10) == pytest.approx(0.05)
    assert learning_rate(0.1, 10, 10) == pytest.approx(0, abs=1e-12)


def test_infinite_loss_is_refused_naming_the_rate(digits):
    config = default_config("digits", ticks=2)
    model = build_model(config, 64, 10)
    with torch.no_grad():
        model.layers[1].weight.fill_(float("nan"))
    optimizer = torch.optim.AdamW(model.parameters())
    batches = Batches(config, digits)
    nan = torch.full((2, config.batch_size, 10), float("nan"), requires_grad=True)
    model.layers[1].activity = lambda sources: (nan[:, : sources["input"].shape[1]], nan[0])
    with pytest.raises(UsageError, match=r"^lr must be smaller than 0.005: the loss is nan in ep"):
        train_epoch(model, optimizer, batches, 0)

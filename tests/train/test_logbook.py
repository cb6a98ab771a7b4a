"""Curves for TensorBoard, and products in bfloat16."""

import sys

import pytest
import torch
from torch.nn import functional

from spikeloom.spec.errors import UsageError
from spikeloom.train.config import TrainConfig
from spikeloom.train.logbook import FOLDER, Logbook
from spikeloom.train.precision import products
from spikeloom.train.run import train

pytestmark = pytest.mark.torch

SMALL = TrainConfig(hidden=(12,), ticks=4, epochs_float=2, epochs_qat=1, validation=50, seed=2)


def curves(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_curves_are_those_of_the_history(tmp_path):
    pytest.importorskip("tensorboard")
    result = train(SMALL, tmp_path, progress=False, tensorboard=True)
    found = curves(tmp_path / FOLDER)
    assert found.keys() == {
        "loss", "train_accuracy", "validation_accuracy", "test_accuracy", "lr", "seconds"
    }  # fmt: skip
    for name, points in found.items():
        expected = [(row["epoch"], pytest.approx(row[name])) for row in result.history]
        assert points == expected


def test_curves_beyond_the_checkpoint_are_left_out(tmp_path):
    pytest.importorskip("tensorboard")
    for done, loss in ((0, 5.0), (1, 4.0)):
        logbook = Logbook(tmp_path, done)
        for epoch in range(done + 1, 4):
            logbook.epoch({"epoch": epoch, "loss": loss})
        logbook.close()
    assert curves(tmp_path / FOLDER)["loss"] == [(1, 5.0), (2, 4.0), (3, 4.0)]


def test_without_tensorboard_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"need the package tensorboard; run: pip install"):
        Logbook(tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_unless_wanted(tmp_path):
    logbook = Logbook(None)
    logbook.epoch({"epoch": 1, "loss": 1.0})
    logbook.close()
    assert not list(tmp_path.iterdir())


def test_products_are_rounded_to_bfloat16_and_nothing_else():
    torch.manual_seed(1)
    x, w = torch.rand(4, 30), torch.rand(5, 30, requires_grad=True)
    with products("bfloat16", quantised=False):
        got, total = functional.linear(x, w), x + 1
    expected = functional.linear(x.bfloat16(), w.bfloat16()).float()
    assert got.dtype == torch.float32
    assert torch.equal(got, expected)
    assert not torch.equal(got, functional.linear(x, w))
    assert torch.equal(total, x + 1)
    got.sum().backward()
    assert w.grad.dtype == torch.float32


@pytest.mark.parametrize(("precision", "quantised"), [("bfloat16", True), ("float32", False)])
def test_integers_are_never_rounded(precision, quantised):
    x = torch.rand(4, 30)
    with products(precision, quantised):
        assert torch.equal(functional.linear(x, x), x @ x.T)


def test_a_run_in_mixed_precision_learns_and_ends_on_exact_integers(tmp_path):
    config = TrainConfig(hidden=(24,), ticks=6, epochs_float=6, epochs_qat=1, precision="bfloat16")
    result = train(config, tmp_path, progress=False)
    assert result.accuracy_float > 0.8
    assert result.accuracy_quantised > 0.8
    from spikeloom_sim.matrix import MatrixModel

    golden = MatrixModel(result.network).run(result.test_inputs[:50])
    spikes = result.quantised_spikes(result.test_inputs[:50])
    assert all((spikes[name] == golden.spikes[name]).all() for name in spikes)

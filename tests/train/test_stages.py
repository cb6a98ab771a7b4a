"""When a stage ends and what it keeps."""

from dataclasses import replace

import pytest
import torch

from spikeloom.spec.errors import UsageError
from spikeloom.train import run as module
from spikeloom.train.checkpoint import BEST_FILE, CHECKPOINT_FILE
from spikeloom.train.config import TrainConfig
from spikeloom.train.run import train
from spikeloom.train.stages import best_row, is_over, next_stage

pytestmark = pytest.mark.torch

CONFIG = TrainConfig(epochs_float=5, epochs_qat=3, patience=2, validation=100)


def rows(*accuracies, stage="float"):
    return [{"stage": stage, "validation_accuracy": a} for a in accuracies]


@pytest.mark.parametrize(
    ("accuracies", "over"),
    [
        ((), False), ((0.5,), False), ((0.5, 0.6, 0.55), False), ((0.5, 0.6, 0.55, 0.6), True),
        ((0.6, 0.5, 0.5), True), ((0.1, 0.2, 0.3, 0.4, 0.5), True),
    ],
)  # fmt: skip
def test_a_stage_ends_after_its_epochs_or_without_progress(accuracies, over):
    assert is_over(rows(*accuracies), "float", CONFIG) is over


def test_stages_follow_each_other():
    assert next_stage([], CONFIG) == "float"
    stopped = rows(0.6, 0.5, 0.5)
    assert next_stage(stopped, CONFIG) == "qat"
    assert next_stage(stopped + rows(0.5, 0.6, stage="qat"), CONFIG) == "qat"
    assert next_stage(stopped + rows(0.5, 0.6, 0.7, stage="qat"), CONFIG) is None
    assert next_stage([], replace(CONFIG, epochs_float=0)) == "qat"
    assert best_row(stopped, CONFIG) is stopped[0]
    assert best_row(stopped, replace(CONFIG, patience=0)) is stopped[-1]


SMALL = TrainConfig(hidden=(12,), ticks=4, epochs_float=12, epochs_qat=6, patience=1,
                    validation=300, lr=0.05, seed=5)  # fmt: skip


def state_of(folder, name):
    return torch.load(folder / name, weights_only=True)


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    result = train(SMALL, tmp_path, progress=False)
    floats = [row for row in result.history if row["stage"] == "float"]
    assert 2 <= len(floats) < 12
    best = best_row(floats, SMALL)
    assert best["validation_accuracy"] >= floats[-1]["validation_accuracy"]
    assert result.accuracy_float == best["test_accuracy"]
    ints = [row for row in result.history if row["stage"] == "qat"]
    assert result.accuracy_quantised == best_row(ints, SMALL)["test_accuracy"]
    best_state, last = state_of(tmp_path, BEST_FILE), state_of(tmp_path, CHECKPOINT_FILE)
    assert all(torch.equal(v, last["model"][k]) for k, v in best_state["model"].items())
    header = (tmp_path / "metrics.csv").read_text().splitlines()[0]
    assert header.endswith(",validation_accuracy")


@pytest.mark.parametrize("after", [1, 3, 5])
def test_interrupted_early_stopping_goes_on_as_if_it_had_not_been(
    tmp_path, train_interrupted, after
):
    expected = train(SMALL, tmp_path / "whole", progress=False)
    assert len(expected.history) > 5
    train_interrupted(SMALL, tmp_path / "parts", after)
    got = train(SMALL, tmp_path / "parts", progress=False, resume=True)
    assert got.network == expected.network
    assert len(got.history) == len(expected.history)


def test_held_out_samples_are_not_trained_on(tmp_path):
    run = module._Run(replace(SMALL, batch_size=1437), tmp_path, module.Team())
    ((events, labels),) = run.batches.epoch(0)
    assert len(labels) == events.shape[1] == 1437 - 300
    assert len(set(run.held_out)) == 300
    assert not set(run.held_out) & set(run.batches.kept)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"patience": 2, "validation": 0}, r"^validation must be at least 1 with patience, not 0"),
        ({"shards": 65}, r"^shards must be at most batch_size, 64, not 65"),
        ({"shards": 0}, r"^shards must be from 1 to 1024, not 0"),
        ({"precision": "float16"}, r"^precision must be one of float32, bfloat16, not 'float16'"),
    ],
)
def test_wrong_fields_are_named(change, match):
    with pytest.raises(UsageError, match=match):
        TrainConfig(**change)


def test_too_many_held_out_samples_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"^validation must be below the 1437 training samples"):
        train(replace(SMALL, validation=1437), tmp_path, progress=False)

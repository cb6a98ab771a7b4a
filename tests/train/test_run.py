"""The whole run: reproducible, resumable, exported, equal to the contract."""

import csv
import sys

import numpy as np
import pytest
import torch

from spikeloom.artefact import read_artefact
from spikeloom.spec.errors import DataError
from spikeloom.train.datasets import load_dataset
from spikeloom.train.encoders import encode
from spikeloom.train.provenance import Behaviour, Outcome, provenance_of
from spikeloom.train.run import TrainConfig, default_config, train
from train import contract

pytestmark = pytest.mark.torch

SMALL = TrainConfig(hidden=(24,), ticks=6, epochs_float=3, epochs_qat=2, dropout=0.1,
                    augment_shift=1, seed=5)  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, train(SMALL, folder, progress=False)


def assert_same(a, b):
    assert a.network == b.network
    state, other = a.model.state_dict(), b.model.state_dict()
    assert all(torch.equal(state[k], other[k]) for k in state)
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in r.history]
                for r in (a, b)]  # fmt: skip
    assert timeless[0] == timeless[1]
    assert a.provenance == b.provenance


def test_same_seed_gives_the_same_bits(small, tmp_path):
    assert_same(small[1], train(SMALL, tmp_path, progress=False))


@pytest.mark.parametrize("after", [1, 3, 4])
def test_resumed_run_equals_the_uninterrupted_one(small, tmp_path, train_interrupted, after):
    """Interrupted in the float stage, between the stages, and on integers."""
    train_interrupted(SMALL, tmp_path, after)
    assert_same(small[1], train(SMALL, tmp_path, progress=False, resume=True))


def test_resuming_a_finished_run_gives_its_result(small):
    assert_same(small[1], train(SMALL, small[0], progress=False, resume=True))


def test_new_run_keeps_the_earlier_checkpoint(tmp_path):
    config = default_config("digits", hidden=(8,), ticks=2, epochs_float=1, epochs_qat=0)
    for _ in range(2):
        train(config, tmp_path, progress=False)
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {
        "checkpoint.pt", "checkpoint.previous.pt", "checkpoint.float.pt", "metrics.csv"
    }  # fmt: skip


def test_result_equals_the_contract_event_by_event(small):
    result = small[1]
    inputs = result.test_inputs[:12]
    got = (result.quantised_potentials(inputs), result.quantised_spikes(inputs),
           result.quantised_final(inputs))  # fmt: skip
    for name, expected in contract.run_network(result.network, inputs).items():
        for mine, theirs in zip(got, expected, strict=True):
            assert np.array_equal(mine[name], theirs)
    assert got[1]["output"].dtype == np.uint8
    assert got[0]["hidden"].shape == (12, 6, 24)


def test_accuracy_is_that_of_the_spikes_of_the_whole_test_set(small):
    result = small[1]
    assert result.test_inputs.shape == (360, 6, 64)
    guesses = result.quantised_spikes(result.test_inputs)["output"].sum(1).argmax(1)
    assert (guesses == result.test_labels).mean() == result.accuracy_quantised
    assert result.history[-1]["test_accuracy"] == result.accuracy_quantised
    assert result.history[2]["test_accuracy"] == result.accuracy_float


def test_metrics_have_a_row_per_epoch(small):
    with (small[0] / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == ["float"] * 3 + ["qat"] * 2
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5]
    assert all(0 <= float(row["test_accuracy"]) <= 1 for row in rows)


def test_artefact_holds_network_encoder_and_provenance(small, tmp_path):
    result = small[1]
    result.write(tmp_path / "network")
    artefact = read_artefact(tmp_path / "network")
    assert artefact.network() == result.network
    assert artefact.manifest.provenance["accuracy_quantised"] == result.accuracy_quantised
    assert artefact.manifest.provenance["seed"] == 5
    values = load_dataset("digits").test_values[:20]
    assert np.array_equal(encode(artefact.input, values), result.test_inputs[:20])


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("bin/spikeloom", "spikeloom train --out 'a b'"),
        ("spikeloom/cli/__main__.py", "spikeloom train --out 'a b'"),
        ("-c", ""),
    ],
)
def test_provenance_names_the_command_without_its_place(monkeypatch, program, command):
    monkeypatch.setattr(sys, "argv", [program, "train", "--out", "a b"])
    outcome = Outcome(0.5, 0.25, Behaviour({}, 0.0, 0.25))
    assert provenance_of(SMALL, outcome)["command"] == command


def test_direct_input_sets_the_magnitude(tmp_path):
    config = TrainConfig(
        hidden=(8,), ticks=3, epochs_float=1, epochs_qat=1, encoder="direct",
        encoder_parameters={"max_magnitude": 7}, weight_bits=4, reset="zero",
        reset_order="after_decay",
    )  # fmt: skip
    result = train(config, tmp_path, progress=False)
    assert result.network.inputs[0].max_magnitude == 7 == result.test_inputs.max()
    assert result.network.projections[0].weight_bits == 4
    inputs = result.test_inputs[:5]
    spikes = result.quantised_spikes(inputs)["output"]
    assert np.array_equal(spikes, contract.run_network(result.network, inputs)["output"][1])


def test_training_only_on_integers_works(tmp_path):
    config = TrainConfig(hidden=(16,), ticks=4, epochs_float=0, epochs_qat=3, lr_qat=5e-3)
    result = train(config, tmp_path, progress=False)
    assert [row["stage"] for row in result.history] == ["qat"] * 3
    assert result.accuracy_quantised > 0.5


def test_wrong_inputs_are_refused(small):
    with pytest.raises(DataError, match=r"^inputs must have shape \(samples, ticks, 64\), not"):
        small[1].quantised_spikes(np.zeros((2, 64), np.uint8))


def test_missing_data_leave_no_folder(tmp_path):
    config = default_config("mnist", data_dir=str(tmp_path / "none"))
    with pytest.raises(DataError, match="no such folder"):
        train(config, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_threads_are_put_back(tmp_path):
    before = torch.get_num_threads()
    config = default_config("digits", hidden=(8,), ticks=1, epochs_float=1, epochs_qat=0, threads=2)
    train(config, tmp_path, progress=False)
    assert torch.get_num_threads() == before


def test_short_training_learns_and_survives_quantisation(tmp_path):
    config = default_config("digits", epochs_float=12, epochs_qat=5)
    result = train(config, tmp_path, progress=False)
    assert result.accuracy_quantised >= 0.94
    assert result.accuracy_float - result.accuracy_quantised <= 0.02

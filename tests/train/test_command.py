"""``spikeloom train``: its options reach the configuration, its check finds a difference."""

import argparse
import json
from dataclasses import fields

import numpy as np
import pytest

from spikeloom.cli import main
from spikeloom.cli.train import add_config_arguments, config_of
from spikeloom.spec.errors import UsageError
from spikeloom.train.config import TrainConfig

pytestmark = pytest.mark.torch

QUICK = ["train", "--ticks", "3", "--hidden", "8", "--epochs-float", "1", "--epochs-qat", "0"]


def config(*options):
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    return config_of(parser.parse_args(options))


def test_options_reach_the_configuration():
    got = config(
        "--neuron", "plif", "--bias", "--input-gate", "--loss", "tet", "--tet-share", "0.2",
        "--sop-penalty", "1", "--sop-target", "900", "--augment-elastic", "0.5", "--hidden", "9,8",
        "--encoder", "population", "--encoder-parameter", "fields=3",
        "--encoder-parameter", "overlap=2",
    )  # fmt: skip
    assert (got.neuron, got.bias, got.input_gate, got.loss) == ("plif", True, True, "tet")
    assert (got.tet_share, got.sop_penalty, got.sop_target) == (0.2, 1.0, 900)
    assert got.encoder_parameters == {"fields": 3, "overlap": 2}
    assert (got.hidden, got.augment_elastic) == ((9, 8), 0.5)


def test_every_new_field_has_an_option():
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    options = {action.dest for action in parser._actions}
    without = {"encoder_parameters", "reset_value", "initial", "floor", "detach_reset"}
    assert {f.name for f in fields(TrainConfig)} - options == without


@pytest.mark.parametrize("text", ["fields", "fields=", "fields=three", "="])
def test_wrong_encoder_parameter_is_refused(text):
    with pytest.raises(UsageError, match=r"^--encoder-parameter must be NAME=NUMBER, not"):
        config("--encoder-parameter", text)


def test_calibration_and_check_are_reported(tmp_path, capsys):
    assert main([*QUICK, "--out", str(tmp_path), "--check", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in report["calibration"]] == ["hidden", "output"]
    assert report["values_equal_to_golden_model"] == 360 * (8 + 10) * (2 * 3 + 1)
    assert report["synaptic_operations_per_sample"] > 0
    assert main([*QUICK, "--out", str(tmp_path), "--check"]) == 0
    assert "spikes and potentials of the test set equal" in capsys.readouterr().out


def test_check_finds_one_wrong_potential(tmp_path, capsys, monkeypatch):
    from spikeloom.train.run import TrainResult

    real = TrainResult.quantised_potentials

    def wrong(self, inputs):
        out = real(self, inputs)
        out["hidden"] = np.array(out["hidden"])
        out["hidden"][7, 2, 5] += 1
        return out

    monkeypatch.setattr(TrainResult, "quantised_potentials", wrong)
    assert main([*QUICK, "--out", str(tmp_path), "--check"]) != 0
    message = capsys.readouterr().err
    assert "potentials of hidden must be those of the golden model, but 1 of" in message
    assert "(7, 2, 5)" in message

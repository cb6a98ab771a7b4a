"""Configurations from files: what they hold reaches the run, and what is wrong is named."""

import json

import pytest

from spikeloom.cli import main
from spikeloom.spec.errors import UsageError
from spikeloom.train.config_file import read_config
from spikeloom.train.defaults import default_config
from train.test_command import config

pytestmark = pytest.mark.torch

TOML = """
dataset = "mnist"
hidden = [30, 20]
lr = 1
encoder = "direct"
loss = "membrane"
bias = true

[encoder_parameters]
max_magnitude = 3
"""


def test_a_file_gives_fields_and_options_come_before_them(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(TOML)
    got = config("--config", str(path), "--ticks", "3", "--loss", "rate")
    assert (got.dataset, got.hidden, got.lr, got.bias) == ("mnist", (30, 20), 1.0, True)
    assert (got.ticks, got.loss) == (3, "rate")
    assert got.encoder_parameters == {"max_magnitude": 3}
    assert got.epochs_float == default_config("mnist").epochs_float
    assert config("--config", str(path), "--dataset", "fashion_mnist").dataset == "fashion_mnist"
    assert config().dataset == "digits"


def test_what_a_run_records_is_a_file_of_it(tmp_path):
    path = tmp_path / "run.json"
    made = default_config("fsdd", holdout_speaker="theo", floor=-3.0, delays=5)
    path.write_text(json.dumps(made.to_dict()))
    assert config("--config", str(path)) == made


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "ticks = 0", r"a.toml: ticks must be from 1 to 1024, not 0"),
        ("a.toml", "epochs = 3", r"a.toml: epochs is no field of a training configuration: "),
        ("a.toml", "lr = 'x'", r"a.toml: lr must be a number, not 'x'"),
        ("a.toml", "hidden = 3", r"a.toml: hidden must be integers from 1 to 65536, not 3"),
        ("a.toml", "dataset = 3", r"a.toml: dataset must be one of digits, .*, not 3"),
        ("a.toml", "encoder_parameters = 3", r"a.toml: encoder_parameters must be a mapping"),
        ("a.toml", "ticks", r"a.toml is not TOML: "),
        ("a.json", "{", r"a.json is not JSON: "),
        ("a.json", "[1]", r"a.json must hold fields by name, not list"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=rf"^configuration file .*{message}"):
        read_config(tmp_path / name)


def test_a_wrong_file_ends_the_command_with_one_line(tmp_path, capsys):
    argv = ["train", "--out", str(tmp_path / "out"), "--config", str(tmp_path / "none.toml")]
    assert main(argv) == 2
    assert "none.toml does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

"""Training, fine-tuning and conversion in one go, and the command."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from cli.helpers import refused, run
from convert import models
from spikeloom.artefact import read_artefact
from spikeloom.convert.activation import ClipFloorShift
from spikeloom.convert.config import ConvertConfig, convert_config
from spikeloom.convert.fit import accuracy, fit, image_shape, with_levels
from spikeloom.convert.networks import load_weights, make_network, save_weights
from spikeloom.convert.pipeline import convert
from spikeloom.spec.errors import DataError, UsageError
from spikeloom.train.datasets import load_dataset
from spikeloom.train.encoders import encode
from spikeloom_sim.matrix import MatrixModel

pytestmark = pytest.mark.torch

CONFIG = ConvertConfig(epochs=8, epochs_fine=3, batch_size=32, ticks=16, per_channel=True)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("convert")
    lines = []
    return folder, convert(CONFIG, folder, say=lines.append), lines


def test_digits_are_converted_with_little_loss(outcome):
    """Half a point is two of the 360 images; the figures of MNIST are in the documentation."""
    result = outcome[1]
    assert result.accuracy_ann > 0.93
    assert result.accuracies[-1] > result.accuracy_fine - 0.02
    assert len(result.accuracies) == 16
    assert len(outcome[2]) == 11


def test_the_same_seed_gives_the_same_network(outcome, tmp_path):
    again = convert(CONFIG, tmp_path)
    assert again.converted.network == outcome[1].converted.network
    assert again.summary() == outcome[1].summary()


def test_accuracy_is_that_of_the_golden_model_on_the_artefact(outcome, tmp_path):
    result = outcome[1]
    result.write(tmp_path / "network", "a command")
    artefact = read_artefact(tmp_path / "network")
    assert artefact.network() == result.converted.network
    assert artefact.manifest.provenance["accuracy_ann"] == result.accuracy_ann
    assert artefact.manifest.provenance["config"]["seed"] == 1
    dataset = load_dataset("digits")
    inputs = encode(artefact.input, dataset.test_values)
    assert inputs.shape == (360, 16, 1, 8, 8)
    final = MatrixModel(artefact.network()).run(inputs.reshape(360, 16, -1)).final["output"]
    assert (final.argmax(1) == dataset.test_labels).mean() == result.accuracies[-1]


def test_fine_tuning_takes_the_layers_and_learns_the_limits(outcome):
    dataset = load_dataset("digits")
    shape = image_shape(dataset)
    model = make_network("cnn_pool", shape, 10, 1)
    x = torch.rand(50, *shape)
    fine = with_levels(model, x, 8)
    activations = [layer for layer in fine if isinstance(layer, ClipFloorShift)]
    assert len(activations) == 3
    assert fine[0] is next(model.children())
    before = [a.limit.item() for a in activations]
    fit(fine, dataset, convert_config("digits", epochs_fine=1), fine=True)
    assert all(a.limit.item() != b for a, b in zip(activations, before, strict=True))
    assert 0 <= accuracy(fine, dataset) <= 1


def test_a_rate_that_is_too_high_is_named():
    config = convert_config("digits", epochs=2, lr=10.0, weight_decay=10.0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        model[1].weight.fill_(float("inf"))
    with pytest.raises(UsageError, match=r"^lr must be smaller than 10\.0: the loss is nan"):
        fit(model, load_dataset("digits"), config)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"network": "vgg"}, r"^network must be one of cnn, cnn_pool, not 'vgg'"),
        ({"epochs": -1}, r"^epochs must be from 0 to 100000, not -1"),
        ({"percentile": 0}, r"^percentile must be from 0\.001 to 100, not 0"),
        ({"per_channel": 1}, r"^per_channel must be true or false, not 1"),
        ({"weight_bits": 3}, r"^weight_bits must be one of 8, 4, 2, not 3"),
        ({"encoder": "no"}, r"^encoder\.kind must be one of"),
        ({"encoder_parameters": {"maximum": 4}}, r"^encoder_parameters must not hold maximum"),
        ({"encoder_parameters": 3}, r"^encoder_parameters must be a mapping, not 3"),
        ({"colour": 3}, r"^colour is no field of a conversion: "),
    ],
)
def test_wrong_fields_are_named(change, match):
    with pytest.raises(UsageError, match=match):
        convert_config("digits", **change)


def test_weights_are_read_without_running_anything(tmp_path):
    model, other = models.dense(1), models.dense(2)
    save_weights(tmp_path / "w.pt", model)
    load_weights(tmp_path / "w.pt", other)
    assert torch.equal(model[0].weight, other[0].weight)
    data = (tmp_path / "w.pt").read_bytes()
    for bad in (b"", data[:100], data[:-50], b"x" * 100):
        (tmp_path / "w.pt").write_bytes(bad)
        with pytest.raises(DataError, match=r"w\.pt must hold the state dictionary of the network"):
            load_weights(tmp_path / "w.pt", other)
    torch.save([1, 2], tmp_path / "w.pt")
    with pytest.raises(DataError, match=r"must hold the state dictionary"):
        load_weights(tmp_path / "w.pt", other)
    with pytest.raises(DataError, match=r"absent\.pt does not exist"):
        load_weights(tmp_path / "absent.pt", other)


def test_the_command_converts_and_checks(tmp_path, capsys):
    code = run(
        "convert", "--out", tmp_path, "--epochs", 2, "--epochs-fine", 1, "--ticks", 4,
        "--encoder", "rate", "--network", "cnn_pool", "--per-channel", "--check", "--json",
    )  # fmt: skip
    out = json.loads(capsys.readouterr().out)
    assert code == 0
    assert out["values_equal_to_golden_model"] > 1_000_000
    assert out["samples_checked"] == 360
    assert len(out["accuracy_after_tick"]) == 4
    assert [s["name"] for s in out["stages"]] == ["conv1", "pool1", "conv2", "pool2", "dense1"]
    assert (tmp_path / "network" / "manifest.json").is_file()
    again = run(
        "convert", "--out", tmp_path / "again", "--epochs", 0, "--epochs-fine", 0, "--ticks", 4,
        "--encoder", "direct", "--encoder-parameter", "max_magnitude=5", "--network", "cnn_pool",
        "--weights", tmp_path / "ann.pt", "--check", 20,
    )  # fmt: skip
    text = capsys.readouterr().out
    assert again == 0
    assert f"accuracy {100 * out['accuracy_ann']:.2f} % before, " in text
    assert "spikes and potentials of 20 test samples equal the golden model's" in text
    network = read_artefact(tmp_path / "again" / "network").network()
    assert network.inputs[0].max_magnitude == 5


def test_the_command_takes_a_model_of_the_users_own(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(),\n"
        "                         nn.Linear(36, 10))\n"
        "def pool():\n    return nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 10))\n"
        "def number():\n    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    options = ("--out", tmp_path / "out", "--epochs", 2, "--ticks", 4)
    assert run("convert", *options, "--model", "mine:make") == 0
    network = read_artefact(tmp_path / "out" / "network").network()
    assert [p.name for p in network.populations] == ["conv1", "output"]
    for model, match in [
        ("mine:pool", "layer 0 is a MaxPool2d: a maximum of counts is not known"),
        ("mine:number", "mine:number must return a torch.nn.Module, not int"),
        ("mine:none", "module mine has no function none"),
        ("mine", "a model must be named as MODULE:FUNCTION, not 'mine'"),
        ("yours:make", "module yours is not there"),
    ]:
        assert match in refused(capsys, "convert", *options, "--model", model)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--check", "-1"), "--check must be a number of samples, not -1"),
        (("--ticks", "0"), "ticks must be from 1 to 1024, not 0"),
        (("--epochs", "0"), "epochs must be at least 1 without weights, not 0"),
        (("--encoder-parameter", "x"), "--encoder-parameter must be NAME=NUMBER, not 'x'"),
        (("--dataset", "mnist"), "data_dir must name the folder"),
        (("--weights", "absent.pt"), "weights file absent.pt does not exist"),
        (("--model", "a:b", "--network", "cnn"), "--network and --model exclude each other"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, capsys, options, match):
    assert match in refused(capsys, "convert", "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out" / "network").exists()


def test_a_folder_in_the_way_is_named_before_any_training(tmp_path, capsys):
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "thesis.txt").write_text("mine")
    assert "exists already" in refused(capsys, "convert", "--out", tmp_path)
    assert np.array_equal([p.name for p in tmp_path.iterdir()], ["network"])

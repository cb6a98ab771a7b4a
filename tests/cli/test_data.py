"""spikeloom encode, train and bench."""

import importlib.util

import numpy as np
import pytest

from cli.helpers import expected, listing, printed_json, refused, run
from spikeloom.artefact import read_artefact
from spikeloom.train.datasets import IDX_FILES
from spikeloom.train.encoders import rate, to_levels

HAS_TRAINING = all(importlib.util.find_spec(m) for m in ("torch", "sklearn", "rich"))
needs_training = pytest.mark.skipif(not HAS_TRAINING, reason="torch or scikit-learn is missing")


@pytest.fixture
def idx(tmp_path):
    """Images of 2 by 3 pixels in the four standard files."""
    folder = tmp_path / "idx"
    folder.mkdir()
    rng = np.random.default_rng(8)
    for key, name in IDX_FILES.items():
        shape = (7, 2, 3) if key.endswith("values") else (7,)
        data = rng.integers(0, 256 if len(shape) == 3 else 10, shape).astype(np.uint8)
        head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
        (folder / name).write_bytes(head + data.tobytes())
    return folder


def test_encoded_samples_run(artefact, idx, tmp_path, capsys):
    file, out = tmp_path / "enc.npz", tmp_path / "out.npz"
    argv = ("encode", artefact, "--dataset", "mnist", "--data-dir", idx, "--output", file)
    assert run(*argv, "--samples", 4) == 0
    assert capsys.readouterr().out == f"4 samples of mnist in {file}\n"
    images = np.frombuffer((idx / IDX_FILES["test_values"]).read_bytes()[16:], np.uint8)
    inputs = rate(to_levels(images.reshape(7, 6)[:4], 255), 5)
    with np.load(file) as archive:
        np.testing.assert_array_equal(archive["input"], inputs)
        labels = (idx / IDX_FILES["test_labels"]).read_bytes()[8:12]
        assert archive["label"].tolist() == list(labels)
    assert run("run", artefact, "--input", file, "--output", out) == 0
    with np.load(out) as archive:
        np.testing.assert_array_equal(archive["spikes"], expected(inputs)[0])


def test_bad_use_of_encode(artefact, idx, tmp_path, capsys):
    before = listing(tmp_path)
    argv = ("encode", artefact, "--output", tmp_path / "x.npz", "--dataset")
    assert refused(capsys, *argv, "cifar") == (
        "dataset must be one of digits, mnist, fashion_mnist, cifar10, nmnist, dvs128_gesture, "
        "fsdd, not 'cifar'"
    )
    assert "data_dir must name the folder" in refused(capsys, *argv, "mnist")
    line = refused(capsys, *argv, "mnist", "--data-dir", tmp_path / "none")
    assert "no such folder" in line
    line = refused(capsys, *argv, "mnist", "--data-dir", idx, "--samples", "0")
    assert line == "--samples must be at least 1, not 0"
    assert listing(tmp_path) == before


def test_data_of_another_size_are_refused(artefact, tmp_path, capsys):
    pytest.importorskip("sklearn")
    line = refused(
        capsys, "encode", artefact, "--dataset", "digits", "--output", tmp_path / "x.npz"
    )
    assert line.startswith("values must have shape (samples, 6)")


SHORT = ("--hidden", "8", "--ticks", "2", "--epochs-float", "1", "--epochs-qat", "1", "--seed", "3")


@pytest.mark.torch
@needs_training
def test_train_and_resume_through_the_command(tmp_path, capsys, monkeypatch):
    """Interrupted behind the first epoch and resumed, it gives the same network."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run("train", *SHORT, "--out", whole, "--json") == 0
    summary = printed_json(capsys)
    network = read_artefact(whole / "network").network()
    assert [p.n_neurons for p in network.populations] == [8, 10]
    assert summary["network"] == str(whole / "network")
    assert summary["epochs"] == 2
    assert summary["seed"] == 3
    assert 0 <= summary["accuracy_quantised"] <= 1

    from spikeloom.train import run as module

    real, calls = module.train_epoch, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(module, "train_epoch", interrupted)
    assert run("train", *SHORT, "--out", parts) == 130
    assert not (parts / "network").exists()
    monkeypatch.setattr(module, "train_epoch", real)
    assert run("train", *SHORT, "--out", parts, "--resume", "--json") == 0
    assert read_artefact(parts / "network").network() == network
    capsys.readouterr()
    line = refused(capsys, "train", *SHORT, "--lr", "0.5", "--out", parts, "--resume")
    assert "lr" in line
    assert read_artefact(parts / "network").network() == network


@pytest.mark.torch
@needs_training
def test_bad_use_of_train(tmp_path, capsys):
    argv = ("train", "--out", tmp_path / "out")
    assert "dataset must be one of" in refused(capsys, *argv, "--dataset", "cifar")
    assert "no such folder" in refused(
        capsys, *argv, "--dataset", "mnist", "--data-dir", tmp_path / "none"
    )
    assert refused(capsys, *argv, "--hidden", "a,b") == "--hidden must be integers, not 'a,b'"
    assert "ticks must be from 1" in refused(capsys, *argv, "--ticks", "0")
    assert "weight_bits must be one of 8, 4, 2" in refused(capsys, *argv, "--weight-bits", "3")
    assert not (tmp_path / "out").exists()
    assert "to resume from" in refused(capsys, *argv, *SHORT, "--resume")


@pytest.mark.torch
@needs_training
def test_bad_use_of_demo(tmp_path, capsys):
    argv = ("demo", "--out", tmp_path / "out")
    assert "must be pysim, cxxrtl or verilator" in refused(capsys, *argv, "--engine", "golden")
    assert refused(capsys, *argv, "--samples", "0") == "--samples must be at least 1, not 0"
    assert "preset must be one of" in refused(capsys, *argv, "--preset", "none")
    assert not (tmp_path / "out").exists()


def test_bad_use_of_bench(tmp_path, capsys):
    argv = ("bench", "rtl", "--json", tmp_path / "bench.json")
    for engine in ("golden", "vcs"):
        assert refused(capsys, *argv, "--engine", engine) == (
            f"engine must be one of pysim, cxxrtl, verilator, pynq-sim, not '{engine}'"
        )
    assert "preset must be one of" in refused(capsys, *argv, "--preset", "none")
    assert "network does not fit build tiny" in refused(capsys, *argv, "--preset", "tiny")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "demo"])
def test_a_foreign_folder_in_the_way_is_named_before_training(command, tmp_path, capsys):
    folder = tmp_path / ("network" if command == "train" else "artefact")
    folder.mkdir()
    (folder / "mine.txt").write_text("keep")
    line = refused(capsys, command, "--out", tmp_path)
    assert line == f"{folder} exists already; choose another name or remove it"
    assert (folder / "mine.txt").read_text() == "keep"
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]

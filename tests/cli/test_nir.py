"""The commands import, simulate-nir and export-nir."""

import json

import numpy as np
import pytest

nir = pytest.importorskip("nir", reason="the nir package is missing")

from cli.helpers import refused, run  # noqa: E402
from interchange.graphs import chain, lif_node  # noqa: E402
from spikeloom.artefact import read_artefact  # noqa: E402
from spikeloom_sim.run import run_artefact  # noqa: E402


@pytest.fixture
def model(tmp_path, rng):
    items = [nir.Linear(rng.normal(0, 2, (20, 12))), lif_node((20,), 1.0),
             nir.Linear(rng.normal(0, 3, (5, 20))), lif_node((5,), 1.0)]  # fmt: skip
    chain(tmp_path / "net.nir", (12,), *items, out=(5,))
    inputs = (rng.random((6, 15, 12)) < 0.4).astype(np.uint8)
    np.savez(tmp_path / "in.npz", input=inputs)
    return tmp_path


def arguments(model, *options):
    return ("import", model / "net.nir", "--dialect", "lava", "--out", model / "net", *options)


def imported(model, *options):
    return run(*arguments(model, *options))


def test_an_import_records_its_choices_and_inspect_shows_them(model, capsys):
    assert imported(model, "--calibration", model / "in.npz", "--report", "--fires", "gt") == 0
    out = capsys.readouterr().out
    assert "fires: gt (option)" in out
    assert "reset: zero (dialect lava)" in out
    assert "n1: spikes agree 9" in out
    artefact = read_artefact(model / "net")
    record = artefact.manifest.provenance["nir"]
    assert record["choices"]["dt"] == {"value": 1e-4, "from": "dialect lava"}
    assert record["file"] == "net.nir"
    assert record["agreement"]["samples"] == 6
    assert artefact.input.ticks == 15
    assert run("inspect", model / "net") == 0
    out = capsys.readouterr().out
    assert "nir.choices.fires: gt (option)" in out
    assert "nir.dialect: lava" in out


def test_real_numbers_and_integers_can_be_told_apart(model, capsys):
    assert imported(model, "--calibration", model / "in.npz", "--json") == 0
    assert json.loads(capsys.readouterr().out)["overflow"] is None
    assert run("simulate-nir", model / "net.nir", "--dialect", "lava", "--input",
               model / "in.npz", "--output", model / "out.npz", "--json") == 0  # fmt: skip
    summary = json.loads(capsys.readouterr().out)
    real = np.load(model / "out.npz")
    assert summary["spikes"]["n3"] == real["spikes/n3"].sum() > 0
    whole = run_artefact(read_artefact(model / "net"), "golden", np.load(model / "in.npz")["input"])
    assert (whole.spikes == real["outputs"]).mean() > 0.97
    assert np.array_equal(real["counts"], real["outputs"].sum(axis=1))


def test_an_export_says_how_to_read_it_back(model, capsys):
    imported(model, "--ticks", 15)
    capsys.readouterr()
    assert run("export-nir", model / "net", "--out", model / "back.nir") == 0
    out = capsys.readouterr().out
    options = out.splitlines()[0].split(" is ")[1].split()
    assert options[:2] == ["--dt", "0.0001"]
    again = ["import", model / "back.nir", *options, "--ticks", 15, "--out", model / "again"]
    assert run(*again) == 0
    first, second = (read_artefact(model / name).network() for name in ("net", "again"))
    for a, b in zip(first.projections, second.projections, strict=True):
        assert a.weights.shape == b.weights.shape


@pytest.mark.torch
def test_a_checkpoint_is_exported_in_real_numbers(tmp_path, capsys, rng):
    torch = pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from spikeloom.train.run import load_model

    assert run("train", "--dataset", "digits", "--epochs-float", 1, "--epochs-qat", 0, "--hidden",
               9, "--out", tmp_path / "run") == 0  # fmt: skip
    capsys.readouterr()
    path = tmp_path / "run" / "checkpoint.float.pt"
    assert run("export-nir", path, "--out", tmp_path / "c.nir", "--json") == 0
    options = json.loads(capsys.readouterr().out)["options"]
    given = [text for name, value in options.items() for text in (f"--{name}", value)]
    events = (rng.random((20, 12, 64)) < 0.6).astype(np.uint8)
    np.savez(tmp_path / "in.npz", input=events)
    assert run("simulate-nir", tmp_path / "c.nir", *given, "--input", tmp_path / "in.npz",
               "--output", tmp_path / "out.npz") == 0  # fmt: skip
    model = load_model(path).double()
    expected = model.trace(torch.tensor(events).transpose(0, 1).double()).spikes
    found = np.load(tmp_path / "out.npz")
    for name in ("hidden", "output"):
        assert found[f"spikes/{name}_neurons" if name == "output" else f"spikes/{name}"].sum() > 20
    got = found["spikes/output_neurons"]
    assert np.array_equal(got, expected["output"].transpose(0, 1).numpy())
    assert np.array_equal(found["spikes/hidden"], expected["hidden"].transpose(0, 1).numpy())


@pytest.mark.parametrize(("options", "message"), [
    (["--weights", 3, "--ticks", 4], r"--weights must be 8, 4 or 2, not 3"),
    (["--report", "--ticks", 4], "--report needs --calibration IN.npz"),
    (["--bias-correction"], "--bias-correction needs --calibration IN.npz"),
    ([], "give --ticks T of a sample, or --calibration IN.npz"),
    (["--ticks", 4, "--current-first", "maybe"], "--current-first must be yes or no, not 'maybe'"),
    (["--ticks", 4, "--dialect", "brian"], "dialect must be one of snntorch"),
])  # fmt: skip
def test_wrong_options_are_refused_in_one_line(options, message, model, capsys):
    assert message in refused(capsys, *arguments(model, *options))
    assert not (model / "net").exists()


def test_a_graph_without_a_dialect_asks_for_what_it_lacks(model, capsys):
    text = refused(capsys, "import", model / "net.nir", "--ticks", 4, "--out", model / "net")
    assert "NIR does not say what this graph needs: give --dt (" in text


def test_calibration_that_does_not_fit_is_refused(model, capsys):
    np.savez(model / "bad.npz", input=np.zeros((2, 3, 7), np.uint8))
    bad = arguments(model, "--calibration", model / "bad.npz")
    assert "calibration input must have the shape (samples, ticks, *(12,))" in refused(capsys, *bad)
    np.savez(model / "bad.npz", input=np.full((2, 3, 12), -1))
    assert "calibration values must be 0 or more, not -1; or give --signed" in refused(capsys, *bad)


def test_a_network_that_may_overflow_is_said_so(tmp_path, capsys):
    items = [nir.Linear(np.ones((2, 4000))), lif_node((2,), 1.0)]
    chain(tmp_path / "net.nir", (4000,), *items, out=(2,))
    assert imported(tmp_path, "--ticks", 4, "--max-magnitude", 127) == 0
    error = capsys.readouterr().err
    assert error.startswith("spikeloom: this network will not compile: accumulators of population")
    assert "n1 must stay from -131072 to 131071, but may reach 0 to 508" in error
    assert "use smaller weights" in error

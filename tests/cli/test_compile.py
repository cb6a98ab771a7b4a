"""spikeloom compile, inspect and emit."""

import numpy as np
import pytest

from cli.helpers import FACTS, listing, network, printed_json, refused, run, write
from spikeloom.artefact import read_artefact, write_artefact
from spikeloom.cli import emit
from spikeloom.compile import compile_network
from spikeloom.spec.build import build_id
from spikeloom.spec.config import PRESETS
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection


@pytest.fixture
def plain(tmp_path):
    """An artefact that is not compiled."""
    return write_artefact(tmp_path / "plain", network(), FACTS, provenance={"seed": 4}).path


def large(**facts):
    return Network(
        (InputPopulation("pixels", (6,)),),
        (Population("n", (600,), 9, 0, **facts),),
        (Projection("pixels", "n", np.ones((600, 6), np.int8)),),
        ("n",),
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_the_artefact_holds_what_the_compiler_made(preset, plain, tmp_path, capsys):
    out = tmp_path / "new" / "net"
    assert run("compile", plain, "--preset", preset, "--out", out) == 0
    made = read_artefact(out)
    done = compile_network(network(), PRESETS[preset])
    assert made.build == done.build
    assert made.network() == network()
    assert made.input == FACTS
    assert made.manifest.provenance == {"seed": 4}
    for name, image in made.images().items():
        np.testing.assert_array_equal(image, done.images[name])
    text = capsys.readouterr().out
    assert f"build {preset}: fits" in text
    assert text.endswith(f"build id {build_id(PRESETS[preset])}; artefact in {out}\n")


def test_a_compiled_artefact_can_be_compiled_again(artefact, tmp_path):
    assert run("compile", artefact, "--preset", "tiny", "--out", tmp_path / "tiny") == 0
    assert read_artefact(tmp_path / "tiny").build.config.name == "tiny"


def test_report_as_json(plain, tmp_path, capsys):
    before = listing(tmp_path)
    assert run("compile", plain, "--preset", "small", "--report", "--json") == 0
    report = printed_json(capsys)
    assert report["fits"] is True
    assert report["fitting_presets"] == list(PRESETS)
    assert listing(tmp_path) == before
    assert run("compile", plain, "--preset", "small", "--out", tmp_path / "x", "--json") == 0
    assert printed_json(capsys) == report


def test_report_of_what_does_not_fit_ends_with_1(tmp_path, capsys):
    path = write_artefact(tmp_path / "large", large(), FACTS).path
    assert run("compile", path, "--preset", "tiny", "--report") == 1
    out = capsys.readouterr().out
    assert "build tiny: DOES NOT FIT" in out
    assert "presets that hold this network: medium, pynq-z2, pynq-z2-full, zu3" in out


def test_what_does_not_fit_is_refused(tmp_path, capsys):
    path = write_artefact(tmp_path / "large", large(), FACTS).path
    before = listing(tmp_path)
    line = refused(capsys, "compile", path, "--preset", "tiny", "--out", tmp_path / "x")
    assert line == (
        "network does not fit build tiny: needs 150 state rows of 4 neurons (86 more than the "
        "64 there are); preset medium or pynq-z2 or pynq-z2-full or zu3 would hold it"
    )
    assert listing(tmp_path) == before


@pytest.mark.parametrize("more", [["--out", "x"], ["--report"]], ids=str)
def test_what_no_build_runs_is_refused_in_every_way(more, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_artefact(tmp_path / "net", large(refractory=3), FACTS).path
    line = refused(capsys, "compile", path, *more)
    assert "refractory of n must be 0, not 3: it needs the build option refractory" in line
    full = Network(
        (InputPopulation("pixels", (6,), 127),),
        (Population("n", (1,), 9, 0),),
        (Projection("pixels", "n", np.full((1, 6), 127), shift=1),),
        ("n",),
    )
    path = write_artefact(tmp_path / "full", full, FACTS).path
    assert "accumulators of population n must stay" in refused(capsys, "compile", path, *more)
    assert not (tmp_path / "x").exists()


def test_an_existing_folder_is_not_touched(plain, artefact, tmp_path, capsys):
    before = listing(tmp_path)
    line = refused(capsys, "compile", plain, "--preset", "tiny", "--out", artefact)
    assert line == f"{artefact} exists already; choose another name or remove it"
    assert listing(tmp_path) == before


def test_wrong_use_of_compile(plain, tmp_path, capsys):
    before = listing(tmp_path)
    assert "compile needs --out ARTEFACT, or --report" in refused(capsys, "compile", plain)
    argv = ("compile", plain, "--out", tmp_path / "x", "--preset")
    assert refused(capsys, *argv, "huge") == (
        "preset must be one of tiny, small, medium, pynq-z2, pynq-z2-full, zu3, not 'huge'"
    )
    (tmp_path / "file").touch()
    line = refused(capsys, "compile", plain, "--out", tmp_path / "file" / "x")
    assert str(tmp_path / "file") in line
    (tmp_path / "file").unlink()
    assert listing(tmp_path) == before


def test_inspect_prints_network_and_build(plain, artefact, capsys):
    assert run("inspect", plain) == 0
    out = capsys.readouterr().out
    assert "input: (6,) flat, 5 ticks, encoder {'kind': 'rate', 'maximum': 255}" in out
    assert "pixels->hidden" in out
    assert "build: none; run spikeloom compile" in out
    assert "seed: 4" in out
    assert run("inspect", artefact) == 0
    assert f"build: small, id {build_id(PRESETS['small'])}" in capsys.readouterr().out


def test_inspect_as_json(artefact, capsys):
    assert run("inspect", artefact, "--json") == 0
    facts = printed_json(capsys)
    bounds = compile_network(network(), PRESETS["small"]).bounds
    assert [p["name"] for p in facts["populations"]] == ["hidden", "out"]
    for population in facts["populations"]:
        bound = bounds[population["name"]]
        assert population["h_range"] == [bound.low, bound.high]
    weights = network().projections[0].weights
    assert facts["projections"][0]["range"] == [weights.min(), weights.max()]
    assert facts["projections"][0]["shape"] == [18, 6]
    assert facts["build"]["id"] == build_id(PRESETS["small"])
    assert facts["outputs"] == ["hidden", "out"]


def test_inspect_of_nothing(tmp_path, capsys):
    assert "it does not exist" in refused(capsys, "inspect", tmp_path / "none")


def test_inspect_of_a_channels_first_artefact(tmp_path, capsys):
    path = write(tmp_path / "net", network(shape=(1, 3, 2)),
                 InputFacts((2, 1, 3), 5, "channels_first")).path  # fmt: skip
    assert run("inspect", path) == 0
    assert "input: (2, 1, 3) channels_first, 5 ticks" in capsys.readouterr().out


@pytest.mark.rtl
def test_emit_writes_verilog_with_the_ports_of_the_core(tmp_path, capsys):
    out = tmp_path / "new" / "core.v"
    assert run("emit", "--preset", "tiny", "--out", out, "--json") == 0
    summary = printed_json(capsys)
    text = out.read_text()
    assert summary["bytes"] == len(text.encode())
    assert summary["build_id"] == build_id(PRESETS["tiny"])
    assert f"module {summary['top']}(" in text
    for port in ("aclk", "aresetn", "s_axi_awaddr", "s_axi_wdata", "s_axi_rdata", "s_axi_bresp",
                 "s_axis_tdata", "s_axis_tready", "m_axis_tvalid", "m_axis_tlast"):  # fmt: skip
        assert f" {port};" in text
    assert [p.name for p in out.parent.iterdir()] == ["core.v"]


def test_emit_leaves_nothing_when_it_fails(tmp_path, capsys, monkeypatch):
    assert "preset must be one of" in refused(
        capsys, "emit", "--preset", "none", "--out", tmp_path / "core.v"
    )

    def interrupted(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("spikeloom.files.os.fsync", interrupted)
    monkeypatch.setattr("spikeloom_hw.emit.emit_verilog", lambda config: "module", raising=True)
    line = refused(capsys, "emit", "--preset", "tiny", "--out", tmp_path / "core.v")
    assert line == f"{tmp_path / 'core.v'}: No space left on device"
    assert emit.NAME == "emit"
    assert not list(tmp_path.iterdir())

"""Builds of several cores on the command line, from compile to verify."""

import importlib.util
import json

import numpy as np
import pytest

from cli.helpers import FACTS, expected, network, printed_json, refused, run, samples
from spikeloom.artefact import read_artefact, write_artefact
from spikeloom.spec.build import build_id
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.network import InputPopulation, Network, Population, Projection

DUO = BuildConfig("duo", lanes=4, state_rows=16, weight_rows=64, cores=2, link_beats=32)
HAS_PYNQ = importlib.util.find_spec("pynq") is not None and np.__version__ < "2"


@pytest.fixture
def plain(tmp_path):
    """An artefact that is not compiled."""
    return write_artefact(tmp_path / "plain", network(), FACTS).path


@pytest.fixture
def build(tmp_path):
    """A file with the build."""
    path = tmp_path / "duo.json"
    path.write_text(json.dumps(DUO.to_dict()))
    return path


WHOLE = ["hidden", "out"]


@pytest.mark.parametrize(
    ("options", "arrangement", "cores"),
    [
        ([], "side_by_side", [WHOLE, WHOLE]),
        (["--arrangement", "side-by-side", "--cores", 1], "side_by_side", [WHOLE]),
        (["--arrangement", "chain"], "chain", [["hidden"], ["out"]]),
        (["--arrangement", "chain", "--cores", 1], "chain", [WHOLE]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_arrangement_is_that_asked_for(
    options, arrangement, cores, plain, build, tmp_path, capsys
):
    argv = ("compile", plain, "--build", build, *options, "--json")
    assert run(*argv, "--report") == 0
    report = printed_json(capsys)
    assert report["fits"] is True
    assert (report["arrangement"], report["cores"]) == (arrangement, cores)
    assert len(report["loads"]) == (len(cores) if arrangement == "chain" else 0)
    assert run(*argv, "--out", tmp_path / "net") == 0
    assert printed_json(capsys) == report
    made = read_artefact(tmp_path / "net").build
    assert made.n_cores == len(cores)
    assert made.side_by_side == (arrangement == "side_by_side")


def test_the_report_says_which_core_has_what(plain, build, capsys):
    argv = ("compile", plain, "--build", build, "--report")
    assert run(*argv, "--arrangement", "chain") == 0
    out = capsys.readouterr().out
    assert "chain of 2 cores:" in out
    assert "core 0 has the most to do" in out
    assert "core1_link_beats" in out
    assert run(*argv) == 0
    assert "2 cores side by side, each with the whole network" in capsys.readouterr().out


def test_a_network_too_large_for_one_core_becomes_a_chain(tmp_path, build, capsys):
    sizes = (40, 40)
    large = Network(
        (InputPopulation("pixels", (6,)),),
        tuple(Population(f"p{i}", (n,), 9, 0) for i, n in enumerate(sizes)),
        (
            Projection("pixels", "p0", np.ones((40, 6), np.int8)),
            Projection("p0", "p1", np.ones((40, 40), np.int8)),
        ),
        ("p1",),
    )
    path = write_artefact(tmp_path / "large", large, FACTS).path
    assert run("compile", path, "--build", build, "--report", "--json") == 1
    report = printed_json(capsys)
    assert report["cores"] == [["p0"], ["p1"]]
    assert [r["resource"] for r in report["resources"] if not r["fits"]] == ["core1_weight_rows"]
    line = refused(capsys, "compile", path, "--build", build, "--out", tmp_path / "x")
    assert line.startswith(
        "network does not fit a chain of 2 cores of build duo: core 1 needs 200 weight rows of 4 "
        "per bank, but has 64; use smaller populations"
    )
    assert not (tmp_path / "x").exists()


def test_what_the_build_lacks_is_refused(plain, build, tmp_path, capsys):
    argv = ("compile", plain, "--out", tmp_path / "x")
    assert refused(capsys, *argv, "--build", build, "--cores", 3) == (
        "--cores must be from 1 to the 2 of build duo, not 3"
    )
    assert refused(capsys, *argv, "--preset", "small", "--cores", 0) == (
        "--cores must be from 1 to the 1 of build small, not 0"
    )
    assert refused(capsys, *argv, "--preset", "small", "--arrangement", "chain") == (
        "a chain needs the build option link_beats, which small lacks"
    )
    assert not (tmp_path / "x").exists()


@pytest.fixture
def chain(plain, build, tmp_path, capsys):
    """An artefact for two cores in a chain."""
    out = tmp_path / "chain"
    assert run("compile", plain, "--build", build, "--arrangement", "chain", "--out", out) == 0
    capsys.readouterr()
    return out


def test_other_commands_take_an_artefact_of_a_cluster(chain, build, tmp_path, capsys):
    assert run("inspect", chain) == 0
    assert f"build: duo, id {build_id(DUO)}" in capsys.readouterr().out
    assert run("compile", chain, "--preset", "small", "--out", tmp_path / "small") == 0
    capsys.readouterr()
    assert run("tailor", chain, "--target-fps", 1, "--json") == 0
    assert printed_json(capsys)["build"]["cores"] == 1
    assert run("doctor", "--board", "pynq-z2", "--artefact", chain) == 1
    assert f"the artefact needs build {build_id(DUO)} (duo)" in capsys.readouterr().out


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("how", ["chain", "side-by-side"])
def test_two_cores_run_the_network(how, plain, build, inputs, tmp_path, capsys):
    net, out = tmp_path / how, tmp_path / "out.npz"
    assert run("compile", plain, "--build", build, "--arrangement", how, "--out", net) == 0
    capsys.readouterr()
    assert run("verify", net, "--engine", "cxxrtl", "--input", inputs, "--json") == 0
    assert printed_json(capsys)["compared"] == 3 * (21 * 11 + 1)
    engines = ("golden", "cxxrtl", *(["pynq-sim"] if HAS_PYNQ else []))
    for engine in engines:
        assert run("run", net, "--engine", engine, "--input", inputs, "--output", out) == 0
        spikes, potential, sops = expected(samples())
        with np.load(out) as got:
            np.testing.assert_array_equal(got["spikes"], spikes)
            np.testing.assert_array_equal(got["potential"], potential)
            np.testing.assert_array_equal(got["sops"], sops)

"""Builds from files, and the command that writes them."""

import json

import pytest

from spikeloom.artefact import read_artefact, write_artefact
from spikeloom.cli import main
from spikeloom.cli.build_choice import read_build
from spikeloom.spec.config import preset
from spikeloom.spec.errors import ArtefactError, UsageError

pytest.importorskip("safetensors")


@pytest.fixture
def network(small_network, small_input, tmp_path):
    return write_artefact(tmp_path / "network", small_network, small_input).path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must hold an object, not list"),
        ('{"name": "a", "lanes": 4, "state_rows": 4}', "lacks the field 'weight_rows'"),
        ('{"name": "a", "rows": 1}', "has an unknown field 'rows'"),
        (
            '{"name": "a", "lanes": 5, "state_rows": 4, "weight_rows": 16}',
            "lanes must be a power of two from 4 to 256, not 5",
        ),
        (
            '{"name": "a", "lanes": 4, "state_rows": 4, "weight_rows": 16, "runs": false}',
            "runs must be a power of two from 16 to 65536, not False",
        ),
    ],
)
def test_bad_build_files_are_refused(tmp_path, text, message):
    file = tmp_path / "build.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_build(file)


def test_a_build_is_read_as_it_was_written(tmp_path):
    file = tmp_path / "build.json"
    file.write_text(json.dumps(preset("zu3").to_dict()))
    assert read_build(file) == preset("zu3")
    with pytest.raises(UsageError, match="does not exist"):
        read_build(tmp_path / "none.json")


def test_a_build_is_that_of_an_artefact(network, tmp_path):
    out = tmp_path / "compiled"
    assert main(["compile", str(network), "--preset", "pynq-z2-full", "--out", str(out)]) == 0
    assert read_build(out) == preset("pynq-z2-full")
    with pytest.raises(UsageError, match="must be compiled to have a build; it is not"):
        read_build(network)
    with pytest.raises(ArtefactError):
        read_build(tmp_path)


def test_tailor_writes_a_build_that_compile_takes(network, tmp_path, capsys):
    build, out = tmp_path / "build.json", tmp_path / "compiled"
    argv = ["tailor", str(network), "--target-fps", "1000", "--out", str(build)]
    assert main(argv) == 0
    assert "samples per second at 100 MHz" in capsys.readouterr().out
    assert main(["compile", str(network), "--build", str(build), "--out", str(out)]) == 0
    assert read_artefact(out).build.config == read_build(build)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "tailor needs --target-fps N or --max-luts N"),
        (["--target-fps", "0"], "--target-fps must be above 0"),
        (["--target-fps", "1", "--device", "xc7"], "--device must be one of xc7z020, zu3, ecp5-85"),
        (["--target-fps", "1e12"], "out of reach on xc7z020: at most"),
        (["--target-fps", "1", "--rates", "none.json"], "cannot be read as JSON"),
    ],
)
def test_what_tailor_refuses(network, capsys, argv, message):
    assert main(["tailor", str(network), *argv]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1

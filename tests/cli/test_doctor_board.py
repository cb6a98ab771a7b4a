"""``spikeloom doctor --board``."""

import dataclasses
import json

import pytest

pytest.importorskip("safetensors")

from board.small_network import CONFIG, make_artefact
from spikeloom.bitstreams.manifest import Manifest, describe, described, read_manifest
from spikeloom.cli import main
from spikeloom.cli.build_choice import read_build
from spikeloom.spec.build import build_id
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import ArtefactError


def place(root, preset, identity, state="built", content=b"bits"):
    folder = root / "pynq-z2" / preset
    folder.mkdir(parents=True)
    (folder / "spikeloom.bit").write_bytes(content)
    files = {"spikeloom.bit": describe(folder / "spikeloom.bit")} if state == "built" else {}
    Manifest(
        board="pynq-z2", preset=preset, build_id=identity, state=state,
        command=f"spikeloom build --board pynq-z2 --preset {preset}", clock_mhz=100.0,
        clock_reached_mhz=None, sources_sha256="0" * 64, files=files,
    ).write(folder)  # fmt: skip
    return folder


def doctor(*arguments):
    return main(["doctor", "--board", "pynq-z2", *map(str, arguments)])


def test_bitstreams_are_listed_with_their_state(tmp_path, capsys):
    place(tmp_path, "tiny", build_id(PRESETS["tiny"]))
    place(tmp_path, "small", "0" * 16)
    place(tmp_path, "medium", build_id(PRESETS["medium"]), state="prepared")
    broken = place(tmp_path, "pynq-z2", build_id(PRESETS["pynq-z2"]))
    (broken / "spikeloom.bit").write_bytes(b"other")
    assert doctor("--bitstreams", tmp_path, "--json") == 0
    found = {f["preset"]: f for f in json.loads(capsys.readouterr().out)["bitstreams"]}
    assert found["tiny"]["state"] == "there"
    assert found["tiny"]["current"] is True
    assert found["small"]["current"] is False
    assert found["medium"]["state"] == "prepared, not built"
    assert found["pynq-z2"]["state"] == "missing or changed: spikeloom.bit"
    assert doctor("--bitstreams", tmp_path) == 0
    said = capsys.readouterr().out
    assert "ANOTHER VERSION" in said
    assert "medium: spikeloom build --board pynq-z2 --preset medium" in said


def test_an_artefact_is_told_its_bitstream(tmp_path, capsys):
    make_artefact(tmp_path / "net")
    (tmp_path / "bitstreams").mkdir()
    options = ("--artefact", tmp_path / "net", "--bitstreams", tmp_path / "bitstreams")
    assert doctor(*options) == 1
    said = capsys.readouterr().out
    assert f"the artefact needs build {build_id(CONFIG)} (test), which is not there" in said
    assert f"run: spikeloom build --board pynq-z2 --build {tmp_path / 'net'}\n" in said
    place(tmp_path / "bitstreams", "test", build_id(CONFIG))
    assert doctor(*options) == 0
    assert f"(test): in {tmp_path / 'bitstreams/pynq-z2/test'}\n" in capsys.readouterr().out


def test_an_artefact_that_is_not_compiled_is_told_so(tmp_path, capsys):
    from board.small_network import INPUT, network
    from spikeloom.artefact import write_artefact

    write_artefact(tmp_path / "net", network(), INPUT)
    assert doctor("--artefact", tmp_path / "net", "--bitstreams", tmp_path) == 1
    assert "is not compiled; run: spikeloom compile" in capsys.readouterr().out


def test_bad_use_is_one_line(capsys):
    assert main(["doctor", "--artefact", "x"]) == 2
    assert main(["doctor", "--board", "z80"]) == 2
    assert main(["doctor", "--board", ""]) == 2
    assert main(["doctor", "--board", "pynq-z2", "--bitstreams", "/none"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 4
    assert "--bitstreams must be a folder, and /none is none" in said


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda m: m.pop("schema"), "must have the schema"),
        (lambda m: m.update(schema_version=2), "must have schema_version 1, not 2"),
        (lambda m: m.pop("note"), "missing or unknown: note"),
        (lambda m: m.update(more=1), "missing or unknown: more"),
        (lambda m: m.update(state="ready"), "must have a state of built, prepared"),
        (lambda m: m["files"].update({"../x": {}}), "files of its own folder only"),
        (lambda m: m.update(clock_mhz="100"), "clocks in MHz that are numbers"),
        (lambda m: m.update(clock_reached_mhz=[1]), "clocks in MHz that are numbers"),
        (lambda m: m.update(files=["a"]), "files that are objects"),
        (lambda m: m.update(files={"a": 1}), "files that are objects"),
        (lambda m: m.update(build={"name": "a"}), "a build: build lacks the field 'lanes'"),
        (lambda m: m.update(build=[]), "a build: build must hold an object, not list"),
    ],
)
def test_damaged_manifests_are_refused(tmp_path, edit, match):
    folder = place(tmp_path, "tiny", "0" * 16)
    value = json.loads((folder / "manifest.json").read_text())
    edit(value)
    (folder / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(ArtefactError, match=match):
        read_manifest(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ArtefactError, match="must be readable JSON"):
        read_manifest(folder)


def test_a_build_of_a_file_is_prepared_described_and_found(tmp_path, capsys, monkeypatch):
    pytest.importorskip("amaranth")
    monkeypatch.chdir(tmp_path)
    make_artefact(tmp_path / "net")
    (tmp_path / "own.json").write_text(json.dumps(CONFIG.to_dict()))
    argv = ["build", "--board", "pynq-z2", "--prepare-only", "--build"]
    assert main([*argv, "own.json"]) == 0
    folder = tmp_path / "build" / "pynq-z2" / "test"
    manifest = read_manifest(folder)
    assert (manifest.config, manifest.is_current) == (CONFIG, True)
    assert manifest.command == "spikeloom build --board pynq-z2 --build build.json"
    assert read_build(folder / "build.json") == CONFIG
    written = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert main([*argv, "net", "--out", "again"]) == 0
    assert {f.name: f.read_bytes() for f in (tmp_path / "again").iterdir()} == written
    capsys.readouterr()
    assert doctor("--artefact", "net", "--json") == 1
    facts = json.loads(capsys.readouterr().out)
    mine = next(f for f in facts["bitstreams"] if f["preset"] == "test")
    assert (mine["build_id"], mine["current"]) == (build_id(CONFIG), True)
    assert mine["command"].endswith("--build build/pynq-z2/test/build.json")
    assert facts["artefact"]["command"] == "spikeloom build --board pynq-z2 --build net"


def test_a_build_with_the_name_of_a_preset_is_not_taken_for_it(tmp_path):
    other = dataclasses.replace(PRESETS["tiny"], state_rows=128)
    folder = place(tmp_path, "tiny", build_id(other))
    assert not read_manifest(folder).is_current
    own = dataclasses.replace(read_manifest(folder), **described(other))
    own.write(folder)
    assert read_manifest(folder) == own
    assert own.is_current
    assert described(PRESETS["tiny"])["build"] is None

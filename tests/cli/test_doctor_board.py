"""``spikeloom doctor --board``."""

import json

import pytest

pytest.importorskip("safetensors")

from board.small_network import CONFIG, make_artefact
from spikeloom.bitstreams.manifest import Manifest, describe, read_manifest
from spikeloom.cli import main
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
    options = ("--artefact", tmp_path / "net", "--bitstreams", tmp_path / "bitstreams")
    assert doctor(*options) == 1
    said = capsys.readouterr().out
    assert f"the artefact needs build {build_id(CONFIG)} (test), which is not there" in said
    place(tmp_path / "bitstreams", "test", build_id(CONFIG))
    assert doctor(*options) == 0
    assert "(test): there" in capsys.readouterr().out


def test_an_artefact_that_is_not_compiled_is_told_so(tmp_path, capsys):
    from board.small_network import INPUT, network
    from spikeloom.artefact import write_artefact

    write_artefact(tmp_path / "net", network(), INPUT)
    assert doctor("--artefact", tmp_path / "net", "--bitstreams", tmp_path) == 1
    assert "is not compiled; run: spikeloom compile" in capsys.readouterr().out


def test_bad_use_is_one_line(capsys):
    assert main(["doctor", "--artefact", "x"]) == 2
    assert main(["doctor", "--board", "z80"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda m: m.pop("schema"), "must have the schema"),
        (lambda m: m.update(schema_version=2), "must have schema_version 1, not 2"),
        (lambda m: m.pop("note"), "missing or unknown: note"),
        (lambda m: m.update(more=1), "missing or unknown: more"),
        (lambda m: m.update(state="ready"), "must have a state of built, prepared"),
        (lambda m: m["files"].update({"../x": {}}), "files of its own folder only"),
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

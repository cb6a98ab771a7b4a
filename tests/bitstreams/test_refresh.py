"""The manifests of ``bitstreams/``: of this version, and brought up to date by one command."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from spikeloom.bitstreams import refresh
from spikeloom.bitstreams.boards import board
from spikeloom.bitstreams.manifest import Manifest, find_manifests, read_manifest
from spikeloom.cli import main
from spikeloom.spec.build import build_id
from spikeloom.spec.config import preset
from spikeloom.spec.errors import UsageError

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"
OLD_ID = "0" * 16
MANIFEST = Manifest(
    board="pynq-z2", preset="tiny", build_id=OLD_ID, state="prepared", command="",
    clock_mhz=100, clock_reached_mhz=None, sources_sha256="",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted({m.board for _, m in find_manifests(BITSTREAMS)}))
def test_the_bitstreams_of_the_repository_are_of_this_version(name, capsys):
    assert main(["doctor", "--board", name, "--bitstreams", str(BITSTREAMS), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["bitstreams"]
    assert found
    for facts in found:
        assert facts["current"], f"{facts['folder']} is of another version; run: make bitstreams"
        assert "missing" not in facts["state"]


def test_every_board_has_a_manifest():
    zynq = {path.parent.name for path in (BITSTREAMS.parent / "hw/boards").glob("*/board.json")}
    assert {m.board for _, m in find_manifests(BITSTREAMS)} >= {
        name for name in zynq if board(name).family != "ecp5"
    }


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Put a manifest into the root; the Verilog of a build is a line."""
    pytest.importorskip("amaranth")
    monkeypatch.setattr(refresh, "_verilog", lambda config: f"module {config.name}; endmodule\n")

    def run(**changes):
        manifest = dataclasses.replace(MANIFEST, **changes)
        manifest.write(tmp_path / manifest.board / manifest.preset)
        return tmp_path / manifest.board / manifest.preset

    return run


def states(root):
    return [state for _, _, state in refresh.refresh(root)]


def test_a_prepared_folder_is_described_anew_once(place, tmp_path, capsys):
    folder = place()
    assert states(tmp_path) == ["written"]
    found = read_manifest(folder)
    assert found.is_current
    assert found.build_id == build_id(preset("tiny"))
    assert re.fullmatch("[0-9a-f]{64}", found.sources_sha256)
    assert found.note.startswith("not yet run in Vivado")
    assert states(tmp_path) == ["unchanged"]
    assert refresh.main([str(tmp_path)]) == 0
    assert f"build {found.build_id}, prepared, unchanged" in capsys.readouterr().out


def test_other_gateware_is_noticed_though_the_build_id_is_the_same(place, tmp_path, monkeypatch):
    place()
    assert states(tmp_path) == ["written"]
    monkeypatch.setattr(refresh, "_verilog", lambda config: "module other; endmodule\n")
    assert states(tmp_path) == ["written"]


def test_a_clock_of_its_own_is_kept(place, tmp_path):
    folder = place(clock_mhz=80)
    assert states(tmp_path) == ["written"]
    assert read_manifest(folder).clock_mhz == 80
    assert read_manifest(folder).command.endswith("--preset tiny --clock-mhz 80")


def test_a_built_bitstream_of_another_build_is_old_and_left_alone(place, tmp_path, capsys):
    folder = place(state="built", command="spikeloom build --board pynq-z2")
    before = (folder / "manifest.json").read_bytes()
    assert refresh.main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert f"built, OLD; run: spikeloom build --board pynq-z2 --out {folder}\n" in said
    assert (folder / "manifest.json").read_bytes() == before


def test_a_built_bitstream_of_other_gateware_is_old(place, tmp_path, monkeypatch):
    from spikeloom.bitstreams import ecp5
    from spikeloom.bitstreams.manifest import sources_digest

    monkeypatch.setattr(ecp5, "_emit", lambda config, clock_mhz: ("top", f"{clock_mhz:g}"))
    right = sources_digest(ecp5.sources(board("ulx3s-85f"), preset("tiny"), 60)[1])
    facts = {"board": "ulx3s-85f", "state": "built", "build_id": build_id(preset("tiny"))}
    place(**facts, clock_mhz=60, sources_sha256=right)
    assert states(tmp_path) == ["unchanged"]
    place(**facts, clock_mhz=75, sources_sha256=right)
    assert states(tmp_path) == ["OLD"]


def test_a_folder_without_manifests_is_refused(tmp_path, capsys):
    with pytest.raises(UsageError, match=r"must hold BOARD/PRESET/manifest\.json; none is there$"):
        states(tmp_path)
    assert refresh.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("refresh: ")

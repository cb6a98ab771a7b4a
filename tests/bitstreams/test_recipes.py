"""The recipes of the Zynq boards, by tclsh with a stub of the commands of Vivado."""

import dataclasses
import re

import pytest

pytest.importorskip("amaranth")

from spikeloom.bitstreams import boards, vivado
from spikeloom.bitstreams.manifest import read_manifest
from spikeloom.bitstreams.settings import tcl
from spikeloom.board.hwh import SYSTEMS, core_bytes
from spikeloom.spec import regmap
from spikeloom.spec.config import PRESETS, preset
from spikeloom_hw.emit import emit_verilog

ZYNQ = [b for b in boards.boards().values() if b.family != "ecp5"]
TINY = PRESETS["tiny"]


@pytest.fixture(scope="module")
def verilog():
    return emit_verilog(TINY)


@pytest.fixture
def prepare(monkeypatch, verilog, tmp_path):
    """Prepare a folder without emitting the same Verilog again."""
    monkeypatch.setattr("spikeloom_hw.emit.emit_verilog", lambda config: verilog)

    def run(board, **options):
        folder = tmp_path / board.name
        vivado.prepare(board, TINY, folder, options.get("clock_mhz", board.clock_mhz))
        return folder

    return run


def facts(lines, kind):
    return [line.split(" ", 1)[1] for line in lines if line.split(" ", 1)[0] == kind]


def test_there_is_a_recipe_for_every_board():
    assert {b.name for b in ZYNQ} == {
        "pynq-z1", "pynq-z2", "zcu104", "aup-zu3", "ultra96-v2", "kv260",
    }  # fmt: skip
    for board in ZYNQ:
        assert board.pynq == ("3.1" if board.family == "zynq" else "4.0")


@pytest.mark.parametrize("board", ZYNQ, ids=lambda b: b.name)
def test_recipe_builds_the_whole_design(board, prepare, run_vivado):
    done, lines = run_vivado(prepare(board))
    assert done.returncode == 0, done.stderr
    assert "slack 0.5 ns" in done.stdout
    system = SYSTEMS[board.family]
    assert f"core/s_axi/reg0 0x{system.core_base:X} {core_bytes(TINY)}" in facts(lines, "address")
    assert f"dma/S_AXI_LITE/Reg 0x{system.dma_base:X} 65536" in facts(lines, "address")
    wires = facts(lines, "connect")
    assert "dma/M_AXIS_MM2S core/s_axis" in wires
    assert "core/m_axis dma/S_AXIS_S2MM" in wires
    assert lines[lines.index("valid") :], "the design was validated"
    properties = facts(lines, "property")
    for register in regmap.REGISTERS:
        assert f"reg:{register.name} address_offset 0x{register.offset:X}" in properties
        for field in register.fields:
            assert f"field:{register.name}.{field.name} bit_offset {field.lsb}" in properties
    folder = prepare(board)
    assert all((folder / name).exists() for name in ("spikeloom.bit", "spikeloom.xsa"))


def test_board_files_are_used_where_vivado_has_them(prepare, run_vivado):
    board = boards.board("kv260")
    _, lines = run_vivado(prepare(board), boards=board.board_parts[1])
    assert f"project:system board_part {board.board_parts[1]}" in facts(lines, "property")
    assert facts(lines, "automation")
    done, lines = run_vivado(prepare(board), boards="other.com:board:part0:1.0")
    assert "no board files of xilinx.com:kv260_som" in done.stdout
    assert not facts(lines, "automation")


def test_newer_vivado_without_xlconcat_is_served(prepare, run_vivado):
    done, lines = run_vivado(prepare(boards.board("zcu104")), version="2025.2", ips="")
    assert done.returncode == 0, done.stderr
    assert "interrupts xilinx.com:inline_hdl:ilconcat:1.0" in facts(lines, "cell")


@pytest.mark.parametrize("version", ["2022.1", "2022.2.1", "2023.2", "2025.1"])
def test_named_versions_of_vivado_are_taken(prepare, run_vivado, version):
    assert run_vivado(prepare(boards.board("pynq-z2")), version=version)[0].returncode == 0


@pytest.mark.parametrize("version", ["2021.2", "2026.1", "2019.2_AR72614", "x"])
def test_other_versions_of_vivado_are_refused(prepare, run_vivado, version):
    done, lines = run_vivado(prepare(boards.board("pynq-z2")), version=version)
    assert done.returncode == 1
    assert re.match(r"spikeloom: Vivado must be one of 2022\.1 .*2025\.2, not ", done.stderr)
    assert lines == []


def test_missed_timing_hands_out_no_bitstream(prepare, run_vivado):
    folder = prepare(boards.board("pynq-z2"))
    done, _ = run_vivado(folder, slack="-1.5")
    assert done.returncode == 1
    assert done.stderr.startswith("spikeloom: the clock must reach 100 MHz, not 87.0 MHz;")
    assert not (folder / "spikeloom.bit").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "match"),
    [
        ("design.tcl", "dma/M_AXIS_MM2S core", "dma/M_AXIS_MM2 core", "no bus dma/M_AXIS_MM2"),
        ("design.tcl", "core/aclk \\", "\\", "core/aclk is open"),
        ("design.tcl", "c_include_sg 0", "c_include_gs 0", "has no CONFIG.c_include_gs"),
        ("design.tcl", "save_bd_design", "save_the_design", "invalid command name"),
        ("settings.tcl", "core_base {0x44000000}", "core_base {0x44001000}", "is not aligned"),
        ("settings.tcl", "dma_base", "dma_bose", "settings.tcl must set dma_base"),
        ("spikeloom_core.v", "s_axis_tlast", "s_axis_last", "one bus interface s_axis, not 0"),
        ("ps_zynq.tcl", "PCW_USE_S_AXI_HP0 1", "PCW_USE_S_AXI_HPO 1", "PCW_USE_S_AXI_HPO"),
    ],
)
def test_planted_faults_are_found(prepare, run_vivado, file, old, new, match):
    folder = prepare(boards.board("pynq-z2"))
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    done, _ = run_vivado(folder)
    assert done.returncode == 1
    assert match in done.stderr


@pytest.mark.parametrize("name", ["pynq-z1", "pynq-z2", "kv260"])
def test_pins_of_a_sensor_go_to_the_header_or_to_a_constant(tmp_path, run_vivado, name):
    board, config = boards.board(name), preset("tiny-sensor")
    vivado.prepare(board, config, tmp_path / "o", board.clock_mhz)
    done, lines = run_vivado(tmp_path / "o")
    assert done.returncode == 0, done.stderr
    pins = vivado.pins_of(config)
    assert [pin for pin, _, _ in pins] == ["aer_request", "aer_address", "aer_acknowledge"]
    if board.aer_header:
        assert len(facts(lines, "external")) == 3
        sites = [p.split("PACKAGE_PIN ")[1] for p in facts(lines, "property") if "PACKAGE_PIN" in p]
        assert len(sites) == len(set(sites)) == sum(width for _, _, width in pins)
    else:
        assert not facts(lines, "external")
        assert "unused_0/dout core/aer_request" in facts(lines, "wire")
    assert "reg:SENSOR" in " ".join(facts(lines, "property"))


def test_prepared_folder_says_what_it_is(prepare):
    folder = prepare(boards.board("zcu104"), clock_mhz=120)
    manifest = read_manifest(folder)
    assert manifest.state == "prepared"
    assert manifest.is_current
    assert manifest.note == vivado.NOT_RUN
    assert manifest.command == "spikeloom build --board zcu104 --preset tiny --clock-mhz 120"
    again = prepare(boards.board("zcu104"), clock_mhz=120)
    assert read_manifest(again).sources_sha256 == manifest.sources_sha256
    assert "clock_mhz {120}" in (folder / "settings.tcl").read_text()


def test_settings_hold_nothing_that_tcl_would_run():
    assert tcl(["a b", ["$x", "[exit]"], 3]) == "{{a b} {{$x} {[exit]}} {3}}"
    for text in ("}", "{", "\\", "a\nb"):
        with pytest.raises(ValueError, match=r"^a value for Tcl must have no braces"):
            tcl(text)


def test_every_expected_hwh_names_its_board_family(prepare):
    for board in ZYNQ:
        text = (prepare(board) / "expected.hwh").read_text()
        assert SYSTEMS[board.family].vlnv in text
        assert dataclasses.asdict(board)["clock_mhz"] == board.clock_mhz

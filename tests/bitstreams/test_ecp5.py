"""The ULX3S: its top level against its pins, and the flow with the tools played by the test."""

import json
import re

import pytest

pytest.importorskip("amaranth")

from amaranth.back import rtlil

from spikeloom.bitstreams import ecp5
from spikeloom.bitstreams.boards import board
from spikeloom.bitstreams.manifest import read_manifest
from spikeloom.cli.build_choice import read_build
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import EngineError, UsageError
from spikeloom_hw.boards.ulx3s import TOP_NAME, Ulx3s, makes

pytestmark = pytest.mark.rtl

CONFIG = BuildConfig("unit", lanes=4, state_rows=8, weight_rows=64, populations=4, projections=4)
ULX3S = board("ulx3s-85f")


@pytest.fixture(scope="module")
def text():
    return rtlil.convert(Ulx3s(CONFIG, 60, ecp5.BAUD), name=TOP_NAME, emit_src=False)


def test_every_port_has_a_pin_and_every_pin_a_port(text):
    module = text[text.index(f"module \\{TOP_NAME}\n") :]
    module = module[: module.index("\nend\n")]
    ports = {}
    for width, name in re.findall(r"wire(?: width (\d+))? (?:input|output) \d+ +\\(\w+)", module):
        ports[name] = int(width or 1)
    bits = {n if w == 1 else f"{n}[{i}]" for n, w in ports.items() for i in range(w)}
    constraints = (ULX3S.folder / ecp5.LPF_FILE).read_text()
    assert set(re.findall(r'LOCATE COMP "([^"]+)"', constraints)) == bits
    assert set(re.findall(r'IOBUF PORT "([^"]+)"', constraints)) == bits
    sites = re.findall(r'SITE "([^"]+)"', constraints)
    assert len(sites) == len(set(sites)) == len(bits)


def test_pll_multiplies_25_mhz_to_the_clock(text):
    cell = text[text.index("cell \\EHXPLLL") :]
    facts = dict(re.findall(r"parameter (?:signed )?\\(\w+) (\d+)\n", cell[: cell.index("end\n")]))
    feedback, divisor = int(facts["CLKFB_DIV"]), int(facts["CLKI_DIV"])
    assert 25 * feedback / divisor == 60
    assert 400 <= 60 * int(facts["CLKOP_DIV"]) <= 800
    assert 60_000_000 % ecp5.BAUD == 0


@pytest.mark.parametrize(("mhz", "good"), [(50, 1), (60, 1), (75, 1), (61, 0), (0, 0), (62.5, 0)])
def test_clocks_that_the_pll_makes(mhz, good):
    assert makes(mhz) == bool(good)


class Tools:
    """Plays Yosys, nextpnr and ecppack; nextpnr reaches the clocks of a list in turn."""

    def __init__(self, clocks):
        self.clocks, self.calls = list(clocks), []

    def __call__(self, tool, arguments, folder, seconds):
        self.calls.append((tool[1], [str(a) for a in arguments]))
        if tool[1] == "run_yosys":
            netlist = {"creator": "Yosys 0.1", "modules": {}}
            (folder / "netlist.json").write_text(json.dumps(netlist))
        elif tool[1] == "run_nextpnr_ecp5":
            report = {
                "fmax": {"clk": {"achieved": self.clocks.pop(0)}},
                "utilization": {"TRELLIS_COMB": {"used": 77}},
            }
            (folder / ecp5.REPORT).write_text(json.dumps(report))
        else:
            (folder / ecp5.BITSTREAM).write_bytes(b"bits")
        return ""


def build(monkeypatch, tmp_path, clocks, seeds, clock_mhz=60):
    tools = Tools(clocks)
    monkeypatch.setattr(ecp5, "run_tool", tools)
    monkeypatch.setattr(ecp5, "require", lambda *tools: None)
    monkeypatch.setattr(ecp5, "read_netlist", lambda path, top: type("N", (), {"version": "0.1"}))
    return ecp5.build(ULX3S, CONFIG, tmp_path / "out", clock_mhz, 5, seeds), tools


def test_first_seed_that_reaches_the_clock_is_used(monkeypatch, tmp_path):
    manifest, tools = build(monkeypatch, tmp_path, [55.5, 61.25], range(3, 8))
    assert manifest.clock_reached_mhz == 61.25
    assert manifest.command.endswith("--build build.json --seed 4")
    assert manifest.config == read_build(tmp_path / "out" / "build.json") == CONFIG
    assert manifest.resources["LUT4"] == 77
    assert read_manifest(tmp_path / "out") == manifest
    assert manifest.missing(tmp_path / "out") == []
    assert [name for name, _ in tools.calls].count("run_yosys") == 1


def test_missed_clock_writes_nothing_and_names_every_seed(monkeypatch, tmp_path):
    with pytest.raises(EngineError, match=r"^the clock must reach 60 MHz, not 55 \(seed 1\), 59"):
        build(monkeypatch, tmp_path, [55, 59], [1, 2])
    assert not (tmp_path / "out").exists()


def test_clock_that_the_pll_cannot_make_is_refused_before_any_tool_runs(monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="must be a multiple of 5 that divides 600"):
        build(monkeypatch, tmp_path, [], [1], clock_mhz=61)

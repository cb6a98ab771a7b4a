"""Resources and logic delays of a build on a Xilinx 7 series device, by Yosys."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ..report import Figure
from ..spec.config import BuildConfig
from . import design
from .arcs import read_library
from .devices import XC7Z020 as AVAILABLE
from .netlist import Netlist, read_netlist
from .report import Report
from .timing import GROUPS, TimingGraph
from .tools import YOSYS, package_folder, run_tool

DEVICE = "xc7z020"
LOGIC_AIM_NS = 3.6
"""The project's aim for the longest path of logic."""

LUT_RAM = {
    "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4,
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "SRL16E": 1, "SRLC32E": 1,
}  # fmt: skip
"""LUTs that each kind of memory in LUTs occupies (UG474, CLB user guide)."""

LOGIC = ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "INV")
FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE")

SCRIPT = (
    f"read_rtlil core.il; {design.KEEP_COPIES}"
    "synth_xilinx -family xc7 -flatten -abc9 -noiopad -noclkbuf -top {top}; "
    "hierarchy -purge_lib -top {top}; write_json netlist.json"
)

NOTES = (
    "delays are of cells alone, without routing; a routed clock is lower than they allow",
    "LUT is an upper bound: the vendor's tool puts two small LUTs into one and absorbs inverters",
)


def map_build(config: BuildConfig, seconds: float) -> Netlist:
    """Return a build as 7 series cells; arguments and errors as of :func:`synthesise`."""
    text, top = design.emit(config)
    with tempfile.TemporaryDirectory(prefix="spikeloom-synth-") as work:
        (Path(work) / "core.il").write_text(text)
        run_tool(YOSYS, ["-q", "-p", SCRIPT.format(top=top)], Path(work), seconds)
        return read_netlist(Path(work) / "netlist.json", top)


def synthesise(config: BuildConfig, seconds: float, n_paths: int = 10) -> Report:
    """Map a build to 7 series cells and analyse it.

    Parameters
    ----------
    config
        The build.
    seconds
        Time limit of Yosys.
    n_paths
        How many of the longest paths between registers to report.

    Raises
    ------
    EngineError
        If a tool is missing, fails or does not end in time, or if the netlist holds what the
        analysis does not know.
    """
    folder = package_folder(YOSYS[0], *YOSYS[2:])
    netlist = map_build(config, seconds)
    graph = TimingGraph(netlist, read_library(folder / "share" / "xilinx" / "cells_sim.v"))
    paths = graph.longest(GROUPS[0], n_paths)
    borders = [path for group in GROUPS[1:] for path in graph.longest(group)]
    logic = [
        Figure(f"longest path, {path.group}", path.delay_ps / 1000, LOGIC_AIM_NS, "ns")
        for path in [*paths[:1], *borders]
    ]
    return Report(
        config.name, "xc7", DEVICE, {"yosys": netlist.version},
        (*resources(netlist.counts()), *logic), (*paths, *borders), notes=NOTES,
    )  # fmt: skip


def resources(counts: Mapping[str, int]) -> tuple[Figure, ...]:
    """Return the use of a device from the number of cells of each type.

    An RAMB18 counts as half an RAMB36, and an inverter as a LUT.
    """
    found = Counter(counts)
    logic = sum(found[name] for name in LOGIC)
    memory = sum(found[name] * n for name, n in LUT_RAM.items())
    blocks = found["RAMB36E1"] + found["RAMB18E1"] / 2
    return (
        Figure("LUT", logic + memory, AVAILABLE["LUT"], "cells"),
        Figure("LUT as logic", logic, AVAILABLE["LUT"], "cells"),
        Figure("LUT as memory", memory, AVAILABLE["LUT"], "cells"),
        Figure("FF", sum(found[name] for name in FLIP_FLOPS), AVAILABLE["FF"], "cells"),
        Figure("CARRY4", found["CARRY4"], AVAILABLE["LUT"] // 4, "cells"),
        Figure("RAMB36", blocks, AVAILABLE["RAMB36"], "blocks"),
        Figure("DSP48E1", found["DSP48E1"], AVAILABLE["DSP48E1"], "blocks"),
    )

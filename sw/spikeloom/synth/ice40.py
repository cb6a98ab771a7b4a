"""Whether a build fits a Lattice iCE40 UltraPlus, by Yosys and the packer of nextpnr.

Nothing is placed or routed: the question is whether the device has the cells.
"""

from __future__ import annotations

import re
import tempfile
from importlib import metadata
from pathlib import Path

from ..report import Figure
from ..spec.config import BuildConfig
from ..spec.errors import EngineError
from . import design
from .netlist import read_netlist
from .report import Report
from .tools import NEXTPNR_ICE40, YOSYS, require, run_tool

DEVICE = "iCE40UP5K"
CELLS = {
    "LC": ("ICESTORM_LC", 5280, "cells"),
    "EBR": ("ICESTORM_RAM", 30, "blocks"),
    "SPRAM": ("ICESTORM_SPRAM", 4, "blocks"),
    "DSP": ("ICESTORM_DSP", 8, "blocks"),
}
"""Resources of the iCE40UP5K (FPGA-DS-02008, iCE40 UltraPlus family data sheet), by the names
that nextpnr has for them: logic cells, block RAMs of 4 kbit, single-port RAMs of 256 kbit,
multipliers."""

SCRIPT = (
    "read_rtlil core.il; synth_ice40 -device u -abc9 -dsp -spram -top {top}; "
    "write_json netlist.json"
)
NEXTPNR = ("--up5k", "--package", "sg48", "--json", "netlist.json", "--pack-only")

NOTES = (
    "packed, not placed or routed; the ports of the core, which outnumber the pins, are left open",
    "an LC holds a LUT of four inputs and a flip-flop",
)


def synthesise(config: BuildConfig, seconds: float) -> Report:
    """Map a build to iCE40 cells and pack them into logic cells and blocks.

    Parameters
    ----------
    config
        The build.
    seconds
        Time limit of each tool.

    Raises
    ------
    EngineError
        If a tool is missing, fails or does not end in time.
    """
    require(YOSYS, NEXTPNR_ICE40)
    text, top = design.emit(config)
    with tempfile.TemporaryDirectory(prefix="spikeloom-synth-") as name:
        work = Path(name)
        (work / "core.il").write_text(text)
        run_tool(YOSYS, ["-q", "-p", SCRIPT.format(top=top)], work, seconds)
        version = read_netlist(work / "netlist.json", top).version
        said = run_tool(NEXTPNR_ICE40, NEXTPNR, work, seconds)
    figures = resources(said)
    over = [f.name for f in figures if f.measured > f.bound]
    fits = f"does not fit: too few {', '.join(over)}" if over else "fits"
    tools = {"yosys": version, "nextpnr": metadata.version(NEXTPNR_ICE40[2])}
    return Report(config.name, "ice40", DEVICE, tools, figures, notes=(fits, *NOTES))


def resources(said: str) -> tuple[Figure, ...]:
    """Return the use of the device from what nextpnr printed.

    Raises :class:`EngineError` if it names none of the device's cells.
    """
    used = {name: int(n) for name, n in re.findall(r"(ICESTORM_\w+):\s+(\d+)/", said)}
    if "ICESTORM_LC" not in used:
        raise EngineError(f"nextpnr must print the use of {DEVICE}; it did not")
    return tuple(
        Figure(name, used.get(cell, 0), bound, unit) for name, (cell, bound, unit) in CELLS.items()
    )

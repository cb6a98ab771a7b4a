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
from .devices import ICE40UP5K as AVAILABLE
from .netlist import read_netlist
from .report import Report
from .tools import NEXTPNR_ICE40, YOSYS, require, run_tool

DEVICE = "iCE40UP5K"
CELLS = {
    "LC": "ICESTORM_LC",
    "EBR": "ICESTORM_RAM",
    "SPRAM": "ICESTORM_SPRAM",
    "DSP": "ICESTORM_DSP",
}
"""The names that nextpnr has for the device's resources."""

SCRIPT = (
    f"read_rtlil core.il; {design.KEEP_COPIES}"
    "synth_ice40 -device u -abc9 -dsp -spram -top {top}; "
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
        Figure(name, used.get(cell, 0), AVAILABLE[name], "cells" if name == "LC" else "blocks")
        for name, cell in CELLS.items()
    )

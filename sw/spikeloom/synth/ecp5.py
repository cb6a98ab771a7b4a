"""Resources and routed clock of a build on a Lattice ECP5, by Yosys and nextpnr."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..report import Figure
from ..spec.config import BuildConfig
from ..spec.errors import EngineError
from . import design
from .devices import LFE5U_85F as AVAILABLE
from .netlist import Netlist, read_netlist
from .report import Report, Stage
from .tools import NEXTPNR_ECP5, YOSYS, require, run_tool
from .wrapper import TOP, wrapper_verilog

DEVICE = "LFE5U-85F"
CLOCK_AIM_MHZ = 90.0
"""The project's aim for 32 lanes."""

LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}
"""LUT4s that each kind of cell occupies; nextpnr adds some at the ends of carry chains."""

ROUTED = {
    "LUT4": "TRELLIS_COMB",
    "FF": "TRELLIS_FF",
    "DP16KD": "DP16KD",
    "MULT18X18D": "MULT18X18D",
}
"""Names of the resources in nextpnr's report."""

MAP = f"{design.KEEP_COPIES}synth_ecp5 -abc9 -top {{top}}; write_json netlist.json"
SCRIPT = f"read_rtlil core.il; read_verilog frame.v; {MAP}"

EFFORT = ("--router", "router1", "--placer-heap-timingweight", "30")
"""Router 2 takes detours; the weight of delays is 10 otherwise.  Decision 0017 has figures."""

NEXTPNR = (
    "--85k", "--speed", "6", "--seed", "1", "--json", "netlist.json", *EFFORT,
    "--freq", "100", "--timing-allow-fail", "--lpf-allow-unconstrained",
    "--report", "report.json", "--quiet",
)  # fmt: skip

FRAME_NOTE = (
    "the ports hang on shift registers of one flip-flop per bit (two for outputs), which are "
    "counted here; see docs/howto/synth.md"
)
NOT_ROUTED = "not placed or routed: synthesis only"


def synthesise(config: BuildConfig, seconds: float, route: bool = True) -> Report:
    """Map a build to ECP5 cells, place and route it.

    Parameters
    ----------
    config
        The build.
    seconds
        Time limit of each tool.
    route
        False: stop after synthesis.

    Raises
    ------
    EngineError
        If a tool is missing, fails or does not end in time.
    """
    require(YOSYS, *([NEXTPNR_ECP5] if route else []))
    text, module = design.emit(config)
    frame = wrapper_verilog(module, design.ports(config), design.CLOCK)
    netlist, routed = build(text, frame, seconds, route)
    figures = resources(netlist.counts())
    tools = {"yosys": netlist.version}
    if routed is None:
        notes = (FRAME_NOTE, NOT_ROUTED)
        return Report(config.name, "ecp5", DEVICE, tools, figures, notes=notes)
    tools["nextpnr"] = metadata.version(NEXTPNR_ECP5[2])
    stages = critical_path(routed)
    figures = (*routed_resources(routed), *clock_figures(clock_mhz(routed), stages))
    return Report(
        config.name, "ecp5", DEVICE, tools, figures, stages=stages,
        notes=(FRAME_NOTE,),
    )  # fmt: skip


def build(
    rtlil: str, frame: str, seconds: float, route: bool
) -> tuple[Netlist, dict[str, Any] | None]:
    """Map a framed design and, if wanted, place and route it.

    Returns
    -------
    netlist, report
        The mapped cells, and nextpnr's report (None if it did not run).
    """
    with tempfile.TemporaryDirectory(prefix="spikeloom-synth-") as name:
        work = Path(name)
        (work / "core.il").write_text(rtlil)
        (work / "frame.v").write_text(frame)
        run_tool(YOSYS, ["-q", "-p", SCRIPT.format(top=TOP)], work, seconds)
        netlist = read_netlist(work / "netlist.json", TOP)
        if not route:
            return netlist, None
        run_tool(NEXTPNR_ECP5, NEXTPNR, work, seconds)
        return netlist, _read_report(work / "report.json")


def clock_figures(mhz: float, stages: Sequence[Stage]) -> tuple[Figure, ...]:
    """Return the clock and the parts of the critical path; their bound is the aim's period."""
    period = round(1000 / CLOCK_AIM_MHZ, 3)
    parts = {
        "critical path, cells": [s.delay_ns for s in stages if s.kind != "routing"],
        "critical path, routing": [s.delay_ns for s in stages if s.kind == "routing"],
    }
    return (
        Figure("clock, routed", mhz, CLOCK_AIM_MHZ, "MHz"),
        *(Figure(name, round(sum(found), 3), period, "ns") for name, found in parts.items()),
    )


def resources(counts: Mapping[str, int]) -> tuple[Figure, ...]:
    """Return the use of a device from the number of cells of each type."""
    found = Counter(counts)
    measured = {
        "LUT4": sum(found[name] * n for name, n in LUTS.items()),
        "FF": found["TRELLIS_FF"],
        "DP16KD": found["DP16KD"],
        "MULT18X18D": found["MULT18X18D"],
    }
    return _figures(measured)


def routed_resources(report: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Return the use of a device from nextpnr's report."""
    used = report.get("utilization", {})
    return _figures({name: used.get(key, {}).get("used", 0) for name, key in ROUTED.items()})


def _figures(measured: Mapping[str, int]) -> tuple[Figure, ...]:
    return tuple(
        Figure(name, n, AVAILABLE[name], "cells" if name in ("LUT4", "FF") else "blocks")
        for name, n in measured.items()
    )


def clock_mhz(report: Mapping[str, Any]) -> float:
    """Return the clock that nextpnr reached; raises :class:`EngineError` unless there is one."""
    clocks = report.get("fmax", {})
    if len(clocks) != 1:
        found = ", ".join(clocks) or "none"
        raise EngineError(f"nextpnr must report one clock; found {found}")
    return round(float(next(iter(clocks.values()))["achieved"]), 2)


def critical_path(report: Mapping[str, Any]) -> tuple[Stage, ...]:
    """Return the stages of the path between registers that limits the clock."""
    for path in report.get("critical_paths", []):
        if "<async>" not in (path["from"], path["to"]):
            stages, arrival = [], 0.0
            for part in path["path"]:
                arrival += part["delay"]
                name = part.get("net") or part["to"]["cell"]
                delay, at = round(part["delay"], 3), round(arrival, 3)
                stages.append(Stage(part["type"], name, delay, at))
            return tuple(stages)
    return ()


def _read_report(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EngineError(f"nextpnr must leave a report in JSON; found none ({error})") from None
    return data

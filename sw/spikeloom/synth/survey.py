"""Resources and clocks of every preset: ``python -m spikeloom.synth.survey docs/results/synth``.

Each run leaves a file ``TARGET-PRESET.json``.  A file that was made from the same design by the
same tools and scripts stays, so that a survey goes on where another one ended, and after a change
of the gateware measures again only what the change has reached.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..files import write_atomically
from ..report import to_json
from ..spec.build import build_id
from ..spec.config import BuildConfig, preset
from ..spec.errors import EngineError, SpikeLoomError, UsageError
from . import design, devices, ecp5, ice40, xc7
from .report import Report
from .tools import NEXTPNR_ECP5, NEXTPNR_ICE40, YOSYS, Tool

SCHEMA = "spikeloom-synth"

_Run = Callable[[BuildConfig, float], Report]

TARGETS: dict[str, tuple[_Run, tuple[object, ...], tuple[Tool, ...]]] = {
    "xc7": (xc7.synthesise, (xc7.SCRIPT,), (YOSYS,)),
    "ecp5": (ecp5.synthesise, (ecp5.SCRIPT, ecp5.NEXTPNR), (YOSYS, NEXTPNR_ECP5)),
    "ice40": (ice40.synthesise, (ice40.SCRIPT, ice40.NEXTPNR), (YOSYS, NEXTPNR_ICE40)),
}
"""What maps a build to each target, the scripts that decide the outcome, and the tools."""

RUNS = (
    ("tiny", ("xc7", "ecp5", "ice40")),
    ("small", ("xc7", "ecp5")),
    ("medium", ("xc7", "ecp5")),
    ("pynq-z2", ("xc7",)),
    ("pynq-z2-full", ("xc7",)),
    ("tiny-sensor", ("xc7",)),
    ("pynq-z2-sensor", ("xc7",)),
    ("zu3", ("xc7",)),
)
"""Presets and the targets they are measured on, the quick ones first."""

OTHER_DEVICES = {"zu3": ("XCZU3EG", devices.ZU3)}
"""What a preset is meant for and has, where that is not the xc7z020."""

_SOURCE = re.compile(r'^\s*attribute \\src "[^"]*"\n', re.M)


def survey(
    folder: Path, runs: Sequence[tuple[str, Sequence[str]]], seconds: float
) -> Iterator[tuple[str, str]]:
    """Measure what is missing or old in ``folder`` and yield (file, what became of it).

    Parameters
    ----------
    folder
        Folder of the files; see :func:`read`.
    runs
        Presets and their targets, as :data:`RUNS`.
    seconds
        Time limit of each tool.

    What becomes of a file is ``"unchanged"``, ``"written"``, or why it could not be measured; then
    the file that was there stays.
    """
    for name, targets in runs:
        config = preset(name)
        for target in targets:
            path = folder / f"{target}-{name}.json"
            try:
                yield path.name, _measure(path, config, target, seconds)
            except EngineError as error:
                yield path.name, f"FAILED: {error}"


def _measure(path: Path, config: BuildConfig, target: str, seconds: float) -> str:
    run, scripts, tools = TARGETS[target]
    facts = {
        "schema": SCHEMA,
        "build_id": build_id(config),
        "design_sha256": design_digest(config),
        "scripts_sha256": hashlib.sha256(repr(scripts).encode()).hexdigest(),
        "versions": {tool[2]: metadata.version(tool[2]) for tool in tools},
    }
    if path.is_file():
        found = _read_file(path)
        if all(found.get(key) == value for key, value in facts.items()):
            return "unchanged"
    report = run(config, seconds).to_dict()
    for key in ("paths", "stages"):
        del report[key]
    write_atomically(path, to_json({**facts, **report}).encode())
    return "written"


def design_digest(config: BuildConfig) -> str:
    """Return the sha256 of the gateware of a build, lines of the sources left out."""
    text, _ = design.emit(config)
    return hashlib.sha256(_SOURCE.sub("", text).encode()).hexdigest()


def read(folder: Path) -> list[dict[str, Any]]:
    """Return every measured report of ``folder``, presets in the order of :data:`RUNS`.

    Each is a dictionary of ``preset``, ``target``, ``device``, ``tools``, ``figures``, ``notes``
    (see :class:`.report.Report`), ``build_id`` and what else decides whether it is old.
    Raises :class:`UsageError` for a file that is not one of these.
    """
    order = [name for name, _ in RUNS]
    found = [_read_file(path) for path in sorted(folder.glob("*.json"))]
    for report in found:
        if report["preset"] not in order:
            raise UsageError(f"{folder} must hold presets of {', '.join(order)} only")
    return sorted(found, key=lambda report: order.index(report["preset"]))


def _read_file(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} must be readable JSON: {error}; remove it") from None
    needed = {"schema", "preset", "target", "device", "figures", "build_id", "tools", "notes"}
    if not isinstance(value, dict) or value.get("schema") != SCHEMA or not needed <= value.keys():
        raise UsageError(f"{path} must be a report of the schema {SCHEMA!r}; remove it")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and say so; exit code 1 if a run failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the reports")
    parser.add_argument("--preset", action="append", help="only this one (may be repeated)")
    parser.add_argument("--target", choices=tuple(TARGETS), help="only this one")
    parser.add_argument(
        "--time-limit", type=float, default=14400, metavar="S", help="seconds per tool (14400)"
    )
    args = parser.parse_args(arguments)
    failed = False
    try:
        runs = _chosen(args.preset, args.target)
        for file, outcome in survey(args.folder, runs, args.time_limit):
            failed |= outcome.startswith("FAILED")
            print(f"{file}: {outcome}", flush=True)
    except SpikeLoomError as error:
        print(f"survey: {error}", file=sys.stderr)
        return 2
    return 1 if failed else 0


def _chosen(names: Sequence[str] | None, target: str | None) -> list[tuple[str, tuple[str, ...]]]:
    known = dict(RUNS)
    for name in names or ():
        if name not in known:
            raise UsageError(f"--preset must be one of {', '.join(known)}, not {name!r}")
    return [
        (name, tuple(t for t in targets if target in (None, t)))
        for name, targets in RUNS
        if not names or name in names
    ]


if __name__ == "__main__":
    sys.exit(main())

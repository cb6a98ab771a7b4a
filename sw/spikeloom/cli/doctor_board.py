"""``spikeloom doctor --board``: which bitstreams there are, and which one an artefact needs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..report import table, to_json
from ..spec.errors import UsageError

FOLDER, BUILT = "bitstreams", "build"
"""Where the bitstreams of the sources are, and where ``spikeloom build`` puts its own."""


def bitstreams_folders(given: str | None) -> list[Path]:
    """Return the folders of bitstreams: as given; or here or in the sources, and those built here.

    Raises :class:`UsageError` if the one that is given is not there.
    """
    if given:
        if not Path(given).is_dir():
            raise UsageError(f"--bitstreams must be a folder, and {given} is none")
        return [Path(given)]
    here = Path(FOLDER)
    found = here if here.is_dir() else Path(__file__).resolve().parents[3] / FOLDER
    return [folder for folder in (found, Path(BUILT)) if folder.is_dir()]


def main(args: argparse.Namespace) -> int:
    """Report; exit code 1 if the artefact's bitstream is not there."""
    from ..bitstreams.boards import board
    from ..bitstreams.manifest import find_manifests

    chosen = board(args.board)
    roots = bitstreams_folders(args.bitstreams)
    found = [
        _facts(folder, manifest)
        for root in roots
        for folder, manifest in find_manifests(root, chosen.name)
    ]
    need = _need(args.artefact, chosen.name, chosen.preset, found) if args.artefact else None
    if args.json:
        print(to_json({"board": chosen.name, "bitstreams": found, "artefact": need}), end="")
    else:
        _print(chosen.title, roots, found, need)
    return 1 if need is not None and not need["present"] else 0


def _facts(folder: Path, manifest: Any) -> dict[str, Any]:
    missing = manifest.missing(folder)
    if manifest.state != "built":
        state = "prepared, not built"
    elif missing:
        state = f"missing or changed: {', '.join(missing)}"
    else:
        state = "there"
    return {
        "preset": manifest.preset,
        "build_id": manifest.build_id,
        "current": manifest.is_current,
        "state": state,
        "present": state == "there",
        "clock_mhz": manifest.clock_mhz,
        "command": manifest.command_in(folder),
        "folder": str(folder),
    }


def _need(path: str, board: str, preset: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return which build an artefact needs, and whether its bitstream is there."""
    from ..artefact import read_artefact
    from ..bitstreams.manifest import choice

    build = read_artefact(path).manifest.build
    if build is None:
        command = f"spikeloom compile {path} --preset {preset} --out ARTEFACT"
        facts = {"build_id": None, "preset": None, "present": False, "folder": None}
        return {**facts, "command": command}
    there = [f["folder"] for f in found if f["build_id"] == build.id and f["present"]]
    return {
        "build_id": build.id,
        "preset": build.config.name,
        "present": bool(there),
        "folder": there[0] if there else None,
        "command": f"spikeloom build --board {board} {choice(build.config, path)}",
    }


def _print(
    title: str, roots: list[Path], found: list[dict[str, Any]], need: dict[str, Any] | None
) -> None:
    print(f"bitstreams for {title} in {' and '.join(map(str, roots)) or FOLDER}:")
    rows = [
        (f["preset"], f["build_id"], "this version" if f["current"] else "ANOTHER VERSION",
         f"{f['clock_mhz']:g}", f["state"])
        for f in found
    ]  # fmt: skip
    print(table(rows, ("preset", "build id", "of", "MHz", "state")) if rows else "none")
    for facts in found:
        if not facts["present"] or not facts["current"]:
            print(f"{facts['preset']}: {facts['command']}")
    if need is None:
        return
    if need["build_id"] is None:
        print(f"the artefact is not compiled; run: {need['command']}")
    elif need["present"]:
        print(
            f"the artefact needs build {need['build_id']} ({need['preset']}): in {need['folder']}"
        )
    else:
        print(
            f"the artefact needs build {need['build_id']} ({need['preset']}), which is not there; "
            f"run: {need['command']}"
        )

"""``spikeloom doctor --board``: which bitstreams there are, and which one an artefact needs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..report import table, to_json

FOLDER = "bitstreams"


def bitstreams_folder(given: str | None) -> Path:
    """Return the folder of the bitstreams: as given, here, or in the sources."""
    if given:
        return Path(given)
    here = Path(FOLDER)
    return here if here.is_dir() else Path(__file__).resolve().parents[3] / FOLDER


def main(args: argparse.Namespace) -> int:
    """Report; exit code 1 if the artefact's bitstream is not there."""
    from ..bitstreams.boards import board
    from ..bitstreams.manifest import find_manifests

    chosen = board(args.board)
    root = bitstreams_folder(args.bitstreams)
    found = [
        _facts(folder, manifest)
        for folder, manifest in find_manifests(root)
        if manifest.board == chosen.name
    ]
    need = _need(args.artefact, chosen.name, chosen.preset, found) if args.artefact else None
    if args.json:
        print(to_json({"board": chosen.name, "bitstreams": found, "artefact": need}), end="")
    else:
        _print(chosen.title, root, found, need)
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
        "command": manifest.command,
        "folder": str(folder),
    }


def _need(path: str, board: str, preset: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return which build an artefact needs, and whether its bitstream is there."""
    from ..artefact import read_artefact

    build = read_artefact(path).manifest.build
    if build is None:
        command = f"spikeloom compile {path} --preset {preset} --out ARTEFACT"
        return {"build_id": None, "preset": None, "present": False, "command": command}
    same = [f for f in found if f["build_id"] == build.id]
    return {
        "build_id": build.id,
        "preset": build.config.name,
        "present": any(f["present"] for f in same),
        "command": f"spikeloom build --board {board} --preset {build.config.name}",
    }


def _print(
    title: str, root: Path, found: list[dict[str, Any]], need: dict[str, Any] | None
) -> None:
    print(f"bitstreams for {title} in {root}:")
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
        print(f"the artefact needs build {need['build_id']} ({need['preset']}): there")
    else:
        print(
            f"the artefact needs build {need['build_id']} ({need['preset']}), which is not there; "
            f"run: {need['command']}"
        )

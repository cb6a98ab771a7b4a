"""Describe a folder of bitstreams anew: ``python -m spikeloom.bitstreams.refresh bitstreams``.

Manifests of prepared folders are written again from the present gateware and specification.  A
built bitstream cannot be brought up to date this way; if its sources are no longer those of the
gateware, the command that builds it is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from ..spec.config import BuildConfig
from ..spec.errors import SpikeLoomError, UsageError
from . import ecp5, vivado
from .boards import board
from .manifest import Manifest, find_manifests, sources_digest

UNCHANGED, WRITTEN, OLD = "unchanged", "written", "OLD"


def refresh(root: Path) -> Iterator[tuple[Path, Manifest, str]]:
    """Bring every manifest of ``root`` up to date and yield (folder, manifest, state).

    The state is ``"unchanged"``, ``"written"``, or ``"OLD"`` for a built bitstream of other
    sources, whose manifest is left as it is.

    Raises
    ------
    UsageError
        If there is no manifest in ``root``, or one names an unknown board or preset.
    ArtefactError
        If a manifest is damaged.
    EngineError
        If the gateware cannot be emitted.
    """
    found = find_manifests(root)
    if not found:
        raise UsageError(f"{root} must hold BOARD/PRESET/manifest.json; none is there")
    verilog = lru_cache(maxsize=None)(_verilog)
    for folder, manifest in found:
        if manifest.state == "built":
            yield folder, manifest, UNCHANGED if _is_of_these_sources(manifest) else OLD
            continue
        config, target = manifest.config, board(manifest.board)
        files = vivado.sources(
            target, config, manifest.clock_mhz, verilog(config), vivado.pins_of(config)
        )
        new = vivado.prepared(target, config, manifest.clock_mhz, files)
        if new != manifest:
            new.write(folder)
        yield folder, new, UNCHANGED if new == manifest else WRITTEN


def _verilog(config: BuildConfig) -> str:
    from spikeloom_hw.emit import emit_verilog

    return emit_verilog(config)


def _is_of_these_sources(manifest: Manifest) -> bool:
    target = board(manifest.board)
    if not manifest.is_current or target.family != "ecp5":
        return manifest.is_current
    found = ecp5.sources(target, manifest.config, manifest.clock_mhz)[1]
    return manifest.sources_sha256 == sources_digest(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Refresh and print; exit code 1 if a built bitstream is of other sources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="the folder of the bitstreams")
    args = parser.parse_args(arguments)
    old = 0
    try:
        for folder, manifest, state in refresh(args.root):
            old += state == OLD
            hint = f"; run: {manifest.command_in(folder)} --out {folder}" if state == OLD else ""
            print(
                f"{folder}: build {manifest.build_id}, {manifest.state}, {state}{hint}", flush=True
            )
    except SpikeLoomError as error:
        print(f"refresh: {error}", file=sys.stderr)
        return 2
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())

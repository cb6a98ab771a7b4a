"""The choice of a build: a preset, or a file that ``spikeloom tailor`` wrote."""

from __future__ import annotations

import argparse
import json
from dataclasses import MISSING, fields
from pathlib import Path

from ..spec.config import BuildConfig, preset
from ..spec.errors import UsageError

MAX_BYTES = 1 << 16


def add_build_arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """Add ``--preset`` and ``--build``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--preset", default="pynq-z2", help=f"build to {verb} (pynq-z2)")
    group.add_argument("--build", metavar="FILE", help="a build's parameters as JSON instead")


def chosen_build(args: argparse.Namespace) -> BuildConfig:
    """Return the build that the arguments name."""
    return read_build(args.build) if args.build else preset(args.preset)


def read_build(path: str | Path) -> BuildConfig:
    """Read a build; raises :class:`UsageError` naming the file and what is wrong in it."""
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"build file {file} does not exist")
    if file.stat().st_size > MAX_BYTES:
        raise UsageError(f"build file {file} must have at most {MAX_BYTES} bytes")
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"build file {file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError(f"build file {file} must hold an object, not {type(value).__name__}")
    known = {f.name: f.default is MISSING for f in fields(BuildConfig)}
    for name in sorted(value.keys() - known.keys()):
        raise UsageError(f"build file {file} has an unknown field {name!r}")
    for name in sorted({n for n, required in known.items() if required} - value.keys()):
        raise UsageError(f"build file {file} lacks the field {name!r}")
    try:
        return BuildConfig(**value)
    except UsageError as error:
        raise UsageError(f"build file {file}: {error}") from None

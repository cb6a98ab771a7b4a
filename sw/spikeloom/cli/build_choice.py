"""The choice of a build: a preset, a file that ``spikeloom tailor`` wrote, or an artefact's."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..spec.config import BuildConfig, config_from_dict, preset
from ..spec.errors import UsageError

MAX_BYTES = 1 << 16


def add_build_arguments(
    parser: argparse.ArgumentParser, verb: str, default: str | None = "pynq-z2"
) -> None:
    """Add ``--preset`` and ``--build``; without ``default`` the board has a preset of its own."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--preset", default=default, help=f"build to {verb} ({default or 'the board has its own'})"
    )
    group.add_argument(
        "--build", metavar="FILE",
        help="a build's parameters as JSON instead, or an artefact compiled for the build",
    )  # fmt: skip


def chosen_build(args: argparse.Namespace, default: str = "") -> BuildConfig:
    """Return the build that the arguments name, or else the preset ``default``."""
    return read_build(args.build) if args.build else preset(args.preset or default)


def read_build(path: str | Path) -> BuildConfig:
    """Read a build, from a file or from the folder of an artefact.

    Raises :class:`UsageError` naming the file and what is wrong in it, or
    :class:`~spikeloom.spec.errors.ArtefactError` for a damaged artefact.
    """
    file = Path(path)
    if file.is_dir():
        return _build_of_artefact(file)
    if not file.is_file():
        raise UsageError(f"build file {file} does not exist")
    if file.stat().st_size > MAX_BYTES:
        raise UsageError(f"build file {file} must have at most {MAX_BYTES} bytes")
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"build file {file} is not JSON: {error}") from None
    return config_from_dict(f"build file {file}", value)


def _build_of_artefact(folder: Path) -> BuildConfig:
    from ..artefact import read_artefact

    build = read_artefact(folder).manifest.build
    if build is None:
        raise UsageError(f"artefact {folder} must be compiled to have a build; it is not")
    return build.config

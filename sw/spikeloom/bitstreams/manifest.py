"""What a folder of ``bitstreams/`` says of itself: ``manifest.json``."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..files import write_atomically
from ..spec.build import build_id
from ..spec.config import BuildConfig, config_from_dict, preset, preset_of
from ..spec.errors import ArtefactError, UsageError
from .boards import Board

SCHEMA = "spikeloom-bitstream"
SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
STATES = ("built", "prepared")
BUILD_FILE = "build.json"
"""Parameters of a build that is no preset, as ``--build`` takes them."""


@dataclass(frozen=True)
class Manifest:
    """A bitstream, or what was prepared for one.

    Parameters
    ----------
    board, preset, build_id
        What it is for; ``preset`` is the name of the build if it is no preset.
    state
        ``built``: the bitstream is there or was; ``prepared``: only its sources are.
    command
        What makes it.
    clock_mhz
        Clock of the core.
    clock_reached_mhz
        Highest clock by the tool's timing analysis, or None.
    tools
        Version of each tool.
    resources
        Cells in use, by kind.
    files
        ``{"bytes", "sha256"}`` of each file.
    sources_sha256
        Over the generated sources; the same sources give the same number.
    note
        What a reader must know.
    build
        Parameters of the build if it is no preset; left out of the file otherwise.
    """

    board: str
    preset: str
    build_id: str
    state: str
    command: str
    clock_mhz: float
    clock_reached_mhz: float | None
    sources_sha256: str
    tools: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    note: str = ""
    build: Mapping[str, Any] | None = None

    @property
    def config(self) -> BuildConfig:
        """The build; raises :class:`UsageError` if there is none of that name any more."""
        if self.build is None:
            return preset(self.preset)
        return config_from_dict("build", self.build)

    @property
    def is_current(self) -> bool:
        """Whether this SpikeLoom's build of that name and parameters has the same id."""
        try:
            return build_id(self.config) == self.build_id
        except UsageError:
            return False

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` into ``folder``."""
        value = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **vars(self)}
        if self.build is None:
            del value["build"]
        write_atomically(folder / MANIFEST_FILE, (json.dumps(value, indent=1) + "\n").encode())

    def command_in(self, folder: Path) -> str:
        """Return the command for a reader who is not in ``folder``, where this manifest lies."""
        if self.build is None:
            return self.command
        file = shlex.quote(str(folder / BUILD_FILE))
        return self.command.replace(f"--build {BUILD_FILE}", f"--build {file}")

    def missing(self, folder: Path) -> list[str]:
        """Return the files that are not in ``folder``, or not as described."""
        return [
            name
            for name, facts in self.files.items()
            if not (folder / name).is_file() or describe(folder / name) != dict(facts)
        ]


def read_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json`` of ``folder``; raises :class:`ArtefactError` saying what is wrong."""
    path = folder / MANIFEST_FILE
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtefactError(f"{path} must be readable JSON: {error}") from None
    if not isinstance(value, dict) or value.pop("schema", None) != SCHEMA:
        raise ArtefactError(f"{path} must have the schema {SCHEMA!r}")
    version = value.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise ArtefactError(f"{path} must have schema_version {SCHEMA_VERSION}, not {version!r}")
    names = {f.name for f in fields(Manifest)}
    if set(value) | {"build"} != names:
        odd = ", ".join(sorted((set(value) | {"build"}) ^ names))
        raise ArtefactError(
            f"{path} must have the fields of a bitstream; missing or unknown: {odd}"
        )
    manifest = Manifest(**value)
    _check(path, manifest)
    return manifest


def _check(path: Path, manifest: Manifest) -> None:
    """Check types and values; the rest of a manifest is only shown."""
    texts = (manifest.board, manifest.preset, manifest.build_id, manifest.command)
    if manifest.state not in STATES or not all(isinstance(text, str) for text in texts):
        raise ArtefactError(f"{path} must have a state of {', '.join(STATES)} and texts")
    clocks = (manifest.clock_mhz, manifest.clock_reached_mhz or 0)
    if not all(isinstance(clock, (int, float)) for clock in clocks):
        raise ArtefactError(f"{path} must have clocks in MHz that are numbers")
    tables = [manifest.tools, manifest.resources, manifest.files]
    tables += manifest.files.values() if isinstance(manifest.files, dict) else []
    if not all(isinstance(found, dict) for found in tables):
        raise ArtefactError(f"{path} must have tools, resources and files that are objects")
    if not all(Path(name).name == name for name in manifest.files):
        raise ArtefactError(f"{path} must name files of its own folder only")
    if manifest.build is not None:
        try:
            config_from_dict("build", manifest.build)
        except UsageError as error:
            raise ArtefactError(f"{path} must have the parameters of a build: {error}") from None


def find_manifests(root: Path, board: str = "*") -> list[tuple[Path, Manifest]]:
    """Return (folder, manifest) of every ``<board>/<preset>`` below ``root``."""
    files = sorted(root.glob(f"{board}/*/{MANIFEST_FILE}"))
    return [(file.parent, read_manifest(file.parent)) for file in files]


def choice(config: BuildConfig, file: str = BUILD_FILE) -> str:
    """Return the arguments that choose ``config``; ``file`` holds it if it is no preset."""
    return f"--preset {config.name}" if preset_of(config) else f"--build {shlex.quote(file)}"


def command(board: Board, config: BuildConfig, clock_mhz: float) -> str:
    """Return the command that makes a folder, for one that holds :func:`build_files`."""
    clock = "" if clock_mhz == board.clock_mhz else f" --clock-mhz {clock_mhz:g}"
    return f"spikeloom build --board {board.name} {choice(config)}{clock}"


def build_files(config: BuildConfig) -> dict[str, bytes]:
    """Return the file that says what the build is, by name; a preset needs none."""
    if preset_of(config):
        return {}
    return {BUILD_FILE: (json.dumps(config.to_dict(), indent=1) + "\n").encode()}


def described(config: BuildConfig) -> dict[str, Any]:
    """Return a manifest's ``preset``, ``build_id`` and ``build``."""
    own = None if preset_of(config) else config.to_dict()
    return {"preset": config.name, "build_id": build_id(config), "build": own}


def describe(path: Path) -> dict[str, Any]:
    """Return size and sha256 of a file."""
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def sources_digest(files: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> str:
    """Return the sha256 over names and contents."""
    whole = hashlib.sha256()
    for name, data in sorted(dict(files).items()):
        for part in (name.encode(), data):
            whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()

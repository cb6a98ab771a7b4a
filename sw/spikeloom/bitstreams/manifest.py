"""What a folder of ``bitstreams/`` says of itself: ``manifest.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..files import write_atomically
from ..spec.build import build_id
from ..spec.config import preset
from ..spec.errors import ArtefactError, UsageError

SCHEMA = "spikeloom-bitstream"
SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
STATES = ("built", "prepared")


@dataclass(frozen=True)
class Manifest:
    """A bitstream, or what was prepared for one.

    Parameters
    ----------
    board, preset, build_id
        What it is for.
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

    @property
    def is_current(self) -> bool:
        """Whether this SpikeLoom's build of that preset has the same id."""
        try:
            return build_id(preset(self.preset)) == self.build_id
        except UsageError:
            return False

    def write(self, folder: Path) -> None:
        """Write ``manifest.json`` into ``folder``."""
        value = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **vars(self)}
        write_atomically(folder / MANIFEST_FILE, (json.dumps(value, indent=1) + "\n").encode())

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
    if set(value) != names:
        odd = ", ".join(sorted(set(value) ^ names))
        raise ArtefactError(
            f"{path} must have the fields of a bitstream; missing or unknown: {odd}"
        )
    manifest = Manifest(**value)
    texts = (manifest.board, manifest.preset, manifest.build_id, manifest.command)
    if manifest.state not in STATES or not all(isinstance(text, str) for text in texts):
        raise ArtefactError(f"{path} must have a state of {', '.join(STATES)} and texts")
    if not all(Path(name).name == name for name in manifest.files):
        raise ArtefactError(f"{path} must name files of its own folder only")
    return manifest


def find_manifests(root: Path) -> list[tuple[Path, Manifest]]:
    """Return (folder, manifest) of every ``<board>/<preset>`` below ``root``."""
    files = sorted(root.glob(f"*/*/{MANIFEST_FILE}"))
    return [(file.parent, read_manifest(file.parent)) for file in files]


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

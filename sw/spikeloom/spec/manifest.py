"""The artefact's manifest: what manifest.json holds, and its strict reader.

An artefact is untrusted input.  The reader caps the size, refuses duplicate keys,
NaN and unknown fields, and names the field that is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .config import BuildConfig
from .errors import ArtefactError, UsageError

SCHEMA = "spikeloom-artefact"
SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
NETWORK_FILE = "network.safetensors"
IMAGE_FILES = {
    name: f"images/{name}.bin"
    for name in ("populations", "projections", "weights_even", "weights_odd")
}
"""File of each memory image: raw little-endian uint32, whole rows from row 0."""

MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True)
class InputFacts:
    """How the user's input arrays map to the input population.

    ``shape`` is the shape of one tick in the user's axis order; with ``axes``
    ``"channels_first"`` it is (channels, height, width) and the population's shape is
    (height, width, channels), with ``"flat"`` the two are the same.  ``ticks`` is the
    number of ticks the network was made for.  ``encoder`` says how values become events
    (free JSON, for people and encoders).
    """

    shape: tuple[int, ...]
    ticks: int
    axes: str = "flat"
    encoder: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.axes not in ("flat", "channels_first"):
            raise ArtefactError(f"input.axes must be flat or channels_first, not {self.axes!r}")
        if not self.shape or not all(isinstance(d, int) and d > 0 for d in self.shape):
            raise ArtefactError(f"input.shape must be positive integers, not {self.shape!r}")
        if not isinstance(self.ticks, int) or isinstance(self.ticks, bool) or self.ticks < 1:
            raise ArtefactError(f"input.ticks must be a positive integer, not {self.ticks!r}")
        if self.axes == "channels_first" and len(self.shape) != 3:
            raise ArtefactError(
                "input.shape must be (channels, height, width) with axes channels_first, "
                f"not {self.shape!r}"
            )

    @property
    def population_shape(self) -> tuple[int, ...]:
        """Shape of the input population that takes these arrays."""
        if self.axes == "channels_first":
            channels, height, width = self.shape
            return (height, width, channels)
        return self.shape

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values."""
        return {
            "shape": list(self.shape),
            "ticks": self.ticks,
            "axes": self.axes,
            "encoder": dict(self.encoder),
        }


@dataclass(frozen=True)
class PlacedPopulation:
    """A population as the build sees it; the position in the list is its table index."""

    name: str
    n_neurons: int
    shape: tuple[int, ...]
    is_input: bool
    is_output: bool
    row_base: int = 0
    n_rows: int = 0
    max_magnitude: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values."""
        return {**vars(self), "shape": list(self.shape)}


@dataclass(frozen=True)
class BuildFacts:
    """The build an artefact was compiled for and where its populations lie."""

    id: str
    config: BuildConfig
    populations: tuple[PlacedPopulation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values."""
        return {
            "id": self.id,
            "config": self.config.to_dict(),
            "populations": [p.to_dict() for p in self.populations],
        }


@dataclass(frozen=True)
class Manifest:
    """Everything manifest.json says.

    ``build`` is None until the network is compiled.  ``files`` maps each file of the
    artefact to its ``{"bytes", "sha256"}``.
    """

    spikeloom: str
    network: Mapping[str, Any]
    input: InputFacts
    provenance: Mapping[str, Any]
    build: BuildFacts | None
    files: Mapping[str, Mapping[str, Any]]

    def to_json(self) -> str:
        """Return the text of manifest.json."""
        value = {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "spikeloom": self.spikeloom,
            "network": dict(self.network),
            "input": self.input.to_dict(),
            "provenance": dict(self.provenance),
            "build": self.build.to_dict() if self.build else None,
            "files": {name: dict(facts) for name, facts in self.files.items()},
        }
        return json.dumps(value, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read manifest.json; raises :class:`ArtefactError` naming the bad field."""
        value = _parse(text)
        if not isinstance(value, dict) or value.get("schema") != SCHEMA:
            found = value.get("schema") if isinstance(value, dict) else type(value).__name__
            raise ArtefactError(f"manifest.json must have the schema {SCHEMA!r}, not {found!r}")
        if value.get("schema_version") != SCHEMA_VERSION:
            raise ArtefactError(
                f"manifest.json must have schema_version {SCHEMA_VERSION}, "
                f"not {value.get('schema_version')!r}; use a matching SpikeLoom"
            )
        names = ("spikeloom", "network", "input", "provenance", "build", "files")
        top = _fields("manifest", value, names, extra=("schema", "schema_version"))
        build = None
        if top["build"] is not None:
            facts = _fields("build", top["build"], ("id", "config", "populations"))
            try:
                config = BuildConfig(
                    **_fields("build.config", facts["config"], BuildConfig.__dataclass_fields__)
                )
            except UsageError as error:
                raise ArtefactError(f"build.config: {error}") from None
            names = tuple(PlacedPopulation.__dataclass_fields__)
            if not isinstance(facts["populations"], list):
                raise ArtefactError("build.populations must be a list")
            placed = tuple(
                PlacedPopulation(**_fields("build.populations", p, names))
                for p in facts["populations"]
            )
            build = BuildFacts(str(facts["id"]), config, placed)
        files = _object("files", top["files"])
        for name, item in files.items():
            entry = _fields(f"files.{name}", item, ("bytes", "sha256"))
            size, digest = entry["bytes"], entry["sha256"]
            if not isinstance(size, int) or not 0 <= size <= MAX_FILE_BYTES:
                raise ArtefactError(
                    f"files.{name}.bytes must be from 0 to {MAX_FILE_BYTES}, not {size!r}"
                )
            if not isinstance(digest, str) or len(digest) != 64:
                raise ArtefactError(f"files.{name}.sha256 must be 64 hexadecimal digits")
        known = {NETWORK_FILE, *IMAGE_FILES.values()}
        for name in files.keys() - known:
            raise ArtefactError(f"files names an unknown file {name!r}")
        wanted = known if build else {NETWORK_FILE}
        for name in sorted(wanted - files.keys()):
            raise ArtefactError(f"files lacks {name!r}")
        return cls(
            spikeloom=str(top["spikeloom"]),
            network=_object("network", top["network"]),
            input=InputFacts(**_fields("input", top["input"], InputFacts.__dataclass_fields__)),
            provenance=_object("provenance", top["provenance"]),
            build=build,
            files=files,
        )


def _parse(text: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, item in items:
            if key in out:
                raise ArtefactError(f"manifest.json has the key {key!r} twice")
            out[key] = item
        return out

    def constant(name: str) -> Any:
        raise ArtefactError(f"manifest.json must not hold {name}")

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ArtefactError(f"manifest.json is not JSON: {error}") from None
    except RecursionError:
        raise ArtefactError("manifest.json is nested too deeply") from None


def _object(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ArtefactError(f"{what} must be an object, not {type(value).__name__}")
    return value


def _fields(what: str, value: Any, names: Any, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    item = _object(what, value)
    wanted = set(names)
    for name in sorted(wanted - item.keys()):
        raise ArtefactError(f"{what} lacks the field {name!r}")
    for name in sorted(item.keys() - wanted - set(extra)):
        raise ArtefactError(f"{what} has an unknown field {name!r}")
    return {name: item[name] for name in wanted}

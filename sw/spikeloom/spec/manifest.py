"""The artefact's manifest: what manifest.json holds, and its strict reader.

An artefact is untrusted input.  The reader caps the size, refuses duplicate keys,
NaN and unknown fields, and names the field that is wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .checks import check_identifier
from .config import CORES_MAX, BuildConfig
from .errors import ArtefactError, NetworkError, UsageError
from .memmap import memory_map
from .numfmt import DELAY_MAX, MAGNITUDE_MAX, NEURONS_MAX

SCHEMA = "spikeloom-artefact"
SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
NETWORK_FILE = "network.safetensors"
IMAGE_FILES = {
    name: f"images/{name}.bin"
    for name in (
        "populations",
        "projections",
        "weights_even",
        "weights_odd",
        "groups",
        "runs",
        "parameters",
        "replays",
        "routes",
        "feeds",
        "targets",
    )
}
"""File of each memory image: raw little-endian uint32, whole rows from row 0.

Those of memories that a build lacks are left out.
"""


def image_files(config: BuildConfig) -> dict[str, str]:
    """Return the file of each memory image that a build has."""
    return {name: f"images/{name}.bin" for name in memory_map(config)}


TICKS_MAX = (1 << 28) - 1
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30

BUILD_ID = re.compile(r"[0-9a-f]{16}\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _shape(what: str, value: object) -> tuple[int, ...]:
    if (
        not isinstance(value, (tuple, list))
        or not value
        or not all(_is_int(d, 1, NEURONS_MAX) for d in value)
        or math.prod(value) > NEURONS_MAX
    ):
        raise ArtefactError(
            f"{what} must be positive integers with a product of at most {NEURONS_MAX}, "
            f"not {value!r}"
        )
    return tuple(value)


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
        object.__setattr__(self, "shape", _shape("input.shape", self.shape))
        if self.axes not in ("flat", "channels_first"):
            raise ArtefactError(f"input.axes must be flat or channels_first, not {self.axes!r}")
        if not _is_int(self.ticks, 1, TICKS_MAX):
            raise ArtefactError(f"input.ticks must be a positive integer, not {self.ticks!r}")
        if self.axes == "channels_first" and len(self.shape) != 3:
            raise ArtefactError(
                "input.shape must be (channels, height, width) with axes channels_first, "
                f"not {self.shape!r}"
            )
        if not isinstance(self.encoder, Mapping):
            raise ArtefactError(
                f"input.encoder must be an object, not {type(self.encoder).__name__}"
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
    """A population as the build sees it; the position in the list is its table index.

    The first one stands for all inputs together.
    """

    name: str
    n_neurons: int
    shape: tuple[int, ...]
    is_input: bool
    is_output: bool
    row_base: int = 0
    n_rows: int = 0
    multi_spike: bool = False
    core: int = 0

    def __post_init__(self) -> None:
        try:
            check_identifier("build.populations name", self.name)
        except NetworkError as error:
            raise ArtefactError(str(error)) from None
        what = f"build.populations {self.name}"
        object.__setattr__(self, "shape", _shape(f"{what} shape", self.shape))
        for name, low, high in (
            ("n_neurons", math.prod(self.shape), math.prod(self.shape)),
            ("row_base", 0, 0xFFFF),
            ("n_rows", 0, 0xFFFF),
            ("core", 0, CORES_MAX - 1),
        ):
            if not _is_int(getattr(self, name), low, high):
                raise ArtefactError(
                    f"{what} {name} must be from {low} to {high}, not {getattr(self, name)!r}"
                )
        for name in ("is_input", "is_output", "multi_spike"):
            if not isinstance(getattr(self, name), bool):
                raise ArtefactError(
                    f"{what} {name} must be true or false, not {getattr(self, name)!r}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values."""
        return {**vars(self), "shape": list(self.shape)}


@dataclass(frozen=True)
class PlacedInput:
    """An input population's range of addresses among those of all inputs.

    Neuron i has the address ``address + i``.  Its events of tick t are sent in tick
    t + ``delay``; an input whose projections differ in delay has a range for each of them.
    """

    name: str
    shape: tuple[int, ...]
    n_neurons: int
    address: int = 0
    delay: int = 0
    max_magnitude: int = 1
    signed: bool = False

    def __post_init__(self) -> None:
        try:
            check_identifier("build.inputs name", self.name)
        except NetworkError as error:
            raise ArtefactError(str(error)) from None
        what = f"build.inputs {self.name}"
        object.__setattr__(self, "shape", _shape(f"{what} shape", self.shape))
        size = math.prod(self.shape)
        for name, low, high in (
            ("n_neurons", size, size),
            ("address", 0, NEURONS_MAX - size),
            ("delay", 0, DELAY_MAX),
            ("max_magnitude", 1, MAGNITUDE_MAX),
        ):
            if not _is_int(getattr(self, name), low, high):
                raise ArtefactError(
                    f"{what} {name} must be from {low} to {high}, not {getattr(self, name)!r}"
                )
        if not isinstance(self.signed, bool):
            raise ArtefactError(f"{what} signed must be true or false, not {self.signed!r}")

    @property
    def stop(self) -> int:
        """The address behind its last neuron."""
        return self.address + self.n_neurons

    @property
    def min_magnitude(self) -> int:
        """The least value of a neuron in one tick."""
        return -self.max_magnitude if self.signed else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values."""
        return {**vars(self), "shape": list(self.shape)}


@dataclass(frozen=True)
class BuildFacts:
    """The build an artefact was compiled for and where its populations and inputs lie.

    ``inputs`` are in the network's order, an input's ranges of several delays one after another.
    ``takes_input`` says of each core in use whether the host's spikes go to it.  With
    ``side_by_side`` every one of them runs the whole network.
    """

    id: str
    config: BuildConfig
    populations: tuple[PlacedPopulation, ...]
    inputs: tuple[PlacedInput, ...]
    takes_input: tuple[bool, ...] = (True,)
    side_by_side: bool = False

    def __post_init__(self) -> None:
        takes, cores = self.takes_input, self.config.cores
        if not 1 <= len(takes) <= cores or not all(isinstance(t, bool) for t in takes):
            raise ArtefactError(
                f"build.takes_input must hold true or false for 1 to {cores} cores, not {takes!r}"
            )
        if not isinstance(self.side_by_side, bool):
            raise ArtefactError(
                f"build.side_by_side must be true or false, not {self.side_by_side!r}"
            )
        found = [p.core for p in self.populations[1:]]
        last = 0 if self.side_by_side else len(takes) - 1
        if found != sorted(found) or max(found, default=0) > last:
            raise ArtefactError(
                f"build.populations must lie on cores 0 to {last} in this order, not {found}"
            )

    @property
    def n_cores(self) -> int:
        """Cores in use."""
        return len(self.takes_input)

    @property
    def is_chain(self) -> bool:
        """Whether the cores are a chain, be it of one core: its words go by the routes table."""
        return self.config.cores > 1 and not self.side_by_side

    def on_core(self, core: int) -> tuple[int, ...]:
        """Return the indexes of the populations on core ``core``, in its table's order."""
        return tuple(i for i, p in enumerate(self.populations) if p.core == core and not p.is_input)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values."""
        return {
            "id": self.id,
            "config": self.config.to_dict(),
            "populations": [p.to_dict() for p in self.populations],
            "inputs": [p.to_dict() for p in self.inputs],
            "takes_input": list(self.takes_input),
            "side_by_side": self.side_by_side,
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
        version = value.get("schema_version")
        if not _is_int(version, SCHEMA_VERSION, SCHEMA_VERSION):
            raise ArtefactError(
                f"manifest.json must have schema_version {SCHEMA_VERSION}, "
                f"not {version!r}; use a matching SpikeLoom"
            )
        names = ("spikeloom", "network", "input", "provenance", "build", "files")
        top = _fields("manifest", value, names, extra=("schema", "schema_version"))
        build = None
        if top["build"] is not None:
            build = _build(top["build"])
        files = _object("files", top["files"])
        for name, item in files.items():
            entry = _fields(f"files.{name}", item, ("bytes", "sha256"))
            size, digest = entry["bytes"], entry["sha256"]
            if not _is_int(size, 0, MAX_FILE_BYTES):
                raise ArtefactError(
                    f"files.{name}.bytes must be from 0 to {MAX_FILE_BYTES}, not {size!r}"
                )
            if not isinstance(digest, str) or not SHA256.match(digest):
                raise ArtefactError(f"files.{name}.sha256 must be 64 hexadecimal digits")
        wanted = {NETWORK_FILE, *(image_files(build.config).values() if build else ())}
        known = wanted if build else {NETWORK_FILE, *IMAGE_FILES.values()}
        for name in sorted(files.keys() - known):
            raise ArtefactError(f"files names an unknown file {name!r}")
        for name in sorted(wanted - files.keys()):
            raise ArtefactError(f"files lacks {name!r}")
        if not isinstance(top["spikeloom"], str):
            raise ArtefactError(f"spikeloom must be a version, not {top['spikeloom']!r}")
        return cls(
            spikeloom=top["spikeloom"],
            network=_object("network", top["network"]),
            input=InputFacts(**_fields("input", top["input"], InputFacts.__dataclass_fields__)),
            provenance=_object("provenance", top["provenance"]),
            build=build,
            files=files,
        )


def _build(value: Any) -> BuildFacts:
    """Return the build that the manifest's object describes."""
    facts = _fields("build", value, BuildFacts.__dataclass_fields__)
    names = BuildConfig.__dataclass_fields__
    given = {"compact": False, **_object("build.config", facts["config"])}
    try:
        config = BuildConfig(**_fields("build.config", given, names))
    except UsageError as error:
        raise ArtefactError(f"build.config: {error}") from None
    if not isinstance(facts["id"], str) or not BUILD_ID.match(facts["id"]):
        raise ArtefactError(f"build.id must be 16 hexadecimal digits, not {facts['id']!r}")
    populations = _placed("populations", facts["populations"], PlacedPopulation)
    inputs = _placed("inputs", facts["inputs"], PlacedInput)
    if not isinstance(facts["takes_input"], list):
        raise ArtefactError("build.takes_input must be a list")
    takes = tuple(facts["takes_input"])
    return BuildFacts(facts["id"], config, populations, inputs, takes, facts["side_by_side"])


_Placed = TypeVar("_Placed", PlacedPopulation, PlacedInput)


def _placed(name: str, items: Any, part: type[_Placed]) -> tuple[_Placed, ...]:
    """Return the entries of a list of the build."""
    if not isinstance(items, list):
        raise ArtefactError(f"build.{name} must be a list")
    fields = tuple(part.__dataclass_fields__)
    return tuple(part(**_fields(f"build.{name}", item, fields)) for item in items)


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

    def finite(digits: str) -> float:
        value = float(digits)
        return value if math.isfinite(value) else constant(digits)

    try:
        return json.loads(
            text, object_pairs_hook=pairs, parse_constant=constant, parse_float=finite
        )
    except ValueError as error:  # no JSON, or an integer of thousands of digits
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

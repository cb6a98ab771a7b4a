"""Build configurations: the parameters from which the gateware is generated."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from .checks import check_identifier
from .errors import NetworkError, UsageError

CORES_MAX = 4
"""Cores of the largest cluster."""

COMPACT_LACKS = (
    *("groups", "runs", "parameter_rows", "history_rows"),
    *("graded", "refractory", "current", "multi_spike"),
)
"""Options that compact builds do not have."""


def _power_of_two(what: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or not low <= value <= high or value & (value - 1):
        raise UsageError(f"{what} must be a power of two from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class BuildConfig:
    """Sizes of a core, and the number of cores.

    Parameters
    ----------
    name
        Identifier of the configuration (the preset's name).
    lanes
        Neurons updated per cycle, P: a power of two from 4 to 256.
    state_rows
        Rows of P potentials: a power of two from 4 to 1024.  The core holds
        ``lanes * state_rows`` neurons.
    weight_rows
        Rows of P weights in each of the two banks (even and odd sources): a power
        of two from 16 to 65536.
    populations
        Entries of the population table, the input included: 4 to 256.
    projections
        Entries of the projection table: 4 to 256.
    weight_bits
        Width of a stored weight: 8, 4 or 2.
    groups, runs
        Entries of the two fan-out memories, which every kind of projection but dense
        needs: both 0, or powers of two from 16 to 65536.
    parameter_rows
        Rows of P sets of neuron parameters, a power of two from 4 to 1024; 0: the neurons
        of a population share theirs.
    history_rows
        Rows of P spikes kept for delayed projections: a power of two from 16 to 65536, or 0.
    graded
        Events have a signed magnitude, projections a shift: a multiplier per lane.
    refractory
        Neurons may be refractory.
    current
        Neurons may have a synaptic current (CUBA-LIF): a second state and multiplier per lane.
    multi_spike
        Neurons may fire several times a tick; needs ``graded``.
    sensor
        Whether the build has the sensor input: pins of an AER port, and registers.
    cores
        Cores of these sizes behind one set of ports, 1 to 4.
    link_beats
        Beats of spikes that wait between each two cores, a power of two from 16 to 65536; 0:
        the cores work side by side only, each on samples of its own.
    compact
        The core of least logic: one neuron and one pair of spikes after the other.  It has one
        core and none of the options from ``groups`` to ``multi_spike``.
    """

    name: str
    lanes: int
    state_rows: int
    weight_rows: int
    populations: int = 16
    projections: int = 16
    weight_bits: int = 8
    groups: int = 0
    runs: int = 0
    parameter_rows: int = 0
    history_rows: int = 0
    graded: bool = False
    refractory: bool = False
    current: bool = False
    multi_spike: bool = False
    sensor: bool = False
    cores: int = 1
    link_beats: int = 0
    compact: bool = False

    def __post_init__(self) -> None:
        name = self.name.replace("-", "_") if isinstance(self.name, str) else self.name
        try:
            check_identifier("name of a build configuration", name)
        except NetworkError as error:
            raise UsageError(str(error)) from None
        _power_of_two("lanes", self.lanes, 4, 256)
        _power_of_two("state_rows", self.state_rows, 4, 1024)
        _power_of_two("weight_rows", self.weight_rows, 16, 65536)
        _power_of_two("populations", self.populations, 4, 256)
        _power_of_two("projections", self.projections, 4, 256)
        _power_of_two("weight_bits", self.weight_bits, 2, 8)
        for name, low, high in (
            ("groups", 16, 65536),
            ("runs", 16, 65536),
            ("parameter_rows", 4, 1024),
            ("history_rows", 16, 65536),
            ("link_beats", 16, 65536),
        ):
            value = getattr(self, name)
            if type(value) is not int or value != 0:
                _power_of_two(name, value, low, high)
        for name in ("graded", "refractory", "current", "multi_spike", "sensor", "compact"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be true or false, not {getattr(self, name)!r}")
        if bool(self.groups) != bool(self.runs):
            raise UsageError(
                f"groups and runs must both be 0 or both not, not {self.groups} and {self.runs}"
            )
        if self.multi_spike and not self.graded:
            raise UsageError("multi_spike must come with graded: its events have magnitudes")
        if type(self.cores) is not int or not 1 <= self.cores <= CORES_MAX:
            raise UsageError(f"cores must be from 1 to {CORES_MAX}, not {self.cores!r}")
        if self.link_beats and self.cores == 1:
            raise UsageError(f"link_beats must be 0 with one core, not {self.link_beats}")
        if self.compact:
            self._check_compact()

    def _check_compact(self) -> None:
        """Raise :class:`UsageError` if a compact build has what none can have."""
        found = [name for name in COMPACT_LACKS if getattr(self, name)]
        if found:
            raise UsageError(f"a compact build must not have {', '.join(found)}")
        if self.cores > 1:
            raise UsageError(f"cores of a compact build must be 1, not {self.cores}")

    @property
    def neurons(self) -> int:
        """Neurons that all cores hold."""
        return self.lanes * self.state_rows * self.cores

    @property
    def one_core(self) -> BuildConfig:
        """The build of each core alone."""
        return replace(self, cores=1, link_beats=0)

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON-ready values."""
        values = asdict(self)
        if not self.compact:  # ids and files of these builds are older than compact ones
            del values["compact"]
        return values


_FANOUT: dict[str, Any] = {"groups": 2048, "runs": 4096}

_FULL: dict[str, Any] = {
    **_FANOUT,
    **{"parameter_rows": 128, "history_rows": 256},
    **dict.fromkeys(("graded", "refractory", "current", "multi_spike"), True),
}

_PER_CHANNEL: dict[str, Any] = {**_FANOUT, "parameter_rows": 64}

PRESETS: dict[str, BuildConfig] = {
    config.name: config
    for config in (
        BuildConfig("tiny", lanes=4, state_rows=64, weight_rows=2048, compact=True),
        BuildConfig("small", lanes=16, state_rows=32, weight_rows=1024),
        BuildConfig("medium", lanes=32, state_rows=32, weight_rows=2048),
        BuildConfig("pynq-z2", lanes=128, state_rows=64, weight_rows=1024, **_PER_CHANNEL),
        BuildConfig("pynq-z2-full", lanes=32, state_rows=256, weight_rows=4096, **_FULL),
        BuildConfig("zu3", lanes=32, state_rows=512, weight_rows=8192, **_FULL),
    )
}
"""Named build configurations."""

SENSOR_SUFFIX = "-sensor"


def preset(name: str) -> BuildConfig:
    """Return the preset ``name``; raises :class:`UsageError` listing those there are.

    Every preset has a second name with ``-sensor`` behind it: the same with the sensor input.
    """
    base = name.removesuffix(SENSOR_SUFFIX)
    if base not in PRESETS:
        raise UsageError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    return PRESETS[base] if base == name else replace(PRESETS[base], name=name, sensor=True)


def preset_of(config: BuildConfig) -> str | None:
    """Return the name of the preset that ``config`` is, or None."""
    try:
        return config.name if preset(config.name) == config else None
    except UsageError:
        return None


def config_from_dict(what: str, value: object) -> BuildConfig:
    """Return the configuration with the parameters ``value``; those left out have their defaults.

    Raises :class:`UsageError` naming ``what`` and the field that is unknown, missing or wrong.
    """
    if not isinstance(value, dict):
        raise UsageError(f"{what} must hold an object, not {type(value).__name__}")
    known = {f.name: f.default is MISSING for f in fields(BuildConfig)}
    for name in sorted(value.keys() - known.keys()):
        raise UsageError(f"{what} has an unknown field {name!r}")
    for name in sorted({n for n, required in known.items() if required} - value.keys()):
        raise UsageError(f"{what} lacks the field {name!r}")
    try:
        return BuildConfig(**value)
    except UsageError as error:
        raise UsageError(f"{what}: {error}") from None

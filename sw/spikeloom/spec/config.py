"""Build configurations: the parameters from which the gateware is generated."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from .checks import check_identifier
from .errors import NetworkError, UsageError


def _power_of_two(what: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or not low <= value <= high or value & (value - 1):
        raise UsageError(f"{what} must be a power of two from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class BuildConfig:
    """Sizes of one core.

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
    sensor
        Whether the build has the sensor input: pins of an AER port, and registers.
    """

    name: str
    lanes: int
    state_rows: int
    weight_rows: int
    populations: int = 16
    projections: int = 16
    sensor: bool = False

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
        if not isinstance(self.sensor, bool):
            raise UsageError(f"sensor must be true or false, not {self.sensor!r}")

    @property
    def neurons(self) -> int:
        """Neurons the core holds."""
        return self.lanes * self.state_rows

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as JSON-ready values."""
        return asdict(self)


PRESETS: dict[str, BuildConfig] = {
    config.name: config
    for config in (
        BuildConfig("tiny", lanes=4, state_rows=64, weight_rows=2048),
        BuildConfig("small", lanes=16, state_rows=32, weight_rows=1024),
        BuildConfig("medium", lanes=32, state_rows=32, weight_rows=2048),
        BuildConfig("pynq-z2", lanes=128, state_rows=32, weight_rows=1024),
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

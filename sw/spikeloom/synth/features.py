"""What each feature of a build costs: the same build with it and without, mapped by Yosys.

Every build of :func:`builds` is mapped to 7 series cells as :mod:`.xc7` does, features switched on
one at a time; :mod:`spikeloom.tailor.area` reads the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..report import table
from ..spec.config import BuildConfig

LANES = 16
PLAIN_LANES = (4, LANES, 32, 64)
COMPACT_LANES = (4, 8, LANES)

PLAIN = BuildConfig("plain", lanes=LANES, state_rows=32, weight_rows=1024)
"""Dense layers of plain neurons only; the features below are measured against it."""

FEATURES: dict[str, dict[str, Any]] = {
    "groups": {"groups": 1024, "runs": 1024},
    "parameter_rows": {"parameter_rows": 32},
    "history_rows": {"history_rows": 256},
    "graded": {"graded": True},
    "refractory": {"refractory": True},
    "current": {"current": True},
    "multi_spike": {"graded": True, "multi_spike": True},
    "weight_bits_4": {"weight_bits": 4},
    "state_rows_128": {"state_rows": 128},
}
"""What of the build each feature changes; ``multi_spike`` needs ``graded`` and includes it."""

RESOURCES = ("LUT", "FF", "RAMB36", "DSP48E1")


@dataclass(frozen=True)
class Measured:
    """A build and what of each of :data:`RESOURCES` it takes."""

    config: BuildConfig
    resources: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


def builds() -> list[BuildConfig]:
    """Return the builds to measure: plain ones, one with each feature, and compact ones."""
    found = [replace(PLAIN, name=f"plain-{lanes}", lanes=lanes) for lanes in PLAIN_LANES]
    found += [
        replace(PLAIN, name=build_name(feature), **changes) for feature, changes in FEATURES.items()
    ]
    return found + [
        replace(PLAIN, name=f"compact-{lanes}", lanes=lanes, compact=True)
        for lanes in COMPACT_LANES
    ]


def build_name(feature: str) -> str:
    """Return the name of the build that has the feature."""
    return f"{feature.replace('_', '-')}-{LANES}"


def measure(
    configs: Iterable[BuildConfig],
    seconds: float,
    done: Callable[[Measured], None] = lambda measured: None,
) -> Iterator[Measured]:
    """Map each build; ``done`` is told of each as it is.

    Raises :class:`EngineError` as :func:`.xc7.synthesise` does.
    """
    from . import xc7

    for config in configs:
        figures = xc7.resources(xc7.map_build(config, seconds).counts())
        measured = Measured(config, {f.name: f.measured for f in figures if f.name in RESOURCES})
        done(measured)
        yield measured


def costs(measured: Iterable[Measured]) -> str:
    """Return a table of what each feature adds per lane, at :data:`LANES` lanes."""
    by_name = {m.config.name: m.resources for m in measured}
    plain = by_name[f"plain-{LANES}"]
    rows = [("plain (in all)", *(round(plain[name] / LANES, 1) for name in RESOURCES))]
    for feature in FEATURES:
        found = by_name[build_name(feature)]
        extra = (round((found[name] - plain[name]) / LANES, 2) for name in RESOURCES)
        rows.append((feature, *extra))
    return table(rows, (f"per lane of {LANES}", *RESOURCES))

"""The area model: what a build takes of a device, from measured builds.

``measured.json`` holds builds mapped by ``spikeloom synth --features --json FILE``.  LUTs and
flip-flops are a straight line over the lanes of the plain, or of the compact builds, plus what each
feature added at 16 lanes: in every lane for features of the lanes, once for those of the core.
Block RAMs and
multipliers are counted from the sizes.  Figures of ECP5 are those of 7 series, times ratios that
``spikeloom synth`` measured for the same builds on both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..spec.config import BuildConfig
from ..spec.numfmt import ACCUMULATOR_BITS
from ..spec.tables import POPULATIONS, PROJECTIONS
from ..synth.devices import LFE5U_85F, XC7Z020, ZU3
from ..synth.features import FEATURES, LANES, PLAIN, build_name

TABLE = Path(__file__).with_name("measured.json")
LANE_FEATURES = ("graded", "refractory", "current", "multi_spike")
LUTS_PER_STATE_ROW = 12 / 32
"""Of a lane's potentials: 18 bits in RAM32M, 6 bits by 32 in 4 LUTs (UG474)."""
LUTS_PER_PARAMETER_ROW = 36 / 32
"""Of a lane's threshold, decay and bias, likewise."""
HISTORY_EXTRA_BITS = 16
"""Beside a bit per lane a row of the history has its number, digit and population."""


@dataclass(frozen=True)
class Device:
    """What a device has, and how much more or fewer cells it takes than a 7 series device.

    ``clock_mhz`` is assumed where no clock is given; no build has shown it on a board.
    """

    name: str
    available: dict[str, float]
    ratios: dict[str, float]
    clock_mhz: float


RESOURCES = ("LUT", "FF", "block RAM", "multiplier")


def _device(name: str, has: dict[str, int], clock: float, **ratios: float) -> Device:
    """Return a device that has so many of :data:`RESOURCES`, in their order."""
    counts = map(float, has.values())
    return Device(name, dict(zip(RESOURCES, counts, strict=True)), ratios, clock)


DEVICES = {
    device.name: device
    for device in (
        _device("xc7z020", XC7Z020, 100.0),
        _device("zu3", ZU3, 100.0),
        # A DP16KD is half an RAMB36.
        _device("ecp5-85", LFE5U_85F, 75.0, LUT=2.35, FF=1.35, **{"block RAM": 2.0}),
    )
}
SHARE = {"LUT": 0.75, "FF": 0.75, "block RAM": 0.75, "multiplier": 1.0}
"""How much of a device a build may take, so that it can be routed and leaves room beside it."""


@cache
def measured() -> tuple[dict[str, Any], ...]:
    """Return the rows of the table of measured builds."""
    return tuple(json.loads(TABLE.read_text()))


def area(config: BuildConfig, device: Device) -> dict[str, float]:
    """Return what ``config`` takes of each resource of ``device``."""
    cells = {
        "LUT": _cells(config, "LUT"),
        "FF": _cells(config, "FF"),
        "block RAM": _block_rams(config),
        "multiplier": 1.0
        if config.compact
        else config.lanes * (1 + config.graded + config.current),
    }
    return {name: value * device.ratios.get(name, 1.0) for name, value in cells.items()}


def _found(name: str, resource: str) -> float:
    return float(next(r["resources"][resource] for r in measured() if r["config"]["name"] == name))


def _extra(feature: str, resource: str) -> float:
    return _found(build_name(feature), resource) - _found(f"plain-{LANES}", resource)


def _line(kind: str, lanes: int, resource: str) -> float:
    """Return what the builds of a kind, of whatever lanes, lead one to expect of ``lanes``."""
    found = [r for r in measured() if r["config"]["name"].startswith(f"{kind}-")]
    counts = [r["resources"][resource] for r in found]
    each, once = np.polyfit([r["config"]["lanes"] for r in found], counts, 1)
    return float(once + each * lanes)


def _cells(config: BuildConfig, resource: str) -> float:
    """Return the LUTs or flip-flops of a build."""
    if config.compact:  # its rows are in block RAM
        return _line("compact", config.lanes, resource)
    total = _line("plain", config.lanes, resource)
    share = config.lanes / LANES
    more_rows = config.state_rows - PLAIN.state_rows
    more = FEATURES["state_rows_128"]["state_rows"] - PLAIN.state_rows
    per_row = _extra("state_rows_128", resource) / more
    in_lanes = LUTS_PER_STATE_ROW if resource == "LUT" else 0.0
    total += more_rows * (per_row - in_lanes * LANES + in_lanes * config.lanes)
    for feature in LANE_FEATURES:
        if getattr(config, feature) and not (feature == "graded" and config.multi_spike):
            total += share * _extra(feature, resource)
    if config.parameter_rows:
        total += share * _extra("parameter_rows", resource)
        if resource == "LUT":
            total += config.lanes * LUTS_PER_PARAMETER_ROW * max(config.parameter_rows - 32, 0)
    if config.groups:
        total += _extra("groups", resource)
    if config.history_rows:
        total += _extra("history_rows", resource)
    return total


def _blocks(width: int, depth: int) -> float:
    """Return the RAMB36 of a memory: 36 bits by 512 are half of one."""
    return -(-width // 36) * max(depth / 1024, 0.5)


def _block_rams(config: BuildConfig) -> float:
    words = max(config.lanes * config.weight_bits // 32, 1)
    total = 2 * words * _blocks(32, config.weight_rows)
    if config.compact:
        table_words = POPULATIONS.words * config.populations
        table_words += PROJECTIONS.words * config.projections
        total += _blocks(32, table_words) + _blocks(
            ACCUMULATOR_BITS * config.lanes, config.state_rows
        )
    if config.groups:  # a copy for each of the two walkers
        total += 2 * _blocks(32, config.groups) + 4 * _blocks(32, config.runs)
    if config.history_rows:
        total += _blocks(config.lanes + HISTORY_EXTRA_BITS, config.history_rows)
    return total

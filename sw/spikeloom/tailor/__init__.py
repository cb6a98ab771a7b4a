"""Sizing of a build for one network: no more lanes, rows and features than it needs.

For each number of lanes the network is placed; its sizes and what it needs give a build, the
performance model (:mod:`spikeloom.compile.cycles`) its speed, the area model (:mod:`.area`) its
place on a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compile import Bound, Placement, capacity_report, place, plan_network, prove_no_overflow
from ..compile.cycles import cycles_of
from ..compile.placement import is_grouped
from ..compile.support import needs_parameter_rows
from ..spec import numfmt
from ..spec.config import COMPACT_LACKS, BuildConfig
from ..spec.errors import CapacityError, UsageError
from ..spec.network import Network
from ..synth.features import COMPACT_LANES
from .area import SHARE, Device, area

LANES = (4, 8, 16, 32, 64, 128, 256)
LIMITS = {
    "state_rows": (4, 1024),
    "weight_rows": (16, 65536),
    "populations": (4, 256),
    "projections": (4, 256),
    "groups": (16, 65536),
    "runs": (16, 65536),
    "parameter_rows": (4, 1024),
    "history_rows": (16, 65536),
}
"""The least and the most of each size that a build may have."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Run:
    """Events of a run: see :func:`spikeloom.compile.cycles.cycles_of`."""

    spikes: Arrays
    potentials: Arrays | None = None
    final: Arrays | None = None


@dataclass(frozen=True)
class Tailored:
    """A build for a network.

    ``cycles`` are those of a sample, on average; ``samples_per_s`` follows at ``clock_mhz``;
    ``bottleneck`` is what the core waits for most; ``area`` has the cells by resource.
    """

    config: BuildConfig
    device: Device
    clock_mhz: float
    cycles: float
    bottleneck: str
    area: dict[str, float]

    @property
    def samples_per_s(self) -> float:
        """Samples per second."""
        return 1e6 * self.clock_mhz / self.cycles

    def over(self, max_luts: float | None) -> list[str]:
        """Return the resources of which the build takes more than it may."""
        limits = {name: SHARE[name] * has for name, has in self.device.available.items()}
        if max_luts is not None:
            limits["LUT"] = min(limits["LUT"], max_luts)
        return [
            f"{self.area[name]:.0f} {name} of {limit:.0f}"
            for name, limit in limits.items()
            if self.area[name] > limit
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "build": self.config.to_dict(),
            "device": self.device.name,
            "clock_mhz": self.clock_mhz,
            "cycles_per_sample": self.cycles,
            "samples_per_s": self.samples_per_s,
            "bottleneck": self.bottleneck,
            "area": self.area,
        }


def random_run(network: Network, rates: Mapping[str, float], ticks: int, seed: int = 1) -> Run:
    """Return a run of two samples in which neurons fire at random.

    ``rates`` has the spikes per neuron and tick of inputs and populations, from 0 to 1.
    Raises :class:`UsageError` for another name or value.
    """
    sizes = {p.name: p.n_neurons for p in network.inputs}
    sizes |= {p.name: p.n_neurons for p in network.order()}
    if rates.keys() != sizes.keys():
        raise UsageError(
            f"rates must be given for {', '.join(sizes)}, not for {', '.join(rates) or 'none'}"
        )
    for name, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
            raise UsageError(f"rate of {name} must be from 0 to 1, not {rate!r}")
    rng = np.random.default_rng(seed)
    return Run({n: (rng.random((2, ticks, sizes[n])) < rates[n]).astype(np.uint8) for n in sizes})


def needed_build(
    network: Network,
    lanes: int,
    name: str = "tailored",
    placement: Placement | None = None,
    compact: bool = False,
) -> BuildConfig:
    """Return the least build of ``lanes`` lanes that can hold the network.

    ``placement`` is that on so many lanes, if it is known.  Raises :class:`CapacityError` if the
    build would be larger than any may be, or if a ``compact`` one cannot run the network.
    """
    multi_spike = any(p.multi_spike for p in network.populations)
    signed = any(p.signed for p in network.inputs)
    inputs = {p.name for p in network.inputs}
    probe: dict[str, Any] = {
        "name": name,
        "lanes": lanes,
        "weight_bits": _weight_bits(network),
        "graded": multi_spike or signed or any(p.shift for p in network.projections),
        "refractory": any(p.refractory for p in network.populations),
        "current": any(p.current_decay is not None for p in network.populations),
        "multi_spike": multi_spike,
        **dict.fromkeys(("state_rows", "weight_rows", "populations", "projections"), 256),
    }
    if any(is_grouped(network, p) for p in network.projections):
        probe |= {"groups": 16, "runs": 16}
    if any(needs_parameter_rows(p) for p in network.populations):
        probe["parameter_rows"] = 4
    if any(p.delay and p.source not in inputs for p in network.projections):
        probe["history_rows"] = 16
    report = capacity_report(network, BuildConfig(**probe), placement or place(network, lanes))
    used = {use.resource: use.used for use in report.uses}
    used["projections"] = max(used["projections"], used.pop("replays", 0))
    for resource, count in used.items():
        least, most = LIMITS[resource]
        if count > most:
            raise CapacityError(
                f"{resource} of a build must be at most {most}; "
                f"with {lanes} lanes the network needs {count}"
            )
        probe[resource] = max(1 << (count - 1).bit_length() if count else 0, least)
    found = [option for option in COMPACT_LACKS if probe.get(option)]
    if compact and found:
        raise CapacityError(f"network needs {', '.join(found)}, which no compact build has")
    return BuildConfig(**probe, compact=compact)


def _weight_bits(network: Network) -> int:
    """Return the least width that holds every weight."""
    for bits in sorted(numfmt.WEIGHT_BITS):
        low, high = numfmt.signed_range(bits)
        weights = [p.weights for p in network.projections if p.weights.size]
        if all(low <= w.min() and w.max() <= high for w in weights):
            return int(bits)
    raise AssertionError("weights are of 8 bits at most")


def sized(
    network: Network,
    run: Run,
    lanes: int,
    device: Device,
    clock_mhz: float,
    bounds: Mapping[str, Bound] | None = None,
    compact: bool = False,
) -> Tailored:
    """Return the least build of ``lanes`` lanes that can hold the network, its speed and area.

    ``bounds`` are those of the accumulators, if they are proven already.  Raises
    :class:`CapacityError` as :func:`needed_build` and the compiler do.
    """
    placement = place(network, lanes)
    config = needed_build(network, lanes, placement=placement, compact=compact)
    compiled = plan_network(network, config, bounds=bounds, placement=placement).pack()
    cycles = cycles_of(compiled.build, compiled.images, run.spikes, run.potentials, run.final)
    mean = float(cycles.samples.mean())
    return Tailored(config, device, clock_mhz, mean, cycles.bottleneck, area(config, device))


def candidates(network: Network, run: Run, device: Device, clock_mhz: float) -> list[Tailored]:
    """Return a build for each number of lanes that can hold the network, compact ones too."""
    found = []
    bounds = prove_no_overflow(network)
    shapes = [(lanes, False) for lanes in LANES] + [(lanes, True) for lanes in COMPACT_LANES]
    for lanes, compact in shapes:
        with suppress(CapacityError):
            found.append(sized(network, run, lanes, device, clock_mhz, bounds, compact))
    return found


def tailor(
    network: Network,
    run: Run,
    device: Device,
    *,
    clock_mhz: float,
    target_fps: float | None = None,
    max_luts: float | None = None,
) -> Tailored:
    """Return the smallest build that reaches ``target_fps``, or else the fastest that fits.

    Raises :class:`CapacityError` saying what limits and how far one can get.
    """
    builds = candidates(network, run, device, clock_mhz)
    fitting = [b for b in builds if not b.over(max_luts)]
    if not builds:
        raise CapacityError("no build of 4 to 256 lanes can hold the network")
    if not fitting:
        least = min(builds, key=lambda b: b.area["LUT"])
        raise CapacityError(
            f"no build for the network fits {device.name}: the smallest, of {least.config.lanes} "
            f"lanes, takes {', '.join(least.over(max_luts))}"
        )
    fastest = max(fitting, key=lambda b: b.samples_per_s)
    if target_fps is None:
        return fastest
    enough = [b for b in fitting if b.samples_per_s >= target_fps]
    if not enough:
        larger = [b for b in builds if b.config.lanes > fastest.config.lanes and b.over(max_luts)]
        limit = (
            f"{larger[0].config.lanes} lanes would take {', '.join(larger[0].over(max_luts))}"
            if larger
            else "more lanes would not help"
        )
        raise CapacityError(
            f"{target_fps:g} samples per second are out of reach on {device.name}: at most "
            f"{fastest.samples_per_s:.0f}, with {fastest.config.lanes} lanes at "
            f"{clock_mhz:g} MHz, most of the time for {fastest.bottleneck}; {limit}"
        )
    return min(enough, key=lambda b: (b.area["LUT"], b.config.lanes))

"""What a network costs on a core: cycles, synaptic operations, look-up tables, weights.

The core is the least one of so many lanes that holds the network, as ``spikeloom tailor`` sizes it,
on an xc7z020: cycles by the performance model, on what the network really does with samples;
look-up tables by the area model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.config import BuildConfig
from ..spec.errors import UsageError
from ..spec.network import Network
from ..tailor import Run, sized
from ..tailor.area import DEVICES

DEVICE = DEVICES["xc7z020"]

Spikes = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Cost:
    """Costs of a network on a build.

    Parameters
    ----------
    cycles, sops
        Per sample, the mean.
    luts
        Of the build.
    weight_bytes
        Of the network.
    """

    cycles: float
    sops: float
    luts: int
    weight_bytes: int


def check_lanes(lanes: int) -> None:
    """Raise :class:`UsageError` unless a build can have so many lanes."""
    BuildConfig("lanes", lanes=lanes, state_rows=4, weight_rows=16)


def sample_operations(network: Network, spikes: Spikes) -> NDArray[np.int64]:
    """Return the synaptic operations (rule S4) of each sample, int64 (samples,).

    ``spikes`` has the values of every input and population, of shape (samples, ticks, ...).
    """
    total = np.zeros(len(next(iter(spikes.values()))), np.int64)
    for projection in network.projections:
        sizes = projection.kind.fan_out_sizes(network.ends(projection), projection.weights)
        values = np.asarray(spikes[projection.source])
        values = values.reshape(*values.shape[:2], -1)
        counted = network.source(projection.source).events(values)
        arriving = counted[:, : max(counted.shape[1] - projection.delay, 0)]
        total += arriving.sum(axis=1, dtype=np.int64) @ sizes
    return total


def cost_of(network: Network, run: Run, lanes: int) -> Cost:
    """Return what ``network`` costs on a build of ``lanes``, on the samples of ``run``.

    Raises
    ------
    UsageError
        If there are no samples, or no build has so many lanes.
    CapacityError
        If no build of so many lanes can hold the network.
    """
    if not len(run.spikes[network.inputs[0].name]):
        raise UsageError("a cost needs at least 1 sample, not 0")
    check_lanes(lanes)
    build = sized(network, run, lanes, DEVICE, DEVICE.clock_mhz)
    bits = sum(p.weights.size * p.weight_bits for p in network.projections)
    return Cost(
        cycles=build.cycles,
        sops=float(sample_operations(network, run.spikes).mean()),
        luts=round(build.area["LUT"]),
        weight_bytes=-(-bits // 8),
    )

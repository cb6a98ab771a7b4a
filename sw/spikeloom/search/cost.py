"""What a network costs on a core: cycles, synaptic operations, look-up tables, weights.

The cycles are those of the formulas of docs/core.md, with every state row active, on spikes that
the network really sends.  Cycles of a real run come from the core's own counters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import UsageError
from ..spec.network import Dense, Network, Projection

LUTS = {4: 4009, 16: 6187, 32: 9749, 128: 31625}
"""LUTs of an xc7z020 by lanes, as ``spikeloom synth`` counted them; other numbers of lanes
are interpolated, or extrapolated from the last two."""

CLOSE_CYCLES = 11
"""Of a tick, beside the rows: 2, and 9 until the next tick's input may follow."""

FURTHER_CYCLES = 15
"""Of each further population, beside its rows and its spikes' operations."""

Spikes = Mapping[str, NDArray[np.uint8]]


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


def build_luts(lanes: int) -> int:
    """Return the LUTs of a build of so many lanes; see :data:`LUTS`.

    Raises :class:`UsageError` unless ``lanes`` is a power of two from 4 to 256.
    """
    if not isinstance(lanes, int) or not 4 <= lanes <= 256 or lanes & (lanes - 1):
        raise UsageError(f"lanes must be a power of two from 4 to 256, not {lanes!r}")
    known = sorted(LUTS)
    above = next((n for n in known if n >= lanes), known[-1])
    low, high = known[max(known.index(above) - 1, 0)], above
    if low == high:
        return LUTS[high]
    slope = (LUTS[high] - LUTS[low]) / (high - low)
    return round(LUTS[high] + slope * (lanes - high))


def _rows(n: int, lanes: int) -> int:
    return -(-n // lanes)


def _operations(
    network: Network, projection: Projection, events: NDArray[np.uint8], lanes: int
) -> NDArray[np.int64]:
    """Return the row operations of events (samples, ticks, n), int64 (samples, ticks).

    A row operation takes one event of an even and one of an odd source.  Kinds other than
    dense reach as many rows as their synapses fill: a lower bound.
    """
    ends = network.ends(projection)
    if isinstance(projection.kind, Dense):
        rows = np.full(ends.n_source, _rows(ends.n_destination, lanes), np.int64)
    else:
        rows = -(-projection.kind.fan_out_sizes(ends, projection.weights) // lanes)
    work = events.astype(np.int64) * rows
    return np.maximum(work[:, :, 0::2].sum(2), work[:, :, 1::2].sum(2))


def sample_cycles(
    network: Network, inputs: NDArray[np.uint8], spikes: Spikes, lanes: int
) -> NDArray[np.int64]:
    """Return the cycles of each sample, int64 (samples,).

    Parameters
    ----------
    network
        Feed-forward.
    inputs
        (samples, ticks, ...), numbers of unit events.
    spikes
        By population, (samples, ticks, n).
    lanes
        Of the build.
    """
    events = inputs.reshape(*inputs.shape[:2], -1)
    source = network.inputs[0].name
    first, close = np.zeros(events.shape[:2], np.int64), CLOSE_CYCLES
    issued, alone = np.zeros_like(first), np.zeros_like(first)
    for population in network.order():
        rows = _rows(population.n_neurons, lanes)
        fed_by_input = False
        for projection in network.fan_in(population.name):
            if projection.source == source:
                first += _operations(network, projection, events, lanes)
                fed_by_input = True
            else:
                work = _operations(network, projection, spikes[projection.source], lanes)
                issued += work
                alone += work
        if fed_by_input:
            close += rows
        else:
            issued += rows
            alone += rows + FURTHER_CYCLES
    # the work on further populations goes on beside the next tick's input
    beside = np.maximum(first[:, 1:] + issued[:, :-1], alone[:, :-1]).sum(1)
    everything = sum(_rows(p.n_neurons, lanes) for p in network.populations)
    ticks = events.shape[1]
    total: NDArray[np.int64] = (
        first[:, 0] + ticks * close + beside + alone[:, -1] + everything + CLOSE_CYCLES
    )
    return total


def sample_operations(
    network: Network, inputs: NDArray[np.uint8], spikes: Spikes
) -> NDArray[np.int64]:
    """Return the synaptic operations (rule S4) of each sample, int64 (samples,)."""
    total = np.zeros(len(inputs), np.int64)
    flat = inputs.reshape(*inputs.shape[:2], -1)
    for projection in network.projections:
        sizes = projection.kind.fan_out_sizes(network.ends(projection), projection.weights)
        values = spikes.get(projection.source, flat)
        counted = network.source(projection.source).events(values)
        delay = projection.delay
        arriving = counted[:, : max(counted.shape[1] - delay, 0)]
        total += arriving.sum(axis=1, dtype=np.int64) @ sizes
    return total


def cost_of(network: Network, inputs: NDArray[np.uint8], spikes: Spikes, lanes: int) -> Cost:
    """Return what ``network`` costs on a build of ``lanes``, on samples and their spikes."""
    if not len(inputs):
        raise UsageError("a cost needs at least 1 sample, not 0")
    bits = sum(p.weights.size * p.weight_bits for p in network.projections)
    return Cost(
        cycles=float(sample_cycles(network, inputs, spikes, lanes).mean()),
        sops=float(sample_operations(network, inputs, spikes).mean()),
        luts=build_luts(lanes),
        weight_bytes=-(-bits // 8),
    )

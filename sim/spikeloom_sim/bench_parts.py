"""Throughput of the parts of the gateware: bursts, convolutions, sparse rows, sweeps, streams.

Each figure is a network that leans on one part, counted by the core's own counters, with the
physical bound beside it.  Everything counts: waiting, sweeps and the end of samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.report import Figure
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.network import (
    Conv2d,
    InputPopulation,
    Network,
    OneToOne,
    Population,
    Projection,
    Sparse,
    Uniform,
)

from .bench import SEED, Bench

Recording = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
"""Time in microseconds, x, y and polarity of the events of a recording."""

GROUPED = BuildConfig(
    "bench-64", lanes=64, state_rows=1024, weight_rows=4096, groups=1024, runs=8192
)
"""The build of the convolution and of the sparse rows."""

SIZE = 30
"""Width and height of the map: the middle of N-MNIST's 34 x 34, so that 64 channels fit."""
CHANNELS_IN, CHANNELS_OUT = 32, 64
TICK_US = 10_000
N_TICKS = 30
NMNIST_EVENTS, NMNIST_SPREAD = 4_170, 6.0
"""Median events of a recording, and an assumed spread of their places in pixels."""
DECAY = 29491
BURST_TICKS = 100


def synthetic_recordings(count: int, seed: int = SEED) -> list[Recording]:
    """Return events with N-MNIST's number and spread, where the recordings are not at hand."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        t = np.sort(rng.integers(0, N_TICKS * TICK_US, NMNIST_EVENTS))
        places = np.clip(np.round(rng.normal(17, NMNIST_SPREAD, (2, len(t)))), 0, 33)
        found.append((t, *places.astype(np.int64), rng.integers(0, 2, len(t))))
    return found


def expand(recordings: Sequence[Recording]) -> NDArray[np.uint8]:
    """Return spikes of 32 channels, uint8 of shape (recordings, ticks, 30, 30, 32).

    Event n of polarity p makes two spikes at its place: channels 16 p + n mod 16 and 16 p +
    (7 n + 3) mod 16.  Events of the same channel, place and tick count once.
    """
    out = np.zeros((len(recordings), N_TICKS, SIZE, SIZE, CHANNELS_IN), np.uint8)
    border = (34 - SIZE) // 2
    for number, recording in enumerate(recordings):
        t, x, y, p = (np.asarray(values).astype(np.int64) for values in recording)
        tick = (t - t[0]) // TICK_US
        inside = (tick < N_TICKS) & (np.abs(2 * x - 33) < SIZE) & (np.abs(2 * y - 33) < SIZE)
        n = np.arange(len(t))
        for channel in (n % 16, (7 * n + 3) % 16):
            at = (tick, y - border, x - border, 16 * p + channel)
            out[(number, *(index[inside] for index in at))] = 1
    return out


def _weights(rng: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    return rng.integers(-20, 21, shape).astype(np.int8)


def _network(n_in: int, n_out: int, projection: Projection, threshold: int = 30_000) -> Network:
    return Network(
        (InputPopulation("input", (n_in,)),),
        (Population("out", (n_out,), np.array(threshold), np.array(DECAY)),),
        (projection,),
        ("out",),
    )


def _per_lane(name: str, bench: Bench, inputs: NDArray[np.uint8], bound: float) -> Figure:
    """Return the synaptic operations per lane and cycle of a run."""
    _, result, _ = bench.run(inputs)
    lanes = bench.artefact.build.config.lanes
    measured = int(result.sops.sum()) / int(result.cycles.sum()) / lanes
    return Figure(f"SOP per lane and cycle, {name}", measured, bound, "SOP")


def dense_burst(config: BuildConfig, engine: str) -> list[Figure]:
    """Let each of 1024 inputs fire at every tick; see how the input stream keeps up, too."""
    rng = np.random.default_rng(SEED)
    n_out = config.lanes
    network = _network(1024, n_out, Projection("input", "out", _weights(rng, n_out, 1024)))
    inputs = np.ones((1, BURST_TICKS, 1024), np.uint8)
    with Bench(network, config, engine, BURST_TICKS) as bench:
        figure = _per_lane(f"dense burst 1024-{n_out}", bench, inputs, 2.0)
        _, _, counters = bench.run(inputs)
    beats = counters["EVENTS_IN"] / 2 / counters["CYCLES"]
    return [figure, Figure("input beats of two spikes per cycle, burst", beats, 1.0, "beats")]


def convolution(engine: str, recordings: Sequence[Recording] | None) -> list[Figure]:
    """Run a 3x3 convolution, 32 to 64 channels, of the events of N-MNIST."""
    rng = np.random.default_rng(SEED)
    known = "N-MNIST" if recordings else "synthetic events"
    inputs = expand(recordings or synthetic_recordings(2))
    kernel = _weights(rng, CHANNELS_OUT, 3, 3, CHANNELS_IN)
    # a neuron of its own for output, since the potentials of outputs leave at a sample's end
    decay = np.array(DECAY)
    network = Network(
        (InputPopulation("input", (SIZE, SIZE, CHANNELS_IN)),),
        (
            Population("conv", (SIZE, SIZE, CHANNELS_OUT), np.array(300), decay),
            Population("out", (1,), np.array(300), np.array(0), floor=0),
        ),
        (
            Projection("input", "conv", kernel, kind=Conv2d(padding=(1, 1))),
            Projection("conv", "out", np.array(1, np.int8), kind=Uniform()),
        ),
        ("out",),
    )
    even, odd = (inputs[..., parity::2].sum(axis=-1, dtype=np.int64) for parity in (0, 1))
    bound = float((even + odd).sum() / np.maximum(even, odd).sum())
    with Bench(network, GROUPED, engine, N_TICKS) as bench:
        return [_per_lane(f"conv 3x3 32-64, {known}", bench, inputs, bound)]


def sparse_rows(engine: str) -> list[Figure]:
    """Visit rows with 90 % zeros: anywhere, or in whole rows of lanes."""
    rng = np.random.default_rng(SEED)
    n_in, n_out, lanes = 512, 10 * GROUPED.lanes, GROUPED.lanes
    anywhere = rng.random((n_in, n_out)) < 0.1
    blocks = np.zeros((n_in, n_out // lanes), np.bool_)
    blocks[np.arange(n_in), rng.integers(0, n_out // lanes, n_in)] = True
    figures = []
    masks = {"anywhere": anywhere, "whole rows": np.repeat(blocks, lanes, axis=1)}
    for name, there in masks.items():
        destination = np.nonzero(there)[1]
        starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        weights = _weights(rng, len(destination))
        kind = Sparse(starts, destination)
        network = _network(n_in, n_out, Projection("input", "out", weights, kind=kind))
        # what a source's operation can do at best: its synapses over the rows they lie in
        rows = there.reshape(n_in, -1, lanes).any(axis=2).sum()
        inputs = np.ones((1, BURST_TICKS, n_in), np.uint8)
        with Bench(network, GROUPED, engine, BURST_TICKS) as bench:
            bound = float(there.sum() / rows / lanes)
            figures.append(_per_lane(f"90 % zeros, {name}", bench, inputs, bound))
    return figures


def sweeps_and_output(config: BuildConfig, engine: str) -> list[Figure]:
    """Sweep 128 active neurons, beside rows at rest; fire all neurons into the output."""
    active, rows = 128, config.state_rows - 1
    large = rows * config.lanes
    inputs = np.zeros((1, 100, large), np.uint8)
    inputs[:, :, 0] = 1
    found = []
    for size in (active, large):
        one = Projection("input", "out", np.array(1, np.int8), kind=OneToOne())
        network = _network(size, size, one)
        with Bench(network, config, engine, 100) as bench:
            runs = [bench.run(np.ascontiguousarray(inputs[:, :n, :size]))[1] for n in (100, 50)]
        # the difference is ticks alone, without the sample's beginning and end
        cycles = [int(result.cycles[0]) for result in runs]
        found.append((cycles[0] - cycles[1]) / 50)
    network = Network(
        (InputPopulation("input", (4,)),),
        (Population("out", (large,), np.array(1), np.array(0), bias=np.array(1)),),
        (Projection("input", "out", np.array(1, np.int8), kind=Uniform()),),
        ("out",),
    )
    with Bench(network, config, engine, 5) as bench:
        _, _, counters = bench.run(np.zeros((1, 5, 4), np.uint8))
    beats = counters["EVENTS_OUT"] / 2
    at_rest = rows - -(-active // config.lanes)
    return [
        Figure("cycles per tick, 128 active neurons", found[0], 16.0, "cycles"),
        Figure(
            "state rows at rest skipped per cycle",
            at_rest / max(found[1] - found[0], 1.0),
            at_rest,
            "rows",
        ),
        Figure(
            "output beats per cycle, every neuron fires", beats / counters["CYCLES"], 1.0, "beats"
        ),
    ]


def bench_parts(
    config: BuildConfig, engine: str, recordings: Sequence[Recording] | None = None
) -> list[Figure]:
    """Return the figures of all parts; ``config`` is the build of all but :data:`GROUPED`'s.

    Raises as :func:`.bench.bench_rtl` does.
    """
    return [
        *dense_burst(config, engine),
        *convolution(engine, recordings),
        *sparse_rows(engine),
        *sweeps_and_output(config, engine),
    ]

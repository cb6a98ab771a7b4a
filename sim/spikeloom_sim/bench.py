"""Throughput of the gateware, from its own counters.

The network is 784-128-10 with fixed random weights, its hidden neurons firing at about
5 % when 15 % of the inputs do.  Beside each figure stands its bound: the row operations
that the given spikes need when every operation carries as many spikes of either parity as
there are (two per cycle at best), with nothing lost to sweeps or waiting.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.artefact import Artefact, write_artefact
from spikeloom.board.driver import Board
from spikeloom.board.result import RunResult
from spikeloom.compile import compile_network
from spikeloom.report import Figure
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import DeviceError, EngineError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection

from .golden import Trace
from .run import golden_trace
from .transports import ENGINES, open_transport

TICKS = 100
SAMPLES = 4
DENSITIES = (0.0, 0.01, 0.05, 0.15, 0.5, 1.0)
SEED = 1


def bench_network(seed: int = SEED) -> Network:
    """Return the network of the benchmark."""
    rng = np.random.default_rng(seed)

    def weights(n_destination: int, n_source: int, spread: float) -> NDArray[np.int8]:
        drawn = np.round(rng.normal(0, spread, (n_destination, n_source)))
        return np.clip(drawn, -127, 127).astype(np.int8)

    decay = np.asarray(29491, np.int32)
    return Network(
        (InputPopulation("input", (784,)),),
        (
            Population("hidden", (128,), np.asarray(600, np.int32), decay),
            Population("output", (10,), np.asarray(300, np.int32), decay),
        ),
        (
            Projection("input", "hidden", weights(128, 784, 20.0)),
            Projection("hidden", "output", weights(10, 128, 40.0)),
        ),
        ("output",),
    )


def _pairs(spikes: NDArray[Any]) -> NDArray[np.int64]:
    """Return the operations per row that spikes of shape (..., n) need: the larger parity."""
    even = spikes[..., 0::2].sum(axis=-1, dtype=np.int64)
    odd = spikes[..., 1::2].sum(axis=-1, dtype=np.int64)
    return np.maximum(even, odd)


def bound_cycles(artefact: Artefact, inputs: NDArray[np.uint8], trace: Trace) -> int:
    """Return the row operations that the spikes of a run need."""
    placed = {p.name: p for p in artefact.build.populations}
    network = artefact.network()
    spikes = {network.inputs[0].name: inputs, **trace.spikes}
    return sum(
        int(_pairs(spikes[p.source]).sum()) * placed[p.destination].n_rows
        for p in network.projections
    )


class Bench:
    """A network in a core, whose answers are compared before anything is counted.

    Raises :class:`EngineError` for an engine that counts no cycles, and :class:`DeviceError` from
    :meth:`run` and :meth:`check` if any output differs from the golden model: a wrong answer has no
    speed.
    """

    def __init__(self, network: Network, config: BuildConfig, engine: str, ticks: int) -> None:
        if engine not in ENGINES[1:]:
            raise EngineError(f"engine must be one of {', '.join(ENGINES[1:])}, not {engine!r}")
        compiled = compile_network(network, config)
        self._folder = tempfile.TemporaryDirectory(prefix="spikeloom-bench-")
        facts = InputFacts(network.inputs[0].shape, ticks)
        self.artefact = write_artefact(
            Path(self._folder.name) / "artefact",
            network,
            facts,
            build=compiled.build,
            images=compiled.images,
        )
        self.board = Board(open_transport(engine, self.artefact))

    def __enter__(self) -> Bench:
        self.board.load(self.artefact)
        return self

    def __exit__(self, *exception: object) -> None:
        self.board.close()
        self._folder.cleanup()

    def run(self, inputs: NDArray[np.uint8]) -> tuple[Trace, RunResult, dict[str, int]]:
        """Return what the golden model says, what the core does, and the core's counters."""
        self.board.clear_counters()
        result = self.board.run(inputs)
        counters = self.board.counters()
        return self.check(inputs, result), result, counters

    def check(self, inputs: NDArray[np.uint8], result: RunResult) -> Trace:
        """Return what the golden model says, which is what the core said."""
        expected = golden_trace(self.artefact, inputs)
        outputs = [expected.spikes[name] for name in expected.spikes if name in expected.outputs]
        same = np.array_equal(np.concatenate(outputs, axis=2), result.spikes)
        if not same or not np.array_equal(expected.sops, result.sops):
            raise DeviceError(
                "the core's output differs from the golden model; run spikeloom verify"
            )
        return expected


def bench_rtl(config: BuildConfig, engine: str, seed: int = SEED) -> list[Figure]:
    """Return the figures of one build.

    Raises :class:`DeviceError` if any output differs from the golden model: a wrong answer
    has no speed; :class:`EngineError` for an engine that counts no cycles.
    """
    network = bench_network(seed)
    figures: list[Figure] = []
    with Bench(network, config, engine, TICKS) as bench:
        for density in DENSITIES:
            rng = np.random.default_rng([seed, int(1000 * density)])
            inputs = (rng.random((SAMPLES, TICKS, 784)) < density).astype(np.uint8)
            expected, result, _ = bench.run(inputs)
            figures += _figures(bench.artefact, density, inputs, expected, result)
    return figures


def _figures(
    artefact: Artefact,
    density: float,
    inputs: NDArray[np.uint8],
    expected: Trace,
    result: RunResult,
) -> list[Figure]:
    cycles, sops = int(result.cycles.sum()), int(result.sops.sum())
    ticks = SAMPLES * TICKS
    bound = bound_cycles(artefact, inputs, expected)
    name = f"{100 * density:g} % input"
    figures = [Figure(f"cycles per tick, {name}", cycles / ticks, bound / ticks, "cycles")]
    if sops:
        lanes = artefact.build.config.lanes
        rate = float(expected.spikes["hidden"].mean())
        figures += [
            Figure(f"SOP per lane and cycle, {name}", sops / cycles / lanes, 2.0, "SOP"),
            Figure(f"hidden firing rate, {name}", rate, 1.0, "spikes per tick"),
        ]
    return figures


def to_rows(figures: list[Figure]) -> list[dict[str, Any]]:
    """Return the figures as JSON-ready rows."""
    return [asdict(figure) for figure in figures]

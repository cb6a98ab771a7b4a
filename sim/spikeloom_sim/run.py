"""Run and verify an artefact on any engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.artefact import Artefact
from spikeloom.board.driver import Board
from spikeloom.board.loaded import prepare
from spikeloom.board.result import PopulationTrace, RunResult
from spikeloom.board.words import check_inputs
from spikeloom.spec.errors import EngineError, UsageError
from spikeloom.spec.network import InputPopulation, Network, Reset

from .compare import Difference, first_difference
from .golden import Trace
from .matrix import MatrixModel
from .transports import ENGINES, open_transport

VERIFY_SAMPLES = 64
"""Samples verified at a time, so that potentials of large runs need little memory."""


@dataclass(frozen=True)
class Verification:
    """Outcome of :func:`verify_artefact`: ``difference`` is the first one, None if equal."""

    engine: str
    samples: int
    compared: int
    mismatches: int
    difference: Difference | None
    cycles: int
    sops: int

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready values."""
        out = dict(vars(self))
        out["difference"] = str(self.difference) if self.difference else None
        return out


def golden_trace(artefact: Artefact, inputs: NDArray[np.generic]) -> Trace:
    """Return the golden model's run of ``inputs`` (samples, ticks, *user input shape)."""
    network = artefact.network()
    return MatrixModel(network).run(_for_population(artefact, network, inputs))


def run_artefact(
    artefact: Artefact,
    engine: str,
    inputs: NDArray[np.generic],
    *,
    probe: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> RunResult:
    """Run ``inputs`` on ``engine`` and return what came out.

    Parameters
    ----------
    artefact
        Compiled, unless the engine is ``golden``.
    engine
        One of :data:`~spikeloom_sim.transports.ENGINES`.
    inputs
        Integers (samples, ticks, *input shape), in the user's axis order.
    probe
        ``"all"`` for every spike and potential of every population.
    options
        See :class:`~spikeloom_sim.transports.SimOptions`.
    """
    if engine not in ENGINES:
        raise EngineError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    if engine == "golden":
        return _as_result(artefact.network(), golden_trace(artefact, inputs))
    _check_early(artefact, inputs)
    with Board(open_transport(engine, artefact, options=options)) as board:
        board.load(artefact, probe=probe)
        return board.run(inputs)


def verify_artefact(
    artefact: Artefact,
    engine: str,
    inputs: NDArray[np.generic],
    *,
    options: Mapping[str, Any] | None = None,
) -> Verification:
    """Compare every spike and potential of every population on ``engine`` with the golden model.

    The run ends with the first batch that differs.
    """
    if engine == "golden":
        raise UsageError("verify compares an engine with the golden model; name another engine")
    if engine not in ENGINES:
        raise EngineError(f"engine must be one of {', '.join(ENGINES[1:])}, not {engine!r}")
    _check_early(artefact, inputs)
    compared = mismatches = cycles = sops = 0
    with Board(open_transport(engine, artefact, options=options)) as board:
        board.load(artefact, probe="all")
        for start in range(0, len(inputs), VERIFY_SAMPLES):
            batch = inputs[start : start + VERIFY_SAMPLES]
            expected = golden_trace(artefact, batch)
            result = board.run(batch)
            found = as_trace(result, expected)
            cycles += int(result.cycles.sum())
            sops += int(result.sops.sum())
            difference = first_difference(expected, found)
            compared += _n_values(expected)
            if difference is not None:
                mismatches = _n_unequal(expected, found)
                shifted = Difference(**{**vars(difference), "sample": difference.sample + start})
                done = start + len(batch)
                return Verification(engine, done, compared, mismatches, shifted, cycles, sops)
    return Verification(engine, len(inputs), compared, 0, None, cycles, sops)


def as_trace(result: RunResult, like: Trace) -> Trace:
    """Return a fully probed result as a Trace in the order of ``like``."""
    found: dict[str, dict[str, Any]] = {"spikes": {}, "potentials": {}, "final": {}}
    for name in like.spikes:
        for quantity, arrays in found.items():
            array = getattr(result.populations[name], quantity)
            if array is None:
                raise UsageError(f"{quantity} of population {name} were not probed")
            arrays[name] = array
    return Trace(**found, sops=result.sops, outputs=like.outputs)


def _check_early(artefact: Artefact, inputs: NDArray[np.generic]) -> None:
    """Refuse an artefact and inputs that will not do before a simulator is built for them."""
    prepare(artefact, None)
    _for_population(artefact, artefact.network(), inputs)


def _for_population(
    artefact: Artefact, network: Network, inputs: NDArray[np.generic]
) -> NDArray[Any]:
    """Check the inputs as the driver does and bring them to the population's axis order."""
    source = network.inputs[0]
    array = check_inputs(inputs, artefact.input, source.max_magnitude, source.min_magnitude)
    if artefact.input.axes == "channels_first":
        array = np.moveaxis(array, 2, -1)
    return np.ascontiguousarray(array).reshape(*array.shape[:2], _size(source))


def _size(source: InputPopulation) -> int:
    return source.n_neurons


def _as_result(network: Network, trace: Trace) -> RunResult:
    outputs = [p for p in network.order() if p.name in network.outputs]
    return RunResult(
        spikes=np.concatenate([trace.spikes[p.name] for p in outputs], axis=2),
        potential=np.concatenate([trace.final[p.name] for p in outputs], axis=1),
        cycles=np.zeros(len(trace.sops), np.int64),
        sops=trace.sops,
        fires=any(p.reset is not Reset.NONE for p in outputs),
        populations={
            p.name: PopulationTrace(
                p.shape, trace.spikes[p.name], trace.potentials[p.name], trace.final[p.name]
            )
            for p in network.order()
        },
    )


def _arrays(trace: Trace) -> list[NDArray[Any]]:
    parts = (trace.spikes, trace.potentials, trace.final)
    return [part[name] for part in parts for name in trace.spikes] + [trace.sops]


def _n_values(trace: Trace) -> int:
    return sum(array.size for array in _arrays(trace))


def _n_unequal(expected: Trace, found: Trace) -> int:
    pairs = zip(_arrays(expected), _arrays(found), strict=True)
    return sum(int((a != b).sum()) for a, b in pairs)

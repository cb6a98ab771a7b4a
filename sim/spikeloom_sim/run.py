"""Run and verify an artefact on any engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.artefact import Artefact
from spikeloom.board.driver import Board
from spikeloom.board.inputs import check_all
from spikeloom.board.loaded import prepare
from spikeloom.board.result import PopulationTrace, RunResult
from spikeloom.spec.errors import EngineError, UsageError
from spikeloom.spec.network import Network, Reset

from .compare import Difference, first_difference
from .golden import Trace
from .matrix import MatrixModel
from .transports import ENGINES, open_transport

Inputs = NDArray[np.generic] | Mapping[str, NDArray[np.generic]]

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


def golden_trace(artefact: Artefact, inputs: Inputs) -> Trace:
    """Return the golden model's run of ``inputs`` (samples, ticks, *user input shape)."""
    network = artefact.network()
    return MatrixModel(network).run(_for_populations(artefact, network, inputs))


def population_inputs(artefact: Artefact, inputs: Inputs) -> dict[str, NDArray[Any]]:
    """Return ``inputs`` of :func:`golden_trace` by input population, (samples, ticks, n) each."""
    return _for_populations(artefact, artefact.network(), inputs)


def run_artefact(
    artefact: Artefact,
    engine: str,
    inputs: Inputs,
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
        Integers (samples, ticks, *input shape), in the user's axis order; a mapping from
        names to arrays for a network of several inputs.
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
    inputs: Inputs,
    *,
    jobs: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Verification:
    """Compare every spike and potential of every population on ``engine`` with the golden model.

    The run ends with the first batch that differs.  ``jobs`` simulated cores share the batches,
    each in a thread; what is compared and found is the same for any number of them.  Raises
    :class:`UsageError` for ``jobs`` below 1, or above 1 on ``pynq-sim``, which is one device.
    """
    if engine == "golden":
        raise UsageError("verify compares an engine with the golden model; name another engine")
    if engine not in ENGINES:
        raise EngineError(f"engine must be one of {', '.join(ENGINES[1:])}, not {engine!r}")
    if jobs < 1 or (jobs > 1 and engine == "pynq-sim"):
        needs = "1 on pynq-sim, which is one device" if jobs > 0 else "at least 1"
        raise UsageError(f"jobs must be {needs}, not {jobs}")
    arrays = _check_early(artefact, inputs)
    starts = range(0, len(next(iter(arrays.values()))), VERIFY_SAMPLES)
    boards: SimpleQueue[Board] = SimpleQueue()
    first_to_skip = starts.stop

    def verified(start: int) -> Verification | None:
        """Return the outcome of a batch, None if one before it ended the run."""
        nonlocal first_to_skip
        if start >= first_to_skip:
            return None
        batch = {name: a[start : start + VERIFY_SAMPLES] for name, a in arrays.items()}
        board = boards.get()
        try:
            outcome = _verify_batch(artefact, engine, board, batch, start)
        except BaseException:
            first_to_skip = 0
            raise
        finally:
            boards.put(board)
        if outcome.difference is not None:
            first_to_skip = min(first_to_skip, start + VERIFY_SAMPLES)
        return outcome

    with ExitStack() as stack:
        n_boards = min(jobs, len(starts)) or 1
        for _ in range(n_boards):
            board = stack.enter_context(Board(open_transport(engine, artefact, options=options)))
            board.load(artefact, probe="all")
            boards.put(board)
        pool = stack.enter_context(ThreadPoolExecutor(n_boards))
        return _together(engine, list(pool.map(verified, starts)))


def _verify_batch(
    artefact: Artefact, engine: str, board: Board, batch: dict[str, NDArray[Any]], start: int
) -> Verification:
    """Run a batch, whose first sample is ``start``."""
    expected = golden_trace(artefact, batch)
    result = board.run(batch)
    found = as_trace(result, expected)
    difference = first_difference(expected, found)
    mismatches = 0
    if difference is not None:
        mismatches = _n_unequal(expected, found)
        difference = replace(difference, sample=difference.sample + start)
    return Verification(
        engine,
        len(result.sops),
        _n_values(expected),
        mismatches,
        difference,
        int(result.cycles.sum()),
        int(result.sops.sum()),
    )


def _together(engine: str, outcomes: Iterable[Verification | None]) -> Verification:
    """Return the outcome of all batches up to the first that differs."""
    total = Verification(engine, 0, 0, 0, None, 0, 0)
    for outcome in outcomes:
        if outcome is None or total.difference is not None:
            break
        total = Verification(
            engine,
            total.samples + outcome.samples,
            total.compared + outcome.compared,
            outcome.mismatches,
            outcome.difference,
            total.cycles + outcome.cycles,
            total.sops + outcome.sops,
        )
    return total


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


def _check_early(artefact: Artefact, inputs: Inputs) -> dict[str, NDArray[Any]]:
    """Refuse an artefact and inputs that will not do before a simulator is built for them.

    Returns the input of every population, of shape (samples, ticks, n).
    """
    prepare(artefact, None)
    return _for_populations(artefact, artefact.network(), inputs)


def _for_populations(
    artefact: Artefact, network: Network, inputs: Inputs
) -> dict[str, NDArray[Any]]:
    """Check the inputs as the driver does and bring them to the populations' axis order."""
    checked = check_all(inputs, artefact.input, network.inputs)
    return {name: np.ascontiguousarray(values.flat()) for name, values in checked.items()}


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

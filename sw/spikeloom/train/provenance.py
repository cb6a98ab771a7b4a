"""What a run records about itself in the artefact."""

from __future__ import annotations

import platform
import shlex
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import __version__
from .calibrate import PopulationReport
from .checkpoint import FLOAT_FILE
from .config import TrainConfig
from .loop import EVALUATION_BATCH, to_events, traces
from .losses import first_spike_ticks, synaptic_operations
from .model import Activity, SpikingNetwork
from .plan import OUTPUT


@dataclass(frozen=True)
class Behaviour:
    """What a quantised network does with the test set.

    ``events`` are events per sample by population, the input included; ``operations`` are
    synaptic operations per sample (rule S4); ``first_spike`` is the accuracy, 0 to 1, if the
    output neuron that fires first decides (of equal ones, the most spikes and then the
    least index).
    """

    events: dict[str, float]
    operations: float
    first_spike: float


@dataclass(frozen=True)
class Outcome:
    """What a run reached."""

    accuracy_float: float
    accuracy_quantised: float
    activity: Behaviour
    calibration: tuple[PopulationReport, ...] = ()


def activity_of(
    model: SpikingNetwork, inputs: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> Behaviour:
    """Return what the quantised ``model`` does with encoded inputs (S, T, ...)."""
    samples, right = max(len(inputs), 1), 0
    totals = {"input": float(inputs.sum(dtype=np.int64))}
    operations = 0.0
    for part, trace in enumerate(traces(model, inputs)):
        start = part * EVALUATION_BATCH
        entered = to_events(inputs[start : start + EVALUATION_BATCH])
        sent = Activity(entered, trace.spikes, trace.final[OUTPUT])
        operations += float(synaptic_operations(model, sent)) * len(trace.final[OUTPUT])
        for name, spikes in trace.spikes.items():
            totals[name] = totals.get(name, 0.0) + float(spikes.sum(dtype=torch.float64))
        out = trace.spikes[OUTPUT]
        ticks = len(out)
        score = (ticks - first_spike_ticks(out)) * (ticks + 1) + out.sum(0)
        guess = score.argmax(1).numpy()
        right += int((guess == labels[start : start + len(guess)]).sum())
    return Behaviour(
        {name: round(total / samples, 3) for name, total in totals.items()},
        round(operations / samples, 1),
        right / samples,
    )


def _program(path: str) -> str:
    """Return the name of the program that runs; ``python -m spikeloom.cli`` is ``spikeloom``."""
    name = Path(path).name
    return "spikeloom" if name == "__main__.py" else name


def provenance_of(config: TrainConfig, outcome: Outcome) -> dict[str, Any]:
    """Return the record of a run, JSON-ready."""
    argv = [_program(sys.argv[0]), *sys.argv[1:]] if sys.argv[0] not in ("", "-c") else []
    out = {
        "made_by": f"spikeloom {__version__} train",
        "command": shlex.join(argv),
        "dataset": config.dataset,
        "seed": config.seed,
        "epochs": {"float": config.epochs_float, "qat": config.epochs_qat},
        "accuracy_float": outcome.accuracy_float,
        "accuracy_quantised": outcome.accuracy_quantised,
        "events_per_test_sample": outcome.activity.events,
        "synaptic_operations_per_test_sample": outcome.activity.operations,
        "config": config.to_dict(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
    }
    if config.loss == "latency":
        out["accuracy_first_spike"] = outcome.activity.first_spike
    if outcome.calibration:
        out["calibration"] = [report.to_dict() for report in outcome.calibration]
    if config.start is not None:
        data = (Path(config.start) / FLOAT_FILE).read_bytes()
        out["start"] = {"file": FLOAT_FILE, "sha256": sha256(data).hexdigest()}
    return out

"""One call from data to a quantised network: float training, then on integers."""

from __future__ import annotations

import csv
import io
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .. import __version__
from ..artefact import Artefact, write_artefact
from ..files import write_atomically
from ..spec.errors import DataError
from ..spec.manifest import InputFacts
from ..spec.network import Network
from .checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    set_aside,
)
from .config import TrainConfig, default_config
from .datasets import Dataset, load_dataset
from .encoders import encode, max_magnitude
from .export import export_input, export_network
from .loop import Batches, evaluate, traces, train_epoch
from .model import NeuronConfig, SpikingNetwork
from .progress import TrainingProgress
from .surrogates import make_surrogate

__all__ = ["TrainConfig", "TrainResult", "build_model", "default_config", "train"]

METRICS_FILE = "metrics.csv"
METRICS = ("epoch", "stage", "loss", "train_accuracy", "test_accuracy", "lr", "seconds")


@dataclass(frozen=True)
class TrainResult:
    """A trained, quantised network and how good it is.

    Parameters
    ----------
    network, input_facts, provenance
        What :func:`spikeloom.artefact.write_artefact` takes.
    accuracy_float, accuracy_quantised
        0 to 1, on the whole test set: at the end of the float stage, and of the integers.
    test_inputs
        uint8 [S, T, *input shape], encoded.
    test_labels
        uint8 [S].
    history
        A row per epoch, with the columns of metrics.csv.
    seconds
        Wall time of this call.
    model
        The quantised PyTorch model.
    """

    network: Network
    input_facts: InputFacts
    provenance: Mapping[str, Any]
    accuracy_float: float
    accuracy_quantised: float
    test_inputs: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    history: list[dict[str, Any]]
    seconds: float
    model: SpikingNetwork = field(repr=False)

    def quantised_spikes(self, inputs: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
        """Return every population's spikes, uint8 [S, T, n], on inputs [S, T, ...]."""
        return self._gather(inputs, "spikes", np.uint8)

    def quantised_potentials(self, inputs: NDArray[np.uint8]) -> dict[str, NDArray[np.int32]]:
        """Return every population's H, int32 [S, T, n], on inputs [S, T, ...]."""
        return self._gather(inputs, "potentials", np.int32)

    def quantised_final(self, inputs: NDArray[np.uint8]) -> dict[str, NDArray[np.int32]]:
        """Return every population's V after the last tick, int32 [S, n]."""
        return self._gather(inputs, "final", np.int32)

    def _gather(self, inputs: NDArray[np.uint8], what: str, dtype: Any) -> dict[str, Any]:
        inputs = np.asarray(inputs)
        n = int(np.prod(self.input_facts.shape))
        if inputs.ndim < 3 or inputs.shape[0] * inputs.shape[1] * n != inputs.size:
            shape = ", ".join(map(str, self.input_facts.shape))
            raise DataError(f"inputs must have shape (samples, ticks, {shape}), not {inputs.shape}")
        parts: dict[str, list[NDArray[Any]]] = {}
        for trace in traces(self.model, inputs):
            for name, value in getattr(trace, what).items():
                array = value.numpy().astype(dtype)
                parts.setdefault(name, []).append(
                    array.swapaxes(0, 1) if value.ndim == 3 else array
                )
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def write(self, path: Path, replace: bool = False) -> Artefact:
        """Write the network, without a build, as an artefact."""
        return write_artefact(
            path, self.network, self.input_facts, provenance=self.provenance, replace=replace
        )


def build_model(config: TrainConfig, n_inputs: int, n_classes: int) -> SpikingNetwork:
    """Return the untrained model of a configuration."""
    neuron = NeuronConfig(
        decay=config.decay,
        reset=config.reset,
        reset_order=config.reset_order,
        reset_value=config.reset_value,
        initial=config.initial,
        floor=config.floor,
        detach_reset=config.detach_reset,
    )
    return SpikingNetwork(
        (n_inputs, *config.hidden, n_classes),
        neuron,
        make_surrogate(config.surrogate, config.surrogate_width),
        weight_bits=config.weight_bits,
        max_magnitude=max_magnitude(config.encoder_facts()),
        dropout=config.dropout,
        seed=config.seed,
    )


class _Run:
    """The state of a run between epochs."""

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.dataset: Dataset = load_dataset(config.dataset, config.data_dir)
        self.facts = export_input(config, self.dataset.train_values.shape[1])
        self.test_inputs = encode(self.facts, self.dataset.test_values)
        self.batches = Batches(config, self.dataset)
        self.model = build_model(config, self.facts.shape[0], self.dataset.classes)
        self.optimizer = self._new_optimizer()
        self.history: list[dict[str, Any]] = []

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.model.parameters(), lr=self.config.lr, weight_decay=self.config.weight_decay,
            fused=True,
        )  # fmt: skip

    def accuracy(self) -> float:
        """Return the share of right predictions on the test set."""
        return evaluate(self.model, self.test_inputs, self.dataset.test_labels)

    def restore(self) -> None:
        """Continue from the checkpoint in the folder."""
        checkpoint = load_checkpoint(self.folder, self.config)
        try:
            self.model.load_state_dict(dict(checkpoint.model))
            self.optimizer.load_state_dict(dict(checkpoint.optimizer))
        except (RuntimeError, ValueError, KeyError) as error:
            raise DataError(
                f"the checkpoint in {self.folder} does not fit the model: {error}"
            ) from None
        self.history = checkpoint.history

    def run_epoch(self, progress: TrainingProgress) -> None:
        """Train for one epoch, evaluate, and write checkpoint and metrics."""
        epoch, start = len(self.history), time.perf_counter()
        if epoch == self.config.epochs_float:
            self.model.quantise()
            self.optimizer = self._new_optimizer()
        stage = "qat" if self.model.quantised else "float"
        facts = train_epoch(self.model, self.optimizer, self.batches, epoch, progress.batch)
        facts["test_accuracy"] = self.accuracy()
        seconds = round(time.perf_counter() - start, 3)
        self.history.append({"epoch": epoch + 1, "stage": stage, **facts, "seconds": seconds})
        save_checkpoint(
            self.folder,
            self.config,
            Checkpoint(self.model.state_dict(), self.optimizer.state_dict(), self.history),
        )
        write_atomically(self.folder / METRICS_FILE, _metrics(self.history))
        progress.epoch(self.history[-1])

    def float_accuracy(self) -> float:
        """Return the accuracy at the end of the float stage."""
        if self.config.epochs_float:
            return float(self.history[self.config.epochs_float - 1]["test_accuracy"])
        fresh = build_model(self.config, self.facts.shape[0], self.dataset.classes)
        return evaluate(fresh, self.test_inputs, self.dataset.test_labels)

    def result(self, started: float) -> TrainResult:
        """Quantise if it was not done in training, and return the result."""
        self.model.quantise()
        accuracy, accuracy_float = self.accuracy(), self.float_accuracy()
        return TrainResult(
            network=export_network(self.model),
            input_facts=self.facts,
            provenance=_provenance(self.config, accuracy_float, accuracy, self._activity()),
            accuracy_float=accuracy_float,
            accuracy_quantised=accuracy,
            test_inputs=self.test_inputs,
            test_labels=self.dataset.test_labels,
            history=self.history,
            seconds=time.perf_counter() - started,
            model=self.model,
        )

    def _activity(self) -> dict[str, float]:
        samples = max(len(self.test_inputs), 1)
        totals = {"input": float(np.count_nonzero(self.test_inputs))}
        for trace in traces(self.model, self.test_inputs):
            for name, spikes in trace.spikes.items():
                totals[name] = totals.get(name, 0.0) + float(spikes.sum(dtype=torch.float64))
        return {name: round(total / samples, 3) for name, total in totals.items()}


def _metrics(history: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, METRICS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()


def _provenance(
    config: TrainConfig, accuracy_float: float, accuracy: float, activity: dict[str, float]
) -> dict[str, Any]:
    argv = [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv[0] not in ("", "-c") else []
    return {
        "made_by": f"spikeloom {__version__} train",
        "command": shlex.join(argv),
        "dataset": config.dataset,
        "seed": config.seed,
        "epochs": {"float": config.epochs_float, "qat": config.epochs_qat},
        "accuracy_float": accuracy_float,
        "accuracy_quantised": accuracy,
        "events_per_test_sample": activity,
        "config": config.to_dict(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
    }


def train(
    config: TrainConfig, out_dir: Path, progress: bool = True, resume: bool = False
) -> TrainResult:
    """Train a network as ``config`` says.

    Parameters
    ----------
    config
        What and how; see :class:`TrainConfig` and :func:`default_config`.
    out_dir
        Gets checkpoint.pt and metrics.csv after every epoch; is made if absent.  Without
        ``resume`` an earlier checkpoint there is kept as checkpoint.previous.pt.
    progress
        Whether to show a progress bar; there is none where there is no terminal.
    resume
        Whether to continue from the checkpoint in ``out_dir``.  The result is the same, bit
        for bit, as that of a run without interruption on the same machine.

    Returns
    -------
    The quantised network with its accuracy, its test data and its traces.

    Raises
    ------
    UsageError, DataError, CapacityError
        Naming the field, file or population.
    """
    started = time.perf_counter()
    folder = Path(out_dir)
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        run = _Run(config, folder)
        folder.mkdir(parents=True, exist_ok=True)
        if resume:
            run.restore()
        else:
            set_aside(folder)
        total = config.epochs_float + config.epochs_qat
        with TrainingProgress(progress, total, len(run.batches), len(run.history)) as bar:
            while len(run.history) < total:
                run.run_epoch(bar)
        return run.result(started)
    finally:
        torch.set_num_threads(threads)

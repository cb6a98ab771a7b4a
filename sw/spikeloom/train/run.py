"""One call from data to a quantised network: float training, then on integers."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..artefact import Artefact, write_artefact
from ..files import write_atomically
from ..spec.errors import DataError, UsageError
from ..spec.manifest import InputFacts
from ..spec.network import Network
from .architecture import make_plan
from .calibrate import PopulationReport, calibrate
from .checkpoint import (
    BEST_FILE,
    CHECKPOINT_FILE,
    FLOAT_FILE,
    Checkpoint,
    load_checkpoint,
    load_start,
    read_checkpoint,
    save_checkpoint,
    set_aside,
)
from .config import TrainConfig
from .datasets import stratified
from .defaults import default_config
from .encoders import pack_mask
from .export import export_network
from .logbook import Logbook
from .loop import Batches, evaluate, traces, train_epoch
from .model import NeuronConfig, SpikingNetwork
from .plan import with_learnt_delays
from .progress import TrainingProgress
from .provenance import Outcome, activity_of, provenance_of
from .sources import Source, make_source, to_events
from .stages import best_row, is_over, next_stage, rows_of
from .surrogates import make_surrogate
from .team import Team, team

__all__ = [
    "TrainConfig",
    "TrainResult",
    "build_model",
    "default_config",
    "load_model",
    "train",
]

METRICS_FILE = "metrics.csv"
METRICS = (
    *("epoch", "stage", "loss", "train_accuracy", "test_accuracy", "lr", "seconds"),
    "validation_accuracy",
)
VALIDATION_SEED = 1
"""Of the choice of the held-out samples, whatever the seed of the run."""


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
    calibration
        A report per population if it was quantised without training, else empty.
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
    calibration: tuple[PopulationReport, ...] = ()

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


def build_model(
    config: TrainConfig, input_shape: tuple[int, ...] | int, n_classes: int
) -> SpikingNetwork:
    """Return the untrained model of a configuration.

    ``input_shape`` is that of the input population: (n,), n, or (height, width, channels).
    """
    shape = (input_shape,) if isinstance(input_shape, int) else tuple(input_shape)
    neuron = NeuronConfig(
        decay=config.decay,
        reset=config.reset,
        reset_order=config.reset_order,
        reset_value=config.reset_value,
        initial=config.initial,
        floor=config.floor,
        detach_reset=config.detach_reset,
        learn_decay=config.neuron == "plif",
        bias=config.bias,
        current_decay=config.current_decay if config.neuron == "cuba" else None,
        multi_spike=config.neuron == "multi_spike",
        refractory=config.refractory,
        per_channel=config.per_channel,
        learn_threshold=config.learn_threshold,
    )
    plan = with_learnt_delays(make_plan(config.layer_text(), shape, n_classes), config.delays)
    return SpikingNetwork(
        plan,
        neuron,
        make_surrogate(config.surrogate, config.surrogate_width),
        weight_bits=config.weight_bits,
        max_magnitude=int(config.encoder_facts().get("max_magnitude", 1)),
        dropout=config.dropout,
        seed=config.seed,
        readout=neuron.readout(config.readout_decay) if config.loss == "membrane" else None,
        gate_ticks=config.ticks if config.input_gate else 0,
        norm=config.norm,
        ticks=config.ticks,
        delay_values=config.delay_values,
    )


def load_model(path: Path) -> SpikingNetwork:
    """Return the model of a checkpoint file, as it was after its last epoch.

    Raises :class:`DataError` if the file is missing, damaged or no checkpoint.
    """
    fields, checkpoint = read_checkpoint(path)
    name = re.compile(r"layers\.\d+\.synapses\.0\.weight")
    weights = [v for k, v in checkpoint.model.items() if name.fullmatch(k)]
    try:
        config = TrainConfig(**fields)
    except (TypeError, UsageError) as error:
        raise DataError(f"{path} holds an unknown configuration: {error}") from None
    if config.layers is not None or any(w.ndim != 2 for w in weights):
        raise DataError(
            f"{path} must hold a fully connected network, not one of other layers; its checkpoint "
            "does not hold the size of its input, use the artefact of the run instead"
        )
    if len(weights) != len(config.hidden) + 1:
        raise DataError(
            f"{path} must hold the weights of {len(config.hidden) + 1} layers, not {len(weights)}"
        )
    model = build_model(config, weights[0].shape[1], weights[-1].shape[0])
    _load(model, checkpoint.model, path)
    return model


class _Run:
    """The state of a run between epochs."""

    def __init__(self, config: TrainConfig, folder: Path, team: Team) -> None:
        self.config, self.folder, self.team = config, folder, team
        self.source: Source = make_source(config)
        self.facts = self.source.facts
        self.test_inputs = self.source.test_inputs(self.facts)
        self.held_out = self._held_out()
        self.batches = Batches(config, self.source, self.held_out)
        self.model = self._new_model()
        self.optimizer = self._new_optimizer()
        self.history: list[dict[str, Any]] = []
        self.best: Mapping[str, Any] | None = None

    def _held_out(self) -> NDArray[np.int64]:
        """Return the indices of the training samples that epochs are judged by."""
        labels = self.source.train_labels
        if self.config.validation >= len(labels):
            raise UsageError(
                f"validation must be below the {len(labels)} training samples, not "
                f"{self.config.validation}"
            )
        return stratified(labels, self.config.validation, VALIDATION_SEED)

    def _new_model(self) -> SpikingNetwork:
        model = build_model(self.config, self.facts.population_shape, self.source.classes)
        if self.config.start is not None:
            own = {k: v for k, v in model.state_dict().items() if k.startswith("gate.")}
            _load(model, {**own, **load_start(self.config).model}, self.config.start)
            if model.quantised:
                raise DataError(f"{self.config.start} must hold a float stage, not integers")
        return model

    def _new_optimizer(self) -> torch.optim.Optimizer:
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        scalars = [p for p in parameters if p.ndim < 2]  # biases, norms, decays: no weight decay
        groups: list[dict[str, Any]] = [{"params": [p for p in parameters if p.ndim >= 2]}]
        if scalars:
            groups.append({"params": scalars, "weight_decay": 0.0})
        return torch.optim.AdamW(
            groups, lr=self.config.lr, weight_decay=self.config.weight_decay, fused=True
        )

    def accuracy(self) -> float:
        """Return the share of right predictions on the test set."""
        return self._accuracy(self.test_inputs, self.source.test_labels)

    def _accuracy(self, inputs: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
        return self.team.accuracy(partial(evaluate, self.model), inputs, labels)

    def restore(self) -> None:
        """Continue from the checkpoint in the folder."""
        checkpoint = load_checkpoint(self.folder, self.config)
        _load(self.model, checkpoint.model, self.folder)
        try:
            self.optimizer.load_state_dict(dict(checkpoint.optimizer))
        except (RuntimeError, ValueError, KeyError) as error:
            raise DataError(
                f"the checkpoint in {self.folder} does not fit the optimiser: {error}"
            ) from None
        self.history = checkpoint.history
        if self.config.patience:
            self.best = load_checkpoint(self.folder, self.config, BEST_FILE).model

    def run_epoch(self, stage: str, progress: TrainingProgress) -> None:
        """Train for one epoch of a stage, evaluate, and write checkpoint and metrics."""
        epoch, start = len(self.history), time.perf_counter()
        within = len(rows_of(self.history, stage))
        if stage == "qat" and not within:
            self.model.quantise()
            self.optimizer = self._new_optimizer()
        facts = train_epoch(
            self.model, self.optimizer, self.batches, epoch, progress.batch, within, self.team
        )
        facts["test_accuracy"] = self.accuracy()
        if self.config.validation:
            inputs = self.source.train_inputs(self.held_out)
            labels = self.source.train_labels[self.held_out]
            facts["validation_accuracy"] = self._accuracy(inputs, labels)
        seconds = round(time.perf_counter() - start, 3)
        self.history.append({"epoch": epoch + 1, "stage": stage, **facts, "seconds": seconds})
        self._keep_best(stage)
        if self.team.leads:
            if stage == "float" and is_over(rows_of(self.history, stage), stage, self.config):
                self._save(FLOAT_FILE)
            self._save(CHECKPOINT_FILE)
            write_atomically(self.folder / METRICS_FILE, _metrics(self.history))
        progress.epoch(self.history[-1])

    def _save(self, name: str) -> None:
        state = Checkpoint(self.model.state_dict(), self.optimizer.state_dict(), self.history)
        save_checkpoint(self.folder, self.config, state, name)

    def _keep_best(self, stage: str) -> None:
        """Note the weights of a stage's best epoch, and go back to them when the stage ends."""
        if not self.config.patience:
            return
        rows = rows_of(self.history, stage)
        if best_row(rows, self.config) is rows[-1]:
            self.best = {k: v.clone() for k, v in self.model.state_dict().items()}
            if self.team.leads:
                self._save(BEST_FILE)
        if is_over(rows, stage, self.config) and self.best is not None:
            _load(self.model, self.best, self.folder)

    def float_accuracy(self) -> float:
        """Return the accuracy at the end of the float stage."""
        if self.config.epochs_float:
            return float(best_row(rows_of(self.history, "float"), self.config)["test_accuracy"])
        return evaluate(self._new_model(), self.test_inputs, self.source.test_labels)

    def calibrate(self) -> tuple[PopulationReport, ...]:
        """Quantise without training, on training samples of every class."""
        labels = self.source.train_labels
        chosen = stratified(labels, min(self.config.calibration_samples, len(labels)), 0)
        events = to_events(self.source.train_inputs(chosen))
        return tuple(calibrate(self.model, events))

    def result(self, started: float) -> TrainResult:
        """Quantise if it was not done in training, and return the result."""
        accuracy_float = self.float_accuracy()
        calibration = () if self.model.quantised else self.calibrate()
        if self.model.gate is not None:
            mask = pack_mask(self.model.gate.mask().detach().numpy() > 0)
            self.facts = replace(self.facts, encoder={**self.facts.encoder, "mask": mask})
            self.test_inputs = self.source.test_inputs(self.facts)
        outcome = Outcome(
            accuracy_float=accuracy_float,
            accuracy_quantised=self.accuracy(),
            activity=activity_of(self.model, self.test_inputs, self.source.test_labels),
            calibration=calibration,
        )
        return TrainResult(
            network=export_network(self.model),
            input_facts=self.facts,
            provenance=provenance_of(self.config, outcome),
            accuracy_float=outcome.accuracy_float,
            accuracy_quantised=outcome.accuracy_quantised,
            test_inputs=self.test_inputs,
            test_labels=self.source.test_labels,
            history=self.history,
            seconds=time.perf_counter() - started,
            model=self.model,
            calibration=calibration,
        )


def _load(model: SpikingNetwork, state: Mapping[str, Any], folder: object) -> None:
    try:
        model.load_state_dict(dict(state))
    except (RuntimeError, ValueError, KeyError) as error:
        raise DataError(f"the checkpoint in {folder} does not fit the model: {error}") from None


def _metrics(history: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    columns = [name for name in METRICS if name in history[0]]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue().encode()


def train(
    config: TrainConfig,
    out_dir: Path,
    progress: bool = True,
    resume: bool = False,
    tensorboard: bool = False,
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
    tensorboard
        Whether to write the curves to ``out_dir``/tensorboard too.

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
        with team(config.shards) as processes:
            return _train(config, folder, processes, progress, resume, tensorboard, started)
    finally:
        torch.set_num_threads(threads)


def _train(
    config: TrainConfig,
    folder: Path,
    processes: Team,
    progress: bool,
    resume: bool,
    tensorboard: bool,
    started: float,
) -> TrainResult:
    run = _Run(config, folder, processes)
    folder.mkdir(parents=True, exist_ok=True)
    if resume:
        run.restore()
    elif processes.leads:
        set_aside(folder)
    total, done = config.epochs_float + config.epochs_qat, len(run.history)
    logbook = Logbook(folder if tensorboard and processes.leads else None, done)
    try:
        with TrainingProgress(progress and processes.leads, total, len(run.batches), done) as bar:
            while stage := next_stage(run.history, config):
                run.run_epoch(stage, bar)
                logbook.epoch(run.history[-1])
    finally:
        logbook.close()
    return run.result(started)

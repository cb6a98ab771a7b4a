"""From a data set to a converted network: train, fine-tune, convert, measure."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from .. import __version__
from ..artefact import Artefact, write_artefact
from ..spec.errors import UsageError
from ..train.datasets import Dataset, load_dataset, stratified
from .balance import Limits
from .config import ConvertConfig
from .fit import accuracy, fit, image_shape, to_images, with_levels
from .networks import load_weights, make_network, save_weights
from .run import Converted, convert_model
from .stages import read_stages

WEIGHTS_FILE = "ann.pt"
"""State dictionary of the ordinary network."""
FINE_FILE = "ann.fine.pt"
"""State dictionary of the fine-tuned chain."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """A converted network beside the one it comes from.

    Parameters
    ----------
    converted
        The network of integers.
    accuracy_ann, accuracy_fine
        0 to 1, on the whole test set: of the ordinary network, and of the fine-tuned one
        (None without fine-tuning).
    accuracies
        Of the spiking network after each tick.
    test_values, test_labels
        The test set, uint8 [S, channels, height, width], and its labels.
    config
        What was done.
    """

    converted: Converted
    accuracy_ann: float
    accuracy_fine: float | None
    accuracies: list[float]
    test_values: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    config: ConvertConfig

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values."""
        out: dict[str, Any] = {
            "dataset": self.config.dataset,
            "accuracy_ann": self.accuracy_ann,
            "accuracy_quantised": self.accuracies[-1],
            "accuracy_after_tick": self.accuracies,
            "seed": self.config.seed,
            **self.converted.to_dict(),
        }
        if self.accuracy_fine is not None:
            out["accuracy_fine"] = self.accuracy_fine
        return out

    def write(self, path: Path, command: str, replace: bool = False) -> Artefact:
        """Write the network, without a build, as an artefact that records ``command``."""
        provenance = {
            "made_by": f"spikeloom {__version__} convert",
            "command": command,
            **self.summary(),
            "config": self.config.to_dict(),
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "torch": torch.__version__,
            },
        }
        return write_artefact(
            path, self.converted.network, self.converted.input_facts,
            provenance=provenance, replace=replace,
        )  # fmt: skip


def convert(
    config: ConvertConfig,
    out_dir: Path,
    model: nn.Module | None = None,
    weights: Path | None = None,
    say: Say = lambda text: None,
) -> Outcome:
    """Train as ``config`` says, convert, and measure on the test set.

    Parameters
    ----------
    config
        What and how.
    out_dir
        Gets ann.pt and ann.fine.pt; is made if absent.
    model
        Network to train and convert; that of the configuration if absent.
    weights
        File of a state dictionary to start from.
    say
        Gets a line of progress now and then.

    Raises
    ------
    SpikeLoomError
        As of :func:`.run.convert_model`, and for weights that do not fit.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        return _convert(config, Path(out_dir), model, weights, say)
    finally:
        torch.set_num_threads(threads)


def _convert(
    config: ConvertConfig, folder: Path, model: nn.Module | None, weights: Path | None, say: Say
) -> Outcome:
    dataset = load_dataset(config.dataset, config.data_dir)
    if model is None:
        if weights is None and not config.epochs:
            raise UsageError("epochs must be at least 1 without weights, not 0")
        model = make_network(config.network, image_shape(dataset), dataset.classes, config.seed)
    if weights is not None:
        load_weights(weights, model)
    calibration = _calibration(config, dataset)
    limits = Limits(config.percentile, config.per_channel)
    read_stages(model, image_shape(dataset))  # what cannot be converted is refused before training
    fit(model, dataset, config, on_epoch=lambda f: say(_line("train", f)))
    reached = accuracy(model, dataset)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / WEIGHTS_FILE, model)
    fine = None
    if config.epochs_fine:
        images = to_images(calibration, dataset)
        model = with_levels(model, images, config.levels or config.ticks, limits)
        fit(model, dataset, config, fine=True, on_epoch=lambda f: say(_line("fine-tune", f)))
        fine = accuracy(model, dataset)
        save_weights(folder / FINE_FILE, model)
    shape = image_shape(dataset)
    converted = convert_model(
        model, calibration.reshape(-1, *shape), config.ticks,
        config.encoder_facts(dataset.maximum), config.weight_bits, limits,
    )  # fmt: skip
    test_values = dataset.test_values.reshape(-1, *shape)
    accuracies = converted.accuracies(test_values, dataset.test_labels)
    return Outcome(converted, reached, fine, accuracies, test_values, dataset.test_labels, config)


def _calibration(config: ConvertConfig, dataset: Dataset) -> NDArray[np.uint8]:
    """Return some training values, [N, n], of every class its share."""
    labels = dataset.train_labels
    count = min(config.calibration_samples, len(labels))
    return dataset.train_values[stratified(labels, count, 0)]


def _line(stage: str, facts: dict[str, Any]) -> str:
    return (
        f"{stage} epoch {facts['epoch']}: loss {facts['loss']:.4f}, test "
        f"{100 * facts['accuracy']:.2f} %"
    )

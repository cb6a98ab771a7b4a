"""Training of the ordinary network, and fine-tuning with the values that spikes can carry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..spec.errors import UsageError
from ..train.augment import augment
from ..train.datasets import Dataset
from ..train.loop import learning_rate
from .activation import ClipFloorShift
from .balance import Limits, limit_of
from .chain import to_sequential
from .config import ConvertConfig

EVALUATION_BATCH = 500
FINE_EPOCH = 1 << 20
"""Epochs of fine-tuning count from here, so that their order and distortions are their own."""


def image_shape(dataset: Dataset) -> tuple[int, int, int]:
    """Return (channels, height, width) of the data set's images."""
    shape = tuple(dataset.shape)
    return (1, *shape) if len(shape) == 2 else shape  # type: ignore[return-value]


def to_images(values: np.ndarray, dataset: Dataset) -> Tensor:
    """Return values [N, n] as float32 images [N, channels, height, width], 0 to 1."""
    images = torch.from_numpy(np.ascontiguousarray(values, np.float32)) / dataset.maximum
    return images.reshape(-1, *image_shape(dataset))


def batches(config: ConvertConfig, dataset: Dataset, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images, labels) of an epoch; order and distortions follow from seed and epoch.

    A last batch of one image is left out: batch normalisation needs two.
    """
    key = np.array([config.seed, epoch], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key))
    order = generator.permutation(len(dataset.train_labels))
    for start in range(0, len(order) - 1, config.batch_size):
        chosen = order[start : start + config.batch_size]
        values = augment(dataset.train_values[chosen], dataset.shape, config, generator)
        labels = torch.from_numpy(dataset.train_labels[chosen].astype(np.int64))
        yield to_images(values, dataset), labels


@torch.no_grad()
def accuracy(model: nn.Module, dataset: Dataset) -> float:
    """Return the share of right predictions on the test set, 0 to 1."""
    model.eval()
    right = 0
    for start in range(0, len(dataset.test_labels), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        guess = model(to_images(dataset.test_values[part], dataset)).argmax(1).numpy()
        right += int((guess == dataset.test_labels[part]).sum())
    return right / max(len(dataset.test_labels), 1)


def fit(
    model: nn.Module,
    dataset: Dataset,
    config: ConvertConfig,
    fine: bool = False,
    on_epoch: Callable[[dict[str, Any]], None] = lambda facts: None,
) -> list[dict[str, Any]]:
    """Train ``model`` in place with the cross-entropy of its outputs.

    Parameters
    ----------
    model
        Takes images [N, channels, height, width].
    dataset, config
        What and how.
    fine
        Whether this is the fine-tuning: its epochs and learning rate.
    on_epoch
        Gets each epoch's facts: epoch, loss, accuracy.

    Returns
    -------
    The facts of every epoch.

    Raises
    ------
    UsageError
        If the loss is no longer finite.
    """
    epochs, base = (config.epochs_fine, config.lr_fine) if fine else (config.epochs, config.lr)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=base, weight_decay=config.weight_decay, fused=True
    )
    per_epoch = -(-(len(dataset.train_labels) - 1) // config.batch_size)
    history: list[dict[str, Any]] = []
    for epoch in range(epochs):
        model.train()
        total, seen = 0.0, 0
        number = epoch + FINE_EPOCH * fine
        with torch.random.fork_rng(devices=[]):  # for dropout
            torch.manual_seed(config.seed * 1_000_003 + number)
            for batch, (images, labels) in enumerate(batches(config, dataset, number)):
                for group in optimizer.param_groups:
                    step = epoch * per_epoch + batch
                    group["lr"] = learning_rate(base, step, epochs * per_epoch)
                loss = nn.functional.cross_entropy(model(images), labels)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                total, seen = total + float(loss.detach()) * len(labels), seen + len(labels)
        mean = total / max(seen, 1)
        if not math.isfinite(mean):
            name = "lr_fine" if fine else "lr"
            raise UsageError(f"{name} must be smaller than {base}: the loss is {mean}")
        facts = {"epoch": epoch + 1, "loss": mean, "accuracy": accuracy(model, dataset)}
        history.append(facts)
        on_epoch(facts)
    return history


def with_levels(
    model: nn.Module, images: Tensor, levels: int, limits: Limits | None = None
) -> nn.Sequential:
    """Return the chain of ``model`` with its ReLUs replaced by :class:`ClipFloorShift`.

    The other layers are the model's own.  Each limit starts as that of :mod:`.balance` on
    ``images``, [N, channels, height, width].
    """
    model.eval()
    x, layers = images, []
    with torch.no_grad():
        for layer in to_sequential(model):
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                layer = ClipFloorShift(levels, limit_of(x, limits or Limits()))
            layers.append(layer)
    return nn.Sequential(*layers)

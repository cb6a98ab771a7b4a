"""The training loop: batches, one epoch, evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..spec.errors import UsageError
from .config import TrainConfig
from .datasets import Dataset
from .losses import objective, prediction
from .model import SpikingNetwork, Trace
from .precision import products
from .sources import PictureSource, Source, to_events
from .team import Team

EVALUATION_BATCH = 500

__all__ = ["Batches", "evaluate", "learning_rate", "to_events", "traces", "train_epoch"]


def learning_rate(base: float, step: int, steps: int) -> float:
    """Return the learning rate of ``step`` of ``steps``: half a cosine from ``base`` to 0.

    Loshchilov and Hutter 2017, "SGDR", eq. (5), one period.
    """
    return base * 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))


class Batches:
    """Training data as encoded batches, a new order and new distortions in every epoch.

    Everything random follows from the configuration's seed, the epoch and the batch.
    ``data`` is a source, or a data set of pictures; ``held_out`` are indices of samples that
    are not trained on.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Source | Dataset,
        held_out: NDArray[np.int64] | None = None,
    ) -> None:
        self.config = config
        self.source = PictureSource(config, data) if isinstance(data, Dataset) else data
        everything = np.arange(len(self.source.train_labels))
        self.kept = everything if held_out is None else np.setdiff1d(everything, held_out)

    def __len__(self) -> int:
        return -(-len(self.kept) // self.config.batch_size)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (events, labels): float32 [T, N, n] and int64 [N].

        Events that are the same in every tick are one tick's, expanded.
        """
        size, all_labels = self.config.batch_size, self.source.train_labels
        key = np.array([self.config.seed, epoch], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key))
        order = generator.permutation(self.kept)
        for batch in range(len(self)):
            chosen = order[batch * size : (batch + 1) * size]
            labels = torch.from_numpy(all_labels[chosen].astype(np.int64))
            yield self.source.batch(chosen, generator, epoch * len(self) + batch + 1), labels


def train_epoch(
    model: SpikingNetwork,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    epoch: int,
    on_batch: Callable[[float], None] = lambda loss: None,
    within: int | None = None,
    team: Team | None = None,
) -> dict[str, Any]:
    """Train for one epoch and return its facts: loss, train_accuracy, lr.

    Parameters
    ----------
    model, optimizer, batches
        What is trained, how and on what.
    epoch
        Epochs of the run before this one.
    on_batch
        Gets every batch's loss.
    within
        Epochs of the stage before this one; what follows from ``epoch`` if absent.
    team
        The processes that share the batches.

    Raises
    ------
    UsageError
        If the loss is no longer finite.
    """
    config, team = batches.config, team or Team(batches.config.shards)
    in_float = epoch < config.epochs_float if within is None else not model.quantised
    if within is None:
        within = epoch if in_float else epoch - config.epochs_float
    base = config.lr if in_float else config.lr_qat
    first = within * len(batches)
    steps = (config.epochs_float if in_float else config.epochs_qat) * len(batches)

    def shard_loss(events: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with products(config.precision, model.quantised):
            activity = model.activity(events)
            loss = objective(model, activity, labels, config)
        return loss, (prediction(model, activity) == labels).sum()

    model.train()
    model.shrink_delays(within / max(config.epochs_float - 1, 1))
    model.dropout_generator.manual_seed(config.seed * 1_000_003 + epoch)
    total_loss, right, lr = torch.zeros(()), torch.zeros((), dtype=torch.int64), base
    for batch, (events, labels) in enumerate(batches.epoch(epoch)):
        lr = learning_rate(base, first + batch, steps)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad(set_to_none=True)
        seed = (config.seed * 1_000_003 + epoch) * 1_000_003 + batch
        loss, correct = team.step(model, events, labels, shard_loss, seed)
        optimizer.step()
        total_loss += loss * len(labels)
        right += correct
        on_batch(float(loss))
    samples = len(batches.kept)
    mean = float(total_loss) / samples
    if not math.isfinite(mean):
        raise UsageError(f"lr must be smaller than {base}: the loss is {mean} in epoch {epoch + 1}")
    return {"loss": mean, "train_accuracy": int(right) / samples, "lr": lr}


@torch.no_grad()
def evaluate(model: SpikingNetwork, inputs: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    """Return the share of right predictions, 0 to 1, on encoded (S, T, ...) inputs."""
    model.eval()
    right = 0
    for start in range(0, len(inputs), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        guess = prediction(model, model.activity(to_events(inputs[part]))).numpy()
        right += int((guess == labels[part]).sum())
    return right / max(len(labels), 1)


def traces(model: SpikingNetwork, inputs: NDArray[np.uint8]) -> Iterator[Trace]:
    """Yield the trace of each part of ``inputs``, (S, T, ...), in order."""
    model.eval()
    for start in range(0, max(len(inputs), 1), EVALUATION_BATCH):
        yield model.trace(to_events(inputs[start : start + EVALUATION_BATCH]))

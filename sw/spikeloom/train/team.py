"""Processes that share the work of a run: one, or those that ``torchrun`` has started.

Every batch is split into the configuration's ``shards``.  The gradient of each shard is formed
apart, and the sum is taken in the order of the shards, wherever they were computed.  The result
is therefore a matter of the number of shards, not of the number of processes: one process that
computes all shards gets the same bits as many that share them (on machines of one kind).
Statistics that layers keep, such as those of batch normalisation, start every shard from the same
values and are averaged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..spec.errors import UsageError

DEADLINE = timedelta(minutes=10)
"""A process that hears nothing from the others for so long gives up."""

ShardLoss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Returns the loss and the number of right predictions of events [T, N, ...] and labels [N]."""


def is_leader() -> bool:
    """Return whether this process writes files and prints: the only one, or that of rank 0."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass(frozen=True)
class Team:
    """The processes of a run.

    Parameters
    ----------
    shards
        Parts of each batch; a multiple of ``size``.
    rank, size
        Which of the processes this one is, and how many there are.
    """

    shards: int = 1
    rank: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if self.shards % self.size:
            raise UsageError(
                f"shards must be a multiple of the {self.size} processes, not {self.shards}"
            )

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def step(
        self, model: nn.Module, events: Tensor, labels: Tensor, shard_loss: ShardLoss, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Set the gradients of a batch; return its loss and the number of right predictions.

        Parameters
        ----------
        model
            Its gradients must be empty; ``dropout_generator``, if it has one, is seeded with
            ``seed`` and the shard where there are several.
        events, labels
            [T, N, ...] and [N], the whole batch.
        shard_loss
            Of a shard; its mean over the shard's samples.
        """
        if self.shards == 1:
            loss, right = shard_loss(events, labels)
            loss.backward()
            return loss.detach(), right
        parts = list(
            zip(events.tensor_split(self.shards, 1), labels.tensor_split(self.shards), strict=True)
        )
        start = _buffers(model)
        per_process = self.shards // self.size
        own = []
        for shard in range(self.rank * per_process, (self.rank + 1) * per_process):
            _restore(model, start)
            generator = getattr(model, "dropout_generator", None)
            if generator is not None:
                generator.manual_seed((seed * self.shards + shard) % 2**63)
            own.append(_shard(model, *parts[shard], len(labels), shard_loss))
        rows = self._gather(torch.stack(own))
        total = rows[0].clone()
        for row in rows[1:]:
            total += row
        facts = _take(model, total, self.shards)
        return facts[0], facts[1].long()

    def _gather(self, own: Tensor) -> Tensor:
        """Return the rows of all processes, in their order, [shards, values]."""
        if self.size == 1:
            return own
        out = [torch.empty_like(own) for _ in range(self.size)]
        torch.distributed.all_gather(out, own)
        return torch.cat(out)

    def accuracy(
        self,
        evaluate: Callable[[NDArray[np.uint8], NDArray[np.uint8]], float],
        inputs: NDArray[np.uint8],
        labels: NDArray[np.uint8],
    ) -> float:
        """Return the share of right predictions, where each process evaluates its part.

        ``evaluate`` returns that share, 0 to 1, of inputs and labels.
        """
        part = slice(self.rank, None, self.size)
        count = len(labels[part])
        right = torch.tensor(round(evaluate(inputs[part], labels[part]) * count if count else 0))
        if self.size > 1:
            torch.distributed.all_reduce(right)
        return int(right) / max(len(labels), 1)


def _buffers(model: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in model.buffers()]


def _restore(model: nn.Module, values: list[Tensor]) -> None:
    for buffer, value in zip(model.buffers(), values, strict=True):
        buffer.copy_(value)


def _floats(model: nn.Module) -> list[Tensor]:
    return [buffer for buffer in model.buffers() if buffer.is_floating_point()]


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _shard(
    model: nn.Module, events: Tensor, labels: Tensor, samples: int, shard_loss: ShardLoss
) -> Tensor:
    """Return a shard's part in one row: loss, right, gradients, statistics."""
    parameters = _trained(model)
    if len(labels):
        loss, right = shard_loss(events, labels)
        loss = loss * (len(labels) / samples)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    else:  # the last batch may have fewer samples than shards
        loss, right = torch.zeros(()), torch.zeros(())
        gradients = (None,) * len(parameters)
    return torch.cat(
        [
            loss.detach().reshape(1), right.float().reshape(1),
            *(
                torch.zeros(p.numel()) if g is None else g.flatten()
                for g, p in zip(gradients, parameters, strict=True)
            ),
            *(buffer.flatten() for buffer in _floats(model)),
        ]
    )  # fmt: skip


def _take(model: nn.Module, total: Tensor, shards: int) -> Tensor:
    """Put the summed rows where they belong; return loss and right."""
    at = 2
    for parameter in _trained(model):
        parameter.grad = total[at : at + parameter.numel()].reshape(parameter.shape).clone()
        at += parameter.numel()
    for buffer in _floats(model):
        mean = total[at : at + buffer.numel()] / shards
        buffer.copy_(mean.reshape(buffer.shape))
        at += buffer.numel()
    return total[:2]


@contextmanager
def team(shards: int) -> Iterator[Team]:
    """Yield the processes of this run; those of ``torchrun`` find each other here.

    Raises
    ------
    UsageError
        If ``shards`` is no multiple of the number of processes.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    found = Team(shards, rank, size)
    if size == 1:
        yield found
        return
    torch.distributed.init_process_group("gloo", timeout=DEADLINE)
    try:
        yield found
    finally:
        torch.distributed.destroy_process_group()

"""A learnt mask of the input: which input neuron may send in which tick."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Step(torch.autograd.Function):
    """1 where the logit is above 0, else 0; the gradient is that of a clipped identity."""

    @staticmethod
    def forward(ctx: Any, logit: Tensor) -> Tensor:
        ctx.save_for_backward(logit)
        return (logit > 0).to(logit.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (logit,) = ctx.saved_tensors
        return grads[0] * (logit.abs() < 1).to(logit.dtype)


class InputGate(nn.Module):
    """Learns which input neuron may send in which tick.

    A closed place drops its events: they cost no synaptic operations, and no accelerator
    sees them, since the encoder keeps the gate as its ``mask``.  The gradient passes the
    step straight through (Bengio, Leonard and Courville 2013).

    Parameters
    ----------
    ticks, n_inputs
        Size; all places start open.
    """

    def __init__(self, ticks: int, n_inputs: int) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.full((ticks, n_inputs), 0.1))

    def mask(self) -> Tensor:
        """Return 1 where the gate is open, else 0, [T, n_inputs]."""
        return _Step.apply(self.logit)

    def forward(self, events: Tensor) -> Tensor:
        """Return the events [T, N, n_inputs] that pass."""
        return events * self.mask()[:, None, :]

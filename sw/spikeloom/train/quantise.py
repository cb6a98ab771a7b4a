"""From real weights to the contract's integers, inside training.

A population's real threshold is 1.  Its integer threshold therefore fixes its step,
s = 1 / threshold, and no rounding of the threshold is left: w_int = clip(round(w / s)).
The rounding passes gradients straight through (Bengio, Leonard and Courville 2013,
"Estimating or propagating gradients through stochastic neurons").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..spec.errors import CapacityError
from ..spec.numfmt import (
    ACCUMULATOR_MAX,
    POTENTIAL_MAX,
    POTENTIAL_MIN,
    SHIFT_MAX,
    THRESHOLD_MAX,
    signed_range,
)

HEADROOM = 0.9
"""Share of the accumulator that the weights may fill when the step is chosen: they
still move in quantisation-aware training."""

CANDIDATES = 40
"""Clipping limits tried when the step is chosen."""


class _Quantise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor | float, low: int, high: int) -> Tensor:
        scaled = weight * scale
        ctx.save_for_backward((scaled >= low - 0.5) & (scaled <= high + 0.5))
        ctx.scale = scale
        return scaled.round_().clamp_(low, high)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return grads[0] * inside.to(grads[0].dtype).mul_(ctx.scale), None, None, None


def quantise_weight(weight: Tensor, threshold: Tensor | float, bits: int) -> Tensor:
    """Return clip(round(weight * threshold)) as whole numbers in a float tensor.

    Parameters
    ----------
    weight
        float, destination or its channel first, in thresholds.
    threshold
        The destination's integer threshold, 1 to 32767, over 2**shift; or a tensor of one
        for each channel, of a shape that fits that of the weights.
    bits
        8, 4 or 2.

    Notes
    -----
    Halves are rounded to even.  The gradient is that of weight * threshold, and 0 where
    the clip holds.
    """
    low, high = signed_range(bits)
    return _Quantise.apply(weight, threshold, low, high)


def quantise_bias(bias: Tensor, threshold: Tensor | float) -> Tensor:
    """Return clip(round(bias * threshold)) in 16 bits, as :func:`quantise_weight` does."""
    return _Quantise.apply(bias, threshold, POTENTIAL_MIN, POTENTIAL_MAX)


@dataclass(frozen=True)
class Part:
    """The weights of one projection to a population, and what its sources send.

    Parameters
    ----------
    weight
        float, in thresholds per unit event: [channels, ...] with the inputs of a neuron
        behind, or a single weight [].
    fan_in
        Synapses of a neuron with a single weight, else not needed.
    bits
        8, 4 or 2.
    magnitude
        Greatest magnitude of a source's events.
    """

    weight: Tensor
    bits: int
    magnitude: int = 1
    fan_in: int = 1

    def worst(self) -> Tensor:
        """Return the greatest absolute input of each channel in a tick, [channels] or []."""
        weight = self.weight.double()
        if not weight.ndim:
            return weight.abs() * self.fan_in * self.magnitude
        rows = weight.reshape(len(weight), -1)
        positive, negative = rows.clamp(min=0).sum(1), rows.clamp(max=0).sum(1).neg()
        return torch.maximum(positive, negative) * self.magnitude

    def greatest(self, per_channel: bool) -> Tensor:
        """Return the greatest absolute weight, of all or of each channel."""
        weight = self.weight.double().abs()
        if not weight.ndim or not per_channel:
            return weight.max()
        return weight.reshape(len(weight), -1).amax(1)

    def error(self, threshold: Tensor, shift: int) -> Tensor:
        """Return the squared error of the integers, [channels] or, with one step, []."""
        low, high = signed_range(self.bits)
        weight = self.weight.double()
        rows = weight.reshape(len(weight), -1) if weight.ndim else weight.reshape(1, 1)
        scale = (threshold.double() / (1 << shift)).reshape(-1, 1)
        wrong = ((rows * scale).round().clamp(low, high) / scale - rows).square().sum(1)
        return wrong if threshold.ndim else wrong.sum()


def worst_sum(weight: Tensor, magnitude: int = 1) -> float:
    """Return the greatest absolute input any neuron can get in a tick.

    ``weight`` is [n_destination, ...]; every source sends at most ``magnitude``.
    """
    return float(Part(weight, 8, magnitude).worst().max())


@torch.no_grad()
def threshold_limit(parts: Sequence[Part], name: str, per_channel: bool = False) -> Tensor:
    """Return the greatest threshold at which no input overflows the accumulator.

    int64 [], or [channels] with ``per_channel``.  Errors as of :func:`choose_step`.
    """
    worst = torch.stack([p.worst().expand(_channels(parts)) for p in parts]).sum(0)
    if not per_channel:
        worst = worst.max()
    limit = (ACCUMULATOR_MAX - POTENTIAL_MAX) * HEADROOM / worst.clamp(min=1e-9)
    if bool((limit < 1).any()):
        raise CapacityError(
            f"the input of population {name} may reach {float(worst.max()):.0f} thresholds in one "
            f"tick, but the accumulator holds {ACCUMULATOR_MAX}; use fewer inputs, a smaller "
            "max_magnitude or more weight decay"
        )
    return limit.clamp(max=THRESHOLD_MAX).long()


def _channels(parts: Sequence[Part]) -> int:
    return max(len(p.weight) if p.weight.ndim else 1 for p in parts)


@torch.no_grad()
def candidate_steps(parts: Sequence[Part], name: str, per_channel: bool = False) -> list[Tensor]:
    """Return the thresholds of :data:`CANDIDATES` clipping limits, the greatest first.

    The limits go from a fifth of the greatest absolute weight up, over the weights of the
    projection that sets them; every projection sets :data:`CANDIDATES` of them.  Parameters,
    results and errors as of :func:`choose_step`.
    """
    limit = threshold_limit(parts, name, per_channel)
    out: dict[tuple[int, ...], Tensor] = {}
    for part in parts:
        low = -signed_range(part.bits)[0]
        greatest = part.greatest(per_channel)
        greatest = torch.where(greatest > 0, greatest, 1.0).expand(limit.shape)
        for step in range(CANDIDATES):
            share = 0.2 + 0.8 * (step + 1) / CANDIDATES
            wanted = (low / (greatest * share)).clamp(max=2.0 * THRESHOLD_MAX).round().long()
            found = torch.minimum(wanted.clamp(min=1), limit)
            out[tuple(found.reshape(-1).tolist())] = found
    return list(out.values())


@torch.no_grad()
def best_shifts(parts: Sequence[Part], threshold: Tensor) -> tuple[list[int], Tensor]:
    """Return the shift of each part of least error at ``threshold``, and the errors' sum.

    One part alone has the shift 0: its weights set the step.
    """
    if len(parts) == 1:
        return [0], parts[0].error(threshold, 0)
    shifts, total = [], torch.zeros(())
    for part in parts:
        errors = [part.error(threshold, shift) for shift in range(SHIFT_MAX + 1)]
        best = min(range(len(errors)), key=lambda k, e=errors: float(e[k].sum()))  # type: ignore[misc]
        shifts.append(best)
        total = total + errors[best]
    return shifts, total


@torch.no_grad()
def choose_step(
    parts: Sequence[Part], name: str, per_channel: bool = False
) -> tuple[Tensor, list[int]]:
    """Return the integer threshold whose step suits the weights best, and the shifts.

    Of :func:`candidate_steps` the one of least squared error is taken, in each channel
    for itself if ``per_channel``.  None of them lets the weights overflow the accumulator.

    Parameters
    ----------
    parts
        The projections to the population.
    name
        The population's name, for the error.
    per_channel
        Whether each channel has a threshold of its own.

    Returns
    -------
    threshold
        int64 [] or [channels].
    shifts
        A left shift for each part.

    Raises
    ------
    CapacityError
        If even the largest step overflows the accumulator.
    """
    tried = candidate_steps(parts, name, per_channel)
    results = [(threshold, *best_shifts(parts, threshold)) for threshold in tried]
    if not per_channel:
        threshold, shifts, _ = min(results, key=lambda r: float(r[2]))
        return threshold, shifts
    errors = torch.stack([error.expand(tried[0].shape) for _, _, error in results])
    best = errors.argmin(0)
    threshold = torch.stack(tried).gather(0, best[None])[0]
    return threshold, best_shifts(parts, threshold)[0]


def choose_threshold(weight: Tensor, bits: int, magnitude: int = 1, name: str = "") -> int:
    """Return the one threshold of :func:`choose_step` for one projection, [channels, ...]."""
    return int(choose_step([Part(weight, bits, magnitude)], name)[0])

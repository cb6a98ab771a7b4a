"""From real weights to the contract's integers, inside training.

A population's real threshold is 1.  Its integer threshold therefore fixes its step,
s = 1 / threshold, and no rounding of the threshold is left: w_int = clip(round(w / s)).
The rounding passes gradients straight through (Bengio, Leonard and Courville 2013,
"Estimating or propagating gradients through stochastic neurons").
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..spec.errors import CapacityError
from ..spec.numfmt import ACCUMULATOR_MAX, POTENTIAL_MAX, POTENTIAL_MIN, THRESHOLD_MAX, signed_range

HEADROOM = 0.9
"""Share of the accumulator that the weights may fill when the step is chosen: they
still move in quantisation-aware training."""

CANDIDATES = 40
"""Clipping limits tried when the step is chosen."""


class _Quantise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: int, low: int, high: int) -> Tensor:
        scaled = weight * scale
        ctx.save_for_backward((scaled >= low - 0.5) & (scaled <= high + 0.5))
        ctx.scale = scale
        return scaled.round_().clamp_(low, high)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return grads[0] * inside.to(grads[0].dtype).mul_(ctx.scale), None, None, None


def quantise_weight(weight: Tensor, threshold: int, bits: int) -> Tensor:
    """Return clip(round(weight * threshold)) as whole numbers in a float tensor.

    Parameters
    ----------
    weight
        float [n_destination, n_source], in thresholds.
    threshold
        The destination's integer threshold, 1 to 32767.
    bits
        8, 4 or 2.

    Notes
    -----
    Halves are rounded to even.  The gradient is that of weight * threshold, and 0 where
    the clip holds.
    """
    low, high = signed_range(bits)
    return _Quantise.apply(weight, threshold, low, high)


def quantise_bias(bias: Tensor, threshold: int) -> Tensor:
    """Return clip(round(bias * threshold)) in 16 bits, as :func:`quantise_weight` does."""
    return _Quantise.apply(bias, threshold, POTENTIAL_MIN, POTENTIAL_MAX)


def worst_sum(weight: Tensor, magnitude: int = 1) -> float:
    """Return the greatest absolute input any neuron can get in a tick.

    ``weight`` is [n_destination, n_source]; every source sends at most ``magnitude``.
    """
    positive = weight.clamp(min=0).sum(1).max()
    negative = weight.clamp(max=0).sum(1).min().neg()
    return float(torch.maximum(positive, negative)) * magnitude


def threshold_limit(weight: Tensor, magnitude: int = 1, name: str = "") -> int:
    """Return the greatest threshold at which no input overflows the accumulator.

    Parameters and errors as of :func:`choose_threshold`.
    """
    worst = worst_sum(weight, magnitude)
    limit = (ACCUMULATOR_MAX - POTENTIAL_MAX) * HEADROOM / max(worst, 1e-9)
    if limit < 1:
        raise CapacityError(
            f"the input of population {name} may reach {worst:.0f} thresholds in one tick, but "
            f"the accumulator holds {ACCUMULATOR_MAX}; use fewer inputs, a smaller "
            "max_magnitude or more weight decay"
        )
    return int(min(THRESHOLD_MAX, limit))


@torch.no_grad()
def candidate_thresholds(
    weight: Tensor, bits: int, magnitude: int = 1, name: str = ""
) -> list[int]:
    """Return the thresholds of :data:`CANDIDATES` clipping limits, the greatest first.

    The limits go from a fifth of the greatest absolute weight up.  Parameters and errors as
    of :func:`choose_threshold`.
    """
    low, high = signed_range(bits)
    greatest = float(weight.abs().max()) or 1.0
    limit = threshold_limit(weight.double(), magnitude, name)
    out: dict[int, None] = {}
    for step in range(CANDIDATES):
        share = 0.2 + 0.8 * (step + 1) / CANDIDATES
        out[min(max(round(max(-low, high) / (greatest * share)), 1), limit)] = None
    return list(out)


@torch.no_grad()
def choose_threshold(weight: Tensor, bits: int, magnitude: int = 1, name: str = "") -> int:
    """Return the integer threshold whose step suits the weights best.

    Of :func:`candidate_thresholds` the one of least squared error is taken.  None of them
    lets the weights overflow the accumulator.

    Parameters
    ----------
    weight
        float [n_destination, n_source], in thresholds.
    bits
        Weight width: 8, 4 or 2.
    magnitude
        Greatest magnitude of a source's events.
    name
        The population's name, for the error.

    Raises
    ------
    CapacityError
        If even the largest step overflows the accumulator.
    """
    weight = weight.double()
    low, high = signed_range(bits)
    best, best_error = 1, float("inf")
    for threshold in candidate_thresholds(weight, bits, magnitude, name):
        rounded = (weight * threshold).round().clamp(low, high) / threshold
        error = float((rounded - weight).square().sum())
        if error < best_error:
            best, best_error = threshold, error
    return best

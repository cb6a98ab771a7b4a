"""Thresholds from data: the greatest value, or a percentile, that an activation takes.

Diehl et al. 2015, "Fast-classifying, high-accuracy spiking deep networks through weight
and threshold balancing" (data-based normalisation), takes the maximum; Rueckauer et al.
2017, "Conversion of continuous-valued deep networks to efficient event-driven networks for
image classification", a percentile.  Kim et al. 2020, "Spiking-YOLO", does so per channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..spec.errors import DataError, UsageError
from .activation import ClipFloorShift
from .stages import Stage, apply_stage

LEAST_SHARE = 0.05
"""Limit of a channel as a share of the greatest one: rarer channels must not blow up weights."""

BATCH = 250


@dataclass(frozen=True)
class Limits:
    """How thresholds are found.

    Parameters
    ----------
    percentile
        Above 0 to 100: share, in per cent, of an activation's values that the threshold must
        not be below; 100 is the maximum.  Values of 0 do not count.
    per_channel
        Whether every channel of a convolution gets a threshold of its own (in real numbers;
        the integer threshold is the population's, the weights take the difference).
    """

    percentile: float = 99.9
    per_channel: bool = False

    def __post_init__(self) -> None:
        value = self.percentile
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 100:
            raise UsageError(f"percentile must be above 0 and at most 100, not {value!r}")


def _percentile(values: Tensor, percentile: float) -> Tensor:
    """Return the percentile of the positive ones of ``values``, a scalar; 0 if there are none."""
    positive = values[values > 0]
    if not len(positive):
        return torch.zeros((), dtype=values.dtype)
    rank = max(-(-len(positive) * percentile // 100), 1)
    return positive.kthvalue(int(rank)).values


def limit_of(values: Tensor, limits: Limits) -> Tensor:
    """Return the limit of activations [N, channels, ...]: [] or, per channel, [channels].

    It is 1 for activations that are 0 on all data.
    """
    if limits.per_channel and values.ndim == 4:
        channels = values.transpose(0, 1).flatten(1)
        out = torch.stack([_percentile(channel, limits.percentile) for channel in channels])
        out = out.clamp(min=float(out.max()) * LEAST_SHARE)
    else:
        out = _percentile(values.flatten(), limits.percentile)
    return out if bool((out > 0).all()) else torch.ones_like(out)


@torch.no_grad()
def stage_values(stage: Stage, x: Tensor) -> Tensor:
    """Return the stage's values behind the activation, [N, *shape], of x [N, *source]."""
    parts = []
    for start in range(0, len(x), BATCH):
        out = apply_stage(stage, x[start : start + BATCH])
        parts.append(out if stage.activation is None else stage.activation(out))
    return torch.cat(parts)


def balance(stages: list[Stage], samples: Tensor, limits: Limits) -> list[Tensor | None]:
    """Return each stage's limit, the value for which a neuron fires in every tick.

    It is float64 [] or [channels]; None for pools, which keep their source's, and for the
    output.  An activation that has a learnt limit keeps it.

    Parameters
    ----------
    stages
        Of :func:`read_stages`.
    samples
        float [N, *input shape]: calibration data, 1 or more.
    limits
        How.
    """
    if not len(samples):
        raise DataError("calibration needs at least 1 sample, not 0")
    out: list[Tensor | None] = []
    for stage in stages:
        samples = stage_values(stage, samples)
        if isinstance(stage.activation, ClipFloorShift):
            out.append(stage.activation.limit.detach().double())
        elif stage.activation is not None:
            out.append(limit_of(samples, limits).double())
        else:
            out.append(None)
    return out

"""Normalisation of synaptic sums that folds away at export.

All three normalise per channel and differ in what they average over (batch normalisation:
Ioffe and Szegedy 2015):

``bn``
    every tick by its own batch statistics; one running average over all ticks.
``tdbn``
    all ticks together (Zheng et al. 2021, "Going deeper with directly-trained larger
    spiking neural networks", eqs. (8) and (9), with alpha * threshold = 1 to start with).
``tebn``
    as tdbn, times a learnt scale for every tick (Duan et al. 2022, "Temporal effective batch
    normalization in spiking neural networks").

A constant scale and shift per channel go into weights and bias (rule Q5).  Those of TEBN
differ from tick to tick, which constant weights cannot follow, so they are refused.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..spec.errors import NetworkError
from .plan import NORM_NAMES

MOMENTUM = 0.1
EPSILON = 1e-5


class Norm(nn.Module):
    """Batch normalisation of currents [T, N, ..., channels].

    Parameters
    ----------
    kind
        ``bn``, ``tdbn`` or ``tebn``.
    channels
        Size of the last axis.
    ticks
        Ticks of a sample, for ``tebn``.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, kind: str, channels: int, ticks: int = 0) -> None:
        super().__init__()
        if kind not in NORM_NAMES[1:]:
            raise NetworkError(f"norm must be one of {', '.join(NORM_NAMES)}, not {kind!r}")
        if kind == "tebn" and ticks < 1:
            raise NetworkError(f"ticks must be at least 1 for the norm tebn, not {ticks}")
        self.kind = kind
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.tick_scale = nn.Parameter(torch.ones(ticks)) if kind == "tebn" else None
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, current: Tensor, ticks: int) -> Tensor:
        """Return the normalised currents; batch statistics are used in training only.

        ``current`` may be one tick that stands for all ``ticks``.
        """
        if self.training and self.kind == "bn":
            out = torch.stack([self._normalise(tick) for tick in current.unbind()])
        else:
            out = self._normalise(current)
        if self.tick_scale is None:
            return out
        if len(self.tick_scale) != ticks:
            raise NetworkError(
                f"samples must have the {len(self.tick_scale)} ticks of the norm tebn, not {ticks}"
            )
        return out * self.tick_scale.view(-1, *[1] * (out.ndim - 1))

    def _normalise(self, current: Tensor) -> Tensor:
        rows = current.reshape(-1, current.shape[-1])
        out = nn.functional.batch_norm(
            rows, self.mean, self.variance, self.gain, self.shift,
            self.training and len(rows) > 1, MOMENTUM, EPSILON,
        )  # fmt: skip
        return out.reshape(current.shape)

    def fold(self, name: str) -> tuple[Tensor, Tensor]:
        """Return (scale, shift), [channels] each, with gradients: scale * x + shift.

        Raises
        ------
        NetworkError
            If the ticks have different scales (TEBN), naming the population.
        """
        scale = self.gain * (self.variance + EPSILON).rsqrt()
        shift = self.shift - self.mean * scale
        if self.tick_scale is None:
            return scale, shift
        first, all_scales = self.tick_scale[0], self.tick_scale.detach()
        if bool((all_scales != all_scales[0]).any()):
            low, high = float(all_scales.min()), float(all_scales.max())
            raise NetworkError(
                f"the norm of population {name} must have one scale for all ticks to be folded "
                f"into weights, not from {low:.3g} to {high:.3g} (tebn): weights on the "
                "accelerator are the same in every tick; train with tdbn instead"
            )
        return scale * first, shift * first

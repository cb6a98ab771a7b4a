"""From stages and their limits to the contract's integers.

A population's limit becomes its threshold of 1, so that a neuron that fires in every tick
stands for the limit, and an event for limit / 1.  Weights and biases are then

    w = W * (limit of the source) / limit,    b = B / limit

(Rueckauer et al. 2017, eq. (6)), with soft reset and no decay.  The potential starts at half
a threshold, which turns the floor of a spike count into rounding (Deng and Gu 2021, "Optimal
conversion of conventional artificial neural networks to spiking neural networks"; Bu et al.
2022, "Optimized potential initialization for low-latency spiking neural networks").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..spec import numfmt
from ..spec.network import (
    Conv2d,
    Dense,
    InputPopulation,
    Network,
    Pool,
    Population,
    Projection,
    Reset,
)
from ..train.quantise import choose_threshold
from .stages import Stage

INPUT = "input"
"""Name of the input population."""

OUTPUT_SHARE = 0.7
"""Share of a potential's 16 bits that calibration data may fill at the output: the test data
may reach further."""


@dataclass(frozen=True)
class Source:
    """What the events of a population mean: ``amplitude`` float64 [] or [channels].

    ``shape`` is channels first; ``magnitude`` the greatest of an event.
    """

    name: str
    shape: tuple[int, ...]
    amplitude: Tensor
    magnitude: int = 1

    def channel_amplitudes(self) -> Tensor:
        """Return the amplitude of each channel, or of each neuron if there are none."""
        return self.amplitude.expand(self.shape[0])


def channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape with the channels, which come first here, at its end."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def _per_threshold(stage: Stage, source: Source, limit: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight and bias in thresholds per event."""
    assert stage.weight is not None
    assert stage.bias is not None
    amplitudes = source.channel_amplitudes()
    if stage.is_dense:
        places = stage.weight.shape[1] // len(amplitudes)
        gain = amplitudes.repeat_interleave(places)[None]
    else:
        members = stage.weight.shape[1]
        gain = amplitudes.reshape(stage.groups, 1, members)
        gain = gain.expand(-1, len(stage.weight) // stage.groups, -1).reshape(-1, members, 1, 1)
    shape = (-1, *(1,) * (stage.weight.ndim - 1))
    weight = stage.weight * gain / limit.expand(len(stage.weight)).reshape(shape)
    return weight, stage.bias / limit


def _weights_last(stage: Stage, source: Source, weight: Tensor) -> Tensor:
    """Return weights with the channels of their source last, as the contract has them."""
    if not stage.is_dense:
        return weight.permute(0, 2, 3, 1)
    if len(source.shape) == 3:
        return weight.reshape(-1, *source.shape).permute(0, 2, 3, 1).flatten(1)
    return weight


def _threshold(
    stage: Stage, source: Source, weight: Tensor, bias: Tensor, bits: int, highest: float
) -> int:
    """Return the integer threshold; ``highest`` is the greatest potential in thresholds."""
    best = choose_threshold(weight.flatten(1), bits, source.magnitude, stage.name)
    for reach in (float(bias.abs().max()), highest):
        best = min(best, math.floor(numfmt.POTENTIAL_MAX / max(reach, 1e-9)))
    return max(best, 1)


class IntegerBuilder:
    """Adds populations and projections, stage by stage.

    Parameters
    ----------
    shape
        (channels, height, width), or (n,), of the input.
    magnitude
        Greatest magnitude of an input event; one of it in every tick stands for 1.
    weight_bits
        8, 4 or 2.
    """

    def __init__(self, shape: tuple[int, ...], magnitude: int, weight_bits: int) -> None:
        self.weight_bits = weight_bits
        amplitude = torch.tensor(1 / magnitude, dtype=torch.float64)
        self._source = Source(INPUT, tuple(shape), amplitude, magnitude)
        self._inputs = (InputPopulation(INPUT, channels_last(tuple(shape)), magnitude),)
        self._populations: list[Population] = []
        self._projections: list[Projection] = []

    def add(self, stage: Stage, limit: Tensor | None, highest: float = 0.0) -> None:
        """Add a stage with its limit; ``highest`` is the greatest potential of the output."""
        if stage.is_pool:
            self._add_pool(stage)
        else:
            self._add_weighted(stage, limit, highest)

    def network(self) -> Network:
        """Return the network; its output is the population added last."""
        return Network(
            self._inputs, tuple(self._populations), tuple(self._projections), (self._source.name,)
        )

    def _add_pool(self, stage: Stage) -> None:
        source = self._source
        # a weight of 2 so that half a threshold is whole
        half = stage.kernel[0] * stage.kernel[1] * source.magnitude
        self._populations.append(
            Population(
                stage.name, channels_last(stage.shape), np.int32(2 * half),
                np.int32(numfmt.DECAY_ONE), initial=half,
            )
        )  # fmt: skip
        kind = Pool(stage.kernel, stage.stride, stage.padding)
        self._projections.append(
            Projection(source.name, stage.name, np.int8(2), self._bits_of_pool(), kind=kind)
        )
        amplitude = source.amplitude * source.magnitude
        self._source = Source(stage.name, stage.shape, amplitude)

    def _bits_of_pool(self) -> int:
        return max(self.weight_bits, 4)  # 2 bits do not hold the weight 2

    def _add_weighted(self, stage: Stage, limit: Tensor | None, highest: float) -> None:
        source = self._source
        fires = limit is not None
        limit = torch.ones((), dtype=torch.float64) if limit is None else limit
        weight, bias = _per_threshold(stage, source, limit)
        threshold = _threshold(
            stage, source, weight, bias, self.weight_bits, highest / OUTPUT_SHARE
        )
        low, high = numfmt.signed_range(self.weight_bits)
        whole = (weight * threshold).round().clamp(low, high)
        whole = _weights_last(stage, source, whole)
        self._populations.append(
            Population(
                stage.name, channels_last(stage.shape), np.int32(threshold),
                np.int32(numfmt.DECAY_ONE), (bias * threshold).round().numpy().astype(np.int32),
                Reset.SUBTRACT if fires else Reset.NONE,
                initial=threshold // 2 if fires else 0,
            )
        )  # fmt: skip
        kind = Dense() if stage.is_dense else Conv2d(
            stage.stride, stage.padding, stage.dilation, stage.groups
        )  # fmt: skip
        self._projections.append(
            Projection(
                source.name, stage.name, whole.numpy().astype(np.int8), self.weight_bits, kind=kind
            )
        )
        self._source = Source(stage.name, stage.shape, limit)

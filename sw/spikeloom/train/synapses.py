"""Projections in training: what events add to the potentials of a population.

A :class:`Synapses` holds real weights in the contract's layout
(:class:`spikeloom.spec.projection.Projection`) and computes sums of either the real
weights or the integers made of them.  All tensors are time first with channels last,
[T, N, height, width, channels] or [T, N, n], so that flattened they are in the order of the
contract's neurons.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..spec.errors import NetworkError
from ..spec.kinds import Dense, Ends, Kind, OneToOne
from ..spec.windows import Conv2d, Pool
from .delays import LearntDelay
from .norms import Norm
from .quantise import quantise_weight

F = nn.functional

LEARNT_KINDS = (Dense, Conv2d, Pool, OneToOne)
"""Kinds of projections that can be trained."""


def propagate(kind: Kind, ends: Ends, events: Tensor, weight: Tensor) -> Tensor:
    """Return the sums [T, N, *destination] of ``events`` [T, N, n_source].

    ``weight`` is in the contract's layout.  On whole numbers the result is exact while sums
    stay below 2**24: plain sums of products, in whatever order.
    """
    ticks, samples = events.shape[:2]
    if isinstance(kind, Dense):
        sums = F.linear(events, weight)
        return sums.reshape(ticks, samples, *ends.destination)
    if isinstance(kind, OneToOne):
        return (events * weight).reshape(ticks, samples, *ends.destination)
    images = events.reshape(ticks * samples, *ends.source).permute(0, 3, 1, 2)
    if isinstance(kind, Pool):
        sums = weight * F.avg_pool2d(
            images, kind.kernel, kind.stride, kind.padding, divisor_override=1
        )
    else:
        assert isinstance(kind, Conv2d)
        with torch.backends.nnpack.flags(enabled=False):  # its Winograd transform rounds
            sums = F.conv2d(
                images, weight.permute(0, 3, 1, 2), None, kind.stride, kind.padding,
                kind.dilation, kind.groups,
            )  # fmt: skip
    return sums.permute(0, 2, 3, 1).reshape(ticks, samples, *ends.destination)


class Synapses(nn.Module):
    """One projection.

    Parameters
    ----------
    source
        Name of the population that sends.
    kind
        Which synapses there are, one of :data:`LEARNT_KINDS`.
    ends
        Shapes of the two populations.
    weight_shape
        As the kind asks.
    weight_bits
        8, 4 or 2.
    magnitude
        Greatest magnitude of a source's events.
    delay
        Ticks.
    norm
        Normalisation of the sums, if there is one.
    learnt_delay, delay_values
        Greatest delay to be learnt, 0 for none, and the number of values it can take: of each
        source neuron if the kind is dense, else one.
    generator
        Draws the weights from U(-a, a) with a = sqrt(3 / fan_in), so that the squares of a
        neuron's weights sum to 1 (Lee, Delbruck and Pfeiffer 2016).  A single weight of a
        kind without more starts at 1, that of a pool at 1 for the average of its window.

    Notes
    -----
    The parameter ``weight`` is what an event of the greatest magnitude adds, in thresholds,
    so that initial weights and learning rate suit every magnitude.  The buffer ``shift`` is
    that of the integers; ``fan_out`` are the synapses of each source neuron, [n_source].
    """

    shift: Tensor

    def __init__(
        self,
        source: str,
        kind: Kind,
        ends: Ends,
        weight_shape: tuple[int, ...],
        weight_bits: int,
        magnitude: int,
        generator: torch.Generator,
        delay: int = 0,
        norm: Norm | None = None,
        learnt_delay: int = 0,
        delay_values: int = 4,
    ) -> None:
        super().__init__()
        if not isinstance(kind, LEARNT_KINDS):
            known = ", ".join(k.tag.value for k in LEARNT_KINDS)
            raise NetworkError(
                f"the projection from {source} must be of a kind that can be trained, {known}, "
                f"not {kind.tag.value}; train it dense and convert it"
            )
        if norm is not None and not isinstance(kind, (Dense, Conv2d)):
            raise NetworkError(
                f"the projection from {source} must be dense or conv2d to have a norm, "
                f"not {kind.tag.value}"
            )
        self.source, self.kind, self.ends = source, kind, ends
        self.weight_bits, self.magnitude, self.delay, self.norm = (
            weight_bits,
            magnitude,
            delay,
            norm,
        )
        self.fan_in = _fan_in(kind, weight_shape)
        if weight_shape:
            limit = (3 / self.fan_in) ** 0.5
            start = (torch.rand(weight_shape, generator=generator) * 2 - 1) * limit
        else:
            start = torch.tensor(1.0)
        self.weight = nn.Parameter(start)
        self.register_buffer("shift", torch.zeros((), dtype=torch.int64))
        axons = ends.n_source if isinstance(kind, Dense) else 0
        self.learnt: LearntDelay | None = None
        if learnt_delay:
            self.learnt = LearntDelay(learnt_delay, delay_values, axons, generator)
        fan_out = kind.fan_out_sizes(ends, np.zeros(weight_shape, np.int8))
        self.fan_out = torch.from_numpy(np.broadcast_to(fan_out, ends.n_source).astype(np.float64))

    @property
    def worst_integer(self) -> int:
        """The greatest sum of integer weights at any step."""
        return self.fan_in * self.magnitude << (self.weight_bits - 1)

    def unit_weight(self) -> Tensor:
        """Return what a unit event adds, in thresholds, the norm apart."""
        return self.weight if self.magnitude == 1 else self.weight / self.magnitude

    def folded(self, name: str) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias, [channels] or None, with the norm folded in."""
        weight = self.unit_weight()
        if self.norm is None:
            return weight, None
        scale, shift = self.norm.fold(name)
        return weight * scale.view(-1, *[1] * (weight.ndim - 1)), shift

    def integer_weight(self, weight: Tensor, threshold: Tensor) -> Tensor:
        """Return ``weight`` as whole numbers, for the destination's ``threshold``.

        ``threshold`` is [] or [channels]; the gradient passes the rounding straight through.
        """
        scale = threshold.to(weight.dtype) / (1 << int(self.shift))
        if scale.ndim and weight.ndim:
            scale = scale.view(-1, *[1] * (weight.ndim - 1))
        return quantise_weight(weight, scale, self.weight_bits)

    @property
    def axonal(self) -> bool:
        """Whether every source neuron has a delay of its own."""
        return self.learnt is not None and isinstance(self.kind, Dense)

    def arriving(self, events: Tensor) -> Tensor:
        """Return those events [T, N, n] that arrive before the sample ends, [at most T, N, n]."""
        if self.learnt is not None:
            return self.learnt.in_time(events)
        return events[: max(len(events) - self.delay, 0)]

    def delayed(self, events: Tensor, whole: bool = True) -> Tensor:
        """Return the events [T, N, n] that arrive in each tick.

        Learnt delays are rounded if ``whole`` or if the network is not in training.
        """
        if self.learnt is not None:
            return self.learnt(events, whole or not self.training)
        if not self.delay:
            return events
        late = min(self.delay, len(events))
        return torch.cat([events.new_zeros(late, *events.shape[1:]), events[: len(events) - late]])

    def sums(self, events: Tensor, weight: Tensor, whole: bool = True) -> Tensor:
        """Return the sums [T, N, *destination] of events that arrive, [T, N, n_source].

        Events that are one tick's, expanded over all ticks, are weighted once and give
        one tick, expanded or not as the caller likes: [1, N, *destination].
        """
        late = self.delay or self.learnt is not None
        if len(events) > 1 and events.stride(0) == 0 and not late:
            events = events[:1]
        return propagate(self.kind, self.ends, self.delayed(events, whole), weight)


def _fan_in(kind: Kind, weight_shape: tuple[int, ...]) -> int:
    if isinstance(kind, Pool):
        return kind.kernel[0] * kind.kernel[1]
    return 1 if isinstance(kind, OneToOne) else math.prod(weight_shape[1:])

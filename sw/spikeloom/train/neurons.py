"""Neurons over all ticks at once, forward.

One tick, in this order (docs/spec/semantics.md)::

    C = C + input; I = C                     (with a synaptic current, else I = input)
    H = V + bias + I                         (held while the neuron is refractory)
    S = H >= threshold                       (never, with reset none)
    S = min(floor(H / threshold), 127)       (with multi_spike, where that is above 0)
    before_decay:   V = decay(clip(reset(H, S)))
    after_decay:    V = clip(reset(decay(H), S))
    C = decay(clip16(C))

These are charge, fire and reset of eqs. (4) to (6) of the review of surrogate-gradient
methods by Fang, Zhu, Huang, Yao, Yu and Tian, with the decay at the end of the tick.
The float neuron is the real-valued twin: same order, no rounding.  The integer neuron
carries whole numbers in float tensors and computes the very integers of the contract:
sums are exact in float32 while they stay below 2**24, and the product of the decay,
up to 2**33, is formed in float64 before it is truncated towards zero.

The gradient is in :mod:`.gradient`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..spec.errors import NetworkError
from ..spec.network import Reset, ResetOrder
from ..spec.numfmt import (
    DECAY_FRACTION_BITS,
    DECAY_ONE,
    MAGNITUDE_MAX,
    POTENTIAL_MAX,
    POTENTIAL_MIN,
    REFRACTORY_MAX,
)

PART_VALUES = 1 << 18
"""Values of a tensor that are worked on together."""

FLOAT32_BITS = 24
"""Whole numbers of so many bits are exact in float32."""


@dataclass(frozen=True)
class LIFParameters:
    """The parameters of a population, as real numbers or as the contract's integers.

    Parameters
    ----------
    threshold
        Fires when H >= threshold; above 0.  A tensor [channels] gives one to each channel.
    decay
        0 to 32768, Q0.15 in either mode; share of the potential kept.
    bias
        Added at every tick.
    reset, reset_order, reset_value
        As of :class:`spikeloom.spec.network.Population`.
    initial
        Potential before the first tick.
    floor, ceiling
        Limits of the stored potential.
    refractory
        0 to 15 ticks.
    current_decay
        0 to 32768, Q0.15: share of a synaptic current kept; None for no such current.
    multi_spike
        Whether a neuron fires floor(H / threshold) times in a tick.
    integer
        True for the contract's integers: decays are truncated towards zero.
    detach_reset
        True to leave the reset out of the gradient (Zenke and Vogels 2021).
    """

    threshold: float | Tensor
    decay: int
    bias: float = 0
    reset: Reset = Reset.SUBTRACT
    reset_order: ResetOrder = ResetOrder.BEFORE_DECAY
    reset_value: float = 0
    initial: float = 0
    floor: float = -math.inf
    ceiling: float = math.inf
    refractory: int = 0
    current_decay: int | None = None
    multi_spike: bool = False
    integer: bool = False
    detach_reset: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "reset", Reset(self.reset))
        object.__setattr__(self, "reset_order", ResetOrder(self.reset_order))
        if not self.lowest_threshold > 0:
            raise NetworkError(f"threshold must be above 0, not {self.lowest_threshold!r}")
        for name in ("decay", "current_decay"):
            value = getattr(self, name)
            if value is None and name == "current_decay":
                continue
            if not isinstance(value, int) or not 0 <= value <= DECAY_ONE:
                raise NetworkError(f"{name} must be an integer from 0 to 32768, not {value!r}")
        if not 0 <= self.refractory <= REFRACTORY_MAX:
            raise NetworkError(
                f"refractory must be from 0 to {REFRACTORY_MAX}, not {self.refractory!r}"
            )
        if self.multi_spike and self.reset is not Reset.SUBTRACT:
            raise NetworkError(
                f"reset must be subtract with multi_spike, not {self.reset.value}: what a neuron "
                "fires several times in a tick it also loses several times"
            )

    @cached_property
    def lowest_threshold(self) -> float:
        """The threshold, the least one if every channel has its own."""
        return float(torch.as_tensor(self.threshold).min())

    @property
    def before_decay(self) -> bool:
        """Whether the reset comes before the decay."""
        return self.reset_order is ResetOrder.BEFORE_DECAY

    @property
    def share(self) -> float:
        """The share of the potential kept, decay / 2**15, exact."""
        return self.decay / (1 << DECAY_FRACTION_BITS)

    @property
    def held(self) -> float:
        """The potential of a refractory neuron."""
        return min(max(self.reset_value, self.floor), self.ceiling)

    @property
    def plain(self) -> bool:
        """Whether a neuron has one potential and nothing else."""
        return not self.refractory and self.current_decay is None and not self.multi_spike


@dataclass(frozen=True)
class Feedback:
    """What a population sends to itself: ``weight`` [n, n], destination first, and ``delay``."""

    weight: Tensor
    delay: int = 1


@dataclass(frozen=True)
class Run:
    """What a population did; all [T, ..., channels] but ``final``, V after the last tick.

    ``currents`` (C before it is clipped) and ``resting`` (refractory) are None where there
    is no such thing.
    """

    spikes: Tensor
    potentials: Tensor
    final: Tensor
    currents: Tensor | None = None
    resting: Tensor | None = None

    def of(self, part: slice) -> Run:
        """Return the views of some samples."""
        return Run(
            self.spikes[:, part],
            self.potentials[:, part],
            self.final[part],
            None if self.currents is None else self.currents[:, part],
            None if self.resting is None else self.resting[:, part],
        )


def decay_in_place(value: Tensor, decay: int, integer: bool, bits: int = 18) -> None:
    """Multiply by decay / 2**15, truncated towards zero if ``integer``.

    ``bits`` are those of the values: as long as those of the product fit, float32 holds it
    exactly; else it is formed in float64.
    """
    if decay == DECAY_ONE:
        return
    share = decay / (1 << DECAY_FRACTION_BITS)
    if not integer:
        value.mul_(share)
    elif decay == 0:
        value.zero_()
    elif bits + (decay // (decay & -decay)).bit_length() <= FLOAT32_BITS:
        value.mul_(share).trunc_()
    else:
        value.copy_(value.double().mul_(share).trunc_())


def reset_in_place(potential: Tensor, spikes: Tensor, p: LIFParameters) -> None:
    """Reset where ``spikes`` are above 0."""
    if p.reset is Reset.SUBTRACT:
        if isinstance(p.threshold, Tensor):
            potential.addcmul_(spikes, p.threshold.to(spikes.dtype), value=-1)
        else:
            potential.sub_(spikes, alpha=p.threshold)
    elif p.reset is not Reset.NONE:
        potential.addcmul_(potential, spikes, value=-1)
        if p.reset is Reset.VALUE and p.reset_value:
            potential.add_(spikes, alpha=p.reset_value)


def clip_in_place(potential: Tensor, p: LIFParameters) -> None:
    """Clip to floor and ceiling."""
    if p.floor > -math.inf or p.ceiling < math.inf:
        potential.clamp_(p.floor, p.ceiling)


def _fire(h: Tensor, p: LIFParameters, out: Tensor) -> None:
    if p.reset is Reset.NONE:
        out.zero_()
    elif p.multi_spike:
        torch.div(h, p.threshold, rounding_mode="floor", out=out)
        out.clamp_(0, MAGNITUDE_MAX)
    else:
        torch.ge(h, p.threshold, out=out)


@torch.no_grad()
def simulate(
    current: Tensor,
    p: LIFParameters,
    bias: Tensor | None = None,
    feedback: Feedback | None = None,
) -> Run:
    """Run the neurons over all ticks, without gradients.

    Parameters
    ----------
    current
        float [T, ..., channels]: sum of the weighted inputs of each tick; whole numbers if
        ``p.integer``.
    p
        The parameters.
    bias
        [] or [channels], added to H; to ``p.bias`` if that is not 0.
    feedback
        The projection of the population to itself; ``current`` is then [T, N, n].
    """
    out = Run(
        torch.empty(current.shape, dtype=current.dtype),
        torch.empty(current.shape, dtype=current.dtype),
        torch.empty(current.shape[1:], dtype=current.dtype),
        None if p.current_decay is None else torch.empty(current.shape, dtype=current.dtype),
        torch.empty(current.shape, dtype=torch.bool) if p.refractory else None,
    )
    for part in sample_parts(current) if feedback is None else [slice(None)]:
        _simulate(current[:, part], p, bias, feedback, out.of(part))
    return out


def sample_parts(current: Tensor) -> list[slice]:
    """Return the samples of [T, N, ...] in parts small enough for a processor's cache."""
    step = max(1, PART_VALUES // max(current[:, :1].numel(), 1))
    return [slice(at, at + step) for at in range(0, current.shape[1], step)]


def _simulate(
    current: Tensor, p: LIFParameters, bias: Tensor | None, feedback: Feedback | None, out: Run
) -> None:
    """Fill ``out``."""
    potentials, spikes, v = out.potentials, out.spikes, out.final
    currents, resting = out.currents, out.resting
    v.fill_(p.initial)
    c = torch.zeros_like(v)
    rest = torch.zeros_like(v) if p.refractory else None
    for t, (h, s, i) in enumerate(zip(potentials, spikes, current, strict=True)):
        if feedback is not None and t >= feedback.delay:
            i = i + torch.nn.functional.linear(spikes[t - feedback.delay], feedback.weight)
        if currents is not None and p.current_decay is not None:
            i = torch.add(c, i, out=currents[t])
            c.copy_(i)
            if p.integer:
                c.clamp_(POTENTIAL_MIN, POTENTIAL_MAX)
            decay_in_place(c, p.current_decay, p.integer, bits=16)
        torch.add(v, i, out=h)
        if p.bias:
            h.add_(p.bias)
        if bias is not None:
            h.add_(bias)
        if rest is not None and resting is not None:
            torch.gt(rest, 0, out=resting[t])
            h[resting[t]] = p.held
        _fire(h, p, s)
        if resting is not None:
            s[resting[t]] = 0
        v.copy_(h)
        if p.before_decay:
            reset_in_place(v, s, p)
            clip_in_place(v, p)
            decay_in_place(v, p.decay, p.integer, bits=16)
        else:
            decay_in_place(v, p.decay, p.integer)
            reset_in_place(v, s, p)
            clip_in_place(v, p)
        if rest is not None and resting is not None:
            v[resting[t]] = p.held
            rest.sub_(1).clamp_(min=0)
            rest[s > 0] = p.refractory


def lif_trace(current: Tensor, p: LIFParameters) -> tuple[Tensor, Tensor, Tensor]:
    """Return spikes and H, [T, ..., channels], and the final V, of :func:`simulate`."""
    run = simulate(current, p)
    return run.spikes, run.potentials, run.final

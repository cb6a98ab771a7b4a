"""LIF neurons over all ticks at once, forward and backward.

One tick, in this order (docs/spec/semantics.md)::

    H = V + bias + current
    S = H >= threshold                       (never, with reset none)
    before_decay:   V = decay(clip(reset(H, S)))
    after_decay:    V = clip(reset(decay(H), S))

These are charge, fire and reset of eqs. (4) to (6) of the review of surrogate-gradient
methods by Fang, Zhu, Huang, Yao, Yu and Tian, with the decay at the end of the tick.
The float neuron is the real-valued twin: same order, no rounding.  The integer neuron
carries whole numbers in float tensors and computes the very integers of the contract:
sums are exact in float32 while they stay below 2**24, and the product of the decay,
up to 2**33, is formed in float64 before it is truncated towards zero.

The gradient is written by hand.  With u = dL/dS * surrogate(H) and a = dH[t+1]/dH[t] it
is the linear recurrence g[t] = u[t] + a[t] * g[t+1], so that all but one operation a tick
runs over the ticks together.  Rounding passes the gradient straight through (Bengio,
Leonard and Courville 2013); clipping passes it inside the limits only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..spec.errors import NetworkError
from ..spec.network import Reset, ResetOrder
from ..spec.numfmt import DECAY_FRACTION_BITS, DECAY_ONE
from .surrogates import ArcTan, Surrogate


@dataclass(frozen=True)
class LIFParameters:
    """The parameters of a population, as real numbers or as the contract's integers.

    Parameters
    ----------
    threshold
        Fires when H >= threshold; above 0.
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
        Must be 0.
    integer
        True for the contract's integers: the decay is truncated towards zero.
    detach_reset
        True to leave the reset out of the gradient (Zenke and Vogels 2021).
    """

    threshold: float
    decay: int
    bias: float = 0
    reset: Reset = Reset.SUBTRACT
    reset_order: ResetOrder = ResetOrder.BEFORE_DECAY
    reset_value: float = 0
    initial: float = 0
    floor: float = -math.inf
    ceiling: float = math.inf
    refractory: int = 0
    integer: bool = False
    detach_reset: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "reset", Reset(self.reset))
        object.__setattr__(self, "reset_order", ResetOrder(self.reset_order))
        if not self.threshold > 0:
            raise NetworkError(f"threshold must be above 0, not {self.threshold!r}")
        if not isinstance(self.decay, int) or not 0 <= self.decay <= DECAY_ONE:
            raise NetworkError(f"decay must be an integer from 0 to 32768, not {self.decay!r}")
        if self.refractory:
            raise NetworkError(
                f"refractory must be 0 in training, not {self.refractory!r}; "
                "set it on the trained network if the task allows"
            )

    @property
    def before_decay(self) -> bool:
        """Whether the reset comes before the decay."""
        return self.reset_order is ResetOrder.BEFORE_DECAY

    @property
    def share(self) -> float:
        """The share of the potential kept, decay / 2**15, exact."""
        return self.decay / (1 << DECAY_FRACTION_BITS)


def _decay(potential: Tensor, p: LIFParameters, wide: Tensor) -> None:
    """Decay in place; ``wide`` is a float64 buffer of the same shape."""
    if p.decay == DECAY_ONE:
        return
    if not p.integer:
        potential.mul_(p.share)
        return
    wide.copy_(potential)
    potential.copy_(wide.mul_(p.share).trunc_())


def _reset(potential: Tensor, spikes: Tensor, p: LIFParameters) -> None:
    """Reset in place where ``spikes`` is 1."""
    if p.reset is Reset.SUBTRACT:
        potential.sub_(spikes, alpha=p.threshold)
    elif p.reset is not Reset.NONE:
        potential.addcmul_(potential, spikes, value=-1)
        if p.reset is Reset.VALUE and p.reset_value:
            potential.add_(spikes, alpha=p.reset_value)


def _clip(potential: Tensor, p: LIFParameters) -> None:
    if p.floor > -math.inf or p.ceiling < math.inf:
        potential.clamp_(p.floor, p.ceiling)


@torch.no_grad()
def lif_trace(current: Tensor, p: LIFParameters) -> tuple[Tensor, Tensor, Tensor]:
    """Run the neurons over all ticks, without gradients.

    Parameters
    ----------
    current
        float [T, N, n]: sum of the weighted inputs of each tick; whole numbers if
        ``p.integer``.
    p
        The parameters.

    Returns
    -------
    spikes
        [T, N, n], 0 or 1.
    potentials
        H, [T, N, n]: what a membrane probe shows.
    final
        V after the last tick, [N, n].
    """
    potentials, spikes = torch.empty_like(current), torch.zeros_like(current)
    potential = torch.full_like(current[0], p.initial)
    wide = torch.empty_like(potential, dtype=torch.float64)
    for h, s, i in zip(potentials, spikes, current, strict=True):
        torch.add(potential, i, out=h)
        if p.bias:
            h.add_(p.bias)
        if p.reset is not Reset.NONE:
            torch.ge(h, p.threshold, out=s)
        potential.copy_(h)
        if p.before_decay:
            _reset(potential, s, p)
            _clip(potential, p)
            _decay(potential, p, wide)
        else:
            _decay(potential, p, wide)
            _reset(potential, s, p)
            _clip(potential, p)
    return spikes, potentials, potential


def _inside(h: Tensor, s: Tensor, p: LIFParameters) -> Tensor | None:
    """Return 1 where the clip passed its input and 0 elsewhere; None if it passed all."""
    low, high = torch.aminmax(h)
    lowest = min(float(low), -p.threshold, p.reset_value)
    if p.floor <= lowest and max(float(high), p.reset_value) <= p.ceiling:
        return None
    value = h.clone()
    if not p.before_decay:
        value = value.mul_(p.share)
        if p.integer:
            value = (h.double() * p.share).trunc_().to(h.dtype)
    _reset(value, s, p)
    return ((value >= p.floor) & (value <= p.ceiling)).to(h.dtype)


def _carry(h: Tensor, s: Tensor, slope: Tensor, p: LIFParameters) -> Tensor | float:
    """Return dH[t+1]/dH[t], [T, N, n], or the one number it is everywhere."""
    inside = _inside(h, s, p)
    zeroing = p.reset in (Reset.ZERO, Reset.VALUE)
    through = (1 - s).mul_(p.share) if zeroing else None
    if not p.detach_reset and p.reset is not Reset.NONE:
        if zeroing:
            jump = p.reset_value - (h if p.before_decay else h * p.share)
        else:
            jump = torch.full_like(h, -p.threshold)
        if p.before_decay:
            jump = jump * p.share
        through = (p.share if through is None else through) + jump * slope
    if through is None:
        return p.share if inside is None else inside.mul_(p.share)
    return through if inside is None else through.mul_(inside)


def _slope(h: Tensor, p: LIFParameters, surrogate: Surrogate) -> Tensor:
    """Return the stand-in for dS/dH, [T, N, n]."""
    if p.reset is Reset.NONE:
        return torch.zeros_like(h)
    slope = surrogate.gradient((h - p.threshold).mul_(1 / p.threshold))
    return slope.mul_(1 / p.threshold)


def _share_gradient(h: Tensor, s: Tensor, later: Tensor, p: LIFParameters) -> Tensor:
    """Return dL/dshare, a scalar, where ``later`` is dL/dV of each tick, [T, N, n]."""
    decayed = h.clone()
    if p.before_decay:
        _reset(decayed, s, p)
        _clip(decayed, p)
    else:
        if p.reset in (Reset.ZERO, Reset.VALUE):
            decayed.addcmul_(decayed, s, value=-1)
        inside = _inside(h, s, p)
        if inside is not None:
            decayed.mul_(inside)
    return (decayed * later).sum()


class _LIF(torch.autograd.Function):
    """Spikes and final potential of :func:`lif_trace`, with their gradient."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, share: Tensor | None, p: LIFParameters, surrogate: Surrogate
    ) -> tuple[Tensor, Tensor]:
        spikes, potentials, final = lif_trace(current, p)
        ctx.save_for_backward(potentials, spikes)
        ctx.facts = p, surrogate
        ctx.set_materialize_grads(False)
        return spikes, final

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor, Tensor | None, None, None]:
        h, s = ctx.saved_tensors
        p, surrogate = ctx.facts
        of_spikes, of_final = grads
        slope = _slope(h, p, surrogate)
        out = torch.zeros_like(h) if of_spikes is None else of_spikes * slope
        carry = _carry(h, s, slope, p)
        if of_final is not None:
            out[-1].add_(of_final * (carry if isinstance(carry, float) else carry[-1]))
        for t in range(len(out) - 2, -1, -1):
            if isinstance(carry, float):
                out[t].add_(out[t + 1], alpha=carry)
            else:
                out[t].addcmul_(carry[t], out[t + 1])
        of_share = None
        if ctx.needs_input_grad[1]:
            last = torch.zeros_like(out[0]) if of_final is None else of_final
            of_share = _share_gradient(h, s, torch.cat([out[1:], last[None]]), p)
        return out, of_share, None, None


def lif_final(
    current: Tensor, p: LIFParameters, surrogate: Surrogate, share: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return spikes, [T, N, n], and final V, [N, n], of :func:`lif_trace`, with gradients.

    Parameters
    ----------
    current, p, surrogate
        As of :func:`lif_trace` and :class:`LIF`.
    share
        Scalar that gets the gradient of the decay; the forward pass uses ``p.decay``
        (Fang et al. 2021, PLIF, with the rounding to Q0.15 passed straight through).
    """
    return _LIF.apply(current, share, p, surrogate)


def lif(current: Tensor, p: LIFParameters, surrogate: Surrogate) -> Tensor:
    """Return the spikes, [T, N, n], of :func:`lif_trace`, with a surrogate gradient."""
    return lif_final(current, p, surrogate)[0]


class LIF(nn.Module):
    """A population of leaky integrate-and-fire neurons.

    Parameters
    ----------
    parameters
        What the neurons do; may be replaced at any time.
    surrogate
        Stand-in for the derivative of a spike; :class:`ArcTan` if absent.

    Notes
    -----
    The input is the current of each tick, time first: [T, N, n].  The output is of the
    same shape.
    """

    def __init__(self, parameters: LIFParameters, surrogate: Surrogate | None = None) -> None:
        super().__init__()
        self.neuron = parameters
        self.surrogate = surrogate or ArcTan()

    def forward(self, current: Tensor) -> Tensor:
        """Return the spikes, [T, N, n], of the currents, [T, N, n]."""
        return lif(current, self.neuron, self.surrogate)

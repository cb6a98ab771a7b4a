"""The gradient of the neurons, written by hand.

With u = dL/dS * surrogate(H) and a = dH[t+1]/dH[t] it is the linear recurrence
g[t] = u[t] + a[t] * g[t+1], so that all but one operation a tick runs over the ticks
together.  A synaptic current adds a second recurrence of that form, and feedback of delay k
adds g[t+k] times its weights to dL/dS[t].  Rounding passes the gradient straight through
(Bengio, Leonard and Courville 2013); clipping passes it inside the limits only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..spec.network import Reset
from ..spec.numfmt import DECAY_FRACTION_BITS, MAGNITUDE_MAX, POTENTIAL_MAX, POTENTIAL_MIN
from .neurons import (
    Feedback,
    LIFParameters,
    Run,
    clip_in_place,
    reset_in_place,
    sample_parts,
    simulate,
)
from .surrogates import ArcTan, Surrogate


def _decayed(h: Tensor, p: LIFParameters) -> Tensor:
    if p.integer:
        return (h.double() * p.share).trunc_().to(h.dtype)
    return h * p.share


def _inside(h: Tensor, s: Tensor, p: LIFParameters) -> Tensor | None:
    """Return 1 where the clip passed its input and 0 elsewhere; None if it passed all."""
    low, high = torch.aminmax(h)
    drop = float(torch.as_tensor(p.threshold).max())
    lowest = min(float(low), -drop, p.reset_value)
    if p.floor <= lowest and max(float(high), p.reset_value) <= p.ceiling:
        return None
    value = h.clone() if p.before_decay else _decayed(h, p)
    reset_in_place(value, s, p)
    return ((value >= p.floor) & (value <= p.ceiling)).to(h.dtype)


def _carry(h: Tensor, s: Tensor, slope: Tensor, p: LIFParameters) -> Tensor | float:
    """Return dH[t+1]/dH[t], [T, ..., channels], or the one number it is everywhere."""
    inside = _inside(h, s, p)
    zeroing = p.reset in (Reset.ZERO, Reset.VALUE)
    through = (1 - s).mul_(p.share) if zeroing else None
    if not p.detach_reset and p.reset is not Reset.NONE:
        if zeroing:
            jump = p.reset_value - (h if p.before_decay else h * p.share)
        else:
            jump = torch.zeros_like(h) - p.threshold
        if p.before_decay:
            jump = jump * p.share
        through = (p.share if through is None else through) + jump * slope
    if through is None:
        return p.share if inside is None else inside.mul_(p.share)
    return through if inside is None else through.mul_(inside)


def _slope(h: Tensor, p: LIFParameters, surrogate: Surrogate) -> Tensor:
    """Return the stand-in for dS/dH, [T, ..., channels].

    A neuron that may fire several times in a tick has a bump at every multiple of its
    threshold; below the first one, the distance is that to the first.
    """
    if p.reset is Reset.NONE:
        return torch.zeros_like(h)
    x = (h - p.threshold).mul_(1 / p.threshold)
    if not p.multi_spike:
        return surrogate.gradient(x).mul_(1 / p.threshold)
    below = x < MAGNITUDE_MAX - 0.5
    return surrogate.gradient(x - x.round().clamp_(min=0)).mul_(1 / p.threshold).mul_(below)


def _share_gradient(h: Tensor, s: Tensor, later: Tensor, p: LIFParameters) -> Tensor:
    """Return dL/dshare, a scalar, where ``later`` is dL/dV of each tick, [T, ..., channels]."""
    decayed = h.clone()
    if p.before_decay:
        reset_in_place(decayed, s, p)
        clip_in_place(decayed, p)
    else:
        if p.reset in (Reset.ZERO, Reset.VALUE):
            decayed.addcmul_(decayed, s, value=-1)
        inside = _inside(h, s, p)
        if inside is not None:
            decayed.mul_(inside)
    return (decayed * later).sum()


@dataclass(frozen=True)
class _Facts:
    p: LIFParameters
    surrogate: Surrogate
    delay: int


class _Neurons(torch.autograd.Function):
    """Spikes and final potential of :func:`.neurons.simulate`, with their gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        current: Tensor,
        share: Tensor | None,
        bias: Tensor | None,
        weight: Tensor | None,
        facts: _Facts,
    ) -> tuple[Tensor, Tensor]:
        feedback = None if weight is None else Feedback(weight, facts.delay)
        run = simulate(current, facts.p, bias, feedback)
        ctx.save_for_backward(run.potentials, run.spikes, run.currents, run.resting, weight, bias)
        ctx.facts = facts
        ctx.set_materialize_grads(False)
        return run.spikes, run.final

    @staticmethod
    def backward(
        ctx: Any, *grads: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, None]:
        h, s, c, resting, weight, bias = ctx.saved_tensors
        run, wanted = Run(s, h, h[0], c, resting), ctx.needs_input_grad
        asked = _Asked(
            ctx.facts, grads[0], grads[1], weight, wanted[1], bias if wanted[2] else None
        )
        if weight is not None:
            of_input, of_share, of_bias = _part_gradient(run, asked)
            return of_input, of_share, of_bias, _of_feedback(of_input, s, weight, ctx.facts), None
        of_input, of_share, of_bias = torch.empty_like(h), None, None
        for part in sample_parts(h):
            of_part, *others = _part_gradient(run.of(part), asked.of(part))
            of_input[:, part] = of_part
            of_share, of_bias = _add(of_share, others[0]), _add(of_bias, others[1])
        return of_input, of_share, of_bias, None, None


def _add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None or b is None else a + b


@dataclass(frozen=True)
class _Asked:
    """What the gradient is asked for: dL/dS, dL/dV at the end, and who wants to know."""

    facts: _Facts
    of_spikes: Tensor | None
    of_final: Tensor | None
    weight: Tensor | None
    share: bool
    bias: Tensor | None

    def of(self, part: slice) -> _Asked:
        """Return the same of some samples."""
        return replace(
            self,
            of_spikes=None if self.of_spikes is None else self.of_spikes[:, part],
            of_final=None if self.of_final is None else self.of_final[part],
        )


def _part_gradient(run: Run, asked: _Asked) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return dL/dinput, dL/dshare and dL/dbias."""
    h, s, c, resting = run.potentials, run.spikes, run.currents, run.resting
    p, of_spikes, of_final = asked.facts.p, asked.of_spikes, asked.of_final
    slope = _slope(h, p, asked.facts.surrogate)
    carry = _carry(h, s, slope, p)
    if resting is not None:
        still = resting | (s > 0)  # a spike ends in ticks at rest, whatever H was
        slope = slope.masked_fill(resting, 0)
        carry = torch.zeros_like(h).add_(carry).masked_fill_(still, 0)
    if asked.weight is None:
        of_h = _of_potentials(slope, carry, of_spikes, of_final)
        of_input = of_h if c is None else _of_currents(of_h, c, p)
    else:
        of_h, of_input = _with_feedback(
            slope, carry, of_spikes, of_final, c, asked.weight, asked.facts
        )
    of_share = of_bias = None
    if asked.share:
        last = torch.zeros_like(of_h[0]) if of_final is None else of_final
        later = torch.cat([of_h[1:], last[None]])
        if resting is not None:
            later = later.masked_fill(still, 0)
        of_share = _share_gradient(h, s, later, p)
    if asked.bias is not None:
        of_bias = of_h.sum_to_size(asked.bias.shape)
    return of_input, of_share, of_bias


def _of_feedback(of_input: Tensor, s: Tensor, weight: Tensor, facts: _Facts) -> Tensor:
    """Return dL/dweight of the feedback."""
    ticks, n = len(s) - facts.delay, s.shape[-1]
    if ticks < 1:
        return torch.zeros_like(weight)
    return of_input[facts.delay :].reshape(-1, n).T @ s[:ticks].reshape(-1, n)


def _last(like: Tensor, carry: Tensor | float, of_final: Tensor | None) -> Tensor:
    """Return what the final potential adds to dL/dH of the last tick."""
    if of_final is None:
        return torch.zeros_like(like)
    return of_final * (carry if isinstance(carry, float) else carry[-1])


def _of_potentials(
    slope: Tensor, carry: Tensor | float, of_spikes: Tensor | None, of_final: Tensor | None
) -> Tensor:
    """Return dL/dH."""
    out = torch.zeros_like(slope) if of_spikes is None else of_spikes * slope
    out[-1].add_(_last(slope[-1], carry, of_final))
    return _carried_back(out, carry)


def _carried_back(out: Tensor, carry: Tensor | float) -> Tensor:
    """Return the recurrence g[t] = u[t] + carry[t] * g[t + 1], in place of u."""
    for t in range(len(out) - 2, -1, -1):
        if isinstance(carry, float):
            out[t].add_(out[t + 1], alpha=carry)
        else:
            out[t].addcmul_(carry[t], out[t + 1])
    return out


def _current_carry(c: Tensor, p: LIFParameters) -> Tensor | float:
    """Return dC[t+1]/dC[t]."""
    assert p.current_decay is not None
    share = p.current_decay / (1 << DECAY_FRACTION_BITS)
    if not p.integer:
        return share
    return ((c >= POTENTIAL_MIN) & (c <= POTENTIAL_MAX)).to(c.dtype).mul_(share)


def _of_currents(of_h: Tensor, c: Tensor, p: LIFParameters) -> Tensor:
    """Return dL/dinput where H sees the synaptic current C."""
    return _carried_back(of_h.clone(), _current_carry(c, p))


def _with_feedback(
    slope: Tensor,
    carry: Tensor | float,
    of_spikes: Tensor | None,
    of_final: Tensor | None,
    c: Tensor | None,
    weight: Tensor,
    facts: _Facts,
) -> tuple[Tensor, Tensor]:
    """Return dL/dH and dL/dinput of a population that sends to itself."""
    ticks = len(slope)
    of_h, of_input = torch.zeros_like(slope), torch.zeros_like(slope)
    of_h[-1] = _last(slope[-1], carry, of_final)
    second = None if c is None else _current_carry(c, facts.p)
    for t in range(ticks - 1, -1, -1):
        u = torch.zeros_like(of_h[t]) if of_spikes is None else of_spikes[t].clone()
        if t + facts.delay < ticks:
            u.addmm_(of_input[t + facts.delay], weight)
        of_h[t].addcmul_(u, slope[t])
        if t + 1 < ticks:
            of_h[t] += of_h[t + 1] * (carry if isinstance(carry, float) else carry[t])
        of_input[t] = of_h[t]
        if second is not None and t + 1 < ticks:
            of_input[t] += of_input[t + 1] * (second if isinstance(second, float) else second[t])
    return of_h, of_input


def fire(
    current: Tensor,
    p: LIFParameters,
    surrogate: Surrogate,
    share: Tensor | None = None,
    bias: Tensor | None = None,
    feedback: Feedback | None = None,
) -> tuple[Tensor, Tensor]:
    """Return spikes, [T, ..., channels], and final V of a population, with gradients.

    Parameters
    ----------
    current, p, bias, feedback
        As of :func:`spikeloom.train.neurons.simulate`.
    surrogate
        Stand-in for the derivative of a spike.
    share
        Scalar that gets the gradient of the decay; the forward pass uses ``p.decay``
        (Fang et al. 2021, PLIF, with the rounding to Q0.15 passed straight through).
    """
    weight, delay = (None, 1) if feedback is None else (feedback.weight, feedback.delay)
    spikes, final = _Neurons.apply(current, share, bias, weight, _Facts(p, surrogate, delay))
    return spikes, final


def lif_final(
    current: Tensor, p: LIFParameters, surrogate: Surrogate, share: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return spikes and final V of :func:`fire` without feedback."""
    return fire(current, p, surrogate, share)


def lif(current: Tensor, p: LIFParameters, surrogate: Surrogate) -> Tensor:
    """Return the spikes, [T, ..., channels], with a surrogate gradient."""
    return fire(current, p, surrogate)[0]


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
    The input is the current of each tick, time first: [T, ..., channels].  The output is of
    the same shape.
    """

    def __init__(self, parameters: LIFParameters, surrogate: Surrogate | None = None) -> None:
        super().__init__()
        self.neuron = parameters
        self.surrogate = surrogate or ArcTan()

    def forward(self, current: Tensor) -> Tensor:
        """Return the spikes of the currents."""
        return lif(current, self.neuron, self.surrogate)

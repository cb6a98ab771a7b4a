"""A population in training: the projections that end at it, and its neurons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..spec.errors import NetworkError, UsageError
from ..spec.network import Reset, ResetOrder
from ..spec.numfmt import DECAY_ONE, MAGNITUDE_MAX, POTENTIAL_MAX, POTENTIAL_MIN
from .gradient import fire
from .neurons import Feedback, LIFParameters, Run, simulate
from .plan import Planned
from .quantise import Part, best_shifts, candidate_steps, choose_step, quantise_bias
from .surrogates import Surrogate
from .synapses import Synapses

EXACT = 1 << 24
"""Whole numbers below this are exact in float32, and so are their sums."""


@dataclass(frozen=True)
class NeuronConfig:
    """The neurons of a population in real numbers; potentials count in thresholds.

    Parameters
    ----------
    decay
        0 to 1, share of the potential kept; rounded to a multiple of 2**-15 in either mode.
    reset, reset_order
        As of :class:`spikeloom.spec.network.Population`.
    reset_value
        Potential after a spike, for reset ``value``.
    initial
        Potential at the start of a sample.
    floor
        Lower clip of the potential, 0 or less; None for that of 16 bits.
    detach_reset
        True to leave the reset out of the gradient.
    learn_decay
        Whether the decay is trained, one for the population, from ``decay`` (PLIF).
    bias
        Whether a bias is trained, from 0: one for the population, or with ``per_channel``
        one for each channel.  A norm brings one for each channel in any case.
    current_decay
        0 to 1, share of a synaptic current kept from tick to tick (CUBA-LIF); None for none.
    multi_spike
        Whether a neuron fires floor(H / threshold) times in a tick.
    refractory
        0 to 15 ticks.
    per_channel
        Whether each channel has a threshold of its own (and a bias): a step of its own for
        its weights, so that none is coarser than it need be.
    learn_threshold
        Whether thresholds are trained, from 1; one for the population or for each channel.

    Notes
    -----
    A population whose threshold, weights, bias, reset value, initial potential and floor
    are all multiplied by one positive number gives the same spikes, so a learnt threshold
    is a scale of the weights: it divides them and the bias before they are quantised.
    """

    decay: float = 0.9
    reset: Reset = Reset.SUBTRACT
    reset_order: ResetOrder = ResetOrder.BEFORE_DECAY
    reset_value: float = 0.0
    initial: float = 0.0
    floor: float | None = None
    detach_reset: bool = True
    learn_decay: bool = False
    bias: bool = False
    current_decay: float | None = None
    multi_spike: bool = False
    refractory: int = 0
    per_channel: bool = False
    learn_threshold: bool = False

    def __post_init__(self) -> None:
        if self.learn_decay and not 0 < self.decay < 1:
            raise UsageError(
                f"decay must be above 0 and below 1 to be learnt (plif), not {self.decay:g}"
            )
        if self.multi_spike and Reset(self.reset) not in (Reset.SUBTRACT, Reset.NONE):
            raise UsageError(
                f"reset must be subtract with multi_spike, not {Reset(self.reset).value}"
            )
        if self.per_channel and (self.reset_value or self.initial or self.floor is not None):
            raise UsageError(
                "reset_value and initial must be 0 and floor absent with per_channel: they are "
                "integers of the whole population, and every channel has a step of its own"
            )

    def readout(self, decay: float | None = None) -> NeuronConfig:
        """Return the neurons that never fire, for an output that is read as a potential.

        ``decay`` is theirs, not to be learnt, if it is given.
        """
        learns = self.learn_decay and decay is None
        return replace(
            self, reset=Reset.NONE, reset_value=0.0, multi_spike=False, refractory=0,
            per_channel=False, decay=self.decay if decay is None else decay, learn_decay=learns,
        )  # fmt: skip

    def parameters(self, threshold: int | Tensor) -> LIFParameters:
        """Return the parameters for integer ``threshold``, or real ones for 0."""
        floor = float("-inf") if self.floor is None else self.floor
        current = self.current_decay
        real = LIFParameters(
            threshold=1.0,
            decay=round(self.decay * DECAY_ONE),
            reset=self.reset,
            reset_order=self.reset_order,
            reset_value=self.reset_value,
            initial=max(self.initial, floor),
            floor=floor,
            refractory=self.refractory,
            current_decay=None if current is None else round(current * DECAY_ONE),
            multi_spike=self.multi_spike,
            detach_reset=self.detach_reset,
        )
        if not bool(torch.as_tensor(threshold).any()):
            return real
        one = threshold if isinstance(threshold, int) else int(threshold.reshape(-1)[0])

        def scaled(value: float, low: int = POTENTIAL_MIN) -> int:
            return int(min(max(round(value * one), low), POTENTIAL_MAX))

        lowest = POTENTIAL_MIN if self.floor is None else scaled(self.floor)
        return replace(
            real,
            threshold=threshold if isinstance(threshold, Tensor) and threshold.ndim else one,
            reset_value=scaled(self.reset_value),
            initial=scaled(self.initial, lowest),
            floor=lowest,
            ceiling=POTENTIAL_MAX,
            integer=True,
        )


class SpikingLayer(nn.Module):
    """A population and the projections that end at it.

    Parameters
    ----------
    planned
        Name, shape and whether it only adds.
    synapses
        Its projections, feedback included.
    neuron
        The neurons.
    surrogate
        Stand-in for the derivative of a spike.

    Notes
    -----
    The buffer ``threshold`` is 0 while the layer is real-valued, with the threshold at 1,
    and the integer threshold, [] or [channels], once it is quantised.
    """

    threshold: Tensor

    def __init__(
        self,
        planned: Planned,
        synapses: list[Synapses],
        neuron: NeuronConfig,
        surrogate: Surrogate,
    ) -> None:
        super().__init__()
        self.name, self.shape, self.relay = planned.name, planned.shape, planned.relay
        self.neuron, self.surrogate = neuron, surrogate
        greatest = sum(s.worst_integer for s in synapses) + POTENTIAL_MAX
        if greatest >= EXACT:
            most = max(synapses, key=lambda s: s.worst_integer)
            raise NetworkError(
                f"population {self.name} must have sums below {EXACT} to be exact in float32, not "
                f"up to {greatest}: {most.fan_in} sources of magnitude {most.magnitude}; use fewer"
            )
        self.synapses = nn.ModuleList(synapses)
        granularity = (self.shape[-1],) if neuron.per_channel else ()
        learns = not self.relay
        self.bias = nn.Parameter(torch.zeros(granularity)) if neuron.bias and learns else None
        self.log_threshold = (
            nn.Parameter(torch.zeros(granularity)) if neuron.learn_threshold and learns else None
        )
        start = torch.tensor(neuron.decay, dtype=torch.float64)
        self.decay_logit = (
            nn.Parameter(start.logit().float()) if neuron.learn_decay and learns else None
        )
        if self.relay:
            for s in self.projections():
                s.weight.requires_grad_(False)
        start_threshold = torch.zeros(granularity if learns else (), dtype=torch.int64)
        self.register_buffer("threshold", start_threshold)

    def projections(self) -> list[Synapses]:
        """Return the projections that end here."""
        return [s for s in self.synapses if isinstance(s, Synapses)]

    @property
    def weight(self) -> nn.Parameter:
        """The weights of the only projection, or of the first."""
        return self.projections()[0].weight

    @property
    def quantised(self) -> bool:
        """Whether the layer computes on integers."""
        return bool(self.threshold.any())

    @property
    def graded(self) -> bool:
        """Whether a neuron may send a magnitude above 1 in a tick."""
        return self.relay or self.neuron.multi_spike

    # -- real weights and their integers ----------------------------------------------

    def _scale(self) -> Tensor | None:
        return None if self.log_threshold is None else self.log_threshold.neg().exp()

    def real_weight(self, synapses: Synapses) -> Tensor:
        """Return what a unit event adds, in thresholds, norm and learnt threshold folded in."""
        weight, scale = synapses.folded(self.name)[0], self._scale()
        if scale is None:
            return weight
        return weight * (scale.view(-1, *[1] * (weight.ndim - 1)) if scale.ndim else scale)

    def real_bias(self) -> Tensor | None:
        """Return the bias in thresholds, [] or [channels], everything folded in."""
        found = self.bias
        for synapses in self.projections():
            shift = synapses.folded(self.name)[1]
            if shift is not None:
                found = shift if found is None else found + shift
        scale = self._scale()
        return found if found is None or scale is None else found * scale

    def parts(self, magnitudes: Mapping[str, int]) -> list[Part]:
        """Return the projections as the choice of a step wants them."""
        return [
            Part(
                self.real_weight(s).detach(), s.weight_bits,
                max(s.magnitude, magnitudes.get(s.source, 1)), s.fan_in,
            )
            for s in self.projections()
        ]  # fmt: skip

    def quantise(self, magnitudes: Mapping[str, int] | None = None) -> None:
        """Choose the step and compute on integers from now on; once only.

        ``magnitudes`` are the greatest of the sources' events where they are not those of
        the plan (multi-spike neurons).
        """
        if self.quantised:
            return
        if self.relay:
            self.threshold.fill_(1)
            return
        parts = self.parts(magnitudes or {})
        threshold, shifts = choose_step(parts, self.name, self.neuron.per_channel)
        self._set(threshold, shifts)

    def candidates(self, magnitudes: Mapping[str, int] | None = None) -> list[Tensor]:
        """Return the thresholds to try; a relay has only one."""
        if self.relay:
            return [torch.ones((), dtype=torch.int64)]
        return candidate_steps(self.parts(magnitudes or {}), self.name, self.neuron.per_channel)

    def set_step(self, threshold: Tensor) -> None:
        """Compute on integers with that threshold, [] or [channels]."""
        parts = self.parts({})
        self._set(threshold, [0] * len(parts) if self.relay else best_shifts(parts, threshold)[0])

    def _set(self, threshold: Tensor, shifts: list[int]) -> None:
        self.threshold.copy_(threshold)
        for synapses, shift in zip(self.projections(), shifts, strict=True):
            synapses.shift.fill_(shift)

    def greatest_magnitude(self, magnitudes: Mapping[str, int]) -> int:
        """Return the greatest magnitude of this population's events, by the weights as they are.

        A neuron with multi-spike starts a tick below its threshold, or at it, and gains at
        most what all its sources can send.
        """
        if self.relay:
            return sum(p.fan_in * p.magnitude for p in self.parts(magnitudes))
        if not self.neuron.multi_spike:
            return 1
        channels = self.shape[-1]
        worst = torch.stack([p.worst().expand(channels) for p in self.parts(magnitudes)]).sum(0)
        bias = self.real_bias()
        total = worst if bias is None else worst + bias.detach().abs()
        return min(int(total.max()) + 1, MAGNITUDE_MAX)

    # -- neurons ----------------------------------------------------------------------

    def share(self) -> Tensor | None:
        """Return the share of the potential kept, a scalar with gradient, if it is learnt."""
        return None if self.decay_logit is None else self.decay_logit.sigmoid()

    def lif_parameters(self) -> LIFParameters:
        """Return the neurons' parameters in the present mode, the bias apart."""
        if self.relay:
            real = LIFParameters(threshold=1.0, decay=0, multi_spike=True)
            if not self.quantised:
                return real
            return replace(
                real, integer=True, threshold=1, floor=POTENTIAL_MIN, ceiling=POTENTIAL_MAX
            )
        p, share = self.neuron.parameters(self.threshold), self.share()
        return p if share is None else replace(p, decay=round(float(share.detach()) * DECAY_ONE))

    def effective_bias(self) -> Tensor | None:
        """Return the bias in use, [] or [channels]: real, or whole numbers; None for none."""
        bias = self.real_bias()
        if bias is None or not self.quantised:
            return bias
        return quantise_bias(bias, self.threshold.to(bias.dtype))

    def effective_weight(self, synapses: Synapses | None = None) -> Tensor:
        """Return the weights in use: real, or whole numbers."""
        synapses = self.projections()[0] if synapses is None else synapses
        if self.relay:
            return synapses.weight
        weight = self.real_weight(synapses)
        return synapses.integer_weight(weight, self.threshold) if self.quantised else weight

    # -- the pass over all ticks ------------------------------------------------------

    def _arriving(self, synapses: Synapses, events: Tensor) -> Tensor:
        """Return the sums of one projection, [T or 1, N, *shape], everything folded in."""
        norm = None if self.quantised else synapses.norm
        weight = self.effective_weight(synapses) if norm is None else synapses.unit_weight()
        sums = synapses.sums(events, weight, whole=self.quantised)
        if self.quantised:
            return sums * (1 << int(synapses.shift)) if synapses.shift else sums
        if norm is None:
            return sums
        sums, scale = norm(sums, len(events)), self._scale()
        return sums if scale is None else sums * scale

    def _bias(self) -> Tensor | None:
        """Return the bias that the sums do not hold: all of it, or all but the norm's."""
        if self.quantised:
            return self.effective_bias()
        scale = self._scale()
        return self.bias if self.bias is None or scale is None else self.bias * scale

    def current(self, sources: Mapping[str, Tensor] | Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the input of each tick, [T, N, *shape], feedback apart.

        ``sources`` are the events [T, N, n] of every population by name, or of the only one;
        ``bias`` is added to each tick.
        """
        arriving, ticks = bias, 0
        for synapses in self.projections():
            if synapses.source == self.name:
                continue
            events = sources if isinstance(sources, Tensor) else sources[synapses.source]
            ticks = max(ticks, len(events))
            sums = self._arriving(synapses, events)
            arriving = sums if arriving is None else arriving + sums
        assert arriving is not None
        return arriving.expand(ticks, *arriving.shape[1:])

    def feedback(self) -> Feedback | None:
        """Return the projection of the population to itself, if there is one."""
        for synapses in self.projections():
            if synapses.source == self.name:
                weight = self.effective_weight(synapses)
                return Feedback(weight * (1 << int(synapses.shift)), synapses.delay)
        return None

    def _input(self, sources: Mapping[str, Tensor] | Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the input of each tick and the bias that is not in it.

        A bias belongs to H: with a synaptic current it stays apart, else it is added once
        for all ticks together.
        """
        bias = None if self.relay else self._bias()
        if bias is None or self.neuron.current_decay is not None:
            return self.current(sources), bias
        return self.current(sources, bias), None

    def forward(self, sources: Mapping[str, Tensor] | Tensor) -> Tensor:
        """Return the spikes, [T, N, n], that the events of the sources cause."""
        return self.activity(sources)[0]

    def activity(self, sources: Mapping[str, Tensor] | Tensor) -> tuple[Tensor, Tensor]:
        """Return the spikes, [T, N, n], and the final V, [N, n], in thresholds."""
        current, bias = self._input(sources)
        if self.relay:
            flat = current.flatten(2)
            return flat, torch.zeros_like(flat[0])
        p = self.lif_parameters()
        spikes, final = fire(current, p, self.surrogate, self.share(), bias, self.feedback())
        return spikes.flatten(2), (final / p.threshold).flatten(1)

    @torch.no_grad()
    def run(self, sources: Mapping[str, Tensor] | Tensor) -> Run:
        """Return what the population does, flattened: [T, N, n] and [N, n]."""
        current, bias = self._input(sources)
        run = simulate(current, self.lif_parameters(), bias, self.feedback())
        return Run(run.spikes.flatten(2), run.potentials.flatten(2), run.final.flatten(1))

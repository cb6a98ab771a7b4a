"""Feed-forward spiking networks, float first and then on the contract's integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..spec.errors import NetworkError, UsageError
from ..spec.network import Reset, ResetOrder
from ..spec.numfmt import DECAY_ONE, POTENTIAL_MAX, POTENTIAL_MIN
from .gate import InputGate
from .neurons import LIFParameters, lif_final, lif_trace
from .quantise import choose_threshold, quantise_bias, quantise_weight
from .surrogates import ArcTan, Surrogate

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
        Whether a bias is trained, one for the population, from 0.

    Notes
    -----
    There is no learnable threshold: a population whose threshold, weights, bias, reset
    value, initial potential and floor are all multiplied by one positive number gives the
    same spikes, so a trained threshold is a trained scale of the weights.
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

    def __post_init__(self) -> None:
        if self.learn_decay and not 0 < self.decay < 1:
            raise UsageError(
                f"decay must be above 0 and below 1 to be learnt (plif), not {self.decay:g}"
            )

    def readout(self) -> NeuronConfig:
        """Return the neurons that never fire, for an output that is read as a potential."""
        return replace(self, reset=Reset.NONE, reset_value=0.0)

    def parameters(self, threshold: int) -> LIFParameters:
        """Return the parameters for an integer ``threshold``, or real ones for 0."""
        integer = threshold > 0
        floor = float("-inf") if self.floor is None else self.floor
        real = LIFParameters(
            threshold=1.0,
            decay=round(self.decay * DECAY_ONE),
            reset=self.reset,
            reset_order=self.reset_order,
            reset_value=self.reset_value,
            initial=max(self.initial, floor),
            floor=floor,
            detach_reset=self.detach_reset,
        )
        if not integer:
            return real

        def scaled(value: float, low: int = POTENTIAL_MIN) -> int:
            return int(min(max(round(value * threshold), low), POTENTIAL_MAX))

        lowest = POTENTIAL_MIN if self.floor is None else scaled(self.floor)
        return replace(
            real,
            threshold=threshold,
            reset_value=scaled(self.reset_value),
            initial=scaled(self.initial, lowest),
            floor=lowest,
            ceiling=POTENTIAL_MAX,
            integer=True,
        )


@dataclass(frozen=True)
class Activity:
    """What the loss sees, with gradients.

    ``events`` are those of the input that pass its gate, and ``spikes`` those by
    population, [T, N, n]; ``final`` is V of the output after the last tick, [N, n], in
    thresholds.
    """

    events: Tensor
    spikes: dict[str, Tensor]
    final: Tensor


@dataclass(frozen=True)
class Trace:
    """What every population did: dictionaries by population name.

    ``spikes`` and ``potentials`` (H) are [T, N, n]; ``final`` (V after the last tick) is
    [N, n].
    """

    spikes: dict[str, Tensor]
    potentials: dict[str, Tensor]
    final: dict[str, Tensor]


class SpikingLayer(nn.Module):
    """A dense projection and the population of LIF neurons it ends at.

    Parameters
    ----------
    name
        The population's name.
    n_inputs, n_neurons
        Sizes.
    neuron
        The neurons.
    surrogate
        Stand-in for the derivative of a spike.
    weight_bits
        8, 4 or 2.
    magnitude
        Greatest magnitude of a source's events.
    generator
        Draws the weights from U(-sqrt(3 / n_inputs), sqrt(3 / n_inputs)), so that the
        squares of a neuron's weights sum to 1 (Lee, Delbruck and Pfeiffer 2016).

    Notes
    -----
    The parameter ``weight`` is what an event of the greatest magnitude adds, in thresholds,
    so that initial weights and learning rate suit every magnitude.  The buffer
    ``threshold`` is 0 while the layer is real-valued, with the threshold at 1, and the
    integer threshold once it is quantised.
    """

    threshold: Tensor

    def __init__(
        self,
        name: str,
        n_inputs: int,
        n_neurons: int,
        neuron: NeuronConfig,
        surrogate: Surrogate,
        weight_bits: int,
        magnitude: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        greatest = n_inputs * magnitude * (1 << (weight_bits - 1)) + POTENTIAL_MAX
        if greatest >= EXACT:
            raise NetworkError(
                f"population {name} must have sums below {EXACT} to be exact in float32, not "
                f"up to {greatest}: {n_inputs} sources of magnitude {magnitude}; use fewer"
            )
        self.name, self.neuron, self.surrogate = name, neuron, surrogate
        self.weight_bits, self.magnitude = weight_bits, magnitude
        limit = (3 / n_inputs) ** 0.5
        draws = torch.rand(n_neurons, n_inputs, generator=generator)
        self.weight = nn.Parameter((draws * 2 - 1) * limit)
        self.bias = nn.Parameter(torch.zeros(())) if neuron.bias else None
        start = torch.tensor(neuron.decay, dtype=torch.float64)
        self.decay_logit = nn.Parameter(start.logit().float()) if neuron.learn_decay else None
        self.register_buffer("threshold", torch.zeros((), dtype=torch.int64))

    @property
    def quantised(self) -> bool:
        """Whether the layer computes on integers."""
        return bool(self.threshold)

    def quantise(self) -> None:
        """Choose the step and compute on integers from now on; once only."""
        if not self.quantised:
            self.threshold.fill_(
                choose_threshold(self.unit_weight(), self.weight_bits, self.magnitude, self.name)
            )

    def share(self) -> Tensor | None:
        """Return the share of the potential kept, a scalar with gradient, if it is learnt."""
        return None if self.decay_logit is None else self.decay_logit.sigmoid()

    def lif_parameters(self) -> LIFParameters:
        """Return the neurons' parameters in the present mode, the bias apart."""
        p, share = self.neuron.parameters(int(self.threshold)), self.share()
        return p if share is None else replace(p, decay=round(float(share.detach()) * DECAY_ONE))

    def effective_bias(self) -> Tensor | None:
        """Return the bias in use, a scalar: real, or a whole number; None if there is none."""
        if self.bias is None or not self.quantised:
            return self.bias
        return quantise_bias(self.bias, int(self.threshold))

    def unit_weight(self) -> Tensor:
        """Return what a unit event adds, [n_neurons, n_inputs], in thresholds."""
        return self.weight if self.magnitude == 1 else self.weight / self.magnitude

    def effective_weight(self) -> Tensor:
        """Return the weights in use, [n_neurons, n_inputs]: real, or whole numbers."""
        weight = self.unit_weight()
        if not self.quantised:
            return weight
        return quantise_weight(weight, int(self.threshold), self.weight_bits)

    def current(self, events: Tensor) -> Tensor:
        """Return input and bias of each tick, [T, N, n_neurons], of events [T, N, n_inputs].

        Events that are one tick's, expanded over all ticks, are weighted once.
        """
        constant = len(events) > 1 and events.stride(0) == 0
        current = nn.functional.linear(events[0] if constant else events, self.effective_weight())
        bias = self.effective_bias()
        if bias is not None:
            current = current + bias
        return current.expand(len(events), *current.shape) if constant else current

    def forward(self, events: Tensor) -> Tensor:
        """Return the spikes, [T, N, n_neurons], that the events [T, N, n_inputs] cause."""
        return self.activity(events)[0]

    def activity(self, events: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spikes and the final potential V, [N, n_neurons], in thresholds."""
        p = self.lif_parameters()
        spikes, final = lif_final(self.current(events), p, self.surrogate, self.share())
        return spikes, final / p.threshold


class SpikingNetwork(nn.Module):
    """Dense layers of LIF neurons: inputs, hidden populations, one output population.

    Parameters
    ----------
    sizes
        Neurons of the input, of each hidden population and of the output.
    neuron
        The neurons of every population.
    surrogate
        Stand-in for the derivative of a spike; :class:`ArcTan` if absent.
    weight_bits
        8, 4 or 2.
    max_magnitude
        Greatest magnitude of an input event, 1 to 127.
    dropout
        0 to below 1: share of the hidden neurons silenced for a whole sample in float
        training (never once quantised).
    seed
        Seed of the initial weights.
    readout
        Whether the output population never fires and is read as a potential.
    gate_ticks
        Ticks of a sample if an :class:`InputGate` is to be learnt, else 0.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        neuron: NeuronConfig | None = None,
        surrogate: Surrogate | None = None,
        weight_bits: int = 8,
        max_magnitude: int = 1,
        dropout: float = 0.0,
        seed: int = 0,
        readout: bool = False,
        gate_ticks: int = 0,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise NetworkError(f"sizes must name the input and the output, not {sizes!r}")
        generator = torch.Generator().manual_seed(seed)
        self.sizes, self.max_magnitude, self.dropout = tuple(sizes), max_magnitude, dropout
        self.dropout_generator = torch.Generator()
        neuron, self.readout = neuron or NeuronConfig(), readout
        self.gate = InputGate(gate_ticks, sizes[0]) if gate_ticks else None
        hidden = len(sizes) - 2
        names = ["hidden"] if hidden == 1 else [f"hidden{i + 1}" for i in range(hidden)]
        self.layers = nn.ModuleList(
            SpikingLayer(
                name, n_in, n_out,
                neuron.readout() if readout and index == hidden else neuron,
                surrogate or ArcTan(),
                weight_bits, max_magnitude if index == 0 else 1, generator,
            )
            for index, (name, n_in, n_out) in enumerate(
                zip([*names, "output"], sizes[:-1], sizes[1:], strict=True)
            )
        )  # fmt: skip

    def populations(self) -> Iterator[SpikingLayer]:
        """Return the layers, the first first."""
        for layer in self.layers:
            assert isinstance(layer, SpikingLayer)
            yield layer

    @property
    def quantised(self) -> bool:
        """Whether the network computes on integers."""
        return all(layer.quantised for layer in self.populations())

    def quantise(self) -> None:
        """Choose every population's step and compute on integers from now on."""
        for layer in self.populations():
            layer.quantise()

    def forward(self, events: Tensor) -> Tensor:
        """Return the output spikes, [T, N, n_output], of events, float [T, N, n_input]."""
        return self.activity(events).spikes["output"]

    def activity(self, events: Tensor) -> Activity:
        """Return every population's spikes and the output's potential, with gradients."""
        *hidden, output = self.populations()
        events = entered = self.gated(events)
        spikes: dict[str, Tensor] = {}
        for layer in hidden:
            events = spikes[layer.name] = layer(events)
            if self.training and self.dropout and not layer.quantised:
                events = events * self._mask(events)
        spikes[output.name], final = output.activity(events)
        return Activity(entered, spikes, final)

    def gated(self, events: Tensor) -> Tensor:
        """Return the events that pass the gate, if there is one."""
        return events if self.gate is None else self.gate(events)

    def _mask(self, spikes: Tensor) -> Tensor:
        keep = 1 - self.dropout
        draws = torch.rand(spikes.shape[1:], generator=self.dropout_generator)
        return (draws < keep).to(spikes.dtype).div_(keep)

    @torch.no_grad()
    def trace(self, events: Tensor) -> Trace:
        """Return what every population does on events, float [T, N, n_input]."""
        out, events = Trace({}, {}, {}), self.gated(events)
        for layer in self.populations():
            events, potentials, final = lif_trace(layer.current(events), layer.lif_parameters())
            out.spikes[layer.name] = events
            out.potentials[layer.name] = potentials
            out.final[layer.name] = final
        return out

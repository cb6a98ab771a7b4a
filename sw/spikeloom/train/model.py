"""Feed-forward spiking networks, float first and then on the contract's integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..spec.errors import NetworkError
from ..spec.network import Reset, ResetOrder
from ..spec.numfmt import DECAY_ONE, POTENTIAL_MAX, POTENTIAL_MIN, THRESHOLD_MAX
from .neurons import LIFParameters, lif, lif_trace
from .quantise import choose_threshold, quantise_weight
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
    """

    decay: float = 0.9
    reset: Reset = Reset.SUBTRACT
    reset_order: ResetOrder = ResetOrder.BEFORE_DECAY
    reset_value: float = 0.0
    initial: float = 0.0
    floor: float | None = None
    detach_reset: bool = True

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
    The buffer ``threshold`` is 0 while the layer is real-valued, with the threshold at 1,
    and the integer threshold once it is quantised.
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
        self.register_buffer("threshold", torch.zeros((), dtype=torch.int64))

    @property
    def quantised(self) -> bool:
        """Whether the layer computes on integers."""
        return bool(self.threshold)

    def quantise(self) -> None:
        """Choose the step and compute on integers from now on; once only."""
        if not self.quantised:
            threshold = choose_threshold(self.weight, self.weight_bits, self.magnitude, self.name)
            self.threshold.fill_(min(threshold, THRESHOLD_MAX))

    def lif_parameters(self) -> LIFParameters:
        """Return the neurons' parameters in the present mode."""
        return self.neuron.parameters(int(self.threshold))

    def effective_weight(self) -> Tensor:
        """Return the weights in use, [n_neurons, n_inputs]: real, or whole numbers."""
        if not self.quantised:
            return self.weight
        return quantise_weight(self.weight, int(self.threshold), self.weight_bits)

    def current(self, events: Tensor) -> Tensor:
        """Return the input of each tick, [T, N, n_neurons], of events [T, N, n_inputs]."""
        return nn.functional.linear(events, self.effective_weight())

    def forward(self, events: Tensor) -> Tensor:
        """Return the spikes, [T, N, n_neurons], that the events [T, N, n_inputs] cause."""
        return lif(self.current(events), self.lif_parameters(), self.surrogate)


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
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise NetworkError(f"sizes must name the input and the output, not {sizes!r}")
        generator = torch.Generator().manual_seed(seed)
        self.sizes, self.max_magnitude, self.dropout = tuple(sizes), max_magnitude, dropout
        self.dropout_generator = torch.Generator()
        hidden = len(sizes) - 2
        names = ["hidden"] if hidden == 1 else [f"hidden{i + 1}" for i in range(hidden)]
        self.layers = nn.ModuleList(
            SpikingLayer(
                name, n_in, n_out, neuron or NeuronConfig(), surrogate or ArcTan(),
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
        *hidden, output = self.populations()
        for layer in hidden:
            events = layer(events)
            if self.training and self.dropout and not layer.quantised:
                events = events * self._mask(events)
        return output(events)

    def _mask(self, spikes: Tensor) -> Tensor:
        keep = 1 - self.dropout
        draws = torch.rand(spikes.shape[1:], generator=self.dropout_generator)
        return (draws < keep).to(spikes.dtype).div_(keep)

    @torch.no_grad()
    def trace(self, events: Tensor) -> Trace:
        """Return what every population does on events, float [T, N, n_input]."""
        out = Trace({}, {}, {})
        for layer in self.populations():
            events, potentials, final = lif_trace(layer.current(events), layer.lif_parameters())
            out.spikes[layer.name] = events
            out.potentials[layer.name] = potentials
            out.final[layer.name] = final
        return out

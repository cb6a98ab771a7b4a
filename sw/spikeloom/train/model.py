"""Spiking networks, float first and then on the contract's integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .gate import InputGate
from .layer import EXACT, NeuronConfig, SpikingLayer
from .neurons import Run
from .norms import Norm
from .plan import INPUT, OUTPUT, Link, Plan, Planned, dense_plan, ends_of
from .surrogates import ArcTan, Surrogate
from .synapses import Synapses

__all__ = [
    "EXACT",
    "Activity",
    "NeuronConfig",
    "SpikingLayer",
    "SpikingNetwork",
    "Trace",
]


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


class SpikingNetwork(nn.Module):
    """Populations of spiking neurons as a plan says, computed one after the other.

    Parameters
    ----------
    plan
        The populations, or for dense layers the neurons of the input, of each hidden
        population and of the output.
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
        The neurons of an output that never fires and is read as a potential; True for those
        of the other populations without spikes, False or None for an output that fires.
    gate_ticks
        Ticks of a sample if an :class:`InputGate` is to be learnt, else 0.
    norm
        Normalisation behind the projections of hidden populations: ``none`` or one of
        :mod:`.norms`.
    ticks
        Ticks of a sample, for the norm ``tebn``.
    delay_values
        Values that a learnt delay can take.

    Notes
    -----
    Events and spikes are flat, [T, N, n], in the order of the contract's neurons: row-major
    over (height, width, channels).
    """

    def __init__(
        self,
        plan: Plan | tuple[int, ...],
        neuron: NeuronConfig | None = None,
        surrogate: Surrogate | None = None,
        weight_bits: int = 8,
        max_magnitude: int = 1,
        dropout: float = 0.0,
        seed: int = 0,
        readout: NeuronConfig | bool | None = None,
        gate_ticks: int = 0,
        norm: str = "none",
        ticks: int = 0,
        delay_values: int = 4,
    ) -> None:
        super().__init__()
        plan = plan if isinstance(plan, Plan) else dense_plan(tuple(plan))
        generator = torch.Generator().manual_seed(seed)
        self.plan, self.max_magnitude, self.dropout = plan, max_magnitude, dropout
        self.dropout_generator = torch.Generator()
        neuron, self.readout = neuron or NeuronConfig(), bool(readout)
        output = readout if isinstance(readout, NeuronConfig) else neuron
        output = output.readout() if self.readout else neuron
        magnitudes = plan.magnitudes(max_magnitude)

        all_synapses: dict[tuple[str, str], Synapses] = {}

        def synapses(planned: Planned, link: Link) -> Synapses:
            normed = norm != "none" and link.norm and planned.name != OUTPUT
            made = Synapses(
                link.source, link.kind, ends_of(plan, planned, link), link.weight_shape,
                weight_bits, magnitudes[link.source], generator, link.delay,
                Norm(norm, planned.shape[-1], ticks) if normed else None, link.learnt_delay,
                delay_values,
            )  # fmt: skip
            if link.tied is not None:
                first = all_synapses[link.source, link.tied]
                made.weight, made.norm, made.learnt = first.weight, first.norm, first.learnt
            all_synapses[link.source, planned.name] = made
            return made

        self.layers = nn.ModuleList(
            SpikingLayer(
                planned,
                [synapses(planned, link) for link in planned.links],
                output if planned.name == OUTPUT else neuron,
                surrogate or ArcTan(),
            )
            for planned in plan.populations
        )
        n_inputs = self.layers[0].projections()[0].ends.n_source
        self.gate = InputGate(gate_ticks, n_inputs) if gate_ticks else None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of the input and of each population."""
        first = next(self.populations()).projections()[0].ends.n_source
        return (first, *(s.projections()[0].ends.n_destination for s in self.populations()))

    def populations(self) -> Iterator[SpikingLayer]:
        """Return the layers in the order in which they are computed."""
        for layer in self.layers:
            assert isinstance(layer, SpikingLayer)
            yield layer

    @property
    def quantised(self) -> bool:
        """Whether the network computes on integers."""
        return all(layer.quantised for layer in self.populations())

    def bounded(self) -> Iterator[tuple[SpikingLayer, dict[str, int]]]:
        """Yield each layer with the greatest magnitudes of the events of those before it.

        They follow from the weights as they are when the next layer is asked for.
        """
        magnitudes = {INPUT: self.max_magnitude}
        for layer in self.populations():
            if layer.neuron.multi_spike and any(
                s.source == layer.name for s in layer.projections()
            ):
                magnitudes[layer.name] = 127
            yield layer, dict(magnitudes)
            magnitudes[layer.name] = layer.greatest_magnitude(magnitudes)

    def quantise(self) -> None:
        """Choose every population's step and compute on integers from now on."""
        for layer, magnitudes in self.bounded():
            layer.quantise(magnitudes)

    def shrink_delays(self, progress: float) -> None:
        """Set the width of learnt delays for an epoch of the float stage, 0 to 1."""
        for layer in self.populations():
            for synapses in layer.projections():
                if synapses.learnt is not None:
                    synapses.learnt.shrink(progress)

    def forward(self, events: Tensor) -> Tensor:
        """Return the output spikes, [T, N, n_output], of events, float [T, N, n_input]."""
        return self.activity(events).spikes[OUTPUT]

    def activity(self, events: Tensor) -> Activity:
        """Return every population's spikes and the output's potential, with gradients."""
        sources = {INPUT: self.gated(events)}
        spikes: dict[str, Tensor] = {}
        for layer in self.populations():
            sent, final = layer.activity(sources)
            spikes[layer.name] = sent
            drops = self.training and self.dropout and not layer.relay and layer.name != OUTPUT
            sources[layer.name] = sent * self._mask(sent) if drops and not layer.quantised else sent
        return Activity(sources[INPUT], spikes, final)

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
        runs = self.runs(events)
        return Trace(
            {name: run.spikes for name, run in runs.items()},
            {name: run.potentials for name, run in runs.items()},
            {name: run.final for name, run in runs.items()},
        )

    @torch.no_grad()
    def runs(self, events: Tensor) -> dict[str, Run]:
        """Return what :meth:`trace` does, by population."""
        out: dict[str, Run] = {}
        sources = {INPUT: self.gated(events)}
        for layer in self.populations():
            out[layer.name] = layer.run(sources)
            sources[layer.name] = out[layer.name].spikes
        return out

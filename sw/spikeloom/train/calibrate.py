"""Quantisation without training: the step of each population by search on some samples.

From the first population to the last, every step of
:func:`spikeloom.train.quantise.candidate_thresholds` is tried on the spikes that the
populations before it, already quantised, send; the one is taken whose spikes agree best
with those of the network in real numbers.  For an output that never fires, it is the one
whose potentials are nearest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ..spec.numfmt import signed_range
from .model import SpikingLayer, SpikingNetwork
from .neurons import Run
from .plan import INPUT


@dataclass(frozen=True)
class PopulationReport:
    """What quantisation did to a population.

    Parameters
    ----------
    name
        The population.
    threshold
        The integer threshold chosen; the mean if every channel has its own.
    tried
        Number of thresholds tried.
    agreement
        Share of (sample, tick, neuron) where spike or silence is that of the real numbers;
        1 for a population that never fires.
    spikes_float, spikes_quantised
        Spikes per sample.
    potential_error
        Root mean square difference of the final potentials, in thresholds.
    weights_clipped
        Share of the weights at the end of their range.
    """

    name: str
    threshold: float
    tried: int
    agreement: float
    spikes_float: float
    spikes_quantised: float
    potential_error: float
    weights_clipped: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def _compare(layer: SpikingLayer, sources: Mapping[str, Tensor], real: Run) -> tuple[float, float]:
    """Return disagreement and error of V of the layer as it now is."""
    got = layer.run(sources)
    channels = layer.shape[-1]
    steps = torch.as_tensor(layer.lif_parameters().threshold).expand(channels)
    final = got.final.unflatten(1, (-1, channels)) / steps
    disagreement = float((got.spikes != real.spikes).float().mean())
    return disagreement, float((final.flatten(1) - real.final).square().mean().sqrt())


def _clipped(layer: SpikingLayer) -> float:
    """Return the share of weights at the end of their range."""
    ends, count = 0, 0
    for synapses in layer.projections():
        low, high = signed_range(synapses.weight_bits)
        weights = layer.effective_weight(synapses)
        ends += int(((weights == low) | (weights == high)).sum())
        count += weights.numel()
    return ends / count


@torch.no_grad()
def _calibrate_layer(
    layer: SpikingLayer, sources: Mapping[str, Tensor], real: Run, tried: Sequence[Tensor]
) -> PopulationReport:
    scores = []
    for threshold in tried:
        layer.set_step(threshold)
        scores.append(_compare(layer, sources, real))
    best = min(range(len(tried)), key=scores.__getitem__)
    layer.set_step(tried[best])
    disagreement, error = scores[best]
    samples = max(real.spikes.shape[1], 1)
    mean = float(layer.threshold.float().mean())
    return PopulationReport(
        name=layer.name,
        threshold=int(mean) if mean.is_integer() else round(mean, 1),
        tried=len(tried),
        agreement=1 - disagreement,
        spikes_float=float(real.spikes.sum()) / samples,
        spikes_quantised=float(layer.run(sources).spikes.sum()) / samples,
        potential_error=error,
        weights_clipped=_clipped(layer),
    )


@torch.no_grad()
def calibrate(model: SpikingNetwork, events: Tensor) -> list[PopulationReport]:
    """Quantise ``model`` in place with the steps that suit ``events``.

    Parameters
    ----------
    model
        In real numbers.
    events
        Float [T, N, n_input], of samples like those the network is for.

    Returns
    -------
    A report per population, the first first.

    Raises
    ------
    CapacityError
        If no step keeps a population's input within the accumulator.
    """
    model.eval()
    real, reports = model.runs(events), []
    sources = {INPUT: model.gated(events)}
    for layer, magnitudes in model.bounded():
        tried = layer.candidates(magnitudes)
        reports.append(_calibrate_layer(layer, sources, real[layer.name], tried))
        sources[layer.name] = layer.run(sources).spikes
    return reports


def lines(reports: Sequence[PopulationReport]) -> Iterator[str]:
    """Return the reports as lines of text."""
    for r in reports:
        yield (
            f"{r.name}: threshold {r.threshold:g} of {r.tried} tried, spikes agree "
            f"{100 * r.agreement:.2f} %, {r.spikes_float:.1f} to {r.spikes_quantised:.1f} per "
            f"sample, potentials differ by {r.potential_error:.3f} thresholds"
        )

"""Quantisation without training: the step of each population by search on some samples.

From the first population to the last, every step of
:func:`spikeloom.train.quantise.candidate_thresholds` is tried on the spikes that the
populations before it, already quantised, send; the one is taken whose spikes agree best
with those of the network in real numbers.  For an output that never fires, it is the one
whose potentials are nearest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ..spec.numfmt import signed_range
from .model import SpikingLayer, SpikingNetwork
from .neurons import lif_trace
from .quantise import candidate_thresholds


@dataclass(frozen=True)
class PopulationReport:
    """What quantisation did to a population.

    Parameters
    ----------
    name
        The population.
    threshold
        The integer threshold chosen.
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
    threshold: int
    tried: int
    agreement: float
    spikes_float: float
    spikes_quantised: float
    potential_error: float
    weights_clipped: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def _compare(
    layer: SpikingLayer, events: Tensor, spikes: Tensor, final: Tensor
) -> tuple[float, float, Tensor]:
    """Return disagreement, error of V, and the spikes, of the layer as it now is."""
    p = layer.lif_parameters()
    got, _, potential = lif_trace(layer.current(events), p)
    disagreement = float((got != spikes).float().mean())
    error = float((potential / p.threshold - final).square().mean().sqrt())
    return disagreement, error, got


@torch.no_grad()
def _calibrate_layer(
    layer: SpikingLayer, events: Tensor, spikes: Tensor, final: Tensor
) -> tuple[PopulationReport, Tensor]:
    tried = candidate_thresholds(
        layer.unit_weight(), layer.weight_bits, layer.magnitude, layer.name
    )
    scores = {}
    for threshold in tried:
        layer.threshold.fill_(threshold)
        scores[threshold] = _compare(layer, events, spikes, final)[:2]
    best = min(tried, key=lambda threshold: scores[threshold])
    layer.threshold.fill_(best)
    disagreement, error, got = _compare(layer, events, spikes, final)
    low, high = signed_range(layer.weight_bits)
    weights = layer.effective_weight()
    samples = max(events.shape[1], 1)
    report = PopulationReport(
        name=layer.name,
        threshold=best,
        tried=len(tried),
        agreement=1 - disagreement,
        spikes_float=float(spikes.sum()) / samples,
        spikes_quantised=float(got.sum()) / samples,
        potential_error=error,
        weights_clipped=float(((weights == low) | (weights == high)).float().mean()),
    )
    return report, got


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
    real = model.trace(events)
    events, reports = model.gated(events), []
    for layer in model.populations():
        spikes, final = real.spikes[layer.name], real.final[layer.name]
        report, events = _calibrate_layer(layer, events, spikes, final)
        reports.append(report)
    return reports


def lines(reports: Sequence[PopulationReport]) -> Iterator[str]:
    """Return the reports as lines of text."""
    for r in reports:
        yield (
            f"{r.name}: threshold {r.threshold} of {r.tried} tried, spikes agree "
            f"{100 * r.agreement:.2f} %, {r.spikes_float:.1f} to {r.spikes_quantised:.1f} per "
            f"sample, potentials differ by {r.potential_error:.3f} thresholds"
        )

"""How well the quantised network agrees with the graph in real numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..spec.network import Reset
from ..spec.numfmt import POTENTIAL_MAX, POTENTIAL_MIN
from .calibrate import Calibration, Converted

SILENT_BELOW = 0.02
"""A population with a smaller share of the spikes it should have has fallen silent."""

SATURATED_ABOVE = 0.01
"""A population with a greater share of potentials at the ends of their range saturates."""


@dataclass(frozen=True)
class Agreement:
    """A population beside its real numbers, over (sample, tick, neuron).

    Parameters
    ----------
    population
        Its name.
    spikes_real, spikes_whole
        Spikes per sample.
    agreement
        Share of (sample, tick, neuron) with the same spikes; None if it never fires.
    potential_error
        Root mean square error of the potentials relative to their greatest; None if it fires.
    silent_neurons
        Neurons that fire in real numbers and never in integers.
    saturated
        Share of potentials at an end of their 16 bits.
    weights_clipped
        Share of the weights at an end of their range.
    """

    population: str
    spikes_real: float
    spikes_whole: float
    agreement: float | None
    potential_error: float | None
    silent_neurons: int
    saturated: float
    weights_clipped: float

    def warnings(self) -> Iterator[str]:
        """Yield what should be looked at."""
        if self.spikes_real and self.spikes_whole < SILENT_BELOW * self.spikes_real:
            yield (
                f"WARNING: population {self.population} HAS FALLEN SILENT: {self.spikes_whole:.1f}"
                f" spikes per sample instead of {self.spikes_real:.1f}; use more bits for its "
                "weights, or a calibration set like the inputs"
            )
        if self.saturated > SATURATED_ABOVE:
            yield (
                f"WARNING: population {self.population} SATURATES: {100 * self.saturated:.1f} % "
                "of its potentials are at an end of 16 bits"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values, with the warnings."""
        return {**asdict(self), "warnings": list(self.warnings())}


@dataclass(frozen=True)
class Report:
    """Agreement of every population, and of the predictions of the first output.

    ``compared`` is the number of samples.
    """

    populations: tuple[Agreement, ...]
    predictions: float
    compared: int

    def warnings(self) -> list[str]:
        """Return every warning."""
        return [text for p in self.populations for text in p.warnings()]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {
            "samples": self.compared,
            "predictions_agree": self.predictions,
            "populations": [p.to_dict() for p in self.populations],
        }


def compare(converted: Converted, samples: Calibration) -> Report:
    """Run the network on samples of the input and compare it with the run in real numbers."""
    from spikeloom_sim.matrix import MatrixModel

    trace = MatrixModel(converted.network).run_unchecked(
        {converted.real.input_name: samples.events}
    )
    number = max(len(samples.events), 1)
    found = []
    for population in converted.real.populations:
        whole = converted.network.population(population.name)
        target = population.target(samples.trace)
        got = trace.spikes[population.name].astype(np.int64)
        h = trace.potentials[population.name]
        fires = population.reset is not Reset.NONE
        quiet = (target.sum(axis=(0, 1)) > 0) & (got.sum(axis=(0, 1)) == 0) if fires else None
        greatest = float(np.abs(target).max(initial=0)) or 1.0
        error = h * converted.steps[population.name] - target
        above = whole.per_neuron("threshold") if fires else 0  # what a spike takes away
        ends = (h <= POTENTIAL_MIN) | (h - above >= POTENTIAL_MAX)
        clipped = [
            np.concatenate([(q.weights == low).ravel(), (q.weights == -low - 1).ravel()])
            for q in converted.network.fan_in(whole.name)
            for low in (-(1 << (q.weight_bits - 1)),)
            if not q.source.startswith("always_")
        ]
        found.append(
            Agreement(
                population=population.name,
                spikes_real=float(target.sum()) / number if fires else 0.0,
                spikes_whole=float(got.sum()) / number,
                agreement=float((got == target).mean()) if fires and got.size else None,
                potential_error=(
                    None if fires else float(np.sqrt(np.square(error).mean())) / greatest
                ),
                silent_neurons=int(quiet.sum()) if quiet is not None else 0,
                saturated=float(ends.mean()) if ends.size else 0.0,
                weights_clipped=(2 * float(np.concatenate(clipped).mean()) if clipped else 0.0),
            )
        )
    same = _predictions_agree(converted, samples, trace)
    return Report(tuple(found), same, len(samples.events))


def _predictions_agree(converted: Converted, samples: Calibration, trace: Any) -> float:
    """Return the share of samples whose winner of the first output is the same."""
    name = converted.network.outputs[0]
    population = converted.real.population(name)
    target = population.target(samples.trace)
    if population.reset is Reset.NONE:
        real, whole = target[:, -1], trace.potentials[name][:, -1]
    else:
        real, whole = target.sum(axis=1), trace.spikes[name].sum(axis=1, dtype=np.int64)
    return float((real.argmax(axis=1) == whole.argmax(axis=1)).mean()) if len(real) else 1.0


def lines(report: Report) -> Iterator[str]:
    """Yield the report as lines of text, warnings last."""
    for p in report.populations:
        if p.agreement is not None:
            text = f"spikes agree {100 * p.agreement:.2f} %"
            text += f", {p.spikes_real:.1f} to {p.spikes_whole:.1f} per sample"
        else:
            text = f"potentials differ by {100 * (p.potential_error or 0):.2f} % of the greatest"
        if p.silent_neurons:
            text += f", {p.silent_neurons} neurons never fire any more"
        yield f"{p.population}: {text}, {100 * p.weights_clipped:.1f} % of weights at their ends"
    yield (f"predictions agree {100 * report.predictions:.2f} % on {report.compared} samples")
    yield from report.warnings()


def worst(reports: Sequence[Agreement]) -> float:
    """Return the smallest agreement of spikes, 1 if none of the populations fires."""
    return min((r.agreement for r in reports if r.agreement is not None), default=1.0)

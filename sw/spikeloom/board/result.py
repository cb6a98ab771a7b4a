"""What a run returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..spec.manifest import PlacedPopulation
from .answer import Answer
from .probes import Probes

_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True)
class PopulationTrace:
    """What one probed population sent.

    A neuron's index is row-major over ``shape``, channels last.  What was not probed
    is None.

    Parameters
    ----------
    shape
        Shape of the population.
    spikes
        uint8 of shape (samples, ticks, neurons).
    potentials
        int32 of shape (samples, ticks, neurons): H, the potential before firing.
    final
        int32 of shape (samples, neurons): V after the last tick.
    """

    shape: tuple[int, ...]
    spikes: NDArray[np.uint8] | None = None
    potentials: NDArray[np.int32] | None = None
    final: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class RunResult:
    """What the accelerator answered, to the bit.

    Several output populations are joined along the neuron axis, in the order in which
    the manifest lists them.

    Parameters
    ----------
    spikes
        uint8 of shape (samples, ticks, output neurons).
    potential
        int32 of shape (samples, output neurons): final potential V of the outputs.
    cycles, sops
        int64 of shape (samples,): busy clock cycles and synaptic operations.
    fires
        Whether the outputs can spike at all (a readout with reset ``none`` cannot).
    populations
        Every probed population by name.
    """

    spikes: NDArray[np.uint8]
    potential: NDArray[np.int32]
    cycles: NDArray[np.int64]
    sops: NDArray[np.int64]
    fires: bool = True
    populations: dict[str, PopulationTrace] = field(default_factory=dict)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Spikes of each output neuron, of shape (samples, output neurons)."""
        counts: NDArray[np.int64] = self.spikes.sum(axis=1, dtype=np.int64)
        return counts

    @property
    def prediction(self) -> NDArray[np.int64]:
        """Index of the output neuron with the most spikes, of shape (samples,).

        Of equal neurons the one with the lowest index wins.  Outputs that never fire
        are judged by their final potential instead.
        """
        scores = self.counts if self.fires else self.potential.astype(np.int64)
        prediction: NDArray[np.int64] = scores.argmax(axis=1)
        return prediction


def result_of(
    answers: Sequence[Answer],
    populations: Sequence[PlacedPopulation],
    probes: Probes,
    fires: bool,
) -> RunResult:
    """Join the answers of a run's packets."""
    traces: dict[int, PopulationTrace] = {}
    for index in probes.populations:
        traces[index] = PopulationTrace(
            populations[index].shape,
            spikes=_joined([a.spikes for a in answers], index),
            potentials=_joined([a.potentials for a in answers], index),
            final=_joined([a.final for a in answers], index),
        )
    outputs = [traces[i] for i, p in enumerate(populations) if p.is_output]
    return RunResult(
        spikes=np.concatenate([t.spikes for t in outputs if t.spikes is not None], axis=2),
        potential=np.concatenate([t.final for t in outputs if t.final is not None], axis=1),
        cycles=np.concatenate([a.cycles for a in answers]),
        sops=np.concatenate([a.sops for a in answers]),
        fires=fires,
        populations={populations[i].name: trace for i, trace in traces.items()},
    )


def _joined(parts: Sequence[dict[int, NDArray[_Number]]], index: int) -> NDArray[_Number] | None:
    """Join the arrays of one population along the samples; None if there are none."""
    arrays = [part[index] for part in parts if index in part]
    return np.concatenate(arrays) if arrays else None

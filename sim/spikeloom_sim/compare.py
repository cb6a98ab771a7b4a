"""The scoreboard: the first place where two runs differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec.errors import DataError

from .golden import Trace


@dataclass(frozen=True)
class Difference:
    """One value that two runs do not agree on.

    ``tick`` is None for what a sample has once; ``population`` and ``neuron`` are None
    for the synaptic operations.  ``quantity`` is spikes, potentials, final or sops.
    """

    sample: int
    tick: int | None
    population: str | None
    neuron: int | None
    quantity: str
    expected: int
    found: int

    def __str__(self) -> str:
        where = [f"sample {self.sample}"]
        if self.tick is not None:
            where.append(f"tick {self.tick}")
        if self.population is not None:
            where.append(f"{self.population}[{self.neuron}]")
        return f"{', '.join(where)}: {self.quantity} must be {self.expected}, not {self.found}"


def first_difference(expected: Trace, found: Trace) -> Difference | None:
    """Return the first difference in time, or None if the runs are equal.

    Everything that ``found`` holds is compared; a decoded answer holds what the core
    was told to show.  First means the earliest sample and tick, then the first
    population, potentials before the spikes they cause; final potentials and
    synaptic operations come behind the last tick.  Raises :class:`DataError` if the
    runs are not of the same samples, ticks and neurons.
    """
    best: tuple[tuple[int, int, int, int, int], Difference] | None = None
    for rank, name, quantity, a, b in _pairs(expected, found):
        difference = _first(rank, name, quantity, a, b)
        if difference is not None and (best is None or difference[0] < best[0]):
            best = difference
    return None if best is None else best[1]


def _pairs(
    expected: Trace, found: Trace
) -> Iterator[tuple[int, str | None, str, NDArray[Any], NDArray[Any]]]:
    """Yield (population rank, population, quantity, expected array, found array)."""
    ranks = {name: rank for rank, name in enumerate(expected.spikes)}
    for quantity in ("potentials", "spikes", "final"):
        ours, theirs = getattr(expected, quantity), getattr(found, quantity)
        for name, array in theirs.items():
            if name not in ours:
                raise DataError(
                    f"{quantity} of population {name} were found, but expected are only "
                    f"those of {', '.join(ours) or 'none'}"
                )
            yield ranks.get(name, len(ranks)), name, quantity, ours[name], array
    yield len(ranks), None, "sops", expected.sops, found.sops


_QUANTITY_RANK = {"potentials": 0, "spikes": 1, "final": 2, "sops": 3}


def _first(
    rank: int, name: str | None, quantity: str, expected: NDArray[Any], found: NDArray[Any]
) -> tuple[tuple[int, int, int, int, int], Difference] | None:
    if expected.shape != found.shape:
        what = quantity if name is None else f"{quantity} of {name}"
        raise DataError(f"{what} must have the shape {expected.shape}, not {found.shape}")
    unequal = np.flatnonzero(expected != found)
    if not unequal.size:
        return None
    index = tuple(int(i) for i in np.unravel_index(int(unequal[0]), expected.shape))
    sample = index[0]
    tick = index[1] if len(index) == 3 else None
    neuron = index[-1] if name is not None else None
    key = (
        sample,
        np.iinfo(np.int64).max if tick is None else tick,
        rank,
        _QUANTITY_RANK[quantity],
        -1 if neuron is None else neuron,
    )
    return key, Difference(
        sample, tick, name, neuron, quantity, int(expected[index]), int(found[index])
    )

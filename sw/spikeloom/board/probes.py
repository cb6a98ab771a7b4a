"""What a loaded network sends back: which populations are probed, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import UsageError
from ..spec.manifest import PlacedPopulation
from ..spec.tables import POPULATIONS

PROBES = ("outputs", "all")


@dataclass(frozen=True)
class Probes:
    """Indexes of the populations that send spikes, H at each tick, V at the end."""

    spikes: tuple[int, ...]
    ticks: tuple[int, ...]
    end: tuple[int, ...]

    @property
    def populations(self) -> tuple[int, ...]:
        """Indexes of every population that sends anything, in order."""
        return tuple(sorted({*self.spikes, *self.ticks, *self.end}))


def probes_for(probe: str | None, populations: Sequence[PlacedPopulation]) -> Probes:
    """Return the probes that the option ``probe`` of :meth:`Board.load` asks for.

    Raises :class:`UsageError` for an unknown option.
    """
    outputs = tuple(i for i, p in enumerate(populations) if p.is_output)
    if probe is None or probe == "outputs":
        return Probes(outputs, (), outputs)
    if probe == "all":
        neurons = tuple(i for i, p in enumerate(populations) if not p.is_input)
        return Probes(neurons, neurons, neurons)
    raise UsageError(f"probe must be one of None, {', '.join(PROBES)}, not {probe!r}")


def patch_rows(rows: NDArray[np.uint32], probes: Probes) -> NDArray[np.uint32]:
    """Return a copy of the population table with the flags of ``probes`` and no others."""
    rows = np.array(rows, np.uint32)
    for name, indexes in (
        ("emit_spikes", probes.spikes),
        ("probe_ticks", probes.ticks),
        ("probe_end", probes.end),
    ):
        field = POPULATIONS.field(name)
        bit = np.uint32(1 << field.lsb)
        rows[:, field.word] &= ~bit
        rows[list(indexes), field.word] |= bit
    return rows

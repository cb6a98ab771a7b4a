"""Upper bounds of what a sample costs: output beats and clock cycles.

The bounds size buffers and deadlines, nothing else, and are generous on purpose.

Output beats: every probed neuron spikes in every tick, alone in its beat, and with multi-spike
in one for each binary digit; every
lane of a probed row sends its value in a beat of its own; and one beat for each TICK,
for CYCLES with SOPS and for END.

Clock cycles, with ``fan(p)`` what one spike of population p takes: the state rows of the
destinations of all its projections, delayed ones included, four cycles each where the rows are
found by groups and runs, and four for the group; and ``digits`` 1, or 7 with multi-spike::

    spike = 1 + fan(input)
    tick  = 64 + sum over populations (16 * rows + neurons * digits * (2 + fan)) + output beats
    END   = 64 + sum over populations (16 * rows) + output beats

On a compact core a population takes 16 more, a row 16 more for each of its lanes, and a spike 6
more for each projection.

The driver allows :data:`SLACK` times the bound plus :data:`CYCLES_FLOOR`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec.config import BuildConfig
from ..spec.errors import ArtefactError
from ..spec.manifest import PlacedPopulation
from ..spec.numfmt import MAGNITUDE_MAX
from ..spec.tables import POPULATIONS, PROJECTIONS, REPLAYS, unpack_row
from .probes import Probes

SLACK = 4
CYCLES_FLOOR = 4096

_FIXED = 64
_PER_ROW = 16
_COMPACT_POPULATION = _COMPACT_LANE = 16
_COMPACT_PROJECTION = 6


@dataclass(frozen=True)
class Bounds:
    """The most that a tick, an END and an input spike may cost."""

    tick_beats: int
    end_beats: int
    tick_cycles: int
    end_cycles: int
    spike_cycles: int

    def capacity(self, n_samples: int, n_ticks: int) -> int:
        """Return the beats of the longest answer to ``n_samples`` samples."""
        return n_samples * (n_ticks * self.tick_beats + self.end_beats)

    def budget_cycles(self, n_samples: int, n_ticks: int, n_spikes: int) -> int:
        """Return the clock cycles to allow for samples that hold ``n_spikes`` events."""
        per_sample = n_ticks * self.tick_cycles + self.end_cycles
        return SLACK * (n_samples * per_sample + n_spikes * self.spike_cycles) + CYCLES_FLOOR


def bounds_of(
    populations: Sequence[PlacedPopulation],
    images: Mapping[str, NDArray[np.uint32]],
    probes: Probes,
    config: BuildConfig,
) -> Bounds:
    """Return the bounds of a network on the build ``config`` from its tables."""
    lanes = config.lanes
    look_up = _COMPACT_PROJECTION if config.compact else 0
    fans = [_fan(images, index, p.name, look_up) for index, p in enumerate(populations)]
    neurons = [(p, fan) for p, fan in zip(populations, fans, strict=True) if not p.is_input]
    values = {i: populations[i].n_rows * lanes for i in (*probes.ticks, *probes.end)}
    tick_beats = 1 + sum(populations[i].n_neurons * _digits(populations[i]) for i in probes.spikes)
    tick_beats += sum(values[i] for i in probes.ticks)
    end_beats = 2 + sum(values[i] for i in probes.end)
    rows = _PER_ROW * sum(p.n_rows for p, _ in neurons)
    if config.compact:
        rows += sum(_COMPACT_POPULATION + _COMPACT_LANE * lanes * p.n_rows for p, _ in neurons)
    events = sum(p.n_neurons * _digits(p) * (2 + fan) for p, fan in neurons)
    return Bounds(
        tick_beats=tick_beats,
        end_beats=end_beats,
        tick_cycles=_FIXED + rows + events + tick_beats,
        end_cycles=_FIXED + rows + end_beats,
        spike_cycles=1 + max(fan for p, fan in zip(populations, fans, strict=True) if p.is_input),
    )


def _digits(population: PlacedPopulation) -> int:
    """Return the most words that one neuron's spikes of a tick are sent in."""
    return MAGNITUDE_MAX.bit_length() if population.multi_spike else 1


def _fan(images: Mapping[str, NDArray[np.uint32]], index: int, name: str, look_up: int) -> int:
    row = unpack_row(POPULATIONS, images["populations"][index])
    replays = [unpack_row(REPLAYS, words) for words in images.get("replays", ())]
    ranges = [row, *(replay for replay in replays if replay["population"] == index)]
    return sum(
        _fan_of(images["projections"], r["first_projection"], r["n_projections"], name, look_up)
        for r in ranges
    )


def _fan_of(
    projections: NDArray[np.uint32], first: int, count: int, name: str, look_up: int
) -> int:
    if first + count > len(projections):
        raise ArtefactError(
            f"population {name} must have its projections inside the table of "
            f"{len(projections)} rows, not rows {first} to {first + count - 1}"
        )
    rows = [unpack_row(PROJECTIONS, words) for words in projections[first : first + count]]
    found = (4 + 4 * row["n_rows"] if row["grouped"] else row["n_rows"] for row in rows)
    return sum(found) + look_up * count

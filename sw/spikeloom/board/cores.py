"""The images of a cluster, core by core: split, joined, patched for probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import ArtefactError
from ..spec.manifest import BuildFacts, PlacedPopulation
from ..spec.memmap import core_memories, core_name
from ..spec.numfmt import MAGNITUDE_MAX
from ..spec.tables import POPULATIONS, ROUTES, unpack_row
from .budget import Bounds, bounds_of
from .probes import Probes, patch_rows

Words = NDArray[np.uint32]
Images = Mapping[str, Words]


def split_images(images: Images, build: BuildFacts) -> list[dict[str, Words]]:
    """Return the images of each core in use, by the names of a core's own memories.

    Side by side they are those of core 0.
    """
    names = core_memories(build.config)
    cores = range(build.n_cores)
    return [
        {name: images[core_name(name, 0 if build.side_by_side else core)] for name in names}
        for core in cores
    ]


def joined_table(parts: Sequence[Images], build: BuildFacts) -> Words:
    """Return the population rows in the order of ``build.populations``.

    Raises :class:`ArtefactError` if a core's tables have other numbers of rows.
    """
    if not build.is_chain:
        return parts[0]["populations"]
    for core, part in enumerate(parts):
        wanted = 1 + len(build.on_core(core))
        for name in ("populations", "routes"):
            if len(part[name]) != wanted:
                raise ArtefactError(
                    f"{core_name(name, core)} must have {wanted} rows, one for all inputs and "
                    f"those of the populations on core {core}, not {len(part[name])}"
                )
    rows = [part["populations"][1:] for part in parts]
    return np.concatenate([parts[0]["populations"][:1], *rows])


def joined_images(parts: Sequence[Images], build: BuildFacts, probes: Probes) -> dict[str, Words]:
    """Return the images to write, by the names in the memory window, patched for ``probes``."""
    out: dict[str, Words] = {}
    for core, part in enumerate(parts):
        patched = _patched(part, build, probes, core)
        out |= {core_name(name, core): words for name, words in patched.items()}
    return out


def _patched(part: Images, build: BuildFacts, probes: Probes, core: int) -> dict[str, Words]:
    """Return the images of one core with the flags of ``probes``."""
    if not build.is_chain:
        return {**part, "populations": patch_rows(part["populations"], probes)}
    own = {index: row for row, index in enumerate(build.on_core(core), 1)}
    ticks, end, shown = (
        tuple(own[i] for i in indexes if i in own)
        for indexes in (probes.ticks, probes.end, probes.spikes)
    )
    routes = np.array(part["routes"], np.uint32)
    fields = {name: ROUTES.field(name) for name in ("host", "cores")}
    routes[:, 0] &= ~np.uint32(1 << fields["host"].lsb)
    routes[list(shown), 0] |= np.uint32(1 << fields["host"].lsb)
    linked = tuple(row for row in own.values() if unpack_row(ROUTES, routes[row])["cores"])
    local = Probes(tuple(sorted({*shown, *linked})), ticks, end)
    return {**part, "populations": patch_rows(part["populations"], local), "routes": routes}


def chain_bounds(parts: Sequence[Images], build: BuildFacts, probes: Probes) -> Bounds:
    """Return the bounds of all cores together, as if one worked after the other.

    A core's input addresses include those of other cores' neurons; each of them may come in as
    many words as a multi-spike neuron sends.
    """
    total = Bounds(1, 2, 0, 0, 0)
    for core, part in enumerate(parts):
        indexes = (0, *build.on_core(core))
        row_0 = _input_row(part, build.populations[0])
        populations = [row_0, *(build.populations[i] for i in indexes[1:])]
        local = {index: row for row, index in enumerate(indexes) if row}
        own = Probes(
            *(
                tuple(local[i] for i in found if i in local)
                for found in (probes.spikes, probes.ticks, probes.end)
            )
        )
        one = bounds_of(populations, part, own, build.config)
        arriving = row_0.n_neurons * MAGNITUDE_MAX.bit_length() * one.spike_cycles
        total = Bounds(
            total.tick_beats + one.tick_beats - 1,
            total.end_beats + one.end_beats - 2,
            total.tick_cycles + one.tick_cycles + arriving,
            total.end_cycles + one.end_cycles,
            total.spike_cycles + one.spike_cycles,
        )
    return total


def _input_row(part: Images, combined: PlacedPopulation) -> PlacedPopulation:
    """Return row 0 of a core's table: the host's inputs and the spikes of other cores."""
    n = unpack_row(POPULATIONS, part["populations"][0])["n_neurons"]
    return replace(combined, n_neurons=n, shape=(n,))

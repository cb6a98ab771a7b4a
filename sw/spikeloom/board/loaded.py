"""An artefact made ready for a core: checked, patched for its probes, bounded."""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..artefact import Artefact
from ..spec.build import build_id
from ..spec.errors import ArtefactError, CompatError
from ..spec.manifest import BuildFacts, InputFacts, PlacedInput, PlacedPopulation
from ..spec.tables import POPULATIONS, unpack_row
from .budget import Bounds, bounds_of
from .cores import chain_bounds, joined_images, joined_table, split_images
from .probes import Probes, probes_for


@dataclass(frozen=True)
class Loaded:
    """What the driver keeps of the artefact that a core holds."""

    input: InputFacts
    build: BuildFacts
    images: dict[str, NDArray[np.uint32]]
    probes: Probes
    bounds: Bounds
    tag: int
    fires: bool
    sizes: tuple[tuple[int, int], ...]
    """Rows of the population and of the replay table of each core in use."""

    @property
    def populations(self) -> tuple[PlacedPopulation, ...]:
        """The populations; their positions are the indexes that words carry."""
        return self.build.populations

    @property
    def inputs(self) -> tuple[PlacedInput, ...]:
        """The ranges of addresses that the input populations have."""
        return self.build.inputs

    @property
    def n_addresses(self) -> int:
        """Input addresses of the host."""
        return max(placed.stop for placed in self.inputs)


def prepare(artefact: Artefact, probe: str | None) -> Loaded:
    """Return what it takes to load ``artefact``.

    Raises
    ------
    ArtefactError
        If the artefact is not compiled, or its manifest and its images disagree.
    CompatError
        If it was compiled under another specification than this driver's.
    UsageError
        If ``probe`` is unknown.
    """
    build = artefact.build
    own_id = build_id(build.config)
    if build.id != own_id:
        raise CompatError(
            f"{artefact.path} was compiled for build {build.id} of {build.config.name}, but "
            f"this SpikeLoom's {build.config.name} is build {own_id}; compile it again with "
            "this version"
        )
    parts = split_images(artefact.images(), build)
    populations = joined_table(parts, build)
    _check_populations(build, populations)
    _check_inputs(build.inputs, build.populations[0], artefact.input)
    probes = probes_for(probe, build.populations)
    if build.is_chain:
        bounds = chain_bounds(parts, build, probes)
    else:
        bounds = bounds_of(build.populations, parts[0], probes, build.config)
    rows = [unpack_row(POPULATIONS, row) for row in populations]
    fires = [row["fires"] for row, p in zip(rows, build.populations, strict=True) if p.is_output]
    digest = hashlib.sha256(artefact.manifest.to_json().encode()).digest()
    return Loaded(
        input=artefact.input,
        build=build,
        images=joined_images(parts, build, probes),
        probes=probes,
        bounds=bounds,
        tag=int.from_bytes(digest[:4], "big"),
        fires=any(fires),
        sizes=tuple((len(p["populations"]), len(p.get("replays", ()))) for p in parts),
    )


def _check_populations(build: BuildFacts, table: NDArray[np.uint32]) -> None:
    """Check that the manifest's populations are those of the table."""
    populations = build.populations
    if len(populations) != len(table):
        raise ArtefactError(
            f"build.populations must have one entry for each of the {len(table)} rows of the "
            f"population table, not {len(populations)}"
        )
    for population, words in zip(populations, table, strict=True):
        if population.is_input and build.is_chain:
            continue  # a core's row has the addresses of other cores' neurons as well
        row = unpack_row(POPULATIONS, words)
        for name in ("n_neurons", "n_rows", "multi_spike"):
            if getattr(population, name) != row[name]:
                raise ArtefactError(
                    f"{name} of population {population.name} must be {row[name]} as in the "
                    f"population table, not {getattr(population, name)!r}"
                )
    if [p.is_input for p in populations] != [True] + [False] * (len(populations) - 1):
        raise ArtefactError(
            "build.populations must begin with one entry for all inputs and have no other input, "
            f"not {sum(bool(p.is_input) for p in populations)} inputs"
        )
    if not any(p.is_output for p in populations):
        raise ArtefactError("build.populations must have at least one output, not 0")


def _check_inputs(
    inputs: tuple[PlacedInput, ...], combined: PlacedPopulation, facts: InputFacts
) -> None:
    """Check that the ranges of addresses are apart and fill the first row of the table."""
    if not inputs:
        raise ArtefactError("build.inputs must have at least one entry, not 0")
    ordered = sorted(inputs, key=lambda p: p.address)
    for first, second in itertools.pairwise(ordered):
        if second.address < first.stop:
            raise ArtefactError(
                f"build.inputs {second.name} must have an address of at least {first.stop}, "
                f"behind those of {first.name}, not {second.address}"
            )
    if ordered[-1].stop != combined.n_neurons:
        raise ArtefactError(
            f"build.inputs must fill the {combined.n_neurons} addresses of {combined.name}, "
            f"not {ordered[-1].stop}"
        )
    n_inputs = math.prod(facts.shape)
    if inputs[0].n_neurons != n_inputs:
        raise ArtefactError(
            f"input.shape {facts.shape} must have the {inputs[0].n_neurons} neurons of population "
            f"{inputs[0].name}, not {n_inputs}"
        )

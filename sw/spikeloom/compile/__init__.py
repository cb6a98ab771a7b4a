"""The compiler: quantised network to placement, memory images and artefact.

:func:`compile_network` proves that no accumulator can overflow (:mod:`.proof`), places
populations and weights (:mod:`.placement`), reports the capacity (:mod:`.capacity`) and
packs the memory images (:mod:`.images`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ..spec.build import build_id
from ..spec.config import BuildConfig
from ..spec.errors import UsageError
from ..spec.manifest import BuildFacts
from ..spec.memmap import memory_map
from ..spec.network import Network
from .capacity import CapacityReport, capacity_report
from .chain import chain_images, chain_populations, chain_report, plan_chain
from .images import pack_images
from .inputs import place_inputs
from .placement import Placement, place
from .proof import Bound, prove_no_overflow
from .support import check_supported, unsupported


@dataclass(frozen=True)
class Compiled:
    """A network made ready for one build.

    ``bounds`` holds the proven range of H per population, ``report`` what the network takes
    of the build, ``build`` and ``images`` what :func:`spikeloom.artefact.write_artefact` wants.
    """

    build: BuildFacts
    images: Mapping[str, NDArray[np.uint32]]
    report: CapacityReport
    bounds: Mapping[str, Bound]


class Arrangement(str, Enum):
    """How the cores of a cluster share the work.

    ``CHAIN``: each has populations of its own.  ``SIDE_BY_SIDE``: each runs the whole network on
    samples of its own.  ``AUTO``: side by side if the network fits one core, else a chain.
    """

    AUTO = "auto"
    CHAIN = "chain"
    SIDE_BY_SIDE = "side_by_side"


def compile_network(
    network: Network,
    config: BuildConfig,
    arrangement: Arrangement = Arrangement.AUTO,
    n_cores: int | None = None,
) -> Compiled:
    """Compile ``network`` for ``config``.

    Parameters
    ----------
    network, config
        What, and for which build.
    arrangement
        How several cores work together; of no effect with one.
    n_cores
        Cores to use, by default all.

    Raises
    ------
    NetworkError
        An accumulator might overflow; names the population, the bound and the ways out.
    CapacityError
        The network needs something this build does not have, or more of it; names
        everything that is short, and a preset that would do.
    UsageError
        The build does not have ``n_cores`` cores, or no links for a chain.
    """
    n_cores = config.cores if n_cores is None else n_cores
    if not 1 <= n_cores <= config.cores:
        raise UsageError(f"n_cores must be from 1 to {config.cores}, not {n_cores}")
    if arrangement is Arrangement.CHAIN and not config.link_beats:
        raise UsageError(f"a chain needs the build option link_beats, which {config.name} lacks")
    bounds = prove_no_overflow(network)
    chain = arrangement is Arrangement.CHAIN
    if arrangement is Arrangement.AUTO and config.link_beats and n_cores > 1:
        chain = bool(unsupported(network, config)) or not capacity_report(network, config).fits
    if chain:
        return _chain(network, config, n_cores, bounds)
    check_supported(network, config)
    placement = place(network, config.lanes)
    report = capacity_report(network, config, placement)
    report.check()
    images = pack_images(network, config.one_core, placement)
    for name, memory in memory_map(config).items():  # the driver copies those of core 0
        images.setdefault(name, np.zeros((0, memory.row_words), np.uint32))
    return Compiled(
        build=BuildFacts(
            build_id(config),
            config,
            placement.populations,
            placement.inputs,
            takes_input=(True,) * n_cores,
            side_by_side=config.cores > 1,
        ),
        images=images,
        report=report,
        bounds=bounds,
    )


def _chain(
    network: Network, config: BuildConfig, n_cores: int, bounds: Mapping[str, Bound]
) -> Compiled:
    """Compile for a chain of cores."""
    cut, plans = plan_chain(network, config, n_cores)
    return Compiled(
        build=BuildFacts(
            build_id(config),
            config,
            chain_populations(cut, plans),
            place_inputs(network),
            takes_input=tuple(plan.part.takes_input for plan in plans),
        ),
        images=chain_images(cut, plans, config),
        report=chain_report(network, config, plans),
        bounds=bounds,
    )


__all__ = [
    "Arrangement",
    "Bound",
    "CapacityReport",
    "Compiled",
    "Placement",
    "capacity_report",
    "check_supported",
    "compile_network",
    "place",
    "prove_no_overflow",
]

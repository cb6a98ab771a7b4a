"""The compiler: quantised network to placement, memory images and artefact.

:func:`compile_network` proves that no accumulator can overflow (:mod:`.proof`), places
populations and weights (:mod:`.placement`), reports the capacity (:mod:`.capacity`) and
packs the memory images (:mod:`.images`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec.build import build_id
from ..spec.config import BuildConfig
from ..spec.manifest import BuildFacts
from ..spec.network import Network
from .capacity import CapacityReport, capacity_report
from .images import pack_images
from .placement import Placement, place
from .proof import Bound, prove_no_overflow
from .support import check_supported


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


def compile_network(network: Network, config: BuildConfig) -> Compiled:
    """Compile ``network`` for ``config``.

    Raises
    ------
    NetworkError
        An accumulator might overflow; names the population, the bound and the ways out.
    CapacityError
        The network needs something this build does not have, or more of it; names
        everything that is short, and a preset that would do.
    """
    bounds = prove_no_overflow(network)
    check_supported(network, config)
    placement = place(network, config.lanes)
    report = capacity_report(network, config, placement)
    report.check()
    return Compiled(
        build=BuildFacts(build_id(config), config, placement.populations, placement.inputs),
        images=pack_images(network, config, placement),
        report=report,
        bounds=bounds,
    )


__all__ = [
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

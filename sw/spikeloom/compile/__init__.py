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
from .chain import ChainPlan, chain_images, chain_populations, chain_report, plan_chain
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


@dataclass(frozen=True)
class Plan:
    """Where a network lies in a build; ``report`` says whether there is room for it.

    ``whole`` is the placement on one core, or on each; ``chain`` the cut into cores of a chain.
    """

    network: Network
    config: BuildConfig
    n_cores: int
    bounds: Mapping[str, Bound]
    report: CapacityReport
    whole: Placement | None = None
    chain: ChainPlan | None = None

    @property
    def arrangement(self) -> Arrangement | None:
        """How the cores share the work; None in a build of one core."""
        if self.config.cores == 1:
            return None
        return Arrangement.CHAIN if self.chain else Arrangement.SIDE_BY_SIDE

    def check(self) -> None:
        """Raise :class:`CapacityError` naming everything that is short, and what would help."""
        if self.chain:
            self.chain.check()
        else:
            self.report.check()

    def pack(self) -> Compiled:
        """Return the memory images; raises :class:`CapacityError` as :meth:`check` does."""
        self.check()
        network, config = self.network, self.config
        if self.chain:
            images: dict[str, NDArray[np.uint32]] = chain_images(self.chain)
            placed = chain_populations(self.chain)
            takes_input = tuple(plan.part.takes_input for plan in self.chain.cores)
        else:
            assert self.whole is not None
            images = pack_images(network, config.one_core, self.whole)
            for name, memory in memory_map(config).items():  # the driver copies those of core 0
                images.setdefault(name, np.zeros((0, memory.row_words), np.uint32))
            placed = self.whole.populations
            takes_input = (True,) * self.n_cores
        build = BuildFacts(
            build_id(config),
            config,
            placed,
            place_inputs(network),
            takes_input=takes_input,
            side_by_side=config.cores > 1 and not self.chain,
        )
        return Compiled(build=build, images=images, report=self.report, bounds=self.bounds)


def plan_network(
    network: Network,
    config: BuildConfig,
    arrangement: Arrangement = Arrangement.AUTO,
    n_cores: int | None = None,
    bounds: Mapping[str, Bound] | None = None,
    placement: Placement | None = None,
) -> Plan:
    """Prove and place ``network`` for ``config``; arguments and errors as of compile_network.

    What is short is in the plan's report and no error.  ``bounds`` and ``placement`` (of the whole
    network, for so many lanes) are worked out unless they are known.
    """
    n_cores = config.cores if n_cores is None else n_cores
    if not 1 <= n_cores <= config.cores:
        raise UsageError(f"n_cores must be from 1 to {config.cores}, not {n_cores}")
    if arrangement is Arrangement.CHAIN and not config.link_beats:
        raise UsageError(f"a chain needs the build option link_beats, which {config.name} lacks")
    bounds = prove_no_overflow(network) if bounds is None else bounds
    if arrangement is not Arrangement.CHAIN:
        whole = arrangement is Arrangement.SIDE_BY_SIDE or n_cores == 1 or not config.link_beats
        if whole:
            check_supported(network, config)
        if whole or not unsupported(network, config):
            placement = placement or place(network, config.lanes)
            report = capacity_report(network, config, placement)
            if whole or report.fits:
                return Plan(network, config, n_cores, bounds, report, whole=placement)
    chain = plan_chain(network, config, n_cores)
    return Plan(network, config, n_cores, bounds, chain_report(chain), chain=chain)


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
    return plan_network(network, config, arrangement, n_cores).pack()


__all__ = [
    "Arrangement",
    "Bound",
    "CapacityReport",
    "Compiled",
    "Placement",
    "Plan",
    "capacity_report",
    "check_supported",
    "compile_network",
    "place",
    "plan_network",
    "prove_no_overflow",
]

"""What a network takes of a build, and what to do when it does not fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..spec import numfmt
from ..spec.config import PRESETS, BuildConfig
from ..spec.errors import CapacityError
from ..spec.network import Network
from ..spec.tables import POPULATIONS
from .parameters import parameter_rows
from .placement import Placement, place, state_rows
from .support import unsupported

MAX_PROJECTIONS = (1 << POPULATIONS.field("n_projections").bits) - 1


@dataclass(frozen=True)
class Use:
    """How much of one resource is used."""

    resource: str
    used: int
    available: int
    unit: str

    @property
    def fits(self) -> bool:
        """Whether there is enough of it."""
        return self.used <= self.available


@dataclass(frozen=True)
class CapacityReport:
    """Use of every resource of a build by one network.

    ``lane_use`` is the share of lane slots in the network's state rows that hold a neuron.
    ``loads`` are the estimated cycles per tick of each core, in a chain of several.
    """

    config: BuildConfig
    uses: tuple[Use, ...]
    lane_use: float
    _network: Network = field(repr=False, compare=False)
    loads: tuple[float, ...] = ()

    @property
    def bottleneck(self) -> int:
        """The core with the heaviest load."""
        return self.loads.index(max(self.loads)) if self.loads else 0

    @cached_property
    def fitting_presets(self) -> tuple[str, ...]:
        """Names of the presets that can run the network."""
        return tuple(name for name, other in PRESETS.items() if _holds(self._network, other))

    @property
    def fits(self) -> bool:
        """Whether the network fits the build."""
        return all(use.fits for use in self.uses)

    def check(self) -> None:
        """Raise :class:`CapacityError` naming everything that is short and what would help."""
        short = [use for use in self.uses if not use.fits]
        if not short:
            return
        needs = "; ".join(
            f"{use.used} {use.unit} ({use.used - use.available} more than the {use.available} "
            "there are)"
            for use in short
        )
        if self.fitting_presets:
            help_ = f"preset {' or '.join(self.fitting_presets)} would hold it"
        else:
            help_ = (
                "no preset would hold it: use fewer neurons, or a build with more "
                + " and ".join(use.resource for use in short)
            )
        raise CapacityError(
            f"network does not fit build {self.config.name}: needs {needs}; {help_}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {
            "build": self.config.name,
            "fits": self.fits,
            "lane_use": self.lane_use,
            "resources": [{**vars(use), "fits": use.fits} for use in self.uses],
            "fitting_presets": list(self.fitting_presets),
            "loads": list(self.loads),
        }


def _history_rows(network: Network, placement: Placement) -> int:
    """Return the rows of spikes that wait at the same time, at worst.

    A tick of a recording source leaves a row of spikes for each of its state rows, for each
    binary digit of their number where it is multi-spike.
    """
    delays = [p.delay for p in placement.projections]
    recording = {p.source for p in placement.projections if p.delay}
    sources = [placement.populations[index] for index in recording]
    digits = numfmt.MAGNITUDE_MAX.bit_length()
    per_tick = sum(p.n_rows * (digits if p.multi_spike else 1) for p in sources)
    return per_tick * (max(delays, default=0) + 1)


def _uses(network: Network, config: BuildConfig, placement: Placement) -> tuple[Use, ...]:
    rows = sum(p.n_rows for p in placement.populations)
    n_projections = len(placement.projections)
    uses = [
        Use("state_rows", rows, config.state_rows, f"state rows of {config.lanes} neurons"),
        Use(
            "weight_rows",
            placement.banks.n_rows,
            config.weight_rows,
            f"weight rows of {config.lanes} per bank",
        ),
        Use("populations", len(placement.populations), config.populations, "population table rows"),
        Use(
            "projections",
            n_projections,
            min(config.projections, MAX_PROJECTIONS),
            "projection table rows",
        ),
    ]
    if config.groups:
        uses.append(Use("groups", placement.n_groups, config.groups, "groups of sources"))
        uses.append(Use("runs", placement.n_runs, config.runs, "runs of state rows"))
    if config.parameter_rows:
        parameters = parameter_rows(network, placement.populations[1:], config.lanes).rows
        uses.append(
            Use("parameter_rows", len(parameters), config.parameter_rows, "rows of parameters")
        )
    if config.history_rows:
        history = _history_rows(network, placement)
        unit = "rows of spikes that wait for delayed projections"
        uses.append(Use("history_rows", history, config.history_rows, unit))
        replays = len(placement.replays())
        uses.append(Use("replays", replays, config.projections, "groups of delayed projections"))
    return tuple(uses)


def capacity_report(
    network: Network, config: BuildConfig, placement: Placement | None = None
) -> CapacityReport:
    """Return what ``network`` takes of ``config``; ``placement`` is its own, if it is known."""
    placement = placement or place(network, config.lanes)
    uses = _uses(network, config, placement)
    neurons = sum(p.n_neurons for p in network.populations)
    return CapacityReport(config, uses, neurons / (uses[0].used * config.lanes), network)


def _holds(network: Network, config: BuildConfig) -> bool:
    """Whether the build can run the network; what is cheap to know comes first."""
    rows = sum(state_rows(p.n_neurons, config.lanes) for p in network.populations)
    if rows > config.state_rows or unsupported(network, config):
        return False
    return all(use.fits for use in _uses(network, config, place(network, config.lanes)))

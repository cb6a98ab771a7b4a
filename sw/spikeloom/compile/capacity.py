"""What a network takes of a build, and what to do when it does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..spec.config import PRESETS, BuildConfig
from ..spec.errors import CapacityError
from ..spec.network import Dense, Network
from ..spec.tables import POPULATIONS
from .placement import state_rows, weight_rows

MAX_STRIDE = (1 << 16) - 1
MAX_NEURONS = (1 << POPULATIONS.field("n_neurons").bits) - 1


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
    """

    config: BuildConfig
    uses: tuple[Use, ...]
    lane_use: float
    fitting_presets: tuple[str, ...]

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
        }


def check_supported(network: Network) -> None:
    """Raise :class:`CapacityError` listing everything the gateware cannot do yet."""
    reasons = []
    if len(network.inputs) != 1:
        reasons.append(f"one input population is possible, not {len(network.inputs)}")
    for source in network.inputs:
        if source.n_neurons > MAX_NEURONS:
            reasons.append(
                f"{source.name} must have at most {MAX_NEURONS} neurons, not {source.n_neurons}"
            )
        if source.signed:
            reasons.append(f"signed of {source.name} must be false")
    for population in network.populations:
        for name, value in population.tensors().items():
            if value.size > 1 and value.min() != value.max():
                reasons.append(
                    f"{name} of {population.name} must be the same for the whole population"
                )
        if population.refractory:
            reasons.append(
                f"refractory of {population.name} must be 0, not {population.refractory}"
            )
        if population.current_decay is not None:
            reasons.append(f"current_decay of {population.name} must not be given")
        if population.multi_spike:
            reasons.append(f"multi_spike of {population.name} must be false")
    for projection in network.projections:
        for name in ("shift", "delay"):
            if getattr(projection, name):
                reasons.append(
                    f"{name} of {projection.name} must be 0, not {getattr(projection, name)}"
                )
        if not isinstance(projection.kind, Dense):
            reasons.append(
                f"kind of {projection.name} must be dense, not {projection.kind.tag.value}"
            )
        elif projection.weights.shape[1] > 2 * MAX_STRIDE:
            reasons.append(f"{projection.name} must have at most {2 * MAX_STRIDE} sources")
    if reasons:
        raise CapacityError("the accelerator cannot run this network: " + "; ".join(reasons))


def _uses(network: Network, config: BuildConfig) -> tuple[Use, ...]:
    rows = sum(state_rows(p.n_neurons, config.lanes) for p in network.populations)
    # check_supported refuses the other kinds, which have no layout in the weight banks yet
    dense = [p for p in network.projections if isinstance(p.kind, Dense)]
    weights = sum(weight_rows(p, config.lanes) for p in dense)
    populations = len(network.inputs) + len(network.populations)
    return (
        Use("state_rows", rows, config.state_rows, f"state rows of {config.lanes} neurons"),
        Use("weight_rows", weights, config.weight_rows, f"weight rows of {config.lanes} per bank"),
        Use("populations", populations, config.populations, "population table rows"),
        Use("projections", len(network.projections), config.projections, "projection table rows"),
    )


def capacity_report(network: Network, config: BuildConfig) -> CapacityReport:
    """Return what ``network`` takes of ``config``, and which presets would hold it."""
    uses = _uses(network, config)
    neurons = sum(p.n_neurons for p in network.populations)
    fitting = tuple(
        name for name, other in PRESETS.items() if all(use.fits for use in _uses(network, other))
    )
    return CapacityReport(config, uses, neurons / (uses[0].used * config.lanes), fitting)

"""Where populations and weights lie in a core's memories."""

from __future__ import annotations

from dataclasses import dataclass

from ..spec.config import BuildConfig
from ..spec.manifest import PlacedPopulation
from ..spec.network import Network, Projection


@dataclass(frozen=True)
class PlacedProjection:
    """A projection and its rows in the weight banks."""

    projection: Projection
    row_base: int
    n_rows: int
    lanes_last: int
    weight_base: int
    stride: int


@dataclass(frozen=True)
class Placement:
    """The table rows of a network: populations in table order, projections by source."""

    populations: tuple[PlacedPopulation, ...]
    projections: tuple[PlacedProjection, ...]

    def fan_out(self, name: str) -> tuple[int, int]:
        """Return (first table row, number of rows) of the projections from ``name``."""
        rows = [i for i, p in enumerate(self.projections) if p.projection.source == name]
        return (rows[0] if rows else 0, len(rows))


def state_rows(n_neurons: int, lanes: int) -> int:
    """Return how many state rows a population of ``n_neurons`` takes."""
    return -(-n_neurons // lanes)


def weight_rows(projection: Projection, lanes: int) -> int:
    """Return how many rows of each weight bank a projection takes."""
    n_destination, n_source = projection.weights.shape
    return state_rows(n_destination, lanes) * -(-n_source // 2)


def place(network: Network, config: BuildConfig) -> Placement:
    """Place a network that fits (:meth:`CapacityReport.check`): first come, first placed."""
    populations = [
        PlacedPopulation(
            name=p.name,
            n_neurons=p.n_neurons,
            shape=p.shape,
            is_input=True,
            is_output=False,
            max_magnitude=p.max_magnitude,
        )
        for p in network.inputs
    ]
    row = 0
    for population in network.order():
        rows = state_rows(population.n_neurons, config.lanes)
        populations.append(
            PlacedPopulation(
                name=population.name,
                n_neurons=population.n_neurons,
                shape=population.shape,
                is_input=False,
                is_output=population.name in network.outputs,
                row_base=row,
                n_rows=rows,
            )
        )
        row += rows
    placed = {p.name: p for p in populations}
    projections = []
    base = 0
    for source in populations:
        for projection in network.fan_out(source.name):
            target = placed[projection.destination]
            projections.append(
                PlacedProjection(
                    projection=projection,
                    row_base=target.row_base,
                    n_rows=target.n_rows,
                    lanes_last=lanes_last(target.n_neurons, config.lanes),
                    weight_base=base,
                    stride=-(-source.n_neurons // 2),
                )
            )
            base += weight_rows(projection, config.lanes)
    return Placement(tuple(populations), tuple(projections))


def lanes_last(n_neurons: int, lanes: int) -> int:
    """Return how many neurons the last state row of a population holds."""
    return (n_neurons - 1) % lanes + 1

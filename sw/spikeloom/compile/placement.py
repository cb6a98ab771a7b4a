"""Where populations, projections and weights lie in a core's memories."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..spec.manifest import PlacedInput, PlacedPopulation
from ..spec.network import Dense, Network, Projection
from .banks import Banks, BlockPools
from .fanout import Addresses, FanOut, pack_fan_out
from .inputs import InputRange, combined_input, input_ranges, place_inputs


@dataclass(frozen=True)
class PlacedProjection:
    """A projection, its source's table index and its rows in the weight banks.

    ``fan_out`` is there where the weights are in blocks, ``weight_base`` and ``stride`` count
    where they are not; ``delay`` is 0 for an input, whose delays are in its addresses.
    """

    projection: Projection
    source: int
    delay: int
    row_base: int
    n_rows: int
    lanes_last: int
    weight_base: int = 0
    stride: int = 0
    fan_out: FanOut | None = None


@dataclass(frozen=True)
class Replay:
    """Projections ``first`` to ``first + count - 1`` of a population, all of one delay."""

    population: int
    delay: int
    first: int
    count: int


@dataclass(frozen=True)
class Placement:
    """The table rows of a network: populations in table order, projections by source and delay."""

    inputs: tuple[PlacedInput, ...]
    populations: tuple[PlacedPopulation, ...]
    projections: tuple[PlacedProjection, ...]
    banks: Banks

    def fan_out(self, source: int, delay: int = 0) -> tuple[int, int]:
        """Return (first table row, number of rows) of a source's projections of that delay."""
        wanted = (source, delay)
        rows = [i for i, p in enumerate(self.projections) if (p.source, p.delay) == wanted]
        return (rows[0] if rows else 0, len(rows))

    def replays(self) -> tuple[Replay, ...]:
        """Return the groups of projections with a delay."""
        found = sorted({(p.source, p.delay) for p in self.projections if p.delay})
        return tuple(Replay(*key, *self.fan_out(*key)) for key in found)

    @property
    def n_groups(self) -> int:
        """Rows of the groups table."""
        return sum(len(p.fan_out.groups) for p in self.projections if p.fan_out)

    @property
    def n_runs(self) -> int:
        """Rows of the runs table."""
        fan_outs = [p.fan_out for p in self.projections if p.fan_out]
        return sum(len(runs) for fan_out in fan_outs for runs in fan_out.groups)


def state_rows(n_neurons: int, lanes: int) -> int:
    """Return how many state rows a population of ``n_neurons`` takes."""
    return -(-n_neurons // lanes)


def lanes_last(n_neurons: int, lanes: int) -> int:
    """Return how many neurons the last state row of a population holds."""
    return (n_neurons - 1) % lanes + 1


def is_grouped(network: Network, projection: Projection) -> bool:
    """Whether the weights of ``projection`` lie in blocks of groups of sources."""
    if not isinstance(projection.kind, Dense):
        return True
    is_input = any(p.name == projection.source for p in network.inputs)
    return is_input and len(input_ranges(network)) > 1


def place(network: Network, lanes: int) -> Placement:
    """Place a network on a core of ``lanes`` lanes: first come, first placed."""
    populations = [combined_input(network)]
    row = 0
    for population in network.order():
        rows = state_rows(population.n_neurons, lanes)
        populations.append(
            PlacedPopulation(
                name=population.name,
                n_neurons=population.n_neurons,
                shape=population.shape,
                is_input=False,
                is_output=population.name in network.outputs,
                row_base=row,
                n_rows=rows,
                multi_spike=population.multi_spike,
            )
        )
        row += rows
    banks = Banks(lanes)
    pools = BlockPools()
    projections = tuple(
        _place_projection(network, projection, populations, source, banks, pools)
        for source, projection in _in_table_order(network, populations)
    )
    pools.place(banks)
    return Placement(place_inputs(network), tuple(populations), projections, banks)


def _in_table_order(
    network: Network, populations: list[PlacedPopulation]
) -> list[tuple[int, Projection]]:
    """Return (table index of the source, projection), by source and then by delay."""
    found = [(0, p) for source in network.inputs for p in network.fan_out(source.name)]
    for index, population in enumerate(populations[1:], 1):
        fan_out = sorted(network.fan_out(population.name), key=lambda p: p.delay)
        found += [(index, p) for p in fan_out]
    return found


def _place_projection(
    network: Network,
    projection: Projection,
    populations: list[PlacedPopulation],
    source: int,
    banks: Banks,
    pools: BlockPools,
) -> PlacedProjection:
    target = next(p for p in populations[1:] if p.name == projection.destination)
    placed = PlacedProjection(
        projection=projection,
        source=source,
        delay=projection.delay if source else 0,
        row_base=target.row_base,
        n_rows=target.n_rows,
        lanes_last=lanes_last(target.n_neurons, banks.lanes),
    )
    if not is_grouped(network, projection):
        stride = -(-projection.weights.shape[1] // 2)
        base = _add_dense(projection, target.n_rows, stride, banks)
        return replace(placed, weight_base=base, stride=stride)
    addresses = _addresses(network, projection, populations[source])
    fan_out = pack_fan_out(projection, network.ends(projection), addresses, banks.lanes, pools)
    return replace(placed, stride=fan_out.stride, fan_out=fan_out)


def _addresses(network: Network, projection: Projection, source: PlacedPopulation) -> Addresses:
    """Return where the sources of a projection lie."""
    if not source.is_input:
        return Addresses(0, source.n_neurons)
    ranges = input_ranges(network)
    own = next(r for r in ranges if _feeds(r, projection))
    others = tuple((r.address, r.stop) for r in ranges if r is not own)
    return Addresses(own.address, source.n_neurons, others)


def _feeds(inputs: InputRange, projection: Projection) -> bool:
    return (inputs.source.name, inputs.delay) == (projection.source, projection.delay)


def _add_dense(projection: Projection, n_rows: int, stride: int, banks: Banks) -> int:
    """Place the weights of source s to state row r in row base + r * stride + s // 2."""
    n_destination, n_source = projection.weights.shape
    padded = np.zeros((n_rows * banks.lanes, 2 * stride), np.int8)
    padded[:n_destination, :n_source] = projection.weights
    # (rows, lanes, pairs, parity) -> per parity (rows, pairs, lanes)
    blocks = padded.reshape(n_rows, banks.lanes, stride, 2)
    even, odd = (
        blocks[..., parity].transpose(0, 2, 1).reshape(-1, banks.lanes) for parity in range(2)
    )
    return banks.add_pair(even, odd)

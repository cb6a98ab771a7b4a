"""Memory images: a placed network as the words of a core's memories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..spec import numfmt
from ..spec.config import BuildConfig
from ..spec.memmap import memory_map
from ..spec.network import Network, Population, Reset, ResetOrder
from ..spec.tables import POPULATIONS, PROJECTIONS, FireSelect, pack_row
from .placement import PlacedProjection, Placement, lanes_last


def fire_facts(population: Population) -> tuple[FireSelect, int]:
    """Return how the gateware resets: see :class:`spikeloom.spec.tables.FireSelect`."""
    after = population.reset_order is ResetOrder.AFTER_DECAY
    threshold = int(population.threshold.flat[0])
    if population.reset is Reset.SUBTRACT:
        return (FireSelect.H, -threshold) if after else (FireSelect.H_MINUS_THETA, 0)
    if population.reset is Reset.VALUE:
        value = max(population.reset_value, population.floor)
        if not after:
            product = value * int(population.decay.flat[0])
            value = abs(product) >> numfmt.DECAY_FRACTION_BITS
            value = -value if product < 0 else value
        return FireSelect.ZERO, value
    return FireSelect.ZERO, 0


def _population_row(
    network: Network, placement: Placement, index: int, lanes: int
) -> NDArray[np.uint32]:
    placed = placement.populations[index]
    first, count = placement.fan_out(placed.name)
    facts = {"n_neurons": placed.n_neurons, "first_projection": first, "n_projections": count}
    if not placed.is_input:
        population = network.population(placed.name)
        select, constant = fire_facts(population)
        bias = int(population.bias.flat[0])
        facts |= {
            "row_base": placed.row_base,
            "n_rows": placed.n_rows,
            "threshold": int(population.threshold.flat[0]),
            "decay": int(population.decay.flat[0]),
            "bias": bias,
            "floor": population.floor,
            "initial": population.initial,
            "fire_constant": constant,
            "fire_select": int(select),
            "fires": int(population.reset is not Reset.NONE),
            "clip_before": int(population.reset_order is ResetOrder.BEFORE_DECAY),
            "always_visit": int(bias != 0),
            "always_clear": int(population.initial != 0),
            "opens_input": int(index == _last_fed_by_input(network, placement)),
            "emit_spikes": int(placed.is_output),
            "probe_end": int(placed.is_output),
            "lanes_last": lanes_last(placed.n_neurons, lanes),
        }
    return pack_row(POPULATIONS, facts)


def _last_fed_by_input(network: Network, placement: Placement) -> int:
    """Return the table index of the last population that the input feeds.

    Without any such population it is the first one: the input may then go on at once.
    """
    fed = {p.destination for source in network.inputs for p in network.fan_out(source.name)}
    indices = [i for i, p in enumerate(placement.populations) if p.name in fed]
    return max(indices, default=len(network.inputs))


def _projection_row(placed: PlacedProjection) -> NDArray[np.uint32]:
    return pack_row(
        PROJECTIONS,
        {
            "row_base": placed.row_base,
            "n_rows": placed.n_rows,
            "weight_base": placed.weight_base,
            "stride": placed.stride,
            "lanes_last": placed.lanes_last,
        },
    )


def _weight_banks(placement: Placement, lanes: int) -> list[NDArray[np.int8]]:
    """Return the even and the odd bank, int8 of shape (rows in use, lanes)."""
    n_rows = max((p.weight_base + p.n_rows * p.stride for p in placement.projections), default=0)
    banks = [np.zeros((n_rows, lanes), np.int8) for _ in range(2)]
    for placed in placement.projections:
        weights = placed.projection.weights
        n_destination, n_source = weights.shape
        padded = np.zeros((placed.n_rows * lanes, 2 * placed.stride), np.int8)
        padded[:n_destination, :n_source] = weights
        # (rows, lanes, pairs, parity) -> per parity (rows, pairs, lanes)
        blocks = padded.reshape(placed.n_rows, lanes, placed.stride, 2)
        stop = placed.weight_base + placed.n_rows * placed.stride
        for parity, bank in enumerate(banks):
            bank[placed.weight_base : stop] = (
                blocks[..., parity].transpose(0, 2, 1).reshape(-1, lanes)
            )
    return banks


def pack_images(
    network: Network, config: BuildConfig, placement: Placement
) -> dict[str, NDArray[np.uint32]]:
    """Return the memory images, uint32 of shape (rows in use, words in a row)."""
    memories = memory_map(config)
    even, odd = (bank.view("<u4") for bank in _weight_banks(placement, config.lanes))
    populations = [
        _population_row(network, placement, index, config.lanes)
        for index in range(len(placement.populations))
    ]
    projections = [_projection_row(p) for p in placement.projections]
    images = {
        "populations": np.array(populations, np.uint32),
        "projections": np.array(projections, np.uint32),
        "weights_even": even,
        "weights_odd": odd,
    }
    return {
        name: np.ascontiguousarray(image, np.uint32).reshape(-1, memories[name].row_words)
        for name, image in images.items()
    }

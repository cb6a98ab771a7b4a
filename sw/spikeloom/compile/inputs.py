"""The addresses of the input neurons: all inputs of a network share one address space.

The core sees one input population.  An input has a range of addresses in it for every delay
of its projections; the driver sends an event of tick t to the range of delay d in tick t + d, so
delays of inputs cost no hardware.  With several ranges each one starts at a multiple of the power
of two that holds it: the addresses of a range then fall into groups of sources of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..spec.manifest import PlacedInput, PlacedPopulation
from ..spec.network import InputPopulation, Network


class InputRange(NamedTuple):
    """The addresses from ``address`` on, of the events of ``source`` that come ``delay`` late."""

    source: InputPopulation
    delay: int
    address: int

    @property
    def stop(self) -> int:
        """The address behind the last one."""
        return self.address + self.source.n_neurons


@dataclass(frozen=True)
class Part(Network):
    """What a core runs of a network: a network whose inputs have their ``ranges`` already.

    ``takes_input`` says whether the host's spikes are among them.
    """

    ranges: tuple[InputRange, ...] = ()
    takes_input: bool = True


def input_ranges(network: Network) -> tuple[InputRange, ...]:
    """Return the ranges in the network's order; that of an input's least delay comes first."""
    if isinstance(network, Part):
        return network.ranges
    wanted = [
        (source, delay)
        for source in network.inputs
        for delay in sorted({p.delay for p in network.fan_out(source.name)} or {0})
    ]
    return spread(wanted, 0)


def spread(wanted: Sequence[tuple[InputPopulation, int]], free: int) -> tuple[InputRange, ...]:
    """Return a range for each source and delay, all from address ``free`` on.

    The largest range has the lowest addresses, so that powers of two leave few gaps.
    """
    sizes = [1 << (source.n_neurons - 1).bit_length() for source, _ in wanted]
    addresses = dict.fromkeys(range(len(wanted)), 0)
    for index in sorted(range(len(wanted)), key=lambda i: -sizes[i]):
        addresses[index] = -(-free // sizes[index]) * sizes[index]
        free = addresses[index] + sizes[index]
    return tuple(InputRange(*wanted[i], addresses[i]) for i in range(len(wanted)))


def place_inputs(network: Network) -> tuple[PlacedInput, ...]:
    """Return the ranges as the manifest has them."""
    return tuple(
        PlacedInput(
            name=r.source.name,
            shape=r.source.shape,
            n_neurons=r.source.n_neurons,
            address=r.address,
            delay=r.delay,
            max_magnitude=r.source.max_magnitude,
            signed=r.source.signed,
        )
        for r in input_ranges(network)
    )


def combined_input(network: Network) -> PlacedPopulation:
    """Return row 0 of the population table: all inputs together.

    It is the input itself where a network has one range only.
    """
    ranges = input_ranges(network)
    if len(ranges) == 1:
        name, shape = network.inputs[0].name, network.inputs[0].shape
    else:
        taken = {p.name for p in network.inputs} | {p.name for p in network.populations}
        name, shape = "inputs", (max(r.stop for r in ranges),)
        while name in taken:
            name += "_"
    return PlacedPopulation(
        name=name,
        n_neurons=max(r.stop for r in ranges),
        shape=shape,
        is_input=True,
        is_output=False,
    )

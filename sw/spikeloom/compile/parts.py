"""A network cut into parts, one for each core of a chain.

A part has consecutive populations of the topological order, so spikes without delay go forward
along the chain only.  To its core every population of another part is an input: with ranges of
addresses behind those of the host, one for each delay, as inputs have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.network import InputPopulation, Network, Population
from ..spec.numfmt import MAGNITUDE_MAX
from .inputs import InputRange, Part, input_ranges, spread


@dataclass(frozen=True)
class Cut:
    """A network's populations in topological order, those of core k from ``starts[k]`` on."""

    network: Network
    order: tuple[Population, ...]
    starts: tuple[int, ...]

    @property
    def n_cores(self) -> int:
        """Cores in use."""
        return len(self.starts)

    def on_core(self, core: int) -> tuple[Population, ...]:
        """Return the populations of a core."""
        stops = (*self.starts[1:], len(self.order))
        return self.order[self.starts[core] : stops[core]]

    def core_of(self, name: str) -> int:
        """Return the core of a population of neurons."""
        index = next(i for i, p in enumerate(self.order) if p.name == name)
        return max(core for core, start in enumerate(self.starts) if start <= index)

    def part(self, core: int) -> Part:
        """Return the part of a core."""
        return part_of(self.network, self.on_core(core))


def part_of(network: Network, populations: Sequence[Population]) -> Part:
    """Return the part of ``network`` that holds ``populations``, given in topological order.

    Its outputs are those of the network and those that other parts need.
    """
    own = {p.name for p in populations}
    projections = tuple(p for p in network.projections if p.destination in own)
    hosts = {p.name for p in network.inputs}
    takes_input = any(p.source in hosts for p in projections)
    remote = tuple(
        InputPopulation(p.name, p.shape, MAGNITUDE_MAX if p.multi_spike else 1)
        for p in network.order()
        if p.name not in own and any(q.source == p.name for q in projections)
    )
    wanted = [
        (source, delay)
        for source in remote
        for delay in sorted({p.delay for p in projections if p.source == source.name})
    ]
    ranges: tuple[InputRange, ...] = ()
    inputs = remote
    if takes_input or not remote:
        ranges, inputs = input_ranges(network), (*network.inputs, *remote)
    ranges += spread(wanted, max((r.stop for r in ranges), default=0))
    needed = {p.source for p in network.projections if p.destination not in own}
    outputs = [p.name for p in populations if p.name in needed or p.name in network.outputs]
    return Part(
        inputs=inputs,
        populations=tuple(populations),
        projections=projections,
        outputs=tuple(outputs) or (populations[-1].name,),
        ranges=ranges,
        takes_input=takes_input,
    )

"""A network spread over the cores of a chain: which populations where, and the links between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..spec.config import BuildConfig
from ..spec.errors import CapacityError
from ..spec.manifest import PlacedPopulation
from ..spec.memmap import core_memories, core_name
from ..spec.network import Network, Population
from ..spec.numfmt import MAGNITUDE_MAX
from ..spec.tables import FEEDS, POPULATIONS, ROUTES, TARGETS, Table, pack_row
from .capacity import CapacityReport, Use, capacity_report
from .images import pack_images, stacked
from .inputs import InputRange, Part, combined_input
from .parts import Cut
from .placement import Placement, place, state_rows
from .support import unsupported

ASSUMED_RATE = 0.1
"""Share of all neurons taken to fire in a tick when the load of a core is estimated."""

MAX_TRIALS = 64
SPARE_BEATS = 4

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class CorePlan:
    """What one core of a chain runs; ``load`` is its estimated number of cycles per tick."""

    part: Part
    placement: Placement
    report: CapacityReport
    load: float


@dataclass(frozen=True)
class ChainPlan:
    """A network cut for a chain of cores, and the plan of each core."""

    cut: Cut
    config: BuildConfig
    cores: tuple[CorePlan, ...]

    def check(self) -> None:
        """Raise :class:`CapacityError` naming every core that falls short, and of what."""
        short = [
            f"core {core} needs {use.used} {use.unit}, but has {use.available}"
            for core, plan in enumerate(self.cores)
            for use in plan.report.uses
            if not use.fits
        ]
        if short:
            raise CapacityError(
                f"network does not fit a chain of {self.cut.n_cores} cores of build "
                f"{self.config.name}: {'; '.join(short)}; use smaller populations (one lies on "
                "one core), or a build with more of it"
            )

    @property
    def fits(self) -> bool:
        """Whether every core has room for its part."""
        return all(plan.report.fits for plan in self.cores)


def loads(network: Network, lanes: int) -> dict[str, float]:
    """Return the estimated cycles per tick of every population.

    A cycle for each state row, and one for each ``lanes`` synapses of the
    :data:`ASSUMED_RATE` of its sources that fire.
    """
    out = {}
    for population in network.populations:
        work = float(state_rows(population.n_neurons, lanes))
        for projection in network.fan_in(population.name):
            ends = network.ends(projection)
            synapses = projection.kind.fan_out_sizes(ends, projection.weights).sum()
            work += ASSUMED_RATE * float(synapses) / lanes
        out[population.name] = work
    return out


def plan_chain(network: Network, config: BuildConfig, n_cores: int) -> ChainPlan:
    """Cut ``network`` for a chain of ``n_cores`` cores so that the heaviest load is the least.

    The cuts are tried from the best balanced on; the first that fits is taken, and if none does
    the best balanced one (:meth:`ChainPlan.check` says what it is short of).

    Raises :class:`CapacityError` if some core of that cut lacks what its part needs at all.
    """
    work = loads(network, config.lanes)
    first: ChainPlan | None = None
    lacks: list[str] = []
    for cut in itertools.islice(_cuts(network, work, config, n_cores), MAX_TRIALS):
        plan, lacking = _plan(cut, config, work)
        if not lacking and plan.fits:
            return plan
        if first is None:
            first, lacks = plan, lacking
    assert first is not None, "there is a cut"
    if lacks:
        raise CapacityError(
            f"network does not fit a chain of {first.cut.n_cores} cores of build {config.name}: "
            + "; ".join(lacks)
        )
    return first


def _cuts(
    network: Network, work: Mapping[str, float], config: BuildConfig, n_cores: int
) -> Iterator[Cut]:
    """Yield the cuts whose cores have enough state rows, best balanced first; else the best one."""
    order = network.order()
    n_cores = min(n_cores, len(order))
    load = np.cumsum([0.0, *(work[p.name] for p in order)])
    rows = np.cumsum([0, *(state_rows(p.n_neurons, config.lanes) for p in order)])
    found = []
    for inner in itertools.combinations(range(1, len(order)), n_cores - 1):
        bounds = np.array([0, *inner, len(order)])
        short = bool(np.diff(rows[bounds]).max() > config.state_rows)
        found.append((short, float(np.diff(load[bounds]).max()), (0, *inner)))
    found.sort()
    enough = [cut for cut in found if not cut[0]]
    for _, _, starts in enough or found[:1]:
        yield Cut(network, tuple(order), starts)


def _plan(cut: Cut, config: BuildConfig, work: Mapping[str, float]) -> tuple[ChainPlan, list[str]]:
    """Return the plans of a cut's cores, and what cores cannot run at all."""
    plans: list[CorePlan] = []
    lacks = []
    for core in range(cut.n_cores):
        part = cut.part(core)
        reasons = unsupported(part, config)
        if reasons:
            lacks.append(f"core {core} cannot run its part: {'; '.join(reasons)}")
            continue
        placement = place(part, config.lanes)
        report = capacity_report(part, config.one_core, placement)
        report = replace(report, uses=(*report.uses, *_link_uses(cut, core, part, config)))
        load = sum(work[p.name] for p in part.populations)
        plans.append(CorePlan(part, placement, report, load))
    return ChainPlan(cut, config, tuple(plans)), lacks


def _feeds(cut: Cut, part: Part) -> dict[tuple[int, int], list[InputRange]]:
    """Return the ranges of a part that other cores fill, by (source core, delay).

    Those of earlier ticks come first: their spikes are there before those of this one.
    """
    hosts = {p.name for p in cut.network.inputs}
    found: dict[tuple[int, int], list[InputRange]] = {}
    for r in part.ranges:
        if r.source.name not in hosts:
            found.setdefault((cut.core_of(r.source.name), r.delay), []).append(r)
    return {key: found[key] for key in sorted(found, key=lambda k: (k[1] == 0, k[0], -k[1]))}


def _keeps(cut: Cut, part: Part) -> dict[int, int]:
    """Return the greatest delay of the feeds from each core."""
    keeps: dict[int, int] = {}
    for source, delay in _feeds(cut, part):
        keeps[source] = max(delay, keeps.get(source, 0))
    return keeps


def _link_uses(cut: Cut, core: int, part: Part, config: BuildConfig) -> list[Use]:
    """Return what the links to a core take."""
    feeds = _feeds(cut, part)
    memories = core_memories(config)
    targets = sum(1 + len(cut.on_core(source)) for source, _ in feeds)
    uses = [
        Use("feeds", len(feeds) + 1, memories["feeds"].rows, "feeds from other cores and an end"),
        Use("targets", targets, memories["targets"].rows, "targets of feeds"),
    ]
    for source, keep in _keeps(cut, part).items():
        names = {r.source.name for ranges in feeds.values() for r in ranges}
        sent = [p for p in cut.on_core(source) if p.name in names]
        beats = (keep + 1) * sum(_beats(p, config.lanes) for p in sent) + SPARE_BEATS
        unit = f"beats of spikes that wait between core {source} and it"
        uses.append(Use("link_beats", beats, config.link_beats, unit))
    return uses


def _beats(population: Population, lanes: int) -> int:
    """Return the most beats that a tick's spikes of a population take.

    Two spikes of a row fill a beat if one is of an even lane, the other of an odd one; with
    multi-spike that holds for the lowest binary digit, each other one is a beat per neuron.
    """
    pairs = state_rows(population.n_neurons, lanes) * lanes // 2
    digits = MAGNITUDE_MAX.bit_length() - 1 if population.multi_spike else 0
    return pairs + digits * population.n_neurons


def chain_images(chain: ChainPlan) -> dict[str, Words]:
    """Return the memory images of all cores; a core that is not in use has empty ones."""
    cut, config = chain.cut, chain.config
    images = {}
    for core in range(config.cores):
        own: dict[str, Words] = {}
        if core < cut.n_cores:
            plan = chain.cores[core]
            own = pack_images(plan.part, config.one_core, plan.placement)
            own["populations"] = _only_outputs(own["populations"], cut, core)
            own |= _link_images(cut, core, plan.part)
        for name, memory in core_memories(config).items():
            empty = np.zeros((0, memory.row_words), np.uint32)
            images[core_name(name, core)] = own.get(name, empty)
    return images


def _only_outputs(rows: Words, cut: Cut, core: int) -> Words:
    """Return the population rows with final potentials of the network's outputs alone."""
    rows = rows.copy()
    field = POPULATIONS.field("probe_end")
    for row, population in enumerate(cut.on_core(core), 1):
        if population.name not in cut.network.outputs:
            rows[row, field.word] &= ~np.uint32(1 << field.lsb)
    return rows


def _link_images(cut: Cut, core: int, part: Part) -> dict[str, Words]:
    """Return the images of a core's routes, feeds and targets."""
    index = {p.name: i for i, p in enumerate(cut.order, 1)}
    readers: dict[str, int] = {}
    for other in range(cut.n_cores):
        for ranges in _feeds(cut, cut.part(other)).values():
            for r in ranges:
                readers[r.source.name] = readers.get(r.source.name, 0) | 1 << other
    routes = [pack_row(ROUTES, {})]
    for p in cut.on_core(core):
        host = int(p.name in cut.network.outputs)
        facts = {"population": index[p.name], "host": host, "cores": readers.get(p.name, 0)}
        routes.append(pack_row(ROUTES, facts))
    keeps = _keeps(cut, part)
    feeds: list[Words] = []
    targets: list[Words] = []
    for (source, delay), ranges in _feeds(cut, part).items():
        facts = {"source": source, "delay": delay, "keep": keeps[source]}
        feeds.append(pack_row(FEEDS, {"valid": 1, **facts, "first_target": len(targets)}))
        address = {r.source.name: r.address for r in ranges}
        targets.append(pack_row(TARGETS, {}))
        for p in cut.on_core(source):
            wanted = int(p.name in address)
            facts = {"address": address.get(p.name, 0), "wanted": wanted}
            targets.append(pack_row(TARGETS, facts))
    feeds.append(pack_row(FEEDS, {}))
    tables: dict[Table, list[Words]] = {ROUTES: routes, FEEDS: feeds, TARGETS: targets}
    return {table.name: stacked(rows, table) for table, rows in tables.items()}


def chain_populations(chain: ChainPlan) -> tuple[PlacedPopulation, ...]:
    """Return the populations of the whole network in their order, each with its core."""
    network = chain.cut.network
    found = [combined_input(network)]
    for core, plan in enumerate(chain.cores):
        for placed in plan.placement.populations[1:]:
            is_output = placed.name in network.outputs
            found.append(replace(placed, core=core, is_output=is_output))
    return tuple(found)


def chain_report(chain: ChainPlan) -> CapacityReport:
    """Return what the network takes of each core, and the load of each."""
    network, config, plans = chain.cut.network, chain.config, chain.cores
    uses = tuple(
        replace(use, resource=f"core{core}_{use.resource}")
        for core, plan in enumerate(plans)
        for use in plan.report.uses
    )
    slots = sum(plan.report.uses[0].used for plan in plans) * config.lanes
    neurons = sum(p.n_neurons for p in network.populations)
    return CapacityReport(
        config, uses, neurons / slots, network, tuple(plan.load for plan in plans)
    )


__all__ = [
    "ChainPlan",
    "CorePlan",
    "chain_images",
    "chain_populations",
    "chain_report",
    "loads",
    "plan_chain",
]

"""The plan of a network: its populations and the projections that end at each of them.

A plan is data; :class:`spikeloom.train.model.SpikingNetwork` makes a network of it, and
:mod:`.architecture` makes plans from a line of text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from ..spec.errors import NetworkError
from ..spec.kinds import Dense, Ends, Kind, OneToOne
from ..spec.numfmt import DELAY_MAX, MAGNITUDE_MAX
from ..spec.windows import Conv2d, Pool

INPUT = "input"
OUTPUT = "output"

NORM_NAMES = ("none", "bn", "tdbn", "tebn")
"""Normalisations that a network can have (:mod:`.norms`)."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Link:
    """A projection to come.

    Parameters
    ----------
    source
        Name of the population that sends; that of the population itself for feedback.
    kind
        Which synapses there are.
    weight_shape
        As the kind asks: dense (n, n_source), conv2d (out_channels, kernel_height,
        kernel_width, in_channels / groups), else ().
    delay
        0 to 63 ticks, 1 or more for feedback.
    norm
        Whether the network's norm comes behind it.
    learnt_delay
        Greatest delay in ticks, 0 to 63, if the delay is learnt (:mod:`.delays`); ``delay`` is
        then 0.  Not for populations that only add.
    tied
        Destination of an earlier projection from the same source whose weights and norm
        these are too; the integers may differ, since steps are those of a destination.
    """

    source: str
    kind: Kind
    weight_shape: Shape = ()
    delay: int = 0
    norm: bool = True
    tied: str | None = None
    learnt_delay: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.learnt_delay <= (0 if self.delay else DELAY_MAX):
            raise NetworkError(
                f"learnt_delay of the projection from {self.source} must be from 0 to {DELAY_MAX} "
                f"ticks, and 0 with a delay, not {self.learnt_delay} with the delay {self.delay}"
            )
        if not 0 <= self.delay <= DELAY_MAX:
            raise NetworkError(
                f"delay of the projection from {self.source} must be from 0 to {DELAY_MAX} ticks, "
                f"not {self.delay}"
            )


@dataclass(frozen=True)
class Planned:
    """A population to come.

    Parameters
    ----------
    name, shape
        As of :class:`spikeloom.spec.population.Population`.
    links
        The projections that end at it.
    relay
        Whether its neurons only add: each tick one event whose magnitude is the sum of what
        arrives.  That is how sums of windows (average pooling) and of branches (SEW blocks)
        reach weights: an integrate-and-fire neuron with multi-spike and a threshold of 1.
    """

    name: str
    shape: Shape
    links: tuple[Link, ...]
    relay: bool = False


@dataclass(frozen=True)
class Plan:
    """Populations in the order in which they are computed; the last is the output.

    Parameters
    ----------
    input_shape
        (n,) or (height, width, channels).
    populations
        Every source comes before its destination, feedback apart.
    """

    input_shape: Shape
    populations: tuple[Planned, ...]
    names: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        if not self.populations or self.populations[-1].name != OUTPUT:
            raise NetworkError(f"the last population of a plan must be called {OUTPUT}")
        known = {INPUT: self.input_shape}
        for planned in self.populations:
            if planned.name in known:
                raise NetworkError(f"population names must be unique, but {planned.name} is twice")
            known[planned.name] = planned.shape
            for link in planned.links:
                self._check(planned, link, known)
        object.__setattr__(self, "names", frozenset(known))

    @staticmethod
    def _check(planned: Planned, link: Link, known: dict[str, Shape]) -> None:
        if link.source not in known:
            raise NetworkError(
                f"the projection {link.source}->{planned.name} must start at a population that "
                "comes before: training computes a population over all ticks at once, and only "
                "feedback of a population to itself goes back"
            )
        if link.source == planned.name and (link.delay < 1 or not isinstance(link.kind, Dense)):
            raise NetworkError(
                f"the feedback of population {planned.name} must be dense with a delay of at least "
                f"1 tick, not {link.kind.tag.value} with {link.delay}"
            )
        if link.learnt_delay and planned.relay:
            raise NetworkError(
                f"the delay of {link.source}->{planned.name} must be fixed, not learnt: "
                f"{planned.name} only adds"
            )
        if planned.relay and not isinstance(link.kind, (Pool, OneToOne)):
            raise NetworkError(
                f"population {planned.name} only adds, so that {link.source}->{planned.name} must "
                f"be pool or one_to_one, not {link.kind.tag.value}"
            )

    def magnitudes(self, max_magnitude: int) -> dict[str, int]:
        """Return the greatest magnitude of each population's events, one for plain spikes.

        Raises
        ------
        NetworkError
            If that of a relay passes 127, naming it.
        """
        found = {INPUT: max_magnitude}
        for planned in self.populations:
            most = 1
            if planned.relay:
                most = sum(found[link.source] * _window(link.kind) for link in planned.links)
            if most > MAGNITUDE_MAX:
                raise NetworkError(
                    f"population {planned.name} must add up to at most {MAGNITUDE_MAX} in a tick, "
                    f"an event's greatest magnitude, not {most}; use a smaller window"
                )
            found[planned.name] = most
        return found


def with_learnt_delays(plan: Plan, limit: int) -> Plan:
    """Return the plan with delays learnt in every dense projection that has none yet.

    Feedback is left as it is; ``limit`` is in ticks, 0 for the plan itself.
    """

    def learnt(planned: Planned, link: Link) -> Link:
        fixed = link.delay or link.learnt_delay or link.source == planned.name
        if fixed or not isinstance(link.kind, Dense):
            return link
        return replace(link, learnt_delay=limit)

    return replace(
        plan,
        populations=tuple(
            replace(p, links=tuple(learnt(p, link) for link in p.links)) for p in plan.populations
        ),
    )


def _window(kind: Kind) -> int:
    return math.prod(kind.kernel) if isinstance(kind, Pool) else 1


def dense_link(source: str, n_source: int, n: int, delay: int = 0, norm: bool = True) -> Link:
    """Return a dense projection of learnt weights."""
    return Link(source, Dense(), (n, n_source), delay, norm)


def dense_plan(sizes: tuple[int, ...]) -> Plan:
    """Return the plan of dense layers: inputs, hidden populations, output."""
    if len(sizes) < 2:
        raise NetworkError(f"sizes must name the input and the output, not {sizes!r}")
    hidden = len(sizes) - 2
    names = ["hidden"] if hidden == 1 else [f"hidden{i + 1}" for i in range(hidden)]
    sources = [INPUT, *names]
    populations = tuple(
        Planned(name, (n,), (dense_link(source, n_source, n),))
        for name, n, source, n_source in zip(
            [*names, OUTPUT], sizes[1:], sources, sizes[:-1], strict=True
        )
    )
    return Plan((sizes[0],), populations)


def window_shape(source: Shape, link: Link, what: str) -> Shape:
    """Return the shape behind a window; :class:`NetworkError` says what does not fit."""
    import numpy as np

    kind = link.kind
    assert isinstance(kind, (Conv2d, Pool))
    weights = np.zeros(link.weight_shape, np.int8)
    return kind.destination_shape(what, source, weights)


def ends_of(plan: Plan, planned: Planned, link: Link) -> Ends:
    """Return the shapes that ``link`` joins; a dense one sees rows of neurons."""
    shapes = {INPUT: plan.input_shape, **{p.name: p.shape for p in plan.populations}}
    return Ends(shapes[link.source], planned.shape)

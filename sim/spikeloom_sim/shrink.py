"""The smallest case that still fails, from one that does.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002):
leave out samples, ticks, populations, projections, events and weights, by halves and then one by
one, and set parameters to their plainest values, as long as the case fails in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec import numfmt
from spikeloom.spec.errors import SpikeLoomError
from spikeloom.spec.network import Network, Population, Projection, Reset, ResetOrder

from .cases import Case

TRIES = 1000

_PLAIN: tuple[tuple[str, Any], ...] = (
    ("multi_spike", False),
    ("refractory", 0),
    ("current_decay", None),
    ("bias", 0),
    ("initial", 0),
    ("reset_order", ResetOrder.BEFORE_DECAY),
    ("reset", Reset.SUBTRACT),
    ("floor", numfmt.POTENTIAL_MIN),
    ("decay", numfmt.DECAY_ONE),
    ("threshold", 1),
)


def shrink(case: Case, failure: Callable[[Case], str | None], tries: int = TRIES) -> Case:
    """Return the smallest case found that fails as ``case`` does.

    Parameters
    ----------
    failure
        What is wrong with a case, None if nothing; what it says up to the first colon says in
        which way it fails.  Errors that it raises count as no failure.
    tries
        Cases that are tried at most.
    """
    return _Shrinker(case, failure, tries).run()


class _Shrinker:
    def __init__(self, case: Case, failure: Callable[[Case], str | None], tries: int) -> None:
        self.case, self._failure, self._left = case, failure, tries
        self._way = _way(failure(case))

    def run(self) -> Case:
        """Repeat all steps until none of them makes the case smaller."""
        if self._way is None:
            return self.case
        before = None
        while before is not self.case and self._left > 0:
            before = self.case
            for step in (
                self._plain_run, self._samples, self._ticks, self._populations, self._inputs,
                self._projections, self._events, self._parameters, self._weights,
            ):  # fmt: skip
                step()
        return self.case

    def _holds(self, build: Callable[[], Case]) -> bool:
        """Keep the case that ``build`` returns if it fails in the same way."""
        if self._left <= 0:
            return False
        self._left -= 1
        try:
            candidate = build()
            failed = _way(self._failure(candidate)) == self._way
        except SpikeLoomError:
            return False
        if failed:
            self.case = candidate
        return failed

    def _fewer(self, items: Sequence[Any], build: Callable[[list[Any]], Case]) -> None:
        """Leave out as many of ``items`` as the failure does without, by halves first."""
        kept, size = list(items), len(items)
        while size:
            start = 0
            while start < len(kept):
                rest = kept[:start] + kept[start + size :]
                if self._holds(partial(build, rest)):
                    kept = rest
                else:
                    start += size
            size //= 2

    def _plain_run(self) -> None:
        """Run it once, without stalls, on as few cores as will do."""
        calm = {**self.case.stalls, "stall_in": 0.0, "stall_out": 0.0}
        if self.case.again:
            self._holds(lambda: replace(self.case, again=""))
        if self.case.stalls != calm:
            self._holds(lambda: replace(self.case, stalls=calm))
        for n_cores in range(1, self.case.n_cores or 1):
            if self._holds(partial(replace, self.case, n_cores=n_cores)):
                break

    def _along(self, axis: int) -> None:
        """Leave out samples (axis 0) or ticks (axis 1) of the input."""
        inputs = self.case.inputs

        def taken(kept: list[int]) -> Case:
            if not kept:
                raise SpikeLoomError("a case must have a sample and a tick")
            shorter = {name: array.take(kept, axis) for name, array in inputs.items()}
            return replace(self.case, inputs=shorter)

        self._fewer(range(next(iter(inputs.values())).shape[axis]), taken)

    def _samples(self) -> None:
        self._along(0)

    def _ticks(self) -> None:
        self._along(1)

    def _populations(self) -> None:
        network = self.case.network
        self._fewer(
            [p.name for p in network.populations],
            lambda names: replace(self.case, network=_without(network, names)),
        )

    def _inputs(self) -> None:
        network, inputs = self.case.network, self.case.inputs

        def taken(names: list[str]) -> Case:
            kept = _without(network, [*names, *(p.name for p in network.populations)])
            return replace(self.case, network=kept, inputs={n: inputs[n] for n in names})

        if len(network.inputs) > 1:
            self._fewer([p.name for p in network.inputs], taken)

    def _projections(self) -> None:
        network = self.case.network
        self._fewer(
            network.projections,
            lambda kept: replace(self.case, network=replace(network, projections=tuple(kept))),
        )

    def _events(self) -> None:
        inputs = self.case.inputs
        places = [(name, i) for name, array in inputs.items() for i in np.flatnonzero(array)]

        def taken(kept: list[tuple[str, int]]) -> Case:
            fewer = {name: _only(array, [i for n, i in kept if n == name])
                     for name, array in inputs.items()}  # fmt: skip
            return replace(self.case, inputs=fewer)

        self._fewer(places, taken)

    def _parameters(self) -> None:
        for population in self.case.network.populations:
            for plainer in _plainer_populations(population.name, self._population):
                self._holds(partial(self._with_population, plainer))
        for projection in self.case.network.projections:
            for name, value in (("shift", 0), ("delay", 0), ("delay", 1)):
                now = self._projection(projection)
                if getattr(now, name) > value:
                    values: dict[str, Any] = {name: value}
                    self._holds(partial(self._with_projection, replace(now, **values)))

    def _weights(self) -> None:
        for projection in self.case.network.projections:

            def taken(kept: list[int], old: Projection = projection) -> Case:
                return self._with_projection(replace(old, weights=_only(old.weights, kept)))

            self._fewer(list(np.flatnonzero(projection.weights)), taken)

    def _population(self, name: str) -> Population:
        return self.case.network.population(name)

    def _projection(self, old: Projection) -> Projection:
        return next(p for p in self.case.network.projections if p.name == old.name)

    def _with_population(self, new: Population) -> Case:
        network = self.case.network
        changed = tuple(new if p.name == new.name else p for p in network.populations)
        return replace(self.case, network=replace(network, populations=changed))

    def _with_projection(self, new: Projection) -> Case:
        network = self.case.network
        changed = tuple(new if p.name == new.name else p for p in network.projections)
        return replace(self.case, network=replace(network, projections=changed))


def _way(failure: str | None) -> str | None:
    return None if failure is None else failure.split(":")[0]


def _only(array: NDArray[Any], kept: list[int]) -> NDArray[Any]:
    """Return ``array`` with all elements but those at the flat indices ``kept`` 0."""
    out = np.zeros_like(array)
    out.flat[kept] = array.flat[kept]
    return out


def _without(network: Network, names: list[str]) -> Network:
    """Return the network with the populations ``names`` alone; all inputs stay if none is named."""
    inputs = [p for p in network.inputs if p.name in names] or list(network.inputs)
    there = {*names, *(p.name for p in inputs)}
    populations = [p for p in network.populations if p.name in names]
    outputs = [name for name in network.outputs if name in names]
    return Network(
        tuple(inputs),
        tuple(populations),
        tuple(p for p in network.projections if {p.source, p.destination} <= there),
        tuple(outputs or [p.name for p in populations[-1:]]),
    )


def _plainer_populations(name: str, current: Callable[[str], Population]) -> Iterator[Population]:
    """Return the population with one parameter plainer, as the population then is, one by one."""
    for field, value in _PLAIN:
        population = current(name)
        old = getattr(population, field)
        if old is None or (np.ndim(old) == 0 and old == value):
            continue
        values = {field: value}
        if field == "reset":
            values["reset_value"] = 0
        yield replace(population, **values)
    for field in ("threshold", "decay", "bias", "current_decay"):
        old = getattr(current(name), field)
        if old is not None and old.size > 1:
            yield replace(current(name), **{field: old.flat[0]})

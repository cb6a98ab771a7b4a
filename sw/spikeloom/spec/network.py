"""The quantised network: populations of integer neurons joined by projections.

The meaning of every field, to the bit, is docs/spec/semantics.md.  A
:class:`Network` is immutable and valid once constructed; what a given build of
the accelerator can run of it is the compiler's business, not this module's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .checks import IDENTIFIER, check_flag, check_identifier
from .errors import NetworkError
from .kinds import Dense, Ends, Kind, OneToOne, ProjectionKind, Uniform
from .population import (
    InputPopulation,
    IntArray,
    Population,
    Reset,
    ResetOrder,
)
from .projection import Projection, kind_class
from .sparse import Sparse
from .windows import Conv2d, Pool

__all__ = [
    "IDENTIFIER",
    "Conv2d",
    "Dense",
    "Ends",
    "InputPopulation",
    "IntArray",
    "Kind",
    "Network",
    "OneToOne",
    "Pool",
    "Population",
    "Projection",
    "ProjectionKind",
    "Reset",
    "ResetOrder",
    "Sparse",
    "Uniform",
    "check_identifier",
]


@dataclass(frozen=True)
class Network:
    """A directed graph of populations and projections, all integers.

    Parameters
    ----------
    inputs
        Populations fed from outside; at least one.
    populations
        Populations of neurons, in any order.
    projections
        Synapses; two populations are joined by at most one projection.
    outputs
        Names of the populations whose spikes leave the accelerator; at least one.
    """

    inputs: tuple[InputPopulation, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("inputs", "populations", "projections", "outputs"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.inputs:
            raise NetworkError("a network must have at least one input population, not 0")
        if not self.populations:
            raise NetworkError("a network must have at least one population, not 0")
        names = [p.name for p in self._all()]
        for name in names:
            if names.count(name) > 1:
                raise NetworkError(f"population names must be unique, but {name} is there twice")
        targets = {p.name: p for p in self.populations}
        sources = {p.name: p for p in self._all()}
        seen: set[str] = set()
        for projection in self.projections:
            if projection.source not in sources:
                raise NetworkError(f"projection {projection.name} starts at an unknown population")
            if projection.destination not in targets:
                raise NetworkError(
                    f"projection {projection.name} must end at a population of neurons"
                )
            if projection.name in seen:
                raise NetworkError(f"projection {projection.name} is there twice")
            seen.add(projection.name)
            ends = Ends(sources[projection.source].shape, targets[projection.destination].shape)
            projection.kind.check_ends(f"projection {projection.name}", ends, projection.weights)
        if not self.outputs:
            raise NetworkError("a network must have at least one output population, not 0")
        for name in self.outputs:
            if name not in targets:
                raise NetworkError(f"output {name} is not a population of the network")
            if self.outputs.count(name) > 1:
                raise NetworkError(f"output {name} is there twice")
        self.order()

    def _all(self) -> tuple[InputPopulation | Population, ...]:
        return (*self.inputs, *self.populations)

    def order(self) -> tuple[Population, ...]:
        """Return the populations in topological order of the zero-delay projections.

        Ties keep the order of ``populations``.  Raises :class:`NetworkError` for a
        cycle without delay.
        """
        waiting = {p.name: p for p in self.populations}
        needs = {
            name: {
                p.source
                for p in self.projections
                if p.destination == name and p.delay == 0 and p.source in waiting
            }
            for name in waiting
        }
        done: list[Population] = []
        while waiting:
            ready = [name for name in waiting if not needs[name] & waiting.keys()]
            if not ready:
                cycle = ", ".join(sorted(waiting))
                raise NetworkError(
                    f"populations {cycle} form a cycle without delay; give at least one of its "
                    "projections a delay of 1 tick or more"
                )
            done.append(waiting.pop(ready[0]))
        return tuple(done)

    def source(self, name: str) -> InputPopulation | Population:
        """Return the population, input or not, of that name."""
        for population in self._all():
            if population.name == name:
                return population
        raise NetworkError(f"population {name} is not in the network")

    def population(self, name: str) -> Population:
        """Return the population of neurons of that name."""
        for population in self.populations:
            if population.name == name:
                return population
        raise NetworkError(f"population {name} is not in the network")

    def ends(self, projection: Projection) -> Ends:
        """Return the shapes of the two populations that ``projection`` joins."""
        destination = self.population(projection.destination)
        return Ends(self.source(projection.source).shape, destination.shape)

    def fan_in(self, name: str) -> tuple[Projection, ...]:
        """Return the projections that end at population ``name``."""
        return tuple(p for p in self.projections if p.destination == name)

    def fan_out(self, name: str) -> tuple[Projection, ...]:
        """Return the projections that start at population ``name``."""
        return tuple(p for p in self.projections if p.source == name)

    def describe(self) -> dict[str, Any]:
        """Return the graph as JSON-ready values (:meth:`tensors` apart)."""
        return {
            "inputs": [p.to_dict() for p in self.inputs],
            "populations": [p.to_dict() for p in self.populations],
            "projections": [p.to_dict() for p in self.projections],
            "outputs": list(self.outputs),
        }

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return every integer tensor by a path such as ``population/hidden/threshold``."""
        out: dict[str, NDArray[Any]] = {}
        for population in self.populations:
            for name, value in population.tensors().items():
                out[f"population/{population.name}/{name}"] = value
        for projection in self.projections:
            for name, value in projection.tensors().items():
                out[f"projection/{projection.source}/{projection.destination}/{name}"] = value
        return out

    @classmethod
    def from_parts(
        cls, description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
    ) -> Network:
        """Rebuild the network of :meth:`describe` and :meth:`tensors`.

        Raises :class:`NetworkError` naming the missing, unknown or ill-typed field.
        """
        reader = _Reader(tensors)
        names = ("inputs", "populations", "projections", "outputs")
        top = reader.fields("network", description, names)
        for name in top:
            if not isinstance(top[name], list):
                raise NetworkError(f"network field {name} must be a list")
        parts = {
            "inputs": tuple(reader.input_population(item) for item in top["inputs"]),
            "populations": tuple(reader.population(item) for item in top["populations"]),
            "projections": tuple(reader.projection(item) for item in top["projections"]),
            "outputs": tuple(top["outputs"]),
        }
        reader.check_all_read()
        return cls(**parts)


_POPULATION = (
    "name", "shape", "reset", "reset_order", "reset_value", "initial", "floor", "refractory",
)  # fmt: skip
_PROJECTION = ("source", "destination", "kind", "weight_bits", "shift", "delay")


class _Reader:
    """Reads the parts of a network strictly: every field and tensor has its place."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._tensors = tensors
        self._left = set(tensors)

    def check_all_read(self) -> None:
        """Raise :class:`NetworkError` if a tensor belongs to nothing."""
        if self._left:
            raise NetworkError(f"tensor {sorted(self._left)[0]} belongs to no part of the network")

    def fields(
        self, what: str, item: object, names: Iterable[str], optional: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Return the fields ``names`` of ``item``, and those of ``optional`` that are there."""
        if not isinstance(item, Mapping):
            raise NetworkError(f"{what} must be an object, not {type(item).__name__}")
        wanted = set(names)
        for name in sorted(wanted - item.keys()):
            raise NetworkError(f"{what} lacks the field {name}")
        for name in sorted(item.keys() - wanted - set(optional)):
            raise NetworkError(f"{what} has an unknown field {name}")
        return dict(item)

    def _read(self, path: str, names: Iterable[str]) -> dict[str, Any]:
        found = {}
        for name in names:
            key = f"{path}/{name}"
            if key not in self._tensors:
                raise NetworkError(f"tensor {key} is missing")
            self._left.discard(key)
            found[name] = self._tensors[key]
        return found

    def input_population(self, item: object) -> InputPopulation:
        """Return an input population of ``describe()``."""
        names = ("name", "shape", "max_magnitude")
        return InputPopulation(**self.fields("input population", item, names, ("signed",)))

    def population(self, item: object) -> Population:
        """Return a population of ``describe()``."""
        facts = self.fields("population", item, _POPULATION, ("multi_spike", "has_current"))
        what = f"has_current of {facts['name']}"
        has_current = check_flag(what, facts.pop("has_current", False))
        tensors = ("threshold", "decay", "bias", *(("current_decay",) if has_current else ()))
        return Population(**facts, **self._read(f"population/{facts['name']}", tensors))

    def projection(self, item: object) -> Projection:
        """Return a projection of ``describe()``."""
        tag = item.get("kind", "dense") if isinstance(item, Mapping) else "dense"
        kind = kind_class("projection", tag)
        facts = self.fields("projection", item, (*_PROJECTION, *kind.fact_fields()))
        tensors = ("weights", *kind.tensor_fields)
        arrays = self._read(f"projection/{facts['source']}/{facts['destination']}", tensors)
        given = {**facts, **arrays}
        parameters = {name: given.pop(name) for name in (*kind.fact_fields(), *kind.tensor_fields)}
        return Projection(**{**given, "kind": kind(**parameters)})

"""The input of a run: arrays of one or several input populations, by their addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spec.aer import Beats
from ..spec.checks import check_same_sizes, inputs_by_name
from ..spec.manifest import InputFacts, PlacedInput
from .words import check_inputs, encode_checked, encode_rows, population_order

Inputs = ArrayLike | Mapping[str, ArrayLike]


class Source(Protocol):
    """What has to be known of an input population; ranges of one name agree in it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, channels last."""

    @property
    def n_neurons(self) -> int:
        """The number of its neurons."""

    @property
    def max_magnitude(self) -> int:
        """The greatest value of a neuron in one tick."""

    @property
    def min_magnitude(self) -> int:
        """The least value of a neuron in one tick."""


class Checked(NamedTuple):
    """The values of an input population, in the shape and the axes that ``facts`` give."""

    array: NDArray[Any]
    facts: InputFacts

    def flat(self, first: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return samples ``first`` to ``stop`` - 1 as (samples, ticks, n), channels last."""
        return population_order(self.array[first:stop], self.facts)


def check_all(inputs: Inputs, facts: InputFacts, sources: Sequence[Source]) -> dict[str, Checked]:
    """Return the checked values of every input population by name.

    Parameters
    ----------
    inputs
        Integers or booleans of shape (samples, ticks, ``*facts.shape``) for the one input; for
        several a mapping from their names to arrays.  In a mapping the first input's array
        has that shape, the others' have the shape of their population, channels last; each
        may be (samples, ticks, neurons) too.
    facts
        Shape and axes of the first input.
    sources
        The input populations, in the network's order.

    Raises
    ------
    DataError
        If an array is missing, too much, or has another type, shape or range.
    """
    known = {source.name: source for source in sources}
    first = sources[0]
    given = inputs_by_name(inputs, tuple(known))
    if not isinstance(inputs, Mapping):
        limits = (first.max_magnitude, first.min_magnitude)
        return {first.name: Checked(check_inputs(inputs, facts, *limits), facts)}
    found = {}
    for name, source in known.items():
        array = np.asarray(given[name])
        own = facts if source is first else InputFacts(source.shape, 1)
        if array.shape[2:] == (source.n_neurons,):
            own = InputFacts((source.n_neurons,), 1)
        what = f"input {name}"
        array = check_inputs(array, own, source.max_magnitude, source.min_magnitude, what)
        found[name] = Checked(array, own)
    check_same_sizes({name: checked.array.shape[:2] for name, checked in found.items()})
    return found


class InputWords:
    """The checked input of a run as the words that carry it.

    Raises :class:`DataError` as :func:`check_all` does.
    """

    def __init__(self, inputs: Inputs, facts: InputFacts, placed: Sequence[PlacedInput]) -> None:
        by_name = {p.name: p for p in reversed(placed)}
        self._placed = tuple(placed)
        self._checked = check_all(inputs, facts, [by_name[p.name] for p in placed])
        self.n_samples, self.n_ticks = next(iter(self._checked.values())).array.shape[:2]
        self._is_plain = len(placed) == 1 and not placed[0].signed and not placed[0].delay

    def n_events(self, first: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """Return the most events that each of the samples holds, int64."""
        total = np.zeros(len(range(self.n_samples)[first:stop]), np.int64)
        for placed in self._placed:
            values = self._checked[placed.name].array[first:stop]
            values = np.abs(values) if placed.signed else values
            total += values.reshape(len(values), -1).sum(axis=1, dtype=np.int64)
        return total

    def encode(self, first: int, stop: int) -> Beats:
        """Return the beats of samples ``first`` to ``stop`` - 1 as one packet."""
        if self._is_plain:
            (checked,) = self._checked.values()
            return encode_checked(checked.array[first:stop], checked.facts, first)
        n_samples = len(range(self.n_samples)[first:stop])
        width = max(p.stop for p in self._placed)
        # values from -127 to 127 in two's complement, as the words have them
        rows = np.zeros((n_samples, self.n_ticks, width), np.uint8)
        is_signed = np.zeros(width, np.bool_)
        for placed in self._placed:
            values = self._checked[placed.name].flat(first, stop)
            there = slice(placed.address, placed.stop)
            kept = max(self.n_ticks - placed.delay, 0)
            rows[:, placed.delay :, there] = values[:, :kept].astype(np.int8).view(np.uint8)
            is_signed[there] = placed.signed
        return encode_rows(
            rows.reshape(-1, width), self.n_ticks, first, is_signed if is_signed.any() else None
        )

"""Rows of neuron parameters, for builds in which every neuron has its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..spec.manifest import PlacedPopulation
from ..spec.network import Network, Population
from ..spec.tables import PARAMETERS, POPULATIONS

NAMES = tuple(field.name for field in PARAMETERS.fields)
EVERY_ROW = (1 << POPULATIONS.field("parameter_mask").bits) - 1

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class ParameterRows:
    """The image and, per population, where its rows begin in it.

    Parameters
    ----------
    rows
        uint32 of shape (rows, lanes * 2).
    places
        Per population of neurons (``parameter_base`` before it is taken modulo the number of
        parameter rows, ``parameter_mask``): the parameters of state row r lie in row
        base + (r & mask).
    """

    rows: Words
    places: tuple[tuple[int, int], ...]


def parameter_rows(
    network: Network, populations: Sequence[PlacedPopulation], lanes: int
) -> ParameterRows:
    """Return the parameter rows of the populations of neurons ``populations``.

    Rows that repeat with a power of two as their period are stored for one period, and equal
    blocks of populations once.
    """
    width = lanes * PARAMETERS.words
    image = np.zeros((0, width), np.uint32)
    places = []
    for placed in populations:
        rows = _rows(network.population(placed.name), placed.n_rows, lanes)
        block, mask = _shortest(rows, placed.row_base, _used(placed, lanes))
        start = _find(image, block)
        if start is None:
            start = len(image)
            image = np.concatenate([image, block])
        places.append((start - (placed.row_base if mask == EVERY_ROW else 0), mask))
    return ParameterRows(image, tuple(places))


def _rows(population: Population, n_rows: int, lanes: int) -> Words:
    """Return the words of each state row, uint32 of shape (n_rows, lanes * 2)."""
    words = np.zeros((n_rows * lanes, PARAMETERS.words), np.uint32)
    for field in PARAMETERS.fields:
        if getattr(population, field.name) is None:
            continue
        values = population.per_neuron(field.name).astype(np.int64)
        values = np.pad(values, (0, len(words) - len(values)), mode="edge")
        bits = (values & ((1 << field.bits) - 1)).astype(np.uint32)
        words[:, field.word] |= bits << np.uint32(field.lsb)
    return words.reshape(n_rows, lanes * PARAMETERS.words)


def _used(placed: PlacedPopulation, lanes: int) -> NDArray[np.bool_]:
    """Return which words of the rows belong to a neuron, bool of shape (n_rows, lanes * 2)."""
    used = np.arange(placed.n_rows * lanes) < placed.n_neurons
    return np.repeat(used, PARAMETERS.words).reshape(placed.n_rows, -1)


def _shortest(rows: Words, row_base: int, used: NDArray[np.bool_]) -> tuple[Words, int]:
    """Return the shortest block that holds ``rows``, and the mask that finds a row in it."""
    state_row = row_base + np.arange(len(rows))
    period = 1
    while period < len(rows):
        # the first of the rows that share a place has all its lanes in use
        first = (state_row - row_base) % period
        if not ((rows != rows[first]) & used).any():
            return rows[:period][(np.arange(period) - row_base) % period], period - 1
        period *= 2
    return rows, EVERY_ROW


def _find(image: Words, block: Words) -> int | None:
    """Return where ``block`` is in ``image`` already."""
    for start in np.flatnonzero((image == block[0]).all(axis=1)).tolist():
        if np.array_equal(image[start : start + len(block)], block):
            return int(start)
    return None

"""The work of pairs of spikes, by hand."""

import numpy as np
import pytest

from spikeloom.compile import compile_network
from spikeloom.compile.traffic import NOBODY, Pairs, operations
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.network import InputPopulation, Network, OneToOne, Population, Projection

BUILD = BuildConfig("t", lanes=4, state_rows=8, weight_rows=64, groups=64, runs=64)


def work(network, even, odd):
    """Return (cycles, rows) of one pair of the input."""
    images = compile_network(network, BUILD).images
    pairs = Pairs(*(np.array([n], np.int64) for n in (0, even, odd)))
    found = operations(pairs, images, 0, len(network.fan_out("input")))
    return int(found.cycles[0]), int(found.rows[0])


def network(*projections):
    names = [p.destination for p in projections]
    populations = tuple(Population(name, (8,), 9, 0) for name in names)
    return Network((InputPopulation("input", (8,)),), populations, projections, tuple(names))


ONES = np.ones((), np.int8)
DENSE = Projection("input", "a", np.ones((8, 8), np.int8))
PARTNER = Projection("input", "a", ONES, kind=OneToOne())
LATER = Projection("input", "b", ONES, kind=OneToOne(), delay=1)


@pytest.mark.parametrize(
    ("even", "odd", "cycles", "rows"),
    [(0, 1, 2, 2), (0, NOBODY, 2, 2), (6, 1, 2, 2)],
)
def test_a_dense_projection_takes_the_rows_of_its_destination(even, odd, cycles, rows):
    assert work(network(DENSE), even, odd) == (cycles, rows)


@pytest.mark.parametrize(
    ("even", "odd", "cycles", "rows"),
    [(0, 1, 1, 1), (2, 3, 1, 1), (NOBODY, 5, 1, 1), (0, 5, 2, 2)],
)
def test_spikes_of_different_groups_visit_the_rows_of_both(even, odd, cycles, rows):
    assert work(network(PARTNER), even, odd) == (cycles, rows)


def test_several_projections_take_their_look_ups_if_these_are_longer_than_the_rows():
    # two ranges of addresses: a spike reaches one row by one projection, none by the other
    assert work(network(PARTNER, LATER), 0, 1) == (4, 1)
    assert work(network(PARTNER, LATER), 8, 9) == (4, 1)
    # of two groups in the projection that they reach: one more look-up, at least
    cycles, rows = work(network(PARTNER, LATER), 0, 5)
    assert (rows, cycles >= 5) == (2, True)

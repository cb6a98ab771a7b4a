"""The scoreboard finds the first difference in time."""

import copy

import numpy as np
import pytest

from sim.networks import column, one_neuron
from spikeloom.spec.errors import DataError
from spikeloom_sim.compare import Difference, first_difference
from spikeloom_sim.golden import GoldenModel


@pytest.fixture
def trace():
    network = one_neuron(weight=40, threshold=60)
    return GoldenModel(network).run(np.ones((2, 3, 1), int))


def test_equal_runs_have_no_difference(trace):
    assert first_difference(trace, copy.deepcopy(trace)) is None


def test_the_earliest_difference_is_named(trace):
    other = copy.deepcopy(trace)
    other.final["n"][0, 0] += 1
    other.spikes["n"][1, 1, 0] ^= 1
    other.potentials["n"][1, 1, 0] += 5
    other.potentials["n"][1, 2, 0] += 5
    assert first_difference(trace, other) == Difference(0, None, "n", 0, "final", 0, 1)
    other.final["n"][0, 0] -= 1
    found = first_difference(trace, other)
    assert found == Difference(1, 1, "n", 0, "potentials", 80, 85)
    assert str(found) == "sample 1, tick 1, n[0]: potentials must be 80, not 85"
    other.potentials["n"][1, 1, 0] -= 5
    assert str(first_difference(trace, other)) == "sample 1, tick 1, n[0]: spikes must be 1, not 0"


def test_operations_are_compared_behind_the_last_tick(trace):
    other = copy.deepcopy(trace)
    other.sops[0] += 2
    found = first_difference(trace, other)
    assert found == Difference(0, None, None, None, "sops", 3, 5)
    assert str(found) == "sample 0: sops must be 3, not 5"


def test_only_what_was_shown_is_compared(trace):
    other = copy.deepcopy(trace)
    other.potentials.clear()
    other.final.clear()
    assert first_difference(trace, other) is None


def test_runs_of_other_shapes_are_refused(trace):
    network = one_neuron()
    other = GoldenModel(network).run(column(1))
    with pytest.raises(DataError, match=r"potentials of n must have the shape \(2, 3, 1\), not"):
        first_difference(trace, other)


def test_an_unknown_population_is_refused(trace):
    other = copy.deepcopy(trace)
    other.spikes["m"] = other.spikes.pop("n")
    with pytest.raises(DataError, match="spikes of population m were found"):
        first_difference(trace, other)

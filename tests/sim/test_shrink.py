"""Shrinking: what is left of a case is what the failure needs."""

from dataclasses import replace

import numpy as np
import pytest

from spikeloom.spec.errors import SpikeLoomError
from spikeloom_sim.cases import Scope, draw
from spikeloom_sim.compare import first_difference
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.shrink import shrink

SEED = 9


def without(case, **values):
    """Return the network with neurons that ignore one of their parameters."""
    populations = tuple(replace(p, **values) for p in case.network.populations)
    return replace(case.network, populations=populations)


def failing(values, tries=None):
    """Return (failure, case): cores that ignore ``values`` are wrong about the case."""

    def failure(case):
        expected = GoldenModel(case.network).run(case.inputs)
        found = GoldenModel(without(case, **values)).run(case.inputs)
        difference = first_difference(expected, found)
        return None if difference is None else f"run 1: {difference}"

    print(f"seed {SEED}")
    for number in range(100):
        case = draw(SEED, number, Scope.CONTRACT)
        many = len(case.network.populations) > 2 and case.n_ticks > 4 and len(case.inputs) > 1
        if many and failure(case):
            return failure, case
    raise AssertionError("no case fails")


@pytest.mark.parametrize("values", [{"refractory": 0}, {"current_decay": None}], ids=str)
def test_what_is_left_is_what_the_failure_needs(values):
    failure, case = failing(values)
    small = shrink(case, failure)
    assert failure(small)
    assert shrink(small, failure) is small
    network = small.network
    assert (len(network.inputs), len(network.populations)) == (1, 1)
    assert len(network.projections) <= 1
    assert len(next(iter(small.inputs.values()))) == 1
    assert small.n_ticks <= 3
    assert sum(np.count_nonzero(array) for array in small.inputs.values()) <= 2
    assert sum(np.count_nonzero(p.weights) for p in network.projections) <= 2
    (population,) = network.populations
    (name,) = values
    others = {"refractory", "current_decay"} - {name}
    assert getattr(population, name)
    assert not any(getattr(population, other) for other in others)
    assert (small.again, small.stalls["stall_in"], small.stalls["stall_out"]) == ("", 0.0, 0.0)


def test_no_more_cores_are_used_than_the_failure_needs():
    case = next(c for c in (draw(SEED, n, Scope.CLUSTER) for n in range(99)) if c.n_cores == 4)
    small = shrink(case, lambda other: "run 1: wrong" if other.n_cores > 1 else None)
    assert small.n_cores == 2
    assert small.arrangement == case.arrangement


def test_it_is_the_same_every_time_and_ends_in_time():
    failure, case = failing({"refractory": 0})
    first, second = (shrink(case, failure, tries=60) for _ in range(2))
    assert first.network.describe() == second.network.describe()
    calls = []

    def counted(other):
        calls.append(1)
        return failure(other)

    shrink(case, counted, tries=60)
    assert len(calls) <= 61


def test_a_case_that_fails_in_another_way_is_not_taken():
    """Half of the cases end in an error of another kind, half in one that is raised."""
    case = draw(SEED, 0, Scope.CONTRACT)
    calls = []

    def failure(other):
        calls.append(1)
        if other is case:
            return "run 1: wrong"
        if len(calls) % 2:
            raise SpikeLoomError("no such case")
        return "DeviceError: overflow"

    assert shrink(case, failure, tries=40) is case
    assert len(calls) > 20


def test_a_case_that_does_not_fail_stays_as_it_is():
    case = draw(SEED, 0)
    assert shrink(case, lambda other: None, tries=20) is case

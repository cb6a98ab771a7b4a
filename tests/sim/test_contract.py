"""Both forms of the semantics on random networks of the whole contract: every field equal."""

import collections

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.networks import assert_traces_equal
from spikeloom.spec import numfmt
from spikeloom.spec.network import Network, ProjectionKind, Reset, ResetOrder
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel
from spikeloom_sim.random_contract import (
    random_contract_input,
    random_contract_network,
    worst_case,
)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_matrix_equals_golden_on_any_network_of_the_contract(seed):
    rng = np.random.default_rng(seed)
    network = random_contract_network(rng)
    inputs = random_contract_input(rng, network, 2, 6)
    assert_traces_equal(GoldenModel(network).run(inputs), MatrixModel(network).run(inputs))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_network_of_the_contract_comes_back_from_its_parts(seed):
    network = random_contract_network(np.random.default_rng(seed))
    assert Network.from_parts(network.describe(), network.tensors()) == network


def test_networks_of_the_contract_cannot_overflow():
    for seed in range(60):
        network = random_contract_network(np.random.default_rng(seed))
        for population in network.populations:
            fan_in = [(p, network.source(p.source)) for p in network.fan_in(population.name)]
            least, greatest = worst_case(population, fan_in)
            assert least.min() >= numfmt.ACCUMULATOR_MIN, f"seed {seed}"
            assert greatest.max() <= numfmt.ACCUMULATOR_MAX, f"seed {seed}"


def facts(network, trace):
    """Yield a word for everything of the contract that the run of ``network`` met."""
    for source in network.inputs:
        yield f"signed {source.signed}"
        yield f"magnitude {source.max_magnitude}"
    for p in network.projections:
        yield p.kind.tag
        yield from (f"delay {p.delay}", f"shift {p.shift}", f"bits {p.weight_bits}")
        yield f"groups {getattr(p.kind, 'groups', 1)}"
        yield f"except {getattr(p.kind, 'except_partner', None)}"
        yield "loop" if p.source == p.destination else "no loop"
        source = network.source(p.source)
        yield f"fed by graded {getattr(source, 'signed', False)}"
        yield f"fed by multi {getattr(source, 'multi_spike', False)}"
    for p in network.populations:
        yield from (p.reset, p.reset_order, f"multi {p.multi_spike}")
        yield f"current {p.current_decay is not None}"
        yield f"refractory {p.refractory}"
        yield f"threshold of rank {p.threshold.ndim}"
        yield f"most spikes {trace.spikes[p.name].max(initial=0)}"
        v = trace.final[p.name]
        yield "clipped high" if (v == numfmt.POTENTIAL_MAX).any() else "not clipped"


def test_networks_of_the_contract_reach_all_of_it():
    seen = collections.Counter()
    for seed in range(250):
        rng = np.random.default_rng(seed)
        network = random_contract_network(rng)
        trace = MatrixModel(network).run(random_contract_input(rng, network, 2, 6))
        seen.update(set(facts(network, trace)))
    wanted = [*ProjectionKind, *Reset, *ResetOrder, "signed True", "magnitude 127"]
    wanted += [f"delay {n}" for n in (0, 1, 2, 3, 63)] + ["shift 0", "shift 1", "shift 3"]
    wanted += ["bits 2", "bits 4", "bits 8", "groups 2", "groups 4", "except True", "loop"]
    wanted += [
        "fed by graded True",
        "fed by multi True",
        "multi True",
        "current True",
        "refractory 15",
    ]
    wanted += ["threshold of rank 1", "most spikes 0", "most spikes 1", "most spikes 127"]
    wanted += ["clipped high"]
    missing = [what for what in wanted if seen[what] < 3]
    assert not missing


def test_the_same_seed_gives_the_same_network():
    first, second = (random_contract_network(np.random.default_rng(9)) for _ in range(2))
    assert first == second

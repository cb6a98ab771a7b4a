"""The generator's promises: fits the build, cannot overflow, reaches the edges."""

import collections

import numpy as np
import pytest

from spikeloom.spec import numfmt
from spikeloom.spec.config import PRESETS, BuildConfig
from spikeloom.spec.network import Population, Reset, ResetOrder
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.random_networks import random_input, random_network, worst_case

SMALLEST = BuildConfig(
    "smallest", lanes=4, state_rows=4, weight_rows=16, populations=4, projections=4
)
CONFIGS = [SMALLEST, *PRESETS.values()]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_networks_fit_the_build(config):
    for seed in range(60):
        network = random_network(np.random.default_rng(seed), config)
        assert len(network.inputs) == 1
        assert 1 + len(network.populations) <= config.populations
        assert len(network.projections) <= config.projections
        rows = {p.name: -(-p.n_neurons // config.lanes) for p in network.populations}
        assert sum(rows.values()) <= config.state_rows
        sources = {p.name: network.source(p.source).n_neurons for p in network.projections}
        weight_rows = [rows[p.destination] * -(-sources[p.name] // 2) for p in network.projections]
        assert sum(weight_rows) <= config.weight_rows
        for projection in network.projections:
            assert (projection.shift, projection.delay) == (0, 0)
        for population in network.populations:
            assert population.refractory == 0
            assert population.threshold.shape == population.decay.shape == ()
            assert network.fan_in(population.name)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_networks_cannot_overflow(config):
    for seed in range(60):
        network = random_network(np.random.default_rng(seed), config)
        magnitudes = {p.name: p.max_magnitude for p in network.inputs}
        for population in network.populations:
            fan_in = network.fan_in(population.name)
            least, greatest = worst_case(
                population,
                [p.weights for p in fan_in],
                [magnitudes.get(p.source, 1) for p in fan_in],
            )
            assert numfmt.ACCUMULATOR_MIN <= least <= greatest <= numfmt.ACCUMULATOR_MAX
        full = np.full((1, 4, network.inputs[0].n_neurons), network.inputs[0].max_magnitude)
        GoldenModel(network).run(full)


@pytest.mark.parametrize("bias", [5, -5])
def test_worst_case_counts_bias_and_signs_apart(bias):
    population = Population("n", (1,), np.int32(1), np.int32(0), np.int32(bias), floor=-9)
    weights = [np.array([[5, -3, 2]]), np.array([[-1, 4, 0]])]
    least, greatest = worst_case(population, weights, [2, 1])
    assert greatest == 32767 + max(bias, 0) + 14 + 4
    assert least == -9 + min(bias, 0) - 6 - 1


def test_networks_reach_the_edges():
    seen = collections.Counter()
    for seed in range(300):
        network = random_network(np.random.default_rng(seed), PRESETS["tiny"])
        seen[f"{len(network.populations)} layers"] += 1
        seen["skip"] += len(network.projections) > len(network.populations)
        for p in network.populations:
            seen.update([p.reset, p.reset_order, f"decay {int(p.decay)}", f"floor {p.floor}"])
            seen.update([f"threshold {int(p.threshold)}", f"bias {int(p.bias)}"])
            seen[f"size {p.n_neurons}"] += 1
            seen[f"initial - threshold {p.initial + int(p.bias) - int(p.threshold)}"] += 1
        weights = np.concatenate([p.weights.ravel() for p in network.projections])
        seen["weight 127"] += (weights == 127).any()
        seen["weight -128"] += (weights == -128).any()
        seen["no weights"] += not weights.any()
    wanted = [f"{n} layers" for n in (1, 2, 3, 4)] + [f"size {n}" for n in (1, 3, 4, 5)]
    wanted += [f"initial - threshold {n}" for n in (-1, 0, 1)]
    wanted += ["skip", "decay 0", "decay 32768", "floor 0", "threshold 1", "threshold 32767"]
    wanted += ["bias 32767", "bias -32768", "weight 127", "weight -128", "no weights"]
    missing = [what for what in [*wanted, *Reset, *ResetOrder] if not seen[what]]
    assert not missing


def test_inputs_are_in_range_and_reach_silence_and_fullness(rng):
    network = random_network(np.random.default_rng(6), PRESETS["tiny"])
    inputs = random_input(rng, network, 20, 20)
    assert inputs.shape == (20, 20, network.inputs[0].n_neurons)
    assert inputs.max() == network.inputs[0].max_magnitude
    density = (inputs > 0).mean(axis=2)
    assert density.min() == 0
    assert density.max() == 1


def test_the_same_seed_gives_the_same_network():
    first, second = (random_network(np.random.default_rng(9), PRESETS["small"]) for _ in range(2))
    assert first.describe() == second.describe()
    for name, tensor in first.tensors().items():
        np.testing.assert_array_equal(tensor, second.tensors()[name])

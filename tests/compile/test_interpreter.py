"""The images of random networks of the whole contract, walked as the core walks them."""

import numpy as np
import pytest

from compile.interpreter import Images
from spikeloom.compile import compile_network
from spikeloom.spec.errors import CapacityError
from spikeloom.spec.tables import PARAMETERS
from spikeloom_sim.cases import CONTRACT_BUILDS
from spikeloom_sim.random_contract import random_contract_network


def compiled(seed, config):
    """Return a random network that fits ``config`` and what the compiler makes of it."""
    rng = np.random.default_rng(seed)
    while True:
        network = random_contract_network(rng)
        try:
            return network, compile_network(network, config)
        except CapacityError as error:
            if "does not fit" not in str(error):
                raise


def sources_of(network, done):
    """Yield (table index, name, first address, delay, replay) of everything that sends events."""
    for source in done.build.inputs:
        yield 0, source.name, source.address, source.delay, 0
    for index, placed in enumerate(done.build.populations[1:], 1):
        for delay in {0, *(p.delay for p in network.fan_out(placed.name))}:
            yield index, placed.name, 0, delay, delay


def expected(network, done, name, delay, neuron, magnitude):
    """Return what the contract adds to every neuron, by population, and the operations."""
    sums = {p.name: np.zeros(p.n_neurons, np.int64) for p in network.populations}
    sops = 0
    for projection in network.fan_out(name):
        if projection.delay != delay:
            continue
        ends = network.ends(projection)
        reached, weights = projection.kind.fan_out(neuron, ends, projection.weights)
        sums[projection.destination][reached] += (weights * magnitude) << projection.shift
        sops += len(reached)
        sizes = projection.kind.fan_out_sizes(ends, projection.weights)
        assert sizes[neuron] == len(reached)
    return sums, sops


@pytest.mark.parametrize("config", CONTRACT_BUILDS, ids=lambda c: c.name)
@pytest.mark.parametrize("seed", range(25))
def test_every_source_reaches_what_the_contract_says(seed, config):
    network, done = compiled(seed, config)
    images = Images(config, done.images)
    lanes = config.lanes
    for index, name, address, delay, replay in sources_of(network, done):
        magnitude = 3 if replay else -5
        for neuron in range(network.source(name).n_neurons):
            arriving = np.zeros((config.state_rows, lanes), np.int64)
            sops = images.event(index, address + neuron, arriving, replay, magnitude)
            sums, wanted = expected(network, done, name, delay, neuron, magnitude)
            assert sops == wanted, (seed, name, neuron)
            for placed in done.build.populations[1:]:
                rows = arriving[placed.row_base : placed.row_base + placed.n_rows].reshape(-1)
                np.testing.assert_array_equal(rows[: placed.n_neurons], sums[placed.name])
                assert not rows[placed.n_neurons :].any()
                arriving[placed.row_base : placed.row_base + placed.n_rows] = 0
            assert not arriving.any()


@pytest.mark.parametrize("config", CONTRACT_BUILDS, ids=lambda c: c.name)
@pytest.mark.parametrize("seed", range(25))
def test_every_neuron_has_its_parameters(seed, config):
    network, done = compiled(seed, config)
    images = Images(config, done.images)
    for index, placed in enumerate(done.build.populations[1:], 1):
        population = network.population(placed.name)
        for field in PARAMETERS.fields:
            given = getattr(population, field.name) is not None
            values = population.per_neuron(field.name) if given else np.zeros(placed.n_neurons, int)
            found = [images.parameters(index, n)[field.name] for n in range(placed.n_neurons)]
            assert found == values.tolist(), (seed, placed.name, field.name)

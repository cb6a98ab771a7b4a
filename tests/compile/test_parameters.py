"""Parameter rows: every neuron finds its own, and what repeats is stored once."""

import numpy as np
import pytest

from compile.interpreter import Images
from spikeloom.compile import compile_network
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.network import InputPopulation, Network, Population

CONFIG = BuildConfig("test", lanes=4, state_rows=64, weight_rows=16, parameter_rows=16)


def compiled(*populations):
    network = Network((InputPopulation("input", (1,)),), populations, (), (populations[-1].name,))
    return compile_network(network, CONFIG)


@pytest.mark.parametrize(
    ("populations", "rows"),
    [
        ([Population("a", (9,), 5, 6, -7), Population("b", (30,), 5, 6, -7)], 1),
        # 8 channels repeat every 2 rows of 4, from an odd row on
        ([Population("x", (3,), 5, 6), Population("a", (2, 3, 8), np.arange(1, 9), 6)], 1 + 2),
        # 12 channels repeat every 3 rows, which no mask finds
        ([Population("a", (2, 1, 12), np.arange(1, 13), 6)], 6),
        ([Population("a", (7,), 5, np.arange(7)), Population("b", (7,), 5, np.arange(7))], 2),
    ],
)
def test_rows_are_shared_and_found(populations, rows):
    done = compiled(*populations)
    assert len(done.images["parameters"]) == rows
    images = Images(CONFIG, done.images)
    for index, population in enumerate(populations, 1):
        for name in ("threshold", "decay", "bias"):
            found = [images.parameters(index, n)[name] for n in range(population.n_neurons)]
            assert found == population.per_neuron(name).tolist()

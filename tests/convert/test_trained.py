"""The converted MNIST network of the repository: fixed answers, equal to the golden model."""

from pathlib import Path

import numpy as np
import pytest

from convert.test_run import assert_equal_runs
from spikeloom.artefact import read_artefact
from spikeloom.convert.run import to_population
from spikeloom.convert.simulate import Simulator
from spikeloom.train.datasets import IDX_FILES, read_idx
from spikeloom.train.encoders import encode
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel

pytestmark = pytest.mark.torch

FOLDER = Path(__file__).parents[1] / "data" / "mnist_cnn_converted"
SAMPLES = 300
RIGHT_AFTER = {4: 273, 8: 298, 12: 298, 16: 298}
"""Of the first 300 test images, those named rightly by the potentials after so many ticks."""


@pytest.fixture(scope="module")
def artefact():
    return read_artefact(FOLDER)


@pytest.fixture(scope="module")
def inputs(artefact, mnist_dir):
    values = read_idx(mnist_dir / f"{IDX_FILES['test_values']}.gz")[:SAMPLES]
    return to_population(artefact.input, encode(artefact.input, values))


def test_answers_are_the_same_as_ever(artefact, inputs, mnist_dir):
    labels = read_idx(mnist_dir / f"{IDX_FILES['test_labels']}.gz")[:SAMPLES]
    potentials = Simulator(artefact.network()).run(inputs).potentials["output"]
    right = (potentials.argmax(2) == labels[:, None]).sum(0)
    assert {tick: int(right[tick - 1]) for tick in RIGHT_AFTER} == RIGHT_AFTER


def test_spikes_and_potentials_are_the_golden_models(artefact, inputs):
    network = artefact.network()
    part = inputs[:40]
    assert_equal_runs(Simulator(network).run(part), MatrixModel(network).run(part))
    part = inputs[:2, :6]
    assert_equal_runs(Simulator(network).run(part), GoldenModel(network).run(part))


def test_it_is_small_enough_for_4096_neurons_and_256_kib(artefact):
    network = artefact.network()
    assert sum(p.n_neurons for p in network.populations) == 3210
    assert sum(p.weights.size for p in network.projections) == 110_496
    assert all(p.weight_bits == 8 for p in network.projections)
    assert np.all([p.reset.value in ("subtract", "none") for p in network.populations])

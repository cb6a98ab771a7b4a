"""The driver on the golden transport: networks of the whole contract, bit for bit."""

import numpy as np
import pytest

from spikeloom.artefact import write_artefact
from spikeloom.board import Board
from spikeloom.compile import compile_network
from spikeloom.spec.errors import CapacityError
from spikeloom.spec.manifest import InputFacts
from spikeloom_sim.cases import CONTRACT_BUILDS
from spikeloom_sim.compare import first_difference
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.random_contract import random_contract_input, random_contract_network
from spikeloom_sim.run import as_trace
from spikeloom_sim.transports import open_transport


def case(seed, folder):
    """Return a random network, its input and its artefact."""
    rng = np.random.default_rng([31, seed])
    while True:
        network = random_contract_network(rng)
        try:
            done = compile_network(network, CONTRACT_BUILDS[seed % 2])
        except CapacityError:
            continue
        inputs = random_contract_input(rng, network, 3, int(rng.integers(1, 9)))
        facts = InputFacts(network.inputs[0].shape, 5)
        artefact = write_artefact(
            folder / "art", network, facts, build=done.build, images=done.images
        )
        return network, inputs, artefact


@pytest.mark.parametrize("seed", range(30))
def test_the_driver_sees_what_the_golden_model_computes(seed, tmp_path):
    network, inputs, artefact = case(seed, tmp_path)
    expected = GoldenModel(network).run(inputs)
    with Board(open_transport("golden", artefact)) as board:
        board.load(artefact, probe="all")
        for packet in (None, 2):
            result = board.run(inputs, packet)
            assert first_difference(expected, as_trace(result, expected)) is None

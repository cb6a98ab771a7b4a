"""Random networks on the core itself, through compiler and driver: every value, bit for bit."""

import numpy as np
import pytest

from spikeloom.artefact import write_artefact
from spikeloom.board import Board
from spikeloom.compile import compile_network
from spikeloom.spec.config import preset
from spikeloom.spec.manifest import InputFacts
from spikeloom_sim.compare import first_difference
from spikeloom_sim.golden import GoldenModel, Trace
from spikeloom_sim.random_networks import random_input, random_network
from spikeloom_sim.transports import open_transport

RTL = [pytest.mark.rtl, pytest.mark.slow]
ENGINES = ("golden", pytest.param("cxxrtl", marks=RTL), pytest.param("verilator", marks=RTL))


def run(engine, network, config, inputs, folder, options):
    compiled = compile_network(network, config)
    facts = InputFacts(shape=network.inputs[0].shape, ticks=inputs.shape[1])
    artefact = write_artefact(
        folder, network, facts, build=compiled.build, images=compiled.images, replace=True
    )
    with Board(open_transport(engine, artefact, options=options)) as board:
        board.load(artefact, probe="all")
        result = board.run(inputs.reshape(*inputs.shape[:2], *facts.shape))
    found = result.populations
    return Trace(
        spikes={name: p.spikes for name, p in found.items()},
        potentials={name: p.potentials for name, p in found.items()},
        final={name: p.final for name, p in found.items()},
        sops=result.sops,
        outputs=network.outputs,
    )


@pytest.mark.parametrize("options", [{}, {"stall_in": 0.3, "stall_out": 0.4}], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_random_networks_are_bit_exact(engine, options, engine_cache, tmp_path):
    config = preset("tiny")
    for seed in range(12):
        rng = np.random.default_rng(seed)
        network = random_network(rng, config)
        inputs = random_input(rng, network, 2, 4)
        expected = GoldenModel(network).run(inputs)
        found = run(engine, network, config, inputs, tmp_path / "artefact", options)
        assert found.spikes.keys() == expected.spikes.keys()
        assert first_difference(expected, found) is None, f"seed {seed}"

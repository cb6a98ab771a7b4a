"""Costs by the models of cycles and area, and the contract's operations."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from spikeloom.artefact import read_artefact
from spikeloom.search.cost import DEVICE, check_lanes, cost_of, sample_operations
from spikeloom.spec.errors import UsageError
from spikeloom.spec.network import Conv2d, InputPopulation, Network, Population, Projection
from spikeloom.tailor import Run, needed_build
from spikeloom.tailor.area import area
from spikeloom.train.datasets import IDX_FILES, read_idx
from spikeloom.train.encoders import encode
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel
from spikeloom_sim.random_contract import random_contract_input, random_contract_network

ROOT = Path(__file__).parents[2]


def network(sizes=(6, 20, 3)):
    rng = np.random.default_rng(1)
    names = ["input", *(f"p{i}" for i in range(1, len(sizes)))]
    return Network(
        (InputPopulation("input", (sizes[0],)),),
        tuple(Population(n, (k,), 30, 30000) for n, k in zip(names[1:], sizes[1:], strict=True)),
        tuple(
            Projection(a, b, rng.integers(-40, 80, (sizes[i + 1], sizes[i])))
            for i, (a, b) in enumerate(pairwise(names))
        ),
        (names[-1],),
    )


def test_cycles_are_those_of_the_core_that_tailor_sizes():
    """16 lanes: the hidden population has 2 rows, the output 1; all of them are swept."""
    inputs = np.array([[[1, 1, 1, 0, 1, 0]]], np.uint8)  # 3 even, 1 odd: 3 pairs, 2 rows each
    hidden = np.zeros((1, 1, 20), np.uint8)
    hidden[0, 0, [0, 1, 3]] = 1  # 1 even, 2 odd: 2 pairs of the first row, 1 row each
    spikes = {"input": inputs, "p1": hidden, "p2": np.zeros((1, 1, 3), np.uint8)}
    got = cost_of(network(), Run(spikes), 16)
    start, tick, end = 6 + 3 * 2, (2 + 14) + (1 + 14) + 1, (2 + 14) + (1 + 14) + 3 + 10 + 2 + 2
    assert got.cycles == start + tick + end
    assert got.luts == round(area(needed_build(network(), 16), DEVICE)["LUT"])
    assert got.weight_bytes == 6 * 20 + 20 * 3


def test_cycles_are_near_those_of_the_core(mnist_dir):
    """docs/results.md: 845.8 cycles per image on 128 lanes, by the core's counter, all images."""
    artefact = read_artefact(ROOT / "tests" / "data" / "mnist_784_128_10")
    images = read_idx(mnist_dir / f"{IDX_FILES['test_values']}.gz")[::10]
    inputs = encode(artefact.input, images)
    model = artefact.network()
    trace = MatrixModel(model).run(inputs)
    spikes = {model.inputs[0].name: inputs, **trace.spikes}
    cost = cost_of(model, Run(spikes, trace.potentials, trace.final), 128)
    assert abs(cost.cycles / 845.8 - 1) < 0.02
    assert cost.sops == trace.sops.mean()
    assert cost.weight_bytes == 784 * 128 + 128 * 10


@pytest.mark.parametrize("seed", range(8))
def test_operations_are_those_of_the_golden_model(seed):
    rng = np.random.default_rng(seed)
    model = random_contract_network(rng)
    inputs = random_contract_input(rng, model, 2, 4)
    trace = GoldenModel(model).run(inputs)
    assert sample_operations(model, {**inputs, **trace.spikes}).tolist() == trace.sops.tolist()


def test_more_lanes_take_more_look_up_tables_and_fewer_cycles():
    rng = np.random.default_rng(3)
    model = network((40, 200, 10))
    inputs = (rng.random((2, 4, 40)) < 0.3).astype(np.uint8)
    run = Run({"input": inputs, **GoldenModel(model).run(inputs).spikes})
    found = [cost_of(model, run, lanes) for lanes in (4, 16, 64)]
    assert sorted(found, key=lambda cost: cost.luts) == found
    assert sorted(found, key=lambda cost: -cost.cycles) == found


def test_other_kinds_of_projections_cost_the_rows_that_they_visit():
    model = Network(
        (InputPopulation("input", (4, 4, 1)),),
        (Population("conv", (4, 4, 8), 30, 30000),),
        (Projection("input", "conv", np.ones((8, 3, 3, 1), np.int64), kind=Conv2d(padding=1)),),
        ("conv",),
    )
    spikes = {"conv": np.zeros((1, 1, 128), np.uint8)}
    costs = []
    for events in ([5], [5, 10]):
        inputs = np.zeros((1, 1, 16), np.uint8)
        inputs[0, 0, events] = 1  # in 16 lanes each reaches 6 rows: 3 lines of 2
        costs.append(cost_of(model, Run({"input": inputs, **spikes}), 16).cycles)
    assert costs[1] - costs[0] == 6


@pytest.mark.parametrize("lanes", [3, 12, 512, 8.0])
def test_no_build_has_other_numbers_of_lanes(lanes):
    with pytest.raises(UsageError, match=r"^lanes must be a power of two from 4 to 256, not"):
        check_lanes(lanes)


def test_a_cost_needs_samples():
    with pytest.raises(UsageError, match=r"^a cost needs at least 1 sample, not 0"):
        cost_of(network(), Run({"input": np.zeros((0, 2, 6), np.uint8)}), 16)

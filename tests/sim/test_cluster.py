"""Networks on several cores, through compiler and driver: every value, bit for bit."""

import numpy as np
import pytest

from spikeloom.artefact import write_artefact
from spikeloom.board import Board
from spikeloom.compile import Arrangement, compile_network
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import DeviceError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.compare import first_difference
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.run import as_trace
from spikeloom_sim.transports import open_transport

BUILD = BuildConfig(
    "trio", 4, 16, 512, groups=256, runs=1024, history_rows=64, cores=3, link_beats=64
)
RTL = [pytest.mark.rtl, pytest.mark.slow]
ENGINES = ("golden", pytest.param("verilator", marks=RTL))
N_INPUTS = 9


def woven(seed):
    """A chain of five layers with the input at two places, skips, delays and feedback."""
    rng = np.random.default_rng(seed)
    sizes = {"in": N_INPUTS, "a": 7, "b": 10, "c": 5, "d": 6, "e": 4}
    populations = tuple(
        Population(name, (n,), int(rng.integers(3, 9)), int(rng.integers(20000, 32769)))
        for name, n in sizes.items()
        if name != "in"
    )
    joined = (
        *(("in", "a", 0), ("a", "b", 0), ("b", "c", 0), ("c", "d", 0), ("d", "e", 0)),
        *(("in", "d", 2), ("a", "d", 0), ("a", "e", 3), ("b", "e", 1)),
        *(("e", "a", 1), ("d", "b", 4), ("e", "c", 2), ("c", "c", 1), ("e", "b", 1)),
    )
    projections = tuple(
        Projection(a, b, rng.integers(-4, 6, (sizes[b], sizes[a])).astype(np.int8), delay=delay)
        for a, b, delay in joined
    )
    inputs = (InputPopulation("in", (N_INPUTS,), 2),)
    return Network(inputs, populations, projections, ("b", "e"))


def spikes_for(seed, samples, ticks):
    rng = np.random.default_rng([seed, 1])
    return rng.integers(0, 3, (samples, ticks, N_INPUTS)).astype(np.uint8)


def opened(engine, network, how, n_cores, folder, options=None):
    compiled = compile_network(network, BUILD, how, n_cores)
    facts = InputFacts((N_INPUTS,), ticks=5)
    artefact = write_artefact(
        folder, network, facts, build=compiled.build, images=compiled.images, replace=True
    )
    return artefact, Board(open_transport(engine, artefact, options=options))


@pytest.mark.parametrize("n_cores", [1, 2, 3])
@pytest.mark.parametrize("how", [Arrangement.CHAIN, Arrangement.SIDE_BY_SIDE])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_value_is_that_of_the_golden_model(engine, how, n_cores, engine_cache, tmp_path):
    for seed, stalls in enumerate([(0.0, 0.0), (0.5, 0.0), (0.0, 0.9), (0.3, 0.4)]):
        network, inputs = woven(seed), spikes_for(seed, 5, 8)
        expected = GoldenModel(network).run(inputs)
        assert expected.spikes["e"].any()
        options = {"stall_in": stalls[0], "stall_out": stalls[1], "seed": seed}
        artefact, board = opened(engine, network, how, n_cores, tmp_path / "net", options)
        with board:
            board.load(artefact, probe="all")
            for attempt in range(2):
                found = as_trace(board.run(inputs), expected)
                assert first_difference(expected, found) is None, f"seed {seed}, run {attempt}"
                board.reset()
            board.load(artefact)  # spikes for other cores only must not reach the host
            result = board.run(inputs[:, :1])
            np.testing.assert_array_equal(
                result.spikes,
                np.concatenate([expected.spikes[name][:, :1] for name in ("b", "e")], axis=2),
            )


@pytest.mark.parametrize("engine", ENGINES)
def test_events_of_the_host_are_counted_once(engine, engine_cache, tmp_path):
    network, inputs = woven(1), spikes_for(1, 2, 6)
    artefact, board = opened(engine, network, Arrangement.CHAIN, 3, tmp_path / "net")
    with board:
        board.load(artefact)
        result = board.run(inputs)
        counters = board.counters()
    ranges = 2 * inputs.sum() - inputs[:, -2:].sum()  # one of them two ticks late
    assert counters["EVENTS_IN"] == ranges
    assert counters["EVENTS_OUT"] == result.spikes.sum()
    assert (counters["TICKS"], counters["SAMPLES"], counters["DROPPED"]) == (12, 2, 0)
    assert counters["SOPS"] == result.sops.sum()


@pytest.mark.rtl
@pytest.mark.slow
def test_a_host_spike_at_the_address_of_another_core_is_dropped(
    engine_cache, tmp_path, monkeypatch
):
    network, inputs = woven(2), spikes_for(2, 1, 4)
    artefact, board = opened("verilator", network, Arrangement.CHAIN, 3, tmp_path / "net")
    with board:
        board.load(artefact)
        send = board.transport.exchange

        def forged(beats, *rest):
            stray = np.array([0x10000000 + artefact.build.inputs[-1].stop], np.uint64)
            return send(np.concatenate([stray, beats]), *rest)

        monkeypatch.setattr(board.transport, "exchange", forged)
        with pytest.raises(DeviceError, match=r"ADDRESS: a spike out of range was dropped\); 1 w"):
            board.run(inputs)
        monkeypatch.undo()
        expected = GoldenModel(network).run(inputs)
        np.testing.assert_array_equal(
            board.run(inputs).populations["e"].spikes, expected.spikes["e"]
        )

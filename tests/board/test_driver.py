"""What the driver returns."""

import numpy as np
import pytest

from board.small_network import (
    CONFIG,
    INPUT_SHAPE,
    N_HIDDEN,
    N_OUT,
    assert_works,
    build_facts,
    expected,
    make_artefact,
    samples,
)
from spikeloom.artefact import read_artefact
from spikeloom.board import Board, driver
from spikeloom.spec import aer, regmap
from spikeloom.spec.manifest import BuildFacts, PlacedPopulation

# what a run returns


@pytest.mark.parametrize("per_packet", [None, 1, 2, 100])
def test_run_returns_spikes_and_potentials(board, core, per_packet):
    inputs = samples(5)
    spikes, _, final = expected(inputs)
    assert spikes["out"].any()
    result = board.run(inputs, per_packet)
    np.testing.assert_array_equal(result.spikes, spikes["out"])
    np.testing.assert_array_equal(result.potential, final["out"])
    np.testing.assert_array_equal(result.counts, spikes["out"].sum(axis=1))
    np.testing.assert_array_equal(result.prediction, spikes["out"].sum(axis=1).argmax(axis=1))
    assert result.cycles.tolist() == [100] * 5
    assert (result.sops > 0).all()
    assert set(result.populations) == {"out"}
    assert result.populations["out"].potentials is None
    assert len(core.packets) == {None: 1, 1: 5, 2: 3, 100: 1}[per_packet]
    ends = [int(aer.payload_of(aer.to_words(p))[aer.kind_of(aer.to_words(p)) == 4][-1])
            for p in core.packets]  # fmt: skip
    assert ends[-1] == 4


def test_run_with_all_probes_returns_every_population(core, artefact):
    inputs = samples(4)
    spikes, h, final = expected(inputs)
    with Board(core) as board:
        board.load(artefact, probe="all")
        result = board.run(inputs)
    assert set(result.populations) == {"hidden", "out"}
    for name, trace in result.populations.items():
        np.testing.assert_array_equal(trace.spikes, spikes[name])
        np.testing.assert_array_equal(trace.potentials, h[name])
        np.testing.assert_array_equal(trace.final, final[name])
    assert result.populations["hidden"].shape == (N_HIDDEN,)
    np.testing.assert_array_equal(result.spikes, spikes["out"])


def test_load_without_probe_clears_the_flags_of_another(core, artefact):
    with Board(core) as board:
        board.load(artefact, probe="all")
        board.load(artefact, probe="outputs")
        assert_works(board)


def test_flags_that_the_artefact_sets_by_itself_do_not_count(core, tmp_path):
    def probe_everything(parts):
        parts["populations"][:, 5] |= 0x700

    with Board(core) as board:
        board.load(make_artefact(tmp_path / "flags", edit=probe_everything))
        assert_works(board)


def test_cycle_budget_grows_with_spikes_samples_and_ticks(core, artefact):
    budgets = []
    original = core.exchange

    def exchange(beats, capacity, budget_cycles):
        budgets.append(budget_cycles)
        return original(beats, capacity, budget_cycles)

    core.exchange = exchange
    quiet = np.zeros((2, 4, *INPUT_SHAPE), int)
    busy = quiet + 3
    with Board(core) as board:
        board.load(artefact)
        for inputs in (
            quiet,
            busy,
            np.concatenate((busy, quiet)),
            np.zeros((2, 9, *INPUT_SHAPE), int),
        ):
            board.run(inputs)
    n_spikes = int(busy.sum())
    assert budgets[1] - budgets[0] == 4 * 3 * n_spikes  # slack * (1 + rows of hidden) * spikes
    assert budgets[2] > budgets[1]
    assert budgets[3] > budgets[0]


def test_prediction_takes_the_lowest_index_of_equal_counts(board):
    result = board.run(np.zeros((2, 3, *INPUT_SHAPE), int))
    assert not result.spikes.any()
    assert result.prediction.tolist() == [0, 0]


def test_prediction_of_a_readout_goes_by_potential(core, tmp_path):
    inputs = samples(4)
    _, _, final = expected(inputs, fires=False)
    with Board(core) as board:
        board.load(make_artefact(tmp_path / "readout", fires=False))
        result = board.run(inputs)
    np.testing.assert_array_equal(result.potential, final["out"])
    np.testing.assert_array_equal(result.prediction, final["out"].argmax(axis=1))
    assert result.prediction.any()


def test_several_outputs_are_joined_in_manifest_order(core, tmp_path):
    build = build_facts()
    hidden = PlacedPopulation("hidden", N_HIDDEN, (N_HIDDEN,), False, True, 0, 2)
    build = BuildFacts(
        build.id, CONFIG, (build.populations[0], hidden, build.populations[2]), build.inputs
    )
    inputs = samples(2)
    spikes, _, final = expected(inputs)
    with Board(core) as board:
        board.load(make_artefact(tmp_path / "two", build=build))
        result = board.run(inputs)
    joined = np.concatenate((spikes["hidden"], spikes["out"]), axis=2)
    np.testing.assert_array_equal(result.spikes, joined)
    np.testing.assert_array_equal(
        result.potential, np.concatenate((final["hidden"], final["out"]), axis=1)
    )


def test_run_splits_by_itself_when_packets_grow(board, core, monkeypatch):
    monkeypatch.setattr(driver, "PACKET_BEATS", 100)
    inputs = samples(20)
    spikes, _, _ = expected(inputs)
    np.testing.assert_array_equal(board.run(inputs).spikes, spikes["out"])
    assert len(core.packets) > 3
    assert max(map(len, core.packets)) <= 100


def test_answers_stay_within_the_capacity_when_everything_fires(core, tmp_path):
    def lower_thresholds(parts):
        parts["populations"][1:, 2] &= 0xFFFF_0000
        parts["populations"][1:, 2] |= 1
        for name in ("weights_even", "weights_odd"):
            parts[name][:] = 0x7F7F_7F7F

    with Board(core) as board:
        board.load(make_artefact(tmp_path / "hot", edit=lower_thresholds), probe="all")
        result = board.run(np.full((3, 5, *INPUT_SHAPE), 3))
    assert result.spikes.all()


def test_counters_are_64_bits_and_can_be_cleared(board, core):
    inputs = samples(3)
    board.run(inputs)
    counters = board.counters()
    assert list(counters) == [name for name, _ in regmap.COUNTERS]
    assert counters["SAMPLES"] == 3
    assert counters["EVENTS_IN"] == inputs.sum()
    core.registers["CYCLES_HI"], core.registers["CYCLES_LO"] = 2, 1
    assert board.counters()["CYCLES"] == (2 << 32) + 1
    board.clear_counters()
    assert set(board.counters().values()) == {0}
    assert_works(board)


def test_load_writes_tag_and_size(board, core, artefact):
    assert core.registers["NETWORK"] == 3
    first = core.registers["TAG"]
    board.load(read_artefact(artefact.path))
    assert core.registers["TAG"] == first != 0


def test_result_shapes_and_types(board):
    result = board.run(samples(2, ticks=9))
    assert result.spikes.shape == (2, 9, N_OUT)
    assert result.spikes.dtype == np.uint8
    assert result.potential.dtype == np.int32
    assert result.cycles.dtype == result.sops.dtype == np.int64

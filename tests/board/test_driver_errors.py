"""What the driver refuses, and that it works again after every failure."""

from dataclasses import replace

import numpy as np
import pytest

from board.fake_core import FakeCore
from board.small_network import (
    CONFIG,
    assert_works,
    make_artefact,
    samples,
)
from spikeloom.board import Board
from spikeloom.spec import regmap
from spikeloom.spec.build import build_id
from spikeloom.spec.config import preset
from spikeloom.spec.errors import (
    ArtefactError,
    CompatError,
    DataError,
    DeviceError,
    DeviceTimeout,
    LinkError,
    UsageError,
)
from spikeloom.spec.manifest import InputFacts, PlacedInput
from spikeloom.spec.memmap import memory_map

# what is refused before the core is touched


def test_run_without_artefact_is_refused(core):
    with Board(core) as board, pytest.raises(UsageError, match="no artefact is loaded"):
        board.run(samples(1))


def test_load_of_unknown_probe_is_refused(core, artefact):
    with Board(core) as board, pytest.raises(UsageError, match="probe must be one of"):
        board.load(artefact, probe="everything")


def test_run_in_packets_of_no_samples_is_refused(board):
    with pytest.raises(UsageError, match="at least 1, not 0"):
        board.run(samples(1), 0)


def test_run_with_bad_input_sends_nothing(board, core):
    inputs = samples(3)
    inputs[2, 1, 0, 0, 3] = 9
    with pytest.raises(DataError, match=r"input\[2, 1, 0, 0, 3\] must be from 0 to 3, not 9"):
        board.run(inputs, 1)
    assert core.packets == []
    assert_works(board)


def edited(artefact, **changes):
    """Return the artefact with other facts about its build."""
    build = replace(artefact.build, **changes)
    return replace(artefact, manifest=replace(artefact.manifest, build=build))


def edited_population(artefact, index, **changes):
    populations = list(artefact.build.populations)
    populations[index] = replace(populations[index], **changes)
    return edited(artefact, populations=tuple(populations))


@pytest.mark.parametrize(
    ("index", "changes", "match"),
    [
        (1, {"shape": (7,), "n_neurons": 7}, "n_neurons of population hidden must be 6"),
        (1, {"n_rows": 3}, "n_rows of population hidden must be 2"),
        (1, {"is_input": True}, "one entry for all inputs"),
        (0, {"is_input": False}, "one entry for all inputs"),
        (1, {"multi_spike": True}, "multi_spike of population hidden must be 0"),
        (2, {"is_output": False}, "at least one output"),
    ],
)
def test_load_refuses_populations_that_the_tables_contradict(core, artefact, index, changes, match):
    changed = edited_population(artefact, index, **changes)
    with Board(core) as board, pytest.raises(ArtefactError, match=match):
        board.load(changed)
    assert core.resets == 0


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ((), "build.inputs must have at least one entry"),
        ([("pixels", 0, 8), ("more", 7, 1)], "more must have an address of at least 8"),
        ([("pixels", 1, 8)], "must fill the 8 addresses of pixels, not 9"),
        ([("pixels", 0, 7), ("more", 7, 1)], "must have the 7 neurons of population pixels, not 8"),
    ],
)
def test_load_refuses_inputs_that_the_tables_contradict(core, artefact, inputs, match):
    placed = tuple(PlacedInput(name, (n,), n, address) for name, address, n in inputs)
    with Board(core) as board, pytest.raises(ArtefactError, match=match):
        board.load(edited(artefact, inputs=placed))
    assert core.resets == 0


def test_load_refuses_a_missing_population(core, artefact):
    changed = edited(artefact, populations=artefact.build.populations[:2])
    with Board(core) as board, pytest.raises(ArtefactError, match=r"each of the 3 rows .* not 2"):
        board.load(changed)


def test_load_refuses_another_input_shape(core, artefact):
    manifest = replace(artefact.manifest, input=InputFacts((9,), 5))
    with Board(core) as board, pytest.raises(ArtefactError, match="8 neurons of population pixels"):
        board.load(replace(artefact, manifest=manifest))


def test_load_refuses_what_is_not_compiled(core, artefact):
    manifest = replace(artefact.manifest, build=None)
    with Board(core) as board, pytest.raises(ArtefactError, match="not compiled"):
        board.load(replace(artefact, manifest=manifest))


def test_load_refuses_projections_outside_the_table(core, tmp_path):
    def point_outside(parts):
        parts["populations"][1, 7] = 3 | 5 << 8

    with Board(core) as board, pytest.raises(ArtefactError, match="table of 2 rows, not rows 3 to"):
        board.load(make_artefact(tmp_path / "outside", edit=point_outside))


# wrong cores


def test_wrong_id_is_no_core(core):
    core.overrides["ID"] = 0xDEAD_BEEF
    with pytest.raises(LinkError, match="ID must be 0x534C4F4D, not 0xDEADBEEF"), Board(core):
        pass
    assert core.closed == 1


def test_bus_error_is_no_core(core, monkeypatch):
    def fail(address):
        raise DeviceError("SLVERR at 0x0")

    monkeypatch.setattr(core, "read32", fail)
    with pytest.raises(LinkError, match="no SpikeLoom core answers at fake: SLVERR"), Board(core):
        pass


def test_other_register_map_is_refused(core):
    core.overrides["MAP_VERSION"] = 7
    with pytest.raises(LinkError, match="map version 1, not 7"), Board(core):
        pass


@pytest.mark.parametrize(
    ("other", "command"),
    [
        (preset("small"), "spikeloom compile --preset small"),
        (preset("small-sensor"), "spikeloom compile --preset small-sensor"),
        (replace(preset("small"), name="own"), "spikeloom compile --build FILE, the parameters of"),
    ],
)
def test_other_build_is_refused_with_both_ids(artefact, other, command):
    core = FakeCore(other)
    match = f"build {build_id(CONFIG)} .* is build {build_id(other)} .*LANES 16.*{command}"
    with Board(core) as board:
        with pytest.raises(CompatError, match=match):
            board.load(artefact)
        assert core.resets == 0


def test_core_that_lies_about_its_size_is_refused(core, artefact):
    core.overrides["STATE_ROWS"] = 32
    with Board(core) as board:
        with pytest.raises(CompatError, match="STATE_ROWS 32"):
            board.load(artefact)
        core.overrides.clear()
        board.load(artefact)
        assert_works(board)


def test_artefact_of_another_specification_is_refused(core, artefact):
    changed = edited(artefact, id="0123456789abcdef")
    with Board(core) as board, pytest.raises(CompatError, match="compile it again"):
        board.load(changed)


# failing cores: a typed error, and usable after it


def test_bad_memory_bit_is_found_and_a_later_load_works(core, artefact):
    base = memory_map(CONFIG)["weights_odd"].base
    core.flip = (base + 4 * 5, 1 << 9)
    with Board(core) as board:
        with pytest.raises(DeviceError, match=r"weights_odd row 5 word 0 must .* \(1 of 16 words"):
            board.load(artefact)
        with pytest.raises(UsageError, match="no artefact is loaded"):
            board.run(samples(1))
        core.flip = None
        board.load(artefact)
        assert_works(board)


def test_failed_load_leaves_nothing_of_the_network_before(board, core, artefact):
    core.flip = (memory_map(CONFIG)["weights_even"].base, 1)
    with pytest.raises(DeviceError, match="weights_even row 0 word 0"):
        board.load(artefact)
    core.flip = None
    with pytest.raises(UsageError, match="no artefact is loaded"):
        board.run(samples(1))
    board.load(artefact)
    assert_works(board)


def test_load_without_verify_reads_no_memory_back(core, artefact):
    core.flip = (memory_map(CONFIG)["weights_odd"].base, 1)
    with Board(core) as board:
        board.load(artefact, verify=False)
        assert_works(board)


def test_core_that_never_gets_ready_times_out(core, artefact):
    core.never_ready = True
    with Board(core, ready_timeout_s=0.05) as board:
        with pytest.raises(DeviceTimeout, match=r"STATUS.READY must become 1 .* STATUS 0x1 \(IDLE"):
            board.load(artefact)
        with pytest.raises(DeviceTimeout, match="READY"):
            board.run(samples(1))
        core.never_ready = False
        assert_works(board)


def raise_timeout(beats):
    raise DeviceTimeout("stuck")


def raise_interrupt(beats):
    raise KeyboardInterrupt


def full_of(word):
    return lambda beats: np.full(40, word, np.uint64)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (raise_timeout, DeviceTimeout),
        (raise_interrupt, KeyboardInterrupt),
        (lambda beats: beats[:0], DeviceError),
        (lambda beats: beats[:-1], DeviceError),
        (full_of(0xFFFF_FFFF_FFFF_FFFF), DeviceError),
        (full_of(0), DeviceError),
        (full_of(0x6000_0001_5000_0000), DeviceError),
    ],
)
def test_any_failed_packet_resets_the_core_and_the_next_run_works(board, core, answer, error):
    core.answer, resets = answer, core.resets
    with pytest.raises(error):
        board.run(samples(2))
    assert core.resets == resets + 1
    assert_works(board)


def test_failure_in_a_later_packet_leaves_no_trace(board, core):
    core.answer = None
    inputs = samples(4)
    original, calls = core.exchange, []

    def exchange(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise DeviceTimeout("stuck")
        return original(*arguments)

    core.exchange = exchange
    with pytest.raises(DeviceTimeout):
        board.run(inputs, 1)
    assert_works(board)


@pytest.mark.parametrize("flag", [f.name for f in regmap.BY_NAME["ERRORS"].fields])
def test_error_flags_are_named_and_cleared(board, core, flag):
    core.registers["ERRORS"] |= regmap.BY_NAME["ERRORS"].mask(flag)
    with pytest.raises(DeviceError, match=rf"ERRORS of fake must be 0 .* \({flag}: "):
        board.run(samples(1))
    assert core.registers["ERRORS"] == 0
    assert_works(board)


def test_core_that_stays_dead_is_reported_and_comes_back(board, core):
    core.answer, core.never_ready = raise_timeout, True
    with pytest.raises(DeviceTimeout, match="stuck"):
        board.run(samples(1))
    with pytest.raises(DeviceTimeout, match="READY"):
        board.run(samples(1))
    core.never_ready = False
    assert_works(board)


def test_reset_brings_the_core_back_to_a_running_network(board, core):
    core.registers["ERRORS"] = 4
    board.reset()
    assert core.registers["ERRORS"] == 0
    assert core.running
    assert_works(board)


def test_reset_of_an_empty_core_does_not_start_it(core):
    with Board(core) as board:
        board.reset()
    assert core.resets == 1
    assert not core.running


def test_close_stops_the_core_and_may_be_called_twice(core, artefact):
    board = Board(core)
    board.load(artefact)
    board.close()
    board.close()
    assert not core.running
    assert core.closed == 2


@pytest.mark.parametrize("value", [0, -1, 1.5, "2"])
def test_counts_must_be_integers_of_at_least_1(board, value):
    with pytest.raises(UsageError, match="samples_per_packet must be an integer of at least 1"):
        board.run(samples(2), value)
    with pytest.raises(UsageError, match="repeats must be an integer of at least 1"):
        board.latency(samples(2), value)
    assert_works(board)


@pytest.mark.parametrize("value", [None, "net"])
def test_only_artefacts_are_loaded(board, value):
    with pytest.raises(UsageError, match=rf"load takes an artefact, not {value!r}; read one with"):
        board.load(value)
    assert_works(board)

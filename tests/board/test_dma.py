"""The DMA channels and the PYNQ transport on the DMA model, without the pynq library."""

import time

import numpy as np
import pytest

from spikeloom.board.dma import MM2S, S2MM, DmaChannels
from spikeloom.board.pynq_transport import PynqTransport, open_board, open_pynq
from spikeloom.spec import regmap
from spikeloom.spec.errors import DataError, DeviceError, DeviceTimeout, LinkError
from spikeloom_sim.pynq_sim_dma import AxiDma
from spikeloom_sim.pynq_sim_memory import BufferMemory

DEADLINE_S = 0.05


class Window:
    def __init__(self, target):
        self.target = target

    def read(self, offset=0):
        return self.target.read(offset)

    def write(self, offset, data):
        self.target.write(offset, data)


class Core:
    """Registers that read 0 and remember what was written."""

    def __init__(self):
        self.written = []
        self.values = {}

    def read(self, offset):
        return self.values.get(offset, 0)

    def write(self, offset, data):
        self.written.append((offset, data))


class Buffer(np.ndarray):
    """What a PynqBuffer does, without pynq."""

    def freebuffer(self):
        self.memory.free(self.block)

    def flush(self):
        self.block.flush(0, self.nbytes)

    def invalidate(self):
        self.block.invalidate(0, self.nbytes)

    @property
    def physical_address(self):
        return self.block.address


class System:
    """A PYNQ transport over the DMA model; ``stream`` answers packets."""

    def __init__(self, limit=1 << 16):
        self.memory = BufferMemory(limit)
        self.dma = AxiDma(self.memory, lambda beats, capacity: self.stream(beats), 12)
        self.core = Core()
        self.stream = lambda beats: beats + np.uint64(1)
        self.transport = PynqTransport(
            Window(self.core),
            Window(self.dma),
            self.allocate,
            name="model",
            core_bytes=0x1000,
            clock_hz=1e8,
            max_bytes=4095,
            min_deadline_s=DEADLINE_S,
        )

    def allocate(self, n, dtype):
        block = self.memory.allocate(n * np.dtype(dtype).itemsize)
        buffer = block.host.view(dtype).view(Buffer)
        buffer.block, buffer.memory = block, self.memory
        return buffer

    def exchange(self, n=4, capacity=8, budget=0):
        return self.transport.exchange(np.arange(n, dtype=np.uint64), capacity, budget)

    def assert_works(self):
        assert self.exchange().tolist() == [1, 2, 3, 4]
        assert self.memory.blocks == {}


@pytest.fixture
def system():
    return System()


def test_packets_go_there_and_back(system):
    for _ in range(3):
        system.assert_works()


class Log(list):
    """A register window that notes writes of some registers by name."""

    def window(self, target, names):
        window = Window(target)
        write = window.write

        def noted(offset, data):
            if (offset, data) in names or (offset, None) in names:
                self.append(names.get((offset, data)) or names[offset, None])
            write(offset, data)

        window.write = noted
        return window


def test_receiving_starts_first_and_the_core_is_reset_before_the_dma(system):
    log, control = Log(), regmap.BY_NAME["CONTROL"]
    dma = {(0x28, None): "send", (0x58, None): "receive", (0x00, 4): "reset", (0x30, 4): "reset"}
    system.transport.dma = DmaChannels(log.window(system.dma, dma))
    reset = {(control.offset, control.mask("RESET")): "reset core"}
    system.transport._core = log.window(system.core, reset)
    system.exchange()
    assert log == ["receive", "send"]
    log.clear()
    system.dma.faults.stuck = True
    with pytest.raises(DeviceTimeout):
        system.exchange()
    assert log == ["receive", "send", "reset core", "reset", "reset"]
    system.assert_works()


def test_answer_may_be_shorter_than_the_capacity(system):
    system.stream = lambda beats: beats[:1]
    assert system.exchange().tolist() == [0]


@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
@pytest.mark.parametrize(
    ("bits", "match"), [(0x10, "the length is 0"), (0x20, "memory answered"), (0x40, "not mapped")]
)
def test_dma_error_bits_are_device_errors(system, channel, bits, match):
    system.assert_works()
    system.dma.faults.error[channel] = bits
    with pytest.raises(DeviceError, match=rf"{channel.upper()} must .*{match}.*DMASR.*reset"):
        system.exchange()
    assert system.dma.resets > 0
    control = regmap.BY_NAME["CONTROL"]
    assert (control.offset, control.mask("RESET")) in system.core.written
    system.assert_works()


def test_stuck_dma_times_out_within_its_deadline(system):
    system.assert_works()
    system.dma.faults.stuck = True
    system.core.values[regmap.BY_NAME["ERRORS"].offset] = 4
    start = time.monotonic()
    with pytest.raises(DeviceTimeout) as caught:
        system.exchange()
    assert DEADLINE_S <= time.monotonic() - start < DEADLINE_S + 1
    text = str(caught.value)
    for part in ("MM2S DMASR 0x", "S2MM DMASR 0x", "STATUS 0x0", "ERRORS 0x4 (FRAME)", "reset"):
        assert part in text
    assert system.memory.blocks == {}
    system.assert_works()


def test_deadline_follows_the_cycle_budget(system):
    system.dma.faults.stuck = True
    start = time.monotonic()
    with pytest.raises(DeviceTimeout, match=r"within 0.2 s"):
        system.exchange(budget=20_000_000)
    assert 0.2 <= time.monotonic() - start < 1.5


def test_answer_longer_than_the_buffer_is_an_error_and_writes_nothing_behind_it(system):
    system.stream = lambda beats: np.zeros(9, np.uint64)
    with pytest.raises(DeviceError, match="sent more than the buffer holds"):
        system.exchange(capacity=8)
    system.stream = lambda beats: beats + np.uint64(1)
    system.assert_works()


def test_core_that_sends_nothing_is_an_error(system):
    system.stream = lambda beats: beats[:0]
    with pytest.raises(DeviceError, match="whole beats of 8 bytes, not 0 bytes"):
        system.exchange()


def test_interrupt_resets_and_frees(system, monkeypatch):
    def interrupted(deadline_s):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(system.transport.dma, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            system.exchange()
    assert system.dma.resets > 0
    system.assert_works()


@pytest.mark.parametrize(
    ("beats", "capacity", "match"),
    [
        (np.zeros(0, np.uint64), 4, "packet must have from 1 to 511 beats"),
        (np.zeros(512, np.uint64), 4, "packet must have .* not 512"),
        (np.zeros(4, np.uint64), 0, "answer's capacity must have .* not 0"),
        (np.zeros(4, np.uint64), 512, "answer's capacity must have .* not 512"),
        (np.zeros(4, np.uint32), 4, "vector of uint64, not 1-d uint32"),
        (np.zeros((2, 2), np.uint64), 4, "vector of uint64, not 2-d"),
    ],
)
def test_what_the_dma_cannot_carry_is_refused_untouched(system, beats, capacity, match):
    with pytest.raises(DataError, match=match):
        system.transport.exchange(beats, capacity, 0)
    assert system.core.written == []
    assert system.dma.resets == 0


def test_beats_that_are_not_contiguous_are_sent_in_order(system):
    beats = np.arange(8, dtype=np.uint64)[::2]
    assert system.transport.exchange(beats, 4, 0).tolist() == [1, 3, 5, 7]


def test_exhausted_memory_is_a_device_error(system):
    system.memory.limit = 40
    with pytest.raises(DeviceError, match=r"DMA buffer of 64 bytes must fit .* Failed to allocate"):
        system.exchange()
    assert system.memory.blocks == {}
    system.memory.limit = 1 << 16
    system.assert_works()


@pytest.mark.parametrize("address", [-4, 2, 0xFFD, 0x1000])
def test_addresses_outside_the_core_never_reach_the_bus(system, address):
    with pytest.raises(DeviceError, match="must lie in the core's 0x1000 bytes"):
        system.transport.read32(address)
    with pytest.raises(DeviceError):
        system.transport.write_block(address, np.zeros(2, np.uint32))
    assert system.core.written == []


def test_block_is_written_as_bytes_and_an_empty_one_not_at_all(system):
    system.transport.write_block(0x10, np.array([1, 2], np.uint32))
    system.transport.write_block(0x10, np.zeros(0, np.uint32))
    assert system.core.written == [(0x10, b"\1\0\0\0\2\0\0\0")]


def test_dma_that_does_not_leave_its_reset_is_a_timeout():
    class Dead:
        def read(self, offset=0):
            return 0x4

        def write(self, offset, data):
            pass

    with pytest.raises(DeviceTimeout, match=r"MM2S must come out of its reset within 0\.1 s"):
        DmaChannels(Dead()).reset()


def test_dma_that_does_not_start_is_a_timeout():
    class Dead:
        def read(self, offset=0):
            return 0x1

        def write(self, offset, data):
            pass

    with pytest.raises(DeviceTimeout, match=r"S2MM must start .*0x00000001 \(halted\)"):
        DmaChannels(Dead()).start(S2MM, 0, 8)


def test_address_above_4_gib_goes_to_the_high_register(system):
    channels = DmaChannels(Window(system.dma))
    channels.start(MM2S, 0x12_3456_7890, 8)
    assert system.dma.read(0x18) == 0x3456_7890
    assert system.dma.read(0x1C) == 0x12


# opening


def test_bitstream_without_its_files_is_refused_by_name(tmp_path):
    with pytest.raises(LinkError, match=r"core\.bit does not exist"):
        open_pynq(str(tmp_path / "core.bit"))
    (tmp_path / "core.bit").write_text("x")
    with pytest.raises(LinkError, match=r"core\.hwh does not exist"):
        open_pynq(str(tmp_path / "core.bit"))
    with pytest.raises(LinkError, match=r"must be named as a \.bit file, not ''"):
        open_pynq("")


def versions(monkeypatch, pynq, numpy, machine):
    def version(name):
        if pynq is None:
            raise transport.importlib.metadata.PackageNotFoundError
        return pynq

    from spikeloom.board import pynq_transport as transport

    monkeypatch.setattr(transport.importlib.metadata, "version", version)
    monkeypatch.setattr(transport.np, "__version__", numpy)
    monkeypatch.setattr(transport.platform, "machine", lambda: machine)


@pytest.mark.parametrize(
    ("pynq", "numpy", "machine", "match"),
    [
        (None, "1.26.4", "aarch64", "pynq library, which is not installed"),
        ("4.0.0", "2.1.0", "aarch64", "numpy below 2, not 2.1.0"),
        ("4.0.0", "1.26.4", "armv7l", "PYNQ 3.1 image"),
        ("3.1.2", "1.26.4", "armv7l", "nothing.bit does not exist"),
    ],
)
def test_open_board_says_what_is_missing(monkeypatch, pynq, numpy, machine, match):
    versions(monkeypatch, pynq, numpy, machine)
    with pytest.raises(LinkError, match=match):
        open_board("/nowhere/nothing.bit")

"""The next packet is on its way while one is awaited."""

import numpy as np
import pytest

from board.fake_core import FakeCore
from board.small_network import CONFIG, expected, make_artefact, samples
from board.test_dma import Buffer, Window
from spikeloom.board import Board
from spikeloom.board.pynq_transport import PynqTransport
from spikeloom.spec.errors import DataError, DeviceError
from spikeloom_sim.pynq_sim_dma import AxiDma
from spikeloom_sim.pynq_sim_memory import BufferMemory


class Port:
    """A core's registers as a register window."""

    def __init__(self, core):
        self.core = core

    def read(self, offset=0):
        return self.core.read32(offset)

    def write(self, offset, data):
        if isinstance(data, bytes):
            self.core.write_block(offset, np.frombuffer(data, "<u4"))
        else:
            self.core.write32(offset, data)


class Watched(AxiDma):
    """A DMA that notes what is started and what ends."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.log = []

    def write(self, offset, value):
        if offset in (0x28, 0x58):
            self.log.append("send" if offset == 0x28 else "receive")
        super().write(offset, value)

    def _deliver(self):
        self.log.append("answer")
        super()._deliver()


@pytest.fixture
def link():
    core, memory = FakeCore(CONFIG), BufferMemory()
    dma = Watched(memory, lambda beats, capacity: core.exchange(beats, capacity, 1 << 30), 26)
    dma.latency = 5

    def allocate(n, dtype):
        block = memory.allocate(8 * n)
        buffer = np.ndarray.__new__(Buffer, n, dtype, buffer=block.host)
        buffer.block, buffer.memory = block, memory
        return buffer

    transport = PynqTransport(
        Port(core), Window(dma), allocate, name="model", core_bytes=1 << 16, clock_hz=1e8,
        max_bytes=1 << 20, min_deadline_s=30.0,
    )  # fmt: skip
    transport.model, transport.memory = dma, memory
    return transport


@pytest.fixture
def board(link, tmp_path):
    with Board(link) as opened:
        opened.load(make_artefact(tmp_path / "net"))
        yield opened


def test_packet_is_sent_before_the_last_answer_is_there(board, link):
    inputs = samples(8)
    result = board.run(inputs, 2)
    np.testing.assert_array_equal(result.spikes, expected(inputs)[0]["out"])
    assert link.model.log == [
        "receive", "send",
        "send", "answer", "receive",
        "send", "answer", "receive",
        "send", "answer", "receive",
        "answer",
    ]  # fmt: skip


def test_two_buffers_a_direction_serve_a_run_of_many_packets(board, link, monkeypatch):
    allocated = []
    real = link.memory.allocate
    monkeypatch.setattr(link.memory, "allocate", lambda n: allocated.append(n) or real(n))
    inputs = np.repeat(samples(1), 20, axis=0)
    board.run(inputs, 1)
    assert len(allocated) == 4
    assert link.memory.blocks == {}


def test_buffers_are_freed_after_the_channels_were_reset(board, link, monkeypatch):
    order = []
    reset, free = link.dma.reset, link.memory.free
    monkeypatch.setattr(link.dma, "reset", lambda: order.append("reset") or reset())
    monkeypatch.setattr(link.memory, "free", lambda block: order.append("free") or free(block))
    link.model.faults.error["s2mm"] = 0x20
    with pytest.raises(DeviceError, match="slave error"):
        board.run(samples(2))
    assert order[0] == "reset"
    assert set(order[1:]) == {"free"}


def test_packet_that_cannot_be_carried_is_refused_before_anything_is_touched(link):
    with pytest.raises(DataError, match="must have from 1 to"):
        link.exchange(np.zeros(1 << 18, np.uint64), 4, 100)
    assert link.model.log == []
    assert link.model.resets == 0

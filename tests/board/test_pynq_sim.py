"""The whole PYNQ path on the real pynq library, over a simulated board."""

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest

from board.fake_core import FakeCore
from board.small_network import CONFIG, assert_works, expected, samples
from spikeloom.board import Board
from spikeloom.board import hwh as hwh_module
from spikeloom.board.pynq_transport import open_pynq
from spikeloom.spec import regmap
from spikeloom.spec.errors import DeviceError, DeviceTimeout, EngineError, LinkError
from spikeloom_sim import pynq_sim
from spikeloom_sim.pynq_sim import check_environment, open_pynq_sim, write_dummy_bitstream

HAS_PYNQ = importlib.util.find_spec("pynq") is not None and np.__version__ < "2"
needs_pynq = pytest.mark.skipif(not HAS_PYNQ, reason="pynq is missing or numpy is 2 or later")


@pytest.fixture
def transport(artefact, core):
    opened = open_pynq_sim(artefact, core, min_deadline_s=0.1)
    yield opened
    opened.close()


@pytest.fixture
def board(transport, artefact):
    with Board(transport) as opened:
        opened.load(artefact)
        yield opened


pytestmark = pytest.mark.pynq


@needs_pynq
def test_network_runs_through_the_real_library(board, transport):
    assert_works(board, 6)
    assert_works(board, 1)
    facts = transport.describe()
    assert facts["core"] == {"engine": "fake"}
    assert facts["clock_hz"] == 1e8
    assert len(facts["bitfile_sha256"]) == 64


@needs_pynq
def test_all_probes_through_the_real_library(transport, artefact):
    inputs = samples(4)
    spikes, h, final = expected(inputs)
    with Board(transport) as board:
        board.load(artefact, probe="all")
        traces = board.run(inputs, 3).populations
    for name, trace in traces.items():
        np.testing.assert_array_equal(trace.spikes, spikes[name])
        np.testing.assert_array_equal(trace.potentials, h[name])
        np.testing.assert_array_equal(trace.final, final[name])


@needs_pynq
def test_register_map_has_every_register(transport, core, tmp_path):
    import pynq

    from spikeloom.board.pynq_overlay import SpikeLoomCore

    bitfile = write_dummy_bitstream(tmp_path, CONFIG)
    overlay = pynq.Overlay(str(bitfile), device=transport.device)
    assert type(overlay.core) is SpikeLoomCore
    registers = overlay.core.register_map
    assert int(registers.ID.value) == regmap.ID_VALUE
    assert {r.name for r in regmap.REGISTERS} == set(registers._register_classes)
    registers.CONTROL.RUN = 1
    assert core.registers["CONTROL"] == 1
    assert registers.STATUS.READY == 1
    registers.TAG.value = 0x1234
    assert core.registers["TAG"] == 0x1234
    assert overlay.dma.buffer_max_size == (1 << hwh_module.DMA_LENGTH_BITS) - 1


@needs_pynq
@pytest.mark.parametrize("forgotten", ["flush", "invalidate"])
def test_forgotten_cache_operation_is_caught(board, core, monkeypatch, forgotten):
    from spikeloom_sim.pynq_sim_device import SimBuffer

    with monkeypatch.context() as patch:
        patch.setattr(SimBuffer, forgotten, lambda self: None)
        with pytest.raises(DeviceError, match="KIND" if forgotten == "flush" else "TICK"):
            board.run(samples(2))
    assert_works(board)


@needs_pynq
@pytest.mark.parametrize("channel", ["mm2s", "s2mm"])
@pytest.mark.parametrize("bits", [0x10, 0x20, 0x40])
def test_dma_errors_are_typed_and_leave_the_board_usable(board, transport, channel, bits):
    transport.device.dma.faults.error[channel] = bits
    with pytest.raises(DeviceError, match=f"{channel.upper()} must end without error.*0x{bits:X}"):
        board.run(samples(2))
    assert_works(board)


@needs_pynq
def test_stuck_dma_times_out_and_leaves_the_board_usable(board, transport):
    transport.device.dma.faults.stuck = True
    start = time.monotonic()
    with pytest.raises(DeviceTimeout, match=r"MM2S and S2MM must be done within 0\.1 s.*DMASR"):
        board.run(samples(2))
    assert time.monotonic() - start < 2
    assert_works(board)


@needs_pynq
@pytest.mark.parametrize(
    "stream",
    [
        lambda beats: beats[:0],
        lambda beats: beats[:3],
        lambda beats: np.full(20, 0xFFFF_FFFF_FFFF_FFFF, np.uint64),
        lambda beats: np.zeros(1 << 20, np.uint64),
    ],
)
def test_nonsense_answers_are_device_errors(board, transport, stream):
    transport.device.dma.faults.stream = stream
    with pytest.raises(DeviceError):
        board.run(samples(2))
    assert_works(board)


@needs_pynq
def test_core_that_hangs_is_a_timeout(board, core):
    def hang(beats):
        raise DeviceTimeout("no END within the cycle budget")

    core.answer = hang
    with pytest.raises(DeviceTimeout, match="DMA channels"):
        board.run(samples(1))
    assert_works(board)


@needs_pynq
def test_bus_error_of_the_core_reaches_the_user(board, core):
    with pytest.raises(DeviceError, match="read-only"):
        board.transport.write32(0, 1)
    assert_works(board)


@needs_pynq
def test_cycle_budget_is_handed_on(board, transport):
    board.run(samples(1))
    small = transport.device.budget_cycles
    board.run(samples(3), 3)
    assert 3 * small > transport.device.budget_cycles > small


@needs_pynq
def test_buffers_are_given_back_whatever_happens(board, transport):
    transport.device.dma.faults.error["s2mm"] = 0x20
    with pytest.raises(DeviceError):
        board.run(samples(1))
    board.run(samples(1))
    assert transport.device.memory.blocks == {}


@needs_pynq
def test_closing_closes_the_core_and_removes_the_bitstream(artefact, core):
    opened = open_pynq_sim(artefact, core)
    bitfile = Path(opened.device.bitfile_name)
    assert bitfile.exists()
    opened.close()
    opened.close()
    assert core.closed == 1
    assert not bitfile.parent.exists()


@needs_pynq
def test_two_boards_one_after_the_other_keep_apart(artefact):
    import pynq

    for _ in range(2):
        opened = open_pynq_sim(artefact, FakeCore(CONFIG))
        assert pynq.Clocks.device is opened.device
        with Board(opened) as board:
            board.load(artefact)
            assert_works(board)
    assert "_real_instance" not in vars(pynq.Clocks)


@needs_pynq
def test_simulated_device_is_not_registered_for_others(transport):
    from pynq.pl_server.device import DeviceMeta

    from spikeloom_sim.pynq_sim_device import SimDevice

    assert SimDevice not in DeviceMeta._subclasses.values()


@needs_pynq
@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (hwh_module.CORE_VLNV, "example.org:other:core:1.0", r"one spikeloom.org:\S+, not 0"),
        ("axi_dma:7.1", "axi_vdma:6.3", r"one xilinx.com:ip:axi_dma:7.1, not 0; it holds .*vdma"),
        ('c_include_s2mm" VALUE="1"', 'c_include_s2mm" VALUE="0"', "must have both channels"),
    ],
)
def test_wrong_overlay_is_refused_with_the_file_name(
    artefact, transport, tmp_path, old, new, match
):
    text = hwh_module.hwh_text(CONFIG)
    assert old in text
    bitfile = write_dummy_bitstream(tmp_path, CONFIG, text.replace(old, new))
    with pytest.raises(LinkError, match=match) as caught:
        open_pynq(str(bitfile), transport.device)
    assert "spikeloom.bit" in str(caught.value)


@needs_pynq
def test_no_board_is_a_link_error(tmp_path, monkeypatch):
    monkeypatch.delenv("PYNQ_REMOTE_DEVICES", raising=False)
    bitfile = write_dummy_bitstream(tmp_path, CONFIG)
    with pytest.raises(LinkError, match="No Devices Found"):
        open_pynq(str(bitfile))


def test_missing_pynq_or_new_numpy_says_what_to_install(monkeypatch, artefact):
    def missing(name):
        raise pynq_sim.importlib.metadata.PackageNotFoundError

    with monkeypatch.context() as patch:
        patch.setattr(pynq_sim.importlib.metadata, "version", missing)
        with pytest.raises(EngineError, match="not installed; run: pip install"):
            open_pynq_sim(artefact)
    monkeypatch.setattr(pynq_sim.importlib.metadata, "version", lambda name: "4.0.0")
    monkeypatch.setattr(pynq_sim.np, "__version__", "2.1.0")
    with pytest.raises(EngineError, match=r"numpy below 2, not 2\.1\.0.*pip install"):
        check_environment()

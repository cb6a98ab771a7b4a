"""Fixtures of the simulation tests."""

import pytest

from spikeloom.spec.config import BuildConfig


@pytest.fixture
def config():
    return BuildConfig("test", lanes=4, state_rows=64, weight_rows=2048)


@pytest.fixture
def engine_cache(request, monkeypatch, tmp_path):
    """A cache of compiled cores that only the tests use; pytest keeps it from run to run."""
    cache = getattr(request.config, "cache", None)
    folder = cache.mkdir("spikeloom") if cache is not None else tmp_path
    monkeypatch.setenv("SPIKELOOM_CACHE", str(folder))
    return folder

"""Fixtures of the simulation tests."""

import pytest

from spikeloom.spec.config import BuildConfig


@pytest.fixture
def config():
    return BuildConfig("test", lanes=4, state_rows=64, weight_rows=2048)

"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection

# The tests repeat the same examples, so that a failure is a fault of the change at hand.
# HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("repeat", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A random generator whose seed is the test's name, so that every run is the same."""
    return np.random.default_rng(list(request.node.name.encode()))


@pytest.fixture
def small_network() -> Network:
    """Two layers, 6-5-3, with parameters of every granularity."""
    rng = np.random.default_rng(7)
    return Network(
        inputs=(InputPopulation("pixels", (6,), max_magnitude=3),),
        populations=(
            Population("hidden", (5,), threshold=np.arange(40, 45), decay=30000, bias=-2),
            Population("out", (3,), threshold=50, decay=32768, reset="none", initial=4, floor=-99),
        ),
        projections=(
            Projection("pixels", "hidden", rng.integers(-128, 128, (5, 6)), shift=1),
            Projection("hidden", "out", rng.integers(-8, 8, (3, 5)), weight_bits=4),
        ),
        outputs=("hidden", "out"),
    )


@pytest.fixture
def small_input() -> InputFacts:
    """The input facts that belong to ``small_network``."""
    return InputFacts(shape=(6,), ticks=4, encoder={"kind": "none"})


def data_folder(variable: str, below: str, holds: str, within: str = "") -> Path:
    """Return the folder that ``variable`` names, or ``below`` of ../shared/data; skip without it.

    ``holds`` says what is in it, and ``within`` which folder must be there.
    """
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data" / below
    folder = Path(os.environ.get(variable, default))
    if not (folder / within).is_dir():
        pytest.skip(f"no {holds} in {folder}; set {variable}")
    return folder


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The folder of the MNIST files, from SPIKELOOM_MNIST or ../shared/data/mnist."""
    return data_folder("SPIKELOOM_MNIST", "mnist", "MNIST files")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Recorded event files and expected.json: SPIKELOOM_EVENT_FILES or ../shared/data."""
    return data_folder("SPIKELOOM_EVENT_FILES", "event_files", "recordings")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the data sets, from SPIKELOOM_DATA or ../shared/data."""
    return data_folder("SPIKELOOM_DATA", "", "data sets", within="nmnist")


@pytest.fixture(scope="session")
def engine_cache_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A cache of compiled cores that only the tests use; pytest keeps it from run to run."""
    cache = getattr(request.config, "cache", None)
    return cache.mkdir("spikeloom") if cache is not None else tmp_path_factory.mktemp("cores")


@pytest.fixture
def engine_cache(engine_cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the engines of this test, and of its processes, use the tests' own cache."""
    monkeypatch.setenv("SPIKELOOM_CACHE", str(engine_cache_folder))
    return engine_cache_folder

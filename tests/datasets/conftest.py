"""What the tests of the data sets share."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def data():
    """The folder of nmnist, dvs128_gesture, fsdd, cifar10_jpeg: SPIKELOOM_DATA or the default."""
    folder = Path(os.environ.get("SPIKELOOM_DATA", SHARED))
    if not (folder / "nmnist").is_dir():
        pytest.skip(f"no data sets in {folder}; set SPIKELOOM_DATA")
    return folder

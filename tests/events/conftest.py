"""What the tests of event files and data sets share."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def shared_folder(variable, name):
    """The folder of recordings, from the variable or ../shared/data; else skip."""
    folder = Path(os.environ.get(variable, SHARED / name))
    if not folder.is_dir():
        pytest.skip(f"no files in {folder}; set {variable}")
    return folder


@pytest.fixture(scope="session")
def recordings():
    """The folder of recorded event files and expected.json."""
    return shared_folder("SPIKELOOM_EVENT_FILES", "event_files")


@pytest.fixture(scope="session")
def data():
    """The folder that holds nmnist, dvs128_gesture, fsdd and cifar10_jpeg."""
    return shared_folder("SPIKELOOM_DATA", "")

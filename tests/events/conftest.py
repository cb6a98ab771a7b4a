"""What the tests of event files share."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="session")
def recordings():
    """Recorded event files and expected.json: SPIKELOOM_EVENT_FILES or ../shared/data."""
    folder = Path(os.environ.get("SPIKELOOM_EVENT_FILES", SHARED / "event_files"))
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; set SPIKELOOM_EVENT_FILES")
    return folder

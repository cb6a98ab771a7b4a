import tempfile

import pytest

from board.fake_core import FakeCore
from board.small_network import CONFIG, make_artefact
from spikeloom.board import Board


@pytest.fixture
def artefact(tmp_path):
    return make_artefact(tmp_path / "artefact")


@pytest.fixture
def core():
    return FakeCore(CONFIG)


@pytest.fixture
def board(core, artefact):
    with Board(core, ready_timeout_s=0.05) as opened:
        opened.load(artefact)
        yield opened


@pytest.fixture
def own_lock(tmp_path, monkeypatch):
    """A lock of boards for this test alone; without it only one at a time may open a board."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

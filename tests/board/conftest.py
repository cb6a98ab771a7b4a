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

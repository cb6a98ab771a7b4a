import os
import subprocess
import sys

import pytest

from spikeloom.board import pynq_transport
from spikeloom.board.lock import LOCK_FILE, board_lock
from spikeloom.spec.errors import LinkError


def test_second_owner_is_refused_with_the_first_ones_number(tmp_path):
    folder = str(tmp_path)
    with (
        board_lock(folder),
        pytest.raises(LinkError, match=f"in use by process {os.getpid()} "),
        board_lock(folder),
    ):
        pass
    with board_lock(folder):
        pass


def test_lock_ends_with_its_process(tmp_path):
    program = f"""
import os
from spikeloom.board.lock import board_lock
board_lock({str(tmp_path)!r}).__enter__()
os._exit(0)
"""
    package = os.path.dirname(os.path.dirname(os.path.dirname(pynq_transport.__file__)))
    environment = {**os.environ, "PYTHONPATH": package}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)
    assert (tmp_path / LOCK_FILE).read_text().strip().isdigit()
    with board_lock(str(tmp_path)):
        pass


def test_lock_does_not_follow_links(tmp_path):
    (tmp_path / LOCK_FILE).symlink_to(tmp_path / "other")
    with pytest.raises(LinkError, match="must be writable"), board_lock(str(tmp_path)):
        pass
    assert not (tmp_path / "other").exists()


def no_hardware(bitfile):
    return pynq_transport.PynqTransport(
        None, None, None, name="none", core_bytes=4, clock_hz=1.0, max_bytes=8
    )


def test_open_board_holds_the_lock_until_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(pynq_transport, "_check_pynq", lambda: None)
    monkeypatch.setattr(pynq_transport, "open_pynq", no_hardware)
    board = pynq_transport.open_board("core.bit")
    with pytest.raises(LinkError, match="in use"):
        pynq_transport.open_board("core.bit")
    board.close()
    pynq_transport.open_board("core.bit").close()


def test_open_board_frees_the_lock_if_it_fails(tmp_path, monkeypatch):
    def fail(bitfile):
        raise LinkError("no core")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(pynq_transport, "_check_pynq", lambda: None)
    monkeypatch.setattr(pynq_transport, "open_pynq", fail)
    for _ in range(2):
        with pytest.raises(LinkError, match="no core"):
            pynq_transport.open_board("core.bit")

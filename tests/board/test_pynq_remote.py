"""An unmodified client of PYNQ.remote runs the driver on a simulated board."""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

try:
    REMOTE = importlib.metadata.version("pynq") >= "4" and np.__version__ < "2"
except importlib.metadata.PackageNotFoundError:
    REMOTE = False
if not REMOTE:
    pytest.skip("pynq 4 is missing or numpy is 2 or later", allow_module_level=True)

from board.fake_core import FakeCore
from board.small_network import CONFIG, expected, make_artefact, samples
from spikeloom.board.hwh import core_bytes
from spikeloom_sim.pynq_sim import write_dummy_bitstream

pytestmark = [pytest.mark.pynq, pytest.mark.slow, pytest.mark.usefixtures("own_lock")]

CLIENT = """
import sys
import numpy as np
from spikeloom.artefact import read_artefact
from spikeloom.board import open_board
with open_board("spikeloom.bin") as board:
    board.load(read_artefact("net"))
    found = board.run(np.load("in.npy"), 2)
    print(board.transport.describe()["engine"], board.counters()["SAMPLES"])
np.savez("out.npz", spikes=found.spikes, potential=found.potential)
"""


@pytest.fixture
def clean_library():
    """Remove what the client leaves in pynq's own folder."""
    folder = Path(importlib.util.find_spec("pynq").origin).parent / "pl_server"
    before = set(folder.iterdir())
    yield
    for path in set(folder.iterdir()) - before:
        if path.is_file():
            path.unlink()


def test_client_without_changes_gets_the_right_spikes(tmp_path, clean_library):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spikeloom_sim.pynq_sim_device import SimDevice
        from spikeloom_sim.pynq_sim_remote import PORT, serve

    make_artefact(tmp_path / "net")
    write_dummy_bitstream(tmp_path, CONFIG)
    inputs = samples(6)
    np.save(tmp_path / "in.npy", inputs)
    device = SimDevice(FakeCore(CONFIG), core_bytes(CONFIG), "spikeloom-remote")
    try:
        server = serve(device)
        files = server.__enter__()
    except (OSError, RuntimeError):
        pytest.skip(f"port {PORT}, which pynq asks, is not free")
    try:
        path = os.pathsep.join(str(p) for p in sys.path if p)
        environment = {**os.environ, "PYNQ_REMOTE_DEVICES": "127.0.0.1", "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CLIENT], cwd=tmp_path, env=environment,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        server.__exit__(None, None, None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pynq:spikeloom ")
    spikes, _, final = expected(inputs)
    with np.load(tmp_path / "out.npz") as out:
        np.testing.assert_array_equal(out["spikes"], spikes["out"])
        np.testing.assert_array_equal(out["potential"], final["out"])
    assert files.files["/sys/class/fpga_manager/fpga0/firmware"].endswith(b".bin")
    assert device.memory.blocks == {}

import shutil
import subprocess
from pathlib import Path

import pytest

STUB = Path(__file__).parent / "vivado_stub.tcl"


@pytest.fixture
def run_vivado(tmp_path):
    """Run a prepared folder's build.tcl through tclsh and the stub of Vivado's commands."""
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        pytest.skip("tclsh is not installed; on Debian it is in the package tcl")

    def run(folder, version="2024.1", boards="", slack="0.5", ips="xilinx.com:ip:xlconcat:2.1"):
        dump = tmp_path / "dump"
        script = str(folder / "build.tcl")
        done = subprocess.run(
            [tclsh, str(STUB), script, version, boards, slack, ips, str(dump)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done, dump.read_text().splitlines()

    return run

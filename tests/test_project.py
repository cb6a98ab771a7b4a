"""The project's own files: versions, paths, pins."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

import spikeloom

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
TOOLS = PYPROJECT["tool"]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_names(extras: list[str]) -> set[str]:
    found = {
        canonical(re.match(r"[A-Za-z0-9._-]+", line).group())
        for extra in extras
        for line in EXTRAS[extra]
    }
    return found - {"spikeloom"}


def pins(file: str) -> dict[str, str]:
    out = {}
    for line in (ROOT / file).read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9a-z.]+)(; python_version .*)?", line)
        assert match, f"{file} must hold exact versions only, not {line!r}"
        out.setdefault(canonical(match[1]), match[2])
    return out


def test_the_version_is_the_same_everywhere():
    version = spikeloom.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_path_of_the_configuration_exists():
    paths = [
        *TOOLS["ruff"]["src"],
        *TOOLS["pytest"]["ini_options"]["testpaths"],
        *TOOLS["pytest"]["ini_options"]["pythonpath"],
        *TOOLS["hatch"]["build"]["dev-mode-dirs"],
        *TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"],
        TOOLS["hatch"]["version"]["path"],
        PYPROJECT["project"]["readme"],
        *PYPROJECT["project"]["license-files"],
    ]
    assert len(paths) > 10
    for path in paths:
        assert (ROOT / path).exists(), path


def test_every_strictly_typed_module_exists():
    strict = next(o for o in TOOLS["mypy"]["overrides"] if "disallow_untyped_defs" in o)
    assert len(strict["module"]) >= 7
    for module in strict["module"]:
        path = module.removesuffix(".*").replace(".", "/")
        found = [
            f
            for s in ("sw", "sim")
            for f in (ROOT / s / path, (ROOT / s / path).with_suffix(".py"))
        ]
        assert any(f.exists() for f in found), module


@pytest.mark.parametrize(
    ("file", "extras"),
    [("constraints.txt", list(EXTRAS)), ("constraints-numpy2.txt", ["host"])],
)
def test_every_dependency_has_an_exact_version(file, extras):
    pinned = pins(file)
    assert requirement_names(extras) <= pinned.keys()
    assert "numpy" in pinned


def test_torch_is_pinned_and_its_large_companions_are_absent():
    assert pins("constraints.txt")["torch"] == "2.13.0"
    assert "torch==2.13.0" in EXTRAS["train"]
    for name in ("torchvision", "torchaudio"):
        assert name not in pins("constraints.txt")
        assert name not in (ROOT / "pyproject.toml").read_text("utf-8")


def test_the_base_installation_needs_numpy_alone():
    assert [re.match(r"\w+", d).group() for d in PYPROJECT["project"]["dependencies"]] == ["numpy"]


def test_the_two_environments_have_the_two_major_versions_of_numpy():
    assert pins("constraints.txt")["numpy"].startswith("1.26.")
    assert pins("constraints-numpy2.txt")["numpy"].startswith("2.")


def test_every_dependency_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    part = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    lines = part.splitlines()
    seen = 0
    for before, line in pairwise(lines):
        if re.match(r'\s+"(?!spikeloom)', line) and "Programming" not in line:
            seen += 1
            assert "#" in line or before.lstrip().startswith("#"), f"no reason: {line.strip()}"
    assert seen > 15


def test_the_makefile_installs_every_extra():
    extras = re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M).group(1)
    assert set(extras.split(",")) == set(EXTRAS)


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License\n" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text

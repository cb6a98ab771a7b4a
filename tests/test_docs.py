"""The documentation against the sources it speaks of."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SEMANTICS = DOCS / "spec" / "semantics.md"

PAGES = sorted(
    file
    for file in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    if not {"_build", "generated"} & set(file.relative_to(ROOT).parts)
)
PYTHON = sorted(file for folder in ("hw", "sw", "sim") for file in (ROOT / folder).rglob("*.py"))


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def blocks(file: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", file.read_text("utf-8"), re.M | re.S)


def rules() -> list[str]:
    return re.findall(r"^\*\*([A-Z]\d+)\*\* ", SEMANTICS.read_text("utf-8"), re.M)


def generator():
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_something_to_check():
    assert len(PAGES) > 15
    assert len(PYTHON) > 15


def test_generated_pages_are_those_of_the_specification():
    pages = generator().pages()
    assert len(pages) == 7
    for file, expected in pages.items():
        got = (DOCS / "reference" / file).read_text("utf-8")
        assert got == expected, f"docs/reference/{file} is old; run: make reference"


def test_generated_pages_name_every_fact():
    from spikeloom.spec import aer, regmap, tables

    pages = generator().pages()
    for register in (*regmap.REGISTERS, *regmap.CLUSTER_REGISTERS, *regmap.SENSOR_REGISTERS):
        assert f"`{register.name}`" in pages["registers.md"]
    for layout in (*tables.TABLES, *tables.LINK_TABLES):
        for field in layout.fields:
            assert f"`{field.name}`" in pages["tables.md"]
    for kind in aer.Kind:
        assert f"`{kind.name}`" in pages["events.md"]


def test_rules_are_numbered_without_gaps():
    found = rules()
    assert len(found) > 30
    assert len(set(found)) == len(found)
    for letter in "NGDESQ":
        numbers = [int(rule[1:]) for rule in found if rule[0] == letter]
        assert numbers == list(range(1, len(numbers) + 1))


def test_every_rule_that_is_referred_to_exists():
    pattern = re.compile(r"\brules? (?:([A-Z]\d+)(?:(?:, | and | to )([A-Z]\d+))*)")
    known, seen = set(rules()), 0
    for file in [*PYTHON, *PAGES, DOCS / "generate.py"]:
        for match in pattern.finditer(file.read_text("utf-8")):
            for rule in re.findall(r"[A-Z]\d+", match.group()):
                seen += 1
                assert rule in known, f"{name(file)} refers to rule {rule}"
    assert seen > 5


def test_every_rule_in_brackets_exists():
    for rule in re.findall(r"\(([NGDESQ]\d+)\)", SEMANTICS.read_text("utf-8")):
        assert rule in rules()


@pytest.mark.parametrize("file", PAGES, ids=name)
def test_links_lead_to_files(file):
    text = re.sub(r"^```.*?^```$", "", file.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text):
        if link and "://" not in link:
            assert (file.parent / link).exists(), f"{name(file)} links to {link}"


@pytest.mark.parametrize("file", PAGES, ids=name)
def test_files_that_are_named_exist(file):
    for path in re.findall(r"`((?:tests|docs|hw|sw|sim)/[\w./-]+\.\w+)`", file.read_text("utf-8")):
        assert (ROOT / path).exists(), f"{name(file)} names {path}"


@pytest.mark.parametrize("file", PAGES, ids=name)
def test_make_targets_that_are_named_exist(file):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    assert len(targets) > 8
    text = file.read_text("utf-8")
    for target in re.findall(r"(?:`|^\$ )make ([a-z0-9-]+)", text, re.M):
        assert target in targets, f"{name(file)} names make {target}"


@pytest.mark.parametrize("file", PAGES, ids=name)
def test_python_blocks_are_python(file):
    for block in blocks(file, "python"):
        compile(block, name(file), "exec")


def test_the_network_of_the_how_to_runs_as_the_tutorial_says(tmp_path, monkeypatch, capsys):
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    scope = {}
    for block in blocks(DOCS / "howto" / "network.md", "python"):
        exec(block, scope)
    tutorial = blocks(DOCS / "tutorial.md", "python")
    assert len(tutorial) == 2
    exec(tutorial[0].replace("demo-out/artefact", "coincidence"), scope)
    assert capsys.readouterr().out == "both 1 subtract\n"
    assert scope["network"].population("both").n_neurons == 1
    exec(tutorial[1].replace("[0, 3, 5]", "[0, 3]"), scope)
    assert scope["trace"].counts["both"].tolist() == [[1]]


def test_files_keep_to_their_length():
    for file in [*PYTHON, *(ROOT / "tests").rglob("*.py"), *DOCS.glob("*.py")]:
        lines = len(file.read_text("utf-8").splitlines())
        assert lines <= 450, f"{name(file)} has {lines} lines; split it (450 at most)"

"""The table of faults: every case once, every test and proof that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
FAULTS = (ROOT / "docs/verification/faults.md").read_text("utf-8")
PROOFS = (ROOT / "docs/verification/proofs.md").read_text("utf-8")


def proof_names() -> set[str]:
    text = "".join(f.read_text("utf-8") for f in (ROOT / "tests/formal").glob("*.py"))
    streams = {f"{name}_stream" for name in re.findall(r'_proof\(\s+"(\w+)"', text)}
    return streams | set(re.findall(r'\bProof\(\s+"(\w+)"', text))


def test_every_case_has_its_row() -> None:
    rows = re.findall(r"^\| (\d+) ", FAULTS, re.M)
    assert [int(row) for row in rows] == list(range(1, 54))


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", FAULTS)
    assert len(named) > 75
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8"), f"{file}::{test}"


def test_every_proof_that_is_named_exists() -> None:
    names = proof_names()
    assert len(names) > 15
    lines = [line for line in FAULTS.splitlines() if "formal `" in line]
    for line in lines:
        for name in re.findall(r"`(\w+)`", line.split("formal")[1]):
            assert name in names, name
    listed = set(re.findall(r"^\| `(\w+)`", PROOFS, re.M))
    assert {n for n in names if not n.endswith("_stream")} == listed

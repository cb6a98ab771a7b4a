"""The quick proofs; ``make formal`` runs all of them."""

from __future__ import annotations

import pytest

from formal.catalogue import ALL, PROOFS, UNSETTLED
from formal.prover import JUDGES, load, missing_program, translate

pytestmark = pytest.mark.rtl
QUICK = [proof for proof in PROOFS if proof.quick]


def test_the_quick_proofs_are_some_of_all() -> None:
    names = {proof.name for proof in ALL}
    assert names >= UNSETTLED
    assert len(names) == len(ALL) == len(PROOFS) + len(UNSETTLED)
    assert 1 < len(QUICK) < 6


@pytest.mark.parametrize("proof", ALL, ids=lambda proof: proof.name)
def test_every_bug_can_still_be_planted(proof) -> None:
    assert translate(proof, planted=True) != translate(proof, planted=False)


def test_a_bug_that_fits_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="holds 0 times, not once"):
        load("lane", ("no such line", "another"))


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__name__)
@pytest.mark.parametrize("proof", QUICK, ids=lambda proof: proof.name)
def test_proof(proof, judge, tmp_path) -> None:
    program = missing_program()
    if program is not None:
        pytest.skip(f"a proof needs the program {program}, which is not installed")
    judge(proof, tmp_path)

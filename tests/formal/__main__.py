"""Run the proofs: ``python -m formal [NAME ...]``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .catalogue import ALL, PROOFS
from .prover import JUDGES, Proof, missing_program


def judged(proof: Proof, folder: Path) -> tuple[bool, str]:
    """Return whether the proof passes, and a line about it."""
    begin = time.monotonic()
    kind = "any length" if proof.unbounded else f"{proof.depth} cycles"
    fault = ""
    for judge in JUDGES:
        try:
            judge(proof, folder / proof.name)
        except Exception as error:
            fault = f"\n{error}"
            break
    word = "FAIL" if fault else "ok"
    return not fault, f"{proof.name:28}{kind:12}{time.monotonic() - begin:7.1f} s  {word}{fault}"


def main() -> int:
    """Run the proofs that are named, or all; return the exit code."""
    parser = argparse.ArgumentParser(prog="formal", description="Prove rules of the gateware.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a proof's name")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    names = arguments.names
    chosen = [p for p in ALL if any(name in p.name for name in names)] if names else PROOFS
    if not chosen:
        parser.error(f"no proof has {' or '.join(names)} in its name")
    program = missing_program()
    if program is not None:
        parser.error(f"the program {program} is missing; run: make setup")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        passed = []
        for good, line in pool.map(lambda proof: judged(proof, Path(folder)), chosen):
            passed.append(good)
            print(line, flush=True)
    print(f"{sum(passed)} of {len(chosen)} proofs hold, reach their covers and catch their bugs")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())

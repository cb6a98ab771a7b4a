"""``spikeloom verify``: an engine against the golden model."""

from __future__ import annotations

import argparse

from ..report import to_json
from . import files
from .ranges import check_counts

NAME = "verify"
HELP = "compare every spike and potential of every population with the golden model"
EXAMPLE = "spikeloom verify net --input in.npz --engine verilator --samples 100"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("artefact", help="folder of the artefact")
    parser.add_argument("--input", required=True, metavar="IN.npz", help="as for spikeloom run")
    parser.add_argument("--engine", required=True, help="pysim, cxxrtl, verilator or pynq-sim")
    parser.add_argument("--samples", type=int, metavar="N", help="only the first N samples")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="cores simulated at the same time (1)"
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def main(args: argparse.Namespace) -> int:
    """Compare; exit code 1 if anything differs."""
    from spikeloom_sim.run import verify_artefact

    from ..artefact import read_artefact

    check_counts(args, "samples", "jobs")
    artefact = read_artefact(args.artefact)
    inputs = files.read_input(args.input)
    if args.samples is not None:
        inputs = inputs[: args.samples] if inputs.ndim else inputs
    outcome = verify_artefact(artefact, args.engine, inputs, jobs=args.jobs)
    if args.json:
        print(to_json(outcome.to_dict()), end="")
    elif outcome.difference is None:
        print(
            f"{outcome.samples} samples on {args.engine}: {outcome.compared} values compared, "
            "all equal to the golden model"
        )
    else:
        print(
            f"{args.engine} differs from the golden model in {outcome.mismatches} of "
            f"{outcome.compared} values; first: {outcome.difference}"
        )
    return 0 if outcome.difference is None else 1

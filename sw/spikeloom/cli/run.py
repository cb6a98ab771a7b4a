"""``spikeloom run``: an artefact on an engine."""

from __future__ import annotations

import argparse
from typing import Any

from numpy.typing import NDArray

from ..report import to_json
from . import files

NAME = "run"
HELP = "run an artefact on the golden model, an RTL simulation or a simulated board"
EXAMPLE = "spikeloom run net --engine verilator --input in.npz --output out.npz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("artefact", help="folder of the artefact")
    parser.add_argument(
        "--engine",
        default="golden",
        help="golden, pysim, cxxrtl, verilator or pynq-sim (default: golden)",
    )
    parser.add_argument(
        "--input",
        required=True,
        metavar="IN.npz",
        help="npz with the array 'input': integers, samples x ticks x input shape",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="OUT.npz",
        help="npz to write: spikes, counts, prediction, potential; RTL engines: cycles, sops",
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


def main(args: argparse.Namespace) -> int:
    """Run and write the results."""
    from spikeloom_sim.run import run_artefact

    from ..artefact import read_artefact

    artefact = read_artefact(args.artefact)
    inputs = files.read_input(args.input)
    result = run_artefact(artefact, args.engine, inputs)
    arrays: dict[str, NDArray[Any]] = {
        "spikes": result.spikes,
        "counts": result.counts,
        "prediction": result.prediction,
        "potential": result.potential,
        "sops": result.sops,
    }
    if args.engine != "golden":
        arrays["cycles"] = result.cycles
    files.write_npz(args.output, arrays)
    n_samples = len(result.spikes)
    summary = {
        "engine": args.engine,
        "samples": n_samples,
        "ticks": result.spikes.shape[1],
        "spikes": int(result.spikes.sum()),
        "sops": int(result.sops.sum()),
        "output": args.output,
    }
    if args.engine != "golden":
        summary["cycles"] = int(result.cycles.sum())
    if args.json:
        print(to_json(summary), end="")
    else:
        print(f"{n_samples} samples on {args.engine}: results in {args.output}")
    return 0

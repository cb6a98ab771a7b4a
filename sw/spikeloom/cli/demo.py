"""``spikeloom demo``: from images to spikes on simulated silicon."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..report import to_json
from .train import add_config_arguments, config_of

NAME = "demo"
HELP = "train, quantise, compile, simulate the hardware and drive a simulated board"
EXAMPLE = "spikeloom demo --out demo-out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("--out", default="demo-out", metavar="DIR", help="folder for the results")
    add_config_arguments(parser)
    parser.add_argument("--preset", help="build (small; pynq-z2 for networks it cannot hold)")
    parser.add_argument("--engine", default="cxxrtl", help="pysim, cxxrtl or verilator (cxxrtl)")
    parser.add_argument("--samples", type=int, metavar="N", help="only N test samples on RTL")
    parser.add_argument("--json", action="store_true", help="print summary.json at the end")


def main(args: argparse.Namespace) -> int:
    """Run the demo; exit code 1 if any engine differs from the golden model."""
    from ..demo import run_demo

    summary = run_demo(
        config_of(args),
        Path(args.out),
        preset_name=args.preset,
        engine=args.engine,
        samples=args.samples,
        quiet=args.json,
    )
    if args.json:
        print(to_json(summary), end="")
    return 0 if summary["equal"] else 1

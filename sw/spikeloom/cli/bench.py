"""``spikeloom bench``: figures of the gateware."""

from __future__ import annotations

import argparse

from ..files import write_atomically
from ..report import table, to_json

NAME = "bench"
HELP = "measure the gateware: cycles and synaptic operations from its own counters"
EXAMPLE = "spikeloom bench rtl --preset pynq-z2 --json bench.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("what", choices=("rtl",), help="rtl: cycles of 784-128-10 by density")
    parser.add_argument("--preset", default="pynq-z2", help="build to measure (pynq-z2)")
    parser.add_argument("--engine", default="verilator", help="cxxrtl or verilator (verilator)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    from spikeloom_sim.bench import bench_rtl, to_rows

    from ..spec.config import preset

    figures = bench_rtl(preset(args.preset), args.engine)
    rows = [(f.name, round(f.measured, 3), round(f.bound, 3), f.unit) for f in figures]
    print(table(rows, ("784-128-10", "measured", "bound", "unit")))
    if args.json:
        write_atomically(args.json, to_json(to_rows(figures)).encode())
    return 0

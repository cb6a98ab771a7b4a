"""``spikeloom bench``: figures of the gateware."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_atomically
from ..report import table, to_json

NAME = "bench"
HELP = "measure the gateware: cycles and synaptic operations from its own counters"
EXAMPLE = "spikeloom bench rtl --preset pynq-z2 --json bench.json"

RECORDINGS = 3

if TYPE_CHECKING:
    from spikeloom_sim.bench_parts import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("what", choices=("rtl",), help="rtl: cycles, operations and streams")
    parser.add_argument(
        "--nmnist", metavar="DIR", help="recordings of N-MNIST (without: synthetic events)"
    )
    parser.add_argument("--preset", default="pynq-z2", help="build to measure (pynq-z2)")
    parser.add_argument("--engine", default="verilator", help="cxxrtl or verilator (verilator)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")


def _recordings(folder: str) -> list[Recording]:
    """Return the first recordings of N-MNIST's test set."""
    from ..datasets.events import load_nmnist

    samples = load_nmnist(Path(folder)).test[:RECORDINGS]
    return [(e.t, e.x, e.y, e.p) for e in samples]


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    from spikeloom_sim.bench import bench_rtl, to_rows
    from spikeloom_sim.bench_parts import bench_parts

    from ..spec.config import preset

    recordings = _recordings(args.nmnist) if args.nmnist else None
    config = preset(args.preset)
    figures = [*bench_rtl(config, args.engine), *bench_parts(config, args.engine, recordings)]
    rows = [(f.name, round(f.measured, 3), round(f.bound, 3), f.unit) for f in figures]
    print(table(rows, ("784-128-10, then the parts", "measured", "bound", "unit")))
    if args.json:
        write_atomically(args.json, to_json(to_rows(figures)).encode())
    return 0

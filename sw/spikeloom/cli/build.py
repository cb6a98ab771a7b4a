"""``spikeloom build``: a bitstream for a board."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..spec.errors import UsageError
from .build_choice import add_build_arguments, chosen_build
from .ranges import check_counts, check_positive

NAME = "build"
HELP = "build a bitstream for a board, or prepare everything that its vendor's tool needs"
EXAMPLE = "spikeloom build --board pynq-z2 --preset pynq-z2 --out overlay"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("--board", required=True, help="the board; --board help lists them")
    add_build_arguments(parser, "implement", None)
    parser.add_argument("--out", metavar="DIR", help="folder of the result (build/BOARD/NAME)")
    parser.add_argument("--clock-mhz", type=float, metavar="F", help="clock (the board's own)")
    parser.add_argument("--seed", type=int, default=1, help="ecp5: seed of the placement (1)")
    parser.add_argument(
        "--tries", type=int, default=1, metavar="N", help="ecp5: seeds to try until the clock fits"
    )
    parser.add_argument(
        "--prepare-only", action="store_true", help="Zynq: write the folder, do not run Vivado"
    )
    parser.add_argument(
        "--built-elsewhere",
        action="store_true",
        help="Zynq: describe what Vivado left in the prepared folder on another machine",
    )
    parser.add_argument(
        "--time-limit", type=float, default=36000, metavar="S", help="seconds per tool (36000)"
    )


def main(args: argparse.Namespace) -> int:
    """Build, or say what to run elsewhere."""
    from ..bitstreams import boards, ecp5, vivado
    from ..report import table

    if args.board == "help":
        rows = [(b.name, b.title, b.part, b.preset, b.clock_mhz) for b in boards.boards().values()]
        print(table(rows, ("board", "title", "part", "preset", "MHz")))
        return 0
    board = boards.board(args.board)
    config = chosen_build(args, board.preset)
    clock_mhz = board.clock_mhz if args.clock_mhz is None else args.clock_mhz
    if not 1 <= clock_mhz <= 500:
        raise UsageError(f"--clock-mhz must be from 1 to 500, not {clock_mhz:g}")
    check_counts(args, "tries")
    check_positive(args, "time_limit")
    if (args.prepare_only or args.built_elsewhere) and board.family == "ecp5":
        option = "--prepare-only" if args.prepare_only else "--built-elsewhere"
        raise UsageError(f"{option} belongs to boards that need Vivado")
    if args.prepare_only and args.built_elsewhere:
        raise UsageError("--prepare-only and --built-elsewhere exclude each other")
    folder = Path(args.out or Path("build") / board.name / config.name)
    _check_folder(folder)  # hours may pass until the first file is written
    if board.family == "ecp5":
        seeds = range(args.seed, args.seed + args.tries)
        manifest = ecp5.build(board, config, folder, clock_mhz, args.time_limit, seeds)
    elif args.built_elsewhere:
        manifest = vivado.collect(board, config, folder)
    else:
        manifest = vivado.prepare(board, config, folder, clock_mhz)
        if args.prepare_only:
            print(f"{folder} is ready; Vivado ({vivado.VERSIONS}) builds it with:")
            print(vivado.elsewhere(folder))
            return 0
        manifest = vivado.run(folder, manifest, args.time_limit)
    print(f"{folder}: {', '.join(manifest.files)}; build {manifest.build_id} ({config.name})")
    used = ", ".join(f"{name} {count:g}" for name, count in manifest.resources.items())
    reached = manifest.clock_reached_mhz or 0
    clock = f"clock {manifest.clock_mhz:g} MHz, by timing analysis {reached:g} MHz"
    print(f"{clock}; {used}" if used else clock)
    return 0


def _check_folder(folder: Path) -> None:
    """Raise :class:`UsageError` if ``folder`` is no folder, or none can be made there."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        what = "cannot be written to" if there.is_dir() else "is a file"
        raise UsageError(
            f"--out must be a folder that can be written, not {folder}: {there} {what}"
        )

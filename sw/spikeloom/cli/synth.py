"""``spikeloom synth``: resources and timing of a build."""

from __future__ import annotations

import argparse
import sys

from ..files import write_atomically
from ..report import to_json
from ..spec.errors import UsageError
from .build_choice import add_build_arguments, chosen_build
from .ranges import check_counts, check_positive

NAME = "synth"
HELP = "resources and timing of a build, without an FPGA vendor's tools"
EXAMPLE = "spikeloom synth --preset tiny --target xc7 --json tiny.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add_build_arguments(parser, "synthesise")
    parser.add_argument(
        "--target",
        choices=("xc7", "ecp5", "ice40"),
        default="xc7",
        help="xc7: cells and logic delays on an xc7z020; ecp5: routed on an LFE5U-85F; "
        "ice40: cells on an iCE40UP5K (xc7)",
    )
    parser.add_argument("--no-route", action="store_true", help="ecp5: synthesis only")
    parser.add_argument(
        "--paths", type=int, default=10, metavar="N", help="xc7: paths to report (10)"
    )
    parser.add_argument(
        "--time-limit", type=float, default=3600, metavar="S", help="seconds per tool (3600)"
    )
    parser.add_argument(
        "--features", action="store_true", help="xc7: what each feature of a build costs instead"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the report as JSON")


def main(args: argparse.Namespace) -> int:
    """Synthesise and print."""
    from ..synth import ecp5, ice40, xc7

    if args.no_route and args.target != "ecp5":
        raise UsageError("--no-route belongs to --target ecp5; the others are never routed")
    if args.features and args.target != "xc7":
        raise UsageError("--features belongs to --target xc7")
    check_counts(args, "paths")
    check_positive(args, "time_limit")
    if args.features:
        return _features(args)
    config = chosen_build(args)
    if args.target == "xc7":
        report = xc7.synthesise(config, args.time_limit, args.paths)
    elif args.target == "ice40":
        report = ice40.synthesise(config, args.time_limit)
    else:
        report = ecp5.synthesise(config, args.time_limit, route=not args.no_route)
    print(report.text())
    if args.json:
        write_atomically(args.json, to_json(report.to_dict()).encode())
    return 0


def _features(args: argparse.Namespace) -> int:
    """Measure what features cost; each build is named on standard error as it is done."""
    from ..synth import features

    def done(measured: features.Measured) -> None:
        found = ", ".join(f"{name} {value:g}" for name, value in measured.resources.items())
        print(f"{measured.config.name}: {found}", file=sys.stderr, flush=True)

    measured = list(features.measure(features.builds(), args.time_limit, done))
    print(features.costs(measured))
    if args.json:
        write_atomically(args.json, to_json([m.to_dict() for m in measured]).encode())
    return 0

"""``spikeloom compile``: a network for a build."""

from __future__ import annotations

import argparse
import sys

from ..report import table, to_json
from .build_choice import add_build_arguments, chosen_build

NAME = "compile"
HELP = "compile a network for a build: prove, place, pack, write the artefact"
EXAMPLE = "spikeloom compile runs/digits/network --preset small --out runs/digits/small"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("network", help="folder of an artefact, compiled or not")
    add_build_arguments(parser, "compile for")
    parser.add_argument("--out", metavar="ARTEFACT", help="folder to write (must be new)")
    parser.add_argument("--report", action="store_true", help="only say what fits")
    parser.add_argument("--json", action="store_true", help="print the capacity report as JSON")


def main(args: argparse.Namespace) -> int:
    """Compile; exit code 2 if the network does not fit (``--report``: 1), or cannot run."""
    from ..artefact import read_artefact, write_artefact
    from ..compile import capacity_report, check_supported, compile_network, prove_no_overflow
    from ..spec.errors import UsageError

    if not args.report and not args.out:
        raise UsageError("compile needs --out ARTEFACT, or --report to only say what fits")
    config = chosen_build(args)
    source = read_artefact(args.network)
    network = source.network()
    if args.report:
        prove_no_overflow(network)
        check_supported(network, config)
        capacity = capacity_report(network, config)
        _print(args, capacity, sys.stdout)
        return 0 if capacity.fits else 1
    compiled = compile_network(network, config)
    write_artefact(
        args.out,
        network,
        source.input,
        provenance=source.manifest.provenance,
        build=compiled.build,
        images=compiled.images,
    )
    _print(args, compiled.report, sys.stdout)
    if not args.json:
        print(f"\nbuild id {compiled.build.id}; artefact in {args.out}")
    return 0


def _print(args: argparse.Namespace, capacity: object, stream: object) -> None:
    from ..compile import CapacityReport

    assert isinstance(capacity, CapacityReport)
    if args.json:
        print(to_json(capacity.to_dict()), end="")
        return
    rows = [
        (u.resource, u.used, u.available, f"{100 * u.used / u.available:.0f} %", u.unit)
        for u in capacity.uses
    ]
    print(f"build {capacity.config.name}: {'fits' if capacity.fits else 'DOES NOT FIT'}")
    print(table(rows, ("resource", "used", "available", "share", "unit")))
    print(f"lane slots that hold a neuron: {100 * capacity.lane_use:.0f} %")
    if capacity.fitting_presets:
        print(f"presets that hold this network: {', '.join(capacity.fitting_presets)}")

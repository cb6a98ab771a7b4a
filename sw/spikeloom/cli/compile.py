"""``spikeloom compile``: a network for a build."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..report import table, to_json
from ..spec.errors import UsageError
from .build_choice import add_build_arguments, chosen_build

if TYPE_CHECKING:
    from ..compile import Plan

NAME = "compile"
HELP = "compile a network for a build: prove, place, pack, write the artefact"
EXAMPLE = "spikeloom compile runs/digits/network --preset small --out runs/digits/small"

ARRANGEMENTS = ("auto", "chain", "side-by-side")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("network", help="folder of an artefact, compiled or not")
    add_build_arguments(parser, "compile for")
    parser.add_argument(
        "--arrangement",
        choices=ARRANGEMENTS,
        default="auto",
        help="builds of several cores: each core its own populations, or each the whole network "
        "on samples of its own (auto: side-by-side if one core holds the network, else chain)",
    )
    parser.add_argument("--cores", type=int, metavar="N", help="cores to use (all of the build)")
    parser.add_argument("--out", metavar="ARTEFACT", help="folder to write (must be new)")
    parser.add_argument("--report", action="store_true", help="only say what fits")
    parser.add_argument("--json", action="store_true", help="print the capacity report as JSON")


def main(args: argparse.Namespace) -> int:
    """Compile; exit code 2 if the network does not fit (``--report``: 1), or cannot run."""
    from ..artefact import read_artefact, write_artefact
    from ..compile import Arrangement, plan_network

    if not args.report and not args.out:
        raise UsageError("compile needs --out ARTEFACT, or --report to only say what fits")
    config = chosen_build(args)
    if args.cores is not None and not 1 <= args.cores <= config.cores:
        raise UsageError(
            f"--cores must be from 1 to the {config.cores} of build {config.name}, not {args.cores}"
        )
    source = read_artefact(args.network)
    arrangement = Arrangement(args.arrangement.replace("-", "_"))
    plan = plan_network(source.network(), config, arrangement, args.cores)
    if args.report:
        _print(args, plan)
        return 0 if plan.report.fits else 1
    compiled = plan.pack()
    write_artefact(
        args.out,
        source.network(),
        source.input,
        provenance=source.manifest.provenance,
        build=compiled.build,
        images=compiled.images,
    )
    _print(args, plan)
    if not args.json:
        print(f"\nbuild id {compiled.build.id}; artefact in {args.out}")
    return 0


def _print(args: argparse.Namespace, plan: Plan) -> None:
    capacity = plan.report
    if args.json:
        arrangement = plan.arrangement.value if plan.arrangement else None
        cores = {"arrangement": arrangement, "cores": _cores_of(plan)}
        print(to_json({**capacity.to_dict(), **cores}), end="")
        return
    rows = [
        (u.resource, u.used, u.available, f"{100 * u.used / u.available:.0f} %", u.unit)
        for u in capacity.uses
    ]
    print(f"build {capacity.config.name}: {'fits' if capacity.fits else 'DOES NOT FIT'}")
    print(table(rows, ("resource", "used", "available", "share", "unit")))
    print(f"lane slots that hold a neuron: {100 * capacity.lane_use:.0f} %")
    _print_cores(plan)
    if capacity.fitting_presets:
        print(f"presets that hold this network: {', '.join(capacity.fitting_presets)}")


def _cores_of(plan: Plan) -> list[list[str]]:
    """Return the names of the populations on each core in use."""
    if plan.chain:
        return [[p.name for p in core.part.populations] for core in plan.chain.cores]
    return [[p.name for p in plan.network.order()]] * plan.n_cores


def _print_cores(plan: Plan) -> None:
    """Say how the cores of a cluster share the work."""
    if plan.chain:
        print(f"chain of {len(plan.chain.cores)} cores:")
        loads = plan.report.loads
        rows = [(k, f"{loads[k]:.1f}", " ".join(names)) for k, names in enumerate(_cores_of(plan))]
        print(table(rows, ("core", "estimated cycles per tick", "populations")))
        print(f"core {plan.report.bottleneck} has the most to do")
    elif plan.arrangement:
        print(f"{plan.n_cores} cores side by side, each with the whole network")

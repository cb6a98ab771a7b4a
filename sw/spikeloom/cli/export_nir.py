"""``spikeloom export-nir``: a network for other frameworks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_atomically
from ..report import to_json
from ..spec.errors import DataError

if TYPE_CHECKING:
    from ..nir.lower import RealNetwork

NAME = "export-nir"
HELP = "write a network as a NIR graph for snnTorch, Norse and others"
EXAMPLE = "spikeloom export-nir runs/digits/network --out digits.nir"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("network", help="folder of an artefact, or a checkpoint of a training run")
    parser.add_argument("--out", required=True, metavar="MODEL.nir", help="file to write")
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def main(args: argparse.Namespace) -> int:
    """Write the graph and say how to read it."""
    from ..nir.export import export_graph

    exported = export_graph(_real(Path(args.network)))
    write_atomically(args.out, exported.data)
    read = " ".join(f"--{name} {value}" for name, value in exported.options.items())
    command = f"spikeloom import {args.out} {read}"
    if args.json:
        facts = {"out": args.out, "options": exported.options, "notes": list(exported.notes)}
        print(to_json(facts), end="")
        return 0
    print(f"{args.out}: what NIR leaves open is {read}")
    for note in exported.notes:
        print(f"note: {note}")
    print(f"to read it back: {command} --ticks T --out ARTEFACT")
    return 0


def _real(path: Path) -> RealNetwork:
    """Return the network of an artefact's folder or of a checkpoint file."""
    if path.is_dir():
        from ..artefact import read_artefact
        from ..nir.export import real_network

        network = read_artefact(path).network()
        if len(network.inputs) != 1:
            raise DataError(f"{path} must have one input population, not {len(network.inputs)}")
        return real_network(network)
    from .checkpoints import real_network_of

    return real_network_of(path)

"""``spikeloom emit``: the gateware as Verilog."""

from __future__ import annotations

import argparse

from ..files import write_atomically
from ..report import to_json
from .build_choice import add_build_arguments, chosen_build

NAME = "emit"
HELP = "write a build of the accelerator as Verilog"
EXAMPLE = "spikeloom emit --preset pynq-z2 --out spikeloom_core.v"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add_build_arguments(parser, "emit")
    parser.add_argument("--out", required=True, metavar="FILE.v", help="Verilog file to write")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


def main(args: argparse.Namespace) -> int:
    """Emit and write the file."""
    import hashlib

    from ..spec.build import build_id

    config = chosen_build(args)
    from spikeloom_hw.emit import emit_verilog

    data = emit_verilog(config).encode()
    write_atomically(args.out, data)
    summary = {
        "preset": config.name,
        "build_id": build_id(config),
        "top": "spikeloom_core",
        "file": args.out,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if args.json:
        print(to_json(summary), end="")
    else:
        print(f"{args.out}: build {config.name}, id {summary['build_id']}, top spikeloom_core")
    return 0

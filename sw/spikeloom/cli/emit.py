"""``spikeloom emit``: the gateware as Verilog."""

from __future__ import annotations

import argparse

from ..files import write_atomically
from ..report import to_json

NAME = "emit"
HELP = "write a build of the accelerator as Verilog"
EXAMPLE = "spikeloom emit --preset pynq-z2 --out spikeloom_core.v"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("--preset", default="pynq-z2", help="build to emit (pynq-z2)")
    parser.add_argument("--out", required=True, metavar="FILE.v", help="Verilog file to write")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


def main(args: argparse.Namespace) -> int:
    """Emit and write the file."""
    import hashlib

    from ..spec.build import build_id
    from ..spec.config import preset

    config = preset(args.preset)
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

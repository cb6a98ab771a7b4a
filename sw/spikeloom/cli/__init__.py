"""The ``spikeloom`` command.

Exit codes: 0 done, 1 a check failed, 2 bad use or bad input (one line on standard
error; ``--debug`` shows where it came from).  Heavy packages are imported by the
subcommand that needs them.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..spec.errors import SpikeLoomError
from . import (
    bench,
    build,
    convert,
    demo,
    doctor,
    emit,
    encode,
    export_nir,
    import_nir,
    inspect,
    run,
    search,
    simulate_nir,
    synth,
    tailor,
    train,
    verify,
    zoo,
)
from . import compile as compile_command

COMMANDS = (
    *(demo, train, convert, search, compile_command, encode, run, verify),
    *(import_nir, simulate_nir, export_nir),
    *(inspect, tailor, emit, synth, build, bench, zoo, doctor),
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        line = " ".join(message.split())
        self.exit(2, f"spikeloom: {line}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    parser = _Parser(
        prog="spikeloom",
        description="Spiking neural networks from PyTorch to an FPGA, bit for bit.",
    )
    parser.add_argument("--version", action="version", version=f"spikeloom {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        sub = subparsers.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.HELP,
            epilog=f"example: {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        sub.set_defaults(function=module.main)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        return int(args.function(args))
    except KeyboardInterrupt:
        print("spikeloom: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SpikeLoomError, OSError, ImportError, MemoryError) as error:
        if args.debug:
            raise
        print(f"spikeloom: {one_line(error)}", file=sys.stderr)
        return 2


def one_line(error: BaseException) -> str:
    """Return what an error says in one line."""
    if isinstance(error, OSError) and error.strerror:
        return " ".join(f"{error.filename or 'file'}: {error.strerror}".split())
    if isinstance(error, ImportError) and error.name:
        return f"this command needs the Python module {error.name}; spikeloom doctor says more"
    return " ".join(str(error).split()) or type(error).__name__

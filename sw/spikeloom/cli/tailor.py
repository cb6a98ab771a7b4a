"""``spikeloom tailor``: a build for one network."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_atomically
from ..report import table, to_json
from ..spec.errors import UsageError
from .ranges import check_positive

if TYPE_CHECKING:
    from ..artefact import Artefact
    from ..tailor import Run

NAME = "tailor"
HELP = "size a build for one network and a device, by the models of cycles and area"
EXAMPLE = "spikeloom tailor network --device xc7z020 --target-fps 50000 --out build.json"

INPUT_RATE, RATE = 0.1, 0.05
"""Spikes per neuron and tick that are assumed of inputs, and of populations."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("network", help="folder of an artefact, compiled or not")
    parser.add_argument("--device", default="xc7z020", help="xc7z020, zu3 or ecp5-85 (xc7z020)")
    parser.add_argument("--target-fps", type=float, metavar="N", help="samples per second")
    parser.add_argument("--max-luts", type=float, metavar="N", help="LUTs that it may take")
    parser.add_argument("--clock", type=float, metavar="MHZ", help="clock (of the device)")
    parser.add_argument(
        "--rates",
        metavar="FILE",
        help="spikes per neuron and tick of every input and population, as a JSON object "
        f"({INPUT_RATE} and {RATE})",
    )
    parser.add_argument("--input", metavar="FILE.npz", help="a run of the golden model instead")
    parser.add_argument("--out", metavar="FILE", help="file for --build to write")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def main(args: argparse.Namespace) -> int:
    """Size, print and write; exit code 2 if nothing reaches the target."""
    from ..artefact import read_artefact
    from ..tailor import tailor
    from ..tailor.area import DEVICES, SHARE

    if args.device not in DEVICES:
        raise UsageError(f"--device must be one of {', '.join(DEVICES)}, not {args.device!r}")
    check_positive(args, "target_fps", "max_luts", "clock")
    if args.target_fps is None and args.max_luts is None:
        raise UsageError("tailor needs --target-fps N or --max-luts N, or both")
    if args.rates and args.input:
        raise UsageError("--rates and --input exclude each other")
    artefact = read_artefact(args.network)
    device = DEVICES[args.device]
    clock = args.clock or device.clock_mhz
    run = _golden(artefact, args.input) if args.input else _random(artefact, args.rates)
    found = tailor(
        artefact.network(),
        run,
        device,
        clock_mhz=clock,
        target_fps=args.target_fps,
        max_luts=args.max_luts,
    )
    if args.out:
        write_atomically(args.out, to_json(found.config.to_dict()).encode())
    if args.json:
        print(to_json(found.to_dict()), end="")
        return 0
    rows = [(name, value) for name, value in found.config.to_dict().items() if value]
    print(table(rows, ("build", "value")))
    print()
    cells = [
        (name, round(used), round(SHARE[name] * device.available[name]))
        for name, used in found.area.items()
    ]
    print(table(cells, (f"of {device.name}, estimated", "used", "allowed")))
    print(
        f"\n{found.cycles:.0f} cycles per sample, {found.samples_per_s:.0f} samples per second at "
        f"{clock:g} MHz; most of the time for {found.bottleneck}"
    )
    return 0


def _golden(artefact: Artefact, path: str) -> Run:
    """Return the golden model's run of an input file."""
    from spikeloom_sim.run import golden_trace, population_inputs

    from ..tailor import Run
    from .files import read_input

    inputs = read_input(path)
    trace = golden_trace(artefact, inputs)
    given = population_inputs(artefact, inputs)
    return Run({**given, **trace.spikes}, trace.potentials, trace.final)


def _random(artefact: Artefact, path: str | None) -> Run:
    """Return a random run of the rates in a file, or of those that are assumed."""
    from ..tailor import random_run

    network = artefact.network()
    rates: Mapping[str, float] = {
        **{p.name: INPUT_RATE for p in network.inputs},
        **{p.name: RATE for p in network.order()},
    }
    if path:
        try:
            rates = json.loads(Path(path).read_text())
        except (OSError, ValueError) as error:
            raise UsageError(f"--rates {path} cannot be read as JSON: {error}") from None
        if not isinstance(rates, dict):
            raise UsageError(f"--rates {path} must hold an object, not {type(rates).__name__}")
    return random_run(network, rates, artefact.input.ticks)

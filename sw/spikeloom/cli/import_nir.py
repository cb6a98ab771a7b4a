"""``spikeloom import``: a NIR graph as a network of integers."""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..report import to_json
from ..spec.errors import DataError, NetworkError, UsageError
from . import files, nir_options

if TYPE_CHECKING:
    from ..spec.manifest import InputFacts

NAME = "import"
HELP = "import a NIR graph of another framework as a network of integers"
EXAMPLE = "spikeloom import net.nir --dialect snntorch --calibration in.npz --report --out net"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add = parser.add_argument
    add("model", help="NIR file")
    add("--out", required=True, metavar="ARTEFACT", help="folder to write (must be new)")
    add("--weights", type=int, default=8, metavar="8|4|2", help="bits of the weights (8)")
    add("--calibration", metavar="IN.npz", help="samples of the input, as for spikeloom run, by "
        "which steps and thresholds are chosen")  # fmt: skip
    add("--bias-correction", action="store_true", help="let biases take up what rounding changes "
        "in the mean input; needs --calibration")  # fmt: skip
    add("--fit", action="store_true", help="make steps coarser where accumulators might overflow")
    add("--plain", action="store_true", help="one step per population and no shifts")
    add("--max-magnitude", type=int, metavar="N", help="greatest input value (that of the "
        "calibration samples, else 1)")  # fmt: skip
    add("--signed", action="store_true", help="input values may be negative")
    add("--ticks", type=int, metavar="T", help="ticks of a sample (those of the calibration)")
    add("--report", action="store_true", help="say how the spikes of every population agree with "
        "real numbers on the calibration samples")  # fmt: skip
    add("--json", action="store_true", help="print everything as JSON")
    nir_options.add_meaning(parser)


def main(args: argparse.Namespace) -> int:
    """Import and write the artefact."""
    from ..artefact import write_artefact
    from ..compile.proof import prove_no_overflow
    from ..nir.agreement import compare, lines
    from ..nir.calibrate import calibrate_on, convert
    from ..spec.numfmt import WEIGHT_BITS

    if args.weights not in WEIGHT_BITS:
        raise UsageError(f"--weights must be 8, 4 or 2, not {args.weights}")
    for option in ("report", "bias_correction"):
        if getattr(args, option) and not args.calibration:
            raise UsageError(f"--{option.replace('_', '-')} needs --calibration IN.npz")
    inputs = None if args.calibration is None else files.read_input(args.calibration)
    interpreter = nir_options.interpreter_of(args)
    facts = _input_facts(args, next(iter(interpreter.inputs.values())), inputs)
    magnitude = _magnitude(args, inputs)
    calibration = None if inputs is None else calibrate_on(interpreter, inputs)
    converted = convert(
        interpreter,
        args.weights,
        calibration,
        max_magnitude=magnitude,
        signed=args.signed,
        bias_correction=args.bias_correction,
        plain=args.plain,
        fit=args.fit,
    )
    report = compare(converted, calibration) if args.report and calibration else None
    try:
        prove_no_overflow(converted.network)
        overflow = None
    except NetworkError as error:
        overflow = str(error)
    record = {
        "file": Path(args.model).name,
        "sha256": hashlib.sha256(Path(args.model).read_bytes()).hexdigest(),
        "dialect": args.dialect,
        "choices": interpreter.meaning.facts(),
        "weight_bits": args.weights,
        "plain": args.plain,
        "fit": args.fit,
        "bias_correction": args.bias_correction,
        "calibration_samples": 0 if inputs is None else len(inputs),
    }
    if report is not None:
        record["agreement"] = {
            "samples": report.compared,
            "predictions": report.predictions,
            **{p.population: p.agreement for p in report.populations},
        }
    write_artefact(
        args.out,
        converted.network,
        facts,
        provenance={"made_by": f"spikeloom {__version__} import", "nir": record},
    )
    if args.json:
        details = {} if report is None else {"report": report.to_dict()}
        print(to_json({**record, **details, "overflow": overflow, "out": args.out}), end="")
    else:
        print("\n".join(nir_options.describe(interpreter)))
        if report is not None:
            print("\n".join(lines(report)))
        print(f"network in {args.out}")
    for text in report.warnings() if report else ():
        print(f"spikeloom: {text}", file=sys.stderr)
    if overflow:
        print(f"spikeloom: this network will not compile: {overflow}", file=sys.stderr)
    return 0


def _magnitude(args: argparse.Namespace, inputs: Any) -> int:
    if inputs is not None and inputs.size:
        low, high = int(inputs.min()), int(inputs.max())
        if low < 0 and not args.signed:
            raise DataError(f"calibration values must be 0 or more, not {low}; or give --signed")
        greatest = max(high, -low, 1)
        if args.max_magnitude is not None and greatest > args.max_magnitude:
            raise DataError(
                f"calibration values must be at most --max-magnitude {args.max_magnitude}, "
                f"not {greatest}"
            )
        return args.max_magnitude or greatest
    return args.max_magnitude or 1


def _input_facts(args: argparse.Namespace, shape: tuple[int, ...], inputs: Any) -> InputFacts:
    """Return how arrays in NIR's order, channels first, map to the input population."""
    from ..spec.manifest import InputFacts

    if inputs is not None and (inputs.ndim < 3 or math.prod(inputs.shape[2:]) != math.prod(shape)):
        raise DataError(
            f"calibration input must have the shape (samples, ticks, *{shape}), not {inputs.shape}"
        )
    ticks = args.ticks or (None if inputs is None else inputs.shape[1])
    if not ticks or ticks < 1:
        raise UsageError("give --ticks T of a sample, or --calibration IN.npz")
    if len(shape) == 2:  # a Conv1d's (channels, width) has the height 1
        shape = (shape[0], 1, shape[1])
    if len(shape) == 3:
        return InputFacts(shape, ticks, "channels_first", {"kind": "none"})
    return InputFacts((math.prod(shape),), ticks, "flat", {"kind": "none"})

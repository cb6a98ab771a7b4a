"""``spikeloom simulate-nir``: a NIR graph in real numbers."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..report import to_json
from . import files, nir_options

NAME = "simulate-nir"
HELP = "run a NIR graph in float64, to tell what it means before it is quantised"
EXAMPLE = "spikeloom simulate-nir net.nir --dialect snntorch --input in.npz --output out.npz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("model", help="NIR file")
    parser.add_argument(
        "--input",
        required=True,
        metavar="IN.npz",
        help="npz with the array 'input': numbers, samples x ticks x input shape",
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="OUT.npz",
        help="npz to write: outputs, counts, prediction, and spikes/NODE of every node that fires",
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    nir_options.add_meaning(parser)


def main(args: argparse.Namespace) -> int:
    """Run and write the results."""
    interpreter = nir_options.interpreter_of(args)
    inputs = files.read_input(args.input, kinds="iubf")
    trace = interpreter.run(inputs)
    outputs = np.concatenate([trace.outputs[name] for name in interpreter.outputs], axis=2)
    counts = outputs.sum(axis=1)
    arrays: dict[str, NDArray[Any]] = {
        "outputs": outputs,
        "counts": counts,
        "prediction": counts.argmax(axis=1),
        **{f"spikes/{name}": spikes for name, spikes in trace.spikes.items()},
    }
    files.write_npz(args.output, arrays)
    summary = {
        "samples": len(inputs),
        "ticks": inputs.shape[1],
        "choices": interpreter.meaning.facts(),
        "spikes": {name: int(spikes.sum()) for name, spikes in trace.spikes.items()},
        "nearest_to_threshold": {
            name: near for name, near in trace.margin.items() if np.isfinite(near)
        },
        "output": args.output,
    }
    if args.json:
        print(to_json(summary), end="")
        return 0
    print("\n".join(nir_options.describe(interpreter)))
    for name, spikes in trace.spikes.items():
        print(f"{name}: {int(spikes.sum())} spikes")
    print(f"{len(inputs)} samples in float64: results in {args.output}")
    return 0

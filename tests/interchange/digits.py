"""The digits classifiers that other frameworks trained, imported and measured.

As a command, ``python tests/interchange/digits.py FOLDER --engine golden`` prints a table of
them all; ``--engine verilator`` or ``cxxrtl`` also compares the gateware with the golden model,
or says why the compiler refuses the network.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from spikeloom.artefact import Artefact, write_artefact
from spikeloom.compile import compile_network
from spikeloom.nir.agreement import Report, compare
from spikeloom.nir.calibrate import Calibration, Converted, calibrate_on, convert
from spikeloom.nir.interpret import Interpreter
from spikeloom.nir.meaning import choose
from spikeloom.nir.reading import read_graph
from spikeloom.report import table
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import CapacityError, NetworkError
from spikeloom.spec.manifest import InputFacts
from spikeloom_sim.matrix import MatrixModel
from spikeloom_sim.run import verify_artefact

CLASSIFIERS = {
    "fc_subtract": ("snntorch", {}),
    "fc_zero": ("snntorch", {"reset": "zero"}),
    "cuba": ("snntorch", {}),
    "recurrent": ("snntorch", {}),
    "conv_pool": ("snntorch", {}),
    "conv_if": ("spikingjelly", {}),
}
BUILD = BuildConfig(
    "digits", lanes=16, state_rows=128, weight_rows=4096, groups=2048, runs=4096,
    parameter_rows=128, history_rows=64, graded=True, refractory=True, current=True,
)  # fmt: skip
"""Small, with everything that the classifiers need."""

RTL_SAMPLES = 32


@dataclass(frozen=True)
class Classifier:
    """A classifier in integers; ``counts_differ`` counts float spikes unlike the framework's."""

    converted: Converted
    report: Report
    samples: Calibration
    counts_differ: int
    float_accuracy: float
    accuracy: float


@cache
def classifier(folder: Path, name: str, bits: int, plain: bool = False) -> Classifier:
    """Import the classifier ``name``, calibrated on training samples, and test it."""
    dialect, choices = CLASSIFIERS[name]
    data, own = np.load(folder / "digits.npz"), np.load(folder / f"{name}.npz")["counts"]
    graph = read_graph(folder / f"{name}.nir")
    run = Interpreter(graph, choose(graph, dialect, choices))
    converted = convert(run, bits, calibrate_on(run, data["calibration"]), plain=plain)
    test = calibrate_on(run, data["input"])
    counts = test.trace.outputs[run.outputs[0]].sum(axis=1)
    trace = MatrixModel(converted.network).run({converted.real.input_name: test.events})
    got = trace.counts[converted.network.outputs[0]]
    return Classifier(
        converted,
        compare(converted, test),
        test,
        int((counts != own).sum()),
        float((counts.argmax(axis=1) == data["labels"]).mean()),
        float((got.argmax(axis=1) == data["labels"]).mean()),
    )


def compiled(found: Classifier, folder: Path) -> Artefact:
    """Return the artefact for the build; CapacityError or NetworkError if it is refused."""
    shape = found.converted.real.input_shape
    network = found.converted.network
    ticks = found.samples.events.shape[1]
    facts = InputFacts(shape, ticks, "channels_first" if len(shape) == 3 else "flat", {})
    done = compile_network(network, BUILD)
    return write_artefact(folder, network, facts, build=done.build, images=done.images)


def rtl(found: Classifier, data: Path, folder: Path, engine: str) -> int:
    """Return how many spikes and potentials of the gateware differ from the golden model."""
    artefact = compiled(found, folder)
    inputs = np.load(data / "digits.npz")["input"][:RTL_SAMPLES]
    return verify_artefact(artefact, engine, inputs).mismatches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what train_digits.py wrote")
    parser.add_argument("--engine", default="golden", help="golden, cxxrtl or verilator")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for name in CLASSIFIERS:
        for bits, plain in ((8, False), (4, False), (8, True)):
            found = classifier(args.folder, name, bits, plain)
            outcome = "golden model"
            if args.engine != "golden":
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        differ = rtl(found, args.folder, Path(folder) / "a", args.engine)
                        outcome = f"{differ} differ on {RTL_SAMPLES} samples"
                    except (CapacityError, NetworkError) as error:
                        outcome = f"refused: {error}"
            rows.append((name, f"{bits}{' plain' if plain else ''}", found.counts_differ,
                         round(100 * found.float_accuracy, 2), round(100 * found.accuracy, 2),
                         round(100 * found.report.predictions, 2), outcome))  # fmt: skip
    header = (
        "network",
        "weights",
        "float differs",
        "float %",
        "integers %",
        "agree %",
        args.engine,
    )
    print(json.dumps(rows) if args.json else table(rows, header))


if __name__ == "__main__":
    main()

"""``spikeloom zoo``: trained networks on the gateware, bit for bit."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..report import to_json
from ..spec.errors import CapacityError, DataError, UsageError
from . import files
from .ranges import check_counts

NAME = "zoo"
HELP = "compare trained networks, each in a folder, on the gateware with the golden model"
EXAMPLE = "spikeloom zoo zoo/* --data-dir DIR --samples 100 --write"

BUILD_FILE = "build.json"
SAMPLES_FILE = "samples.npz"
SAMPLES = 20
"""Samples to run, unless told otherwise."""
KEPT = 2
"""Samples that are kept with a network, for a comparison without its data set."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("folder", nargs="+", help="folder that holds network/")
    parser.add_argument(
        "--data-dir", metavar="DIR",
        help="folder of the data sets, one folder each; without it the samples kept with the "
        "network are taken",
    )  # fmt: skip
    parser.add_argument("--engine", default="verilator", help="as for spikeloom verify (verilator)")
    parser.add_argument("--samples", type=int, metavar="N", help=f"only the first N ({SAMPLES})")
    parser.add_argument(
        "--write", action="store_true",
        help="write what was measured and the card, and keep the first samples",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def main(args: argparse.Namespace) -> int:
    """Verify each folder; exit code 1 if a network differs from the golden model."""
    check_counts(args, "samples")
    samples = args.samples or SAMPLES
    if args.write and args.data_dir is None:
        raise UsageError("--write needs --data-dir: it keeps samples of the data set")
    outcomes = []
    for folder in map(Path, args.folder):
        outcome = _measure(folder, args.data_dir, args.engine, samples, args.write)
        outcomes.append(outcome)
        if not args.json:
            print(_line(outcome), flush=True)
    if args.json:
        print(to_json(outcomes), end="")
    return 0 if all(o["difference"] is None for o in outcomes) else 1


def _line(o: dict[str, Any]) -> str:
    if o["difference"] is not None:
        return f"{o['name']}: {o['engine']} differs from the golden model: {o['difference']}"
    return (
        f"{o['name']}: {o['samples']} samples on {o['build']['name']} ({o['engine']}): "
        f"{o['values_equal']} values equal to the golden model, {o['cycles_per_sample']:.0f} "
        f"cycles and {o['synaptic_operations_per_sample']:.0f} synaptic operations per sample"
    )


def _builds(folder: Path) -> Iterator[Any]:
    """Yield the build of the folder, or the presets, the smallest first."""
    from ..spec.config import PRESETS
    from .build_choice import read_build

    if (folder / BUILD_FILE).is_file():
        yield read_build(folder / BUILD_FILE)
    else:
        yield from PRESETS.values()


def _compiled(folder: Path, artefact: Any, target: Path) -> Any:
    """Return ``artefact`` compiled for the first build that holds it."""
    from ..artefact import write_artefact
    from ..compile import compile_network

    reason = ""
    for config in _builds(folder):
        try:
            compiled = compile_network(artefact.network(), config)
        except CapacityError as error:
            reason = str(error)
            continue
        return write_artefact(
            target, artefact.network(), artefact.input, provenance={}, build=compiled.build,
            images=compiled.images,
        )  # fmt: skip
    raise CapacityError(
        f"{folder} must have a {BUILD_FILE} that holds its network, since no preset does "
        f"({reason}); spikeloom tailor writes one"
    )


def _inputs(folder: Path, artefact: Any, data_dir: str | None, samples: int) -> tuple[Any, Any]:
    """Return encoded test samples and their labels, or those kept with the network and None."""
    from ..train.test_sets import encode_test_set, held_out_speaker

    if data_dir is None:
        return files.read_input(folder / SAMPLES_FILE)[:samples], None
    made = artefact.manifest.provenance
    name = made.get("dataset")
    if not isinstance(name, str):
        raise DataError(f"{folder}: the network's provenance must name its data set")
    place = None if name == "digits" else Path(data_dir) / name
    return encode_test_set(artefact.input, name, place, samples, held_out_speaker(made))


def _measure(
    folder: Path, data_dir: str | None, engine: str, samples: int, write: bool
) -> dict[str, Any]:
    from spikeloom_sim.run import run_artefact, verify_artefact

    from ..artefact import read_artefact
    from ..spec.manifest import MANIFEST_FILE
    from ..train.card import NETWORK_FOLDER

    artefact = read_artefact(folder / NETWORK_FOLDER)
    inputs, labels = _inputs(folder, artefact, data_dir, samples)
    with tempfile.TemporaryDirectory() as place:
        compiled = _compiled(folder, artefact, Path(place) / "compiled")
        build = compiled.manifest.build.config.to_dict()
        found = verify_artefact(compiled, engine, inputs)
        cycles = None if found.difference else run_artefact(compiled, engine, inputs).cycles.mean()
    manifest = (folder / NETWORK_FOLDER / MANIFEST_FILE).read_bytes()
    outcome = {
        "name": folder.resolve().name,
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "build": build,
        "engine": engine,
        "samples": found.samples,
        "values_equal": found.compared - found.mismatches,
        "difference": None if found.difference is None else str(found.difference),
        "cycles_per_sample": None if cycles is None else float(cycles),
        "synaptic_operations_per_sample": found.sops / max(found.samples, 1),
    }
    if write and found.difference is None:
        _write(folder, artefact, outcome, inputs, labels)
    return outcome


def _write(folder: Path, artefact: Any, outcome: dict[str, Any], inputs: Any, labels: Any) -> None:
    from ..files import write_atomically
    from ..train.card import CARD_FILE, MEASURED_FILE, card_text

    files.write_npz(folder / SAMPLES_FILE, {"input": inputs[:KEPT], "label": labels[:KEPT]})
    write_atomically(folder / MEASURED_FILE, to_json(outcome).encode())
    text = card_text(folder.resolve().name, artefact, outcome)
    write_atomically(folder / CARD_FILE, text.encode())

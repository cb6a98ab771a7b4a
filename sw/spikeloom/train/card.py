"""The card of a trained network: what it is, how good it is, how it was made.

Everything is taken from the artefact itself, and from what was measured of it, so that a card
cannot say anything else: ``spikeloom zoo zoo/NAME --data-dir DIR --write`` measures and writes
``zoo/NAME/card.md``, ``python -m spikeloom.train.card zoo/NAME`` writes it again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..artefact import Artefact, read_artefact
from ..files import write_atomically
from ..spec.errors import DataError, SpikeLoomError
from ..spec.manifest import MANIFEST_FILE
from ..spec.network import Network, Population, Projection, Reset
from .test_sets import held_out_speaker

NETWORK_FOLDER = "network"
CARD_FILE = "card.md"
MEASURED_FILE = "measured.json"
"""What ``spikeloom zoo --write`` measured."""

PROVENANCE = (
    "command", "dataset", "seed", "epochs", "versions", "accuracy_float", "accuracy_quantised",
    "events_per_test_sample", "synaptic_operations_per_test_sample",
)  # fmt: skip
"""What a card needs to know of the training."""


def _shape(population: Any) -> str:
    return " x ".join(map(str, population.shape))


def _neurons(p: Population) -> str:
    if p.threshold.max() == 1 and not p.decay.any() and p.reset is Reset.SUBTRACT:
        return "adds" if p.multi_spike else "sends on what comes"
    words = [f"decay {int(p.decay.flat[0]) / 32768:.3g}", f"reset {p.reset.value}"]
    if p.current_decay is not None:
        words.append(f"current decay {int(p.current_decay.flat[0]) / 32768:.3g}")
    if p.multi_spike:
        words.append("multi-spike")
    if p.refractory:
        words.append(f"refractory {p.refractory}")
    return ", ".join(words)


def _projection(q: Projection) -> str:
    words = [f"{q.kind.tag.value} from {q.source}"]
    if q.weights.ndim:
        words.append(f"{q.weights.size:,} weights of {q.weight_bits} bits")
    if q.delay:
        words.append(f"delay {q.delay}")
    return ", ".join(words)


def _table(network: Network) -> list[str]:
    rows = ["| population | shape | neurons | comes from |", "| --- | --- | --- | --- |"]
    for p in network.inputs:
        rows.append(f"| {p.name} | {_shape(p)} | up to {p.max_magnitude} events a tick | |")
    for p in network.order():
        sources = "; ".join(_projection(q) for q in network.fan_in(p.name))
        rows.append(f"| {p.name} | {_shape(p)} | {_neurons(p)} | {sources} |")
    return rows


def _encoder(encoder: Mapping[str, Any]) -> str:
    parameters = {k: v for k, v in encoder.items() if k not in ("kind", "mask")}
    words = ", ".join(f"{k} {v}" for k, v in parameters.items())
    return f"`{encoder['kind']}`" + (f" ({words})" if words else "")


def _data(made: Mapping[str, Any]) -> str:
    speaker = held_out_speaker(made)
    if speaker is None:
        return f"{made['dataset']}, the whole test set"
    return f"{made['dataset']}, all recordings of the speaker {speaker}, who is not in training"


def read_measured(folder: Path) -> dict[str, Any] | None:
    """Return what was measured of the network in ``folder``; None if nothing was.

    Raises :class:`DataError` if it is damaged, or of another network than the one there.
    """
    path = folder / MEASURED_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        made = found["manifest_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} must be what spikeloom zoo --write wrote: {error}") from None
    manifest = (folder / NETWORK_FOLDER / MANIFEST_FILE).read_bytes()
    if made != sha256(manifest).hexdigest():
        raise DataError(
            f"{path} must be of the network in {folder}, not of another one; run spikeloom zoo "
            "--write again"
        )
    return dict(found)


def _measured(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    return [
        f"| build | `{found['build']['name']}`, {found['build']['lanes']} lanes |",
        f"| cycles per sample | {found['cycles_per_sample']:,.0f} on that build, mean of the first "
        f"{found['samples']} test samples, which take "
        f"{found['synaptic_operations_per_sample']:,.0f} operations each |",
        f"| compared | the same samples on the gateware ({found['engine']}): "
        f"{found['values_equal']:,} spikes and potentials, all equal to the golden model |",
    ]


def card_text(name: str, artefact: Artefact, measured: Mapping[str, Any] | None = None) -> str:
    """Return the card of an artefact that :mod:`spikeloom.train.run` made, in Markdown.

    ``measured`` is what ``spikeloom zoo`` found (:func:`read_measured`).  Raises
    :class:`DataError` for a network whose provenance does not say how it was trained.
    """
    network, made = artefact.network(), artefact.manifest.provenance
    absent = [key for key in PROVENANCE if key not in made]
    if absent:
        raise DataError(
            f"provenance of {name} must have {', '.join(absent)}, as spikeloom train writes it"
        )
    weights = sum(q.weights.size * q.weight_bits for q in network.projections if q.weights.ndim)
    neurons = sum(p.n_neurons for p in network.populations)
    events = ", ".join(f"{k} {v:,.0f}" for k, v in made["events_per_test_sample"].items())
    versions = ", ".join(f"{k} {v}" for k, v in made["versions"].items())
    epochs = made["epochs"]
    return "\n".join(
        [
            f"# {name}",
            "",
            "| | |",
            "| --- | --- |",
            f"| data | {_data(made)} |",
            f"| accuracy | {100 * made['accuracy_quantised']:.2f} % "
            f"({100 * made['accuracy_float']:.2f} % on real numbers) |",
            f"| ticks of a sample | {artefact.input.ticks} |",
            f"| encoder | {_encoder(artefact.input.encoder)} |",
            f"| synaptic operations per sample | {made['synaptic_operations_per_test_sample']:,} |",
            f"| events per sample | {events} |",
            *_measured(measured),
            f"| neurons | {neurons:,} |",
            f"| weights | {weights // 8:,} bytes |",
            f"| seed | {made['seed']} |",
            f"| epochs | {epochs['float']} on real numbers, {epochs['qat']} on integers |",
            f"| made with | {versions} |",
            "",
            *_table(network),
            "",
            "```console",
            f"$ {made['command']}",
            "```",
            "",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Write the cards of the folders given."""
    parser = argparse.ArgumentParser("spikeloom.train.card", description=__doc__)
    parser.add_argument("folder", nargs="+", type=Path, help="folder that holds network/")
    args = parser.parse_args(argv)
    for folder in args.folder:
        try:
            artefact = read_artefact(folder / NETWORK_FOLDER)
            text = card_text(folder.resolve().name, artefact, read_measured(folder))
        except SpikeLoomError as error:
            print(f"spikeloom.train.card: {error}", file=sys.stderr)
            return 2
        write_atomically(folder / CARD_FILE, text.encode())
        print(folder / CARD_FILE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

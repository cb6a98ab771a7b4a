"""The card of a trained network: what it is, how good it is, how it was made.

Everything is taken from the artefact itself, so that a card cannot say anything else:
``python -m spikeloom.train.card zoo/NAME`` writes ``zoo/NAME/card.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..artefact import Artefact, read_artefact
from ..files import write_atomically
from ..spec.errors import SpikeLoomError
from ..spec.network import Network, Population, Projection
from .test_sets import held_out_speaker

NETWORK_FOLDER = "network"
CARD_FILE = "card.md"


def _shape(population: Any) -> str:
    return " x ".join(map(str, population.shape))


def _neurons(p: Population) -> str:
    if p.multi_spike and p.threshold.max() == 1 and not p.decay.any():
        return "adds"
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


def card_text(name: str, artefact: Artefact) -> str:
    """Return the card of an artefact that :mod:`spikeloom.train.run` made, in Markdown."""
    network, made = artefact.network(), artefact.manifest.provenance
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
            text = card_text(folder.resolve().name, read_artefact(folder / NETWORK_FOLDER))
        except SpikeLoomError as error:
            print(f"spikeloom.train.card: {error}", file=sys.stderr)
            return 2
        write_atomically(folder / CARD_FILE, text.encode())
        print(folder / CARD_FILE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

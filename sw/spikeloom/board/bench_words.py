"""Measure encoding and decoding: ``python -m spikeloom.board.bench_words``.

Speeds are words per second of processor time of one core, the best of several calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from ..spec import aer
from ..spec.aer import Kind
from ..spec.manifest import InputFacts, PlacedPopulation
from .probes import Probes
from .words import decode, encode

N_SAMPLES, N_TICKS, N_INPUTS, N_OUTPUTS = 100, 50, 784, 128


def best_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Return the least processor time of several calls."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def measure() -> dict[str, float]:
    """Return words per second by case."""
    rng = np.random.default_rng(1)
    out = {}
    facts = InputFacts((N_INPUTS,), N_TICKS)
    for density in (0.02, 0.15, 0.5):
        inputs = (rng.random((N_SAMPLES, N_TICKS, N_INPUTS)) < density).astype(np.uint8)
        beats = encode(inputs, facts)
        n_words = int(np.count_nonzero(aer.to_words(beats)))
        out[f"encode, {density:.0%} of {N_INPUTS} inputs"] = n_words / best_seconds(
            lambda inputs=inputs: encode(inputs, facts)  # type: ignore[misc]
        )
    population = PlacedPopulation("out", N_OUTPUTS, (N_OUTPUTS,), False, True)
    for name, probes in (
        ("spikes", Probes((0,), (), ())),
        ("spikes and potentials", Probes((0,), (0,), (0,))),
    ):
        beats = answer_beats(rng, bool(probes.ticks))
        n_words = int(np.count_nonzero(aer.to_words(beats)))
        out[f"decode, {name}"] = n_words / best_seconds(
            lambda beats=beats, probes=probes: decode(  # type: ignore[misc]
                beats, [population], probes, N_SAMPLES, N_TICKS
            )
        )
    return out


def answer_beats(rng: np.random.Generator, potentials: bool) -> aer.Beats:
    """Return an answer in which a tenth of the neurons spike in each tick."""
    neurons = np.arange(N_OUTPUTS, dtype=np.uint32)
    readouts = np.empty(2 * N_OUTPUTS, np.uint32)
    readouts[0::2] = aer.addressed(Kind.READOUT, 0, neurons)
    readouts[1::2] = aer.word(Kind.VALUE, 77)
    words = []
    for sample in range(N_SAMPLES):
        for tick in range(N_TICKS):
            fired = np.flatnonzero(rng.random(N_OUTPUTS) < 0.1).astype(np.uint32)
            words.append(readouts if potentials else readouts[:0])
            words.append(aer.addressed(Kind.SPIKE, 0, fired).astype(np.uint32))
            words.append(np.array([aer.word(Kind.TICK, tick)], np.uint32))
        words.append(
            np.array(
                [
                    aer.word(Kind.CYCLES, 5),
                    aer.word(Kind.SOPS, 6),
                    aer.word(Kind.END, sample),
                ],
                np.uint32,
            )
        )
    return aer.to_beats(np.concatenate(words))


def main() -> None:
    """Print the speeds."""
    for name, speed in measure().items():
        print(f"{name:36} {speed / 1e6:8.1f} million words/s of CPU")


if __name__ == "__main__":
    main()

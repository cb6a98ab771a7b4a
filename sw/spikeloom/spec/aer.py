"""Address-event words: what travels over the streams of a core.

A word has 32 bits: a kind in the top four, the rest by kind (:data:`FIELDS`).
A beat has 64 bits and carries two words; the word in the low half comes first.
Within a tick the order of spikes has no meaning; a beat whose two spikes come
from an even and an odd neuron costs the core one cycle per row instead of two.

Into the core go SPIKE, TICK and END words.  Words that arrive before TICK t
count for tick t.  END closes a sample.  Out of the core come SPIKE, TICK and END,
READOUT followed by VALUE where a population is probed, and before each END the
sample's own counters as CYCLES and SOPS.

A SPIKE has the magnitude 1, unless GRADED comes before it: that word holds the magnitude of
the next SPIKE of its tick.  Into the core it brings signed events; out of it the spikes of
multi-spike neurons, one GRADED with SPIKE for each binary digit of the number of spikes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORD_BITS = 32
BEAT_WORDS = 2
BEAT_BITS = WORD_BITS * BEAT_WORDS
MAGNITUDE_BITS = 8

KIND_SHIFT = 28
PAYLOAD_BITS = 28
PAYLOAD_MASK = (1 << PAYLOAD_BITS) - 1
POPULATION_SHIFT = 20
POPULATION_BITS = 8
NEURON_BITS = 20
NEURON_MASK = (1 << NEURON_BITS) - 1

Words = NDArray[np.uint32]
Beats = NDArray[np.uint64]


class Kind(IntEnum):
    """The kind of a word, bits 31 to 28."""

    NULL = 0
    SPIKE = 1
    GRADED = 2
    TICK = 3
    END = 4
    READOUT = 5
    VALUE = 6
    CYCLES = 7
    SOPS = 8


FIELDS: dict[Kind, tuple[tuple[str, int, int, str], ...]] = {
    Kind.NULL: (),
    Kind.SPIKE: (
        ("population", 27, 20, "index of the population in the population table"),
        ("neuron", 19, 0, "row-major index of the neuron"),
    ),
    Kind.GRADED: (("magnitude", 7, 0, "signed magnitude of the next SPIKE"),),
    Kind.TICK: (("tick", 27, 0, "number of the tick that is closed, echoed"),),
    Kind.END: (("sample", 27, 0, "number of the sample that is closed, echoed"),),
    Kind.READOUT: (
        ("population", 27, 20, "index of the population in the population table"),
        ("neuron", 19, 0, "row-major index of the neuron whose value follows"),
    ),
    Kind.VALUE: (("value", 27, 0, "signed value of the READOUT before it"),),
    Kind.CYCLES: (("cycles", 27, 0, "busy clock cycles of the sample"),),
    Kind.SOPS: (("sops", 27, 0, "synaptic operations of the sample"),),
}
"""Per kind: (field, most significant bit, least significant bit, meaning)."""

INPUT_KINDS = (Kind.NULL, Kind.SPIKE, Kind.TICK, Kind.END)
"""Kinds every core takes; any other is dropped, counted and flagged."""

GRADED_INPUT_KINDS = (*INPUT_KINDS, Kind.GRADED)
"""Kinds a core takes that is built for graded events."""


def word(kind: Kind, payload: int = 0) -> int:
    """Return the word of ``kind`` with a 28-bit ``payload`` (masked)."""
    return (int(kind) << KIND_SHIFT) | (payload & PAYLOAD_MASK)


def addressed(kind: Kind, population: int | NDArray[Any], neuron: int | NDArray[Any]) -> Any:
    """Return SPIKE or READOUT words of ``neuron`` in ``population`` (vectorised)."""
    return (int(kind) << KIND_SHIFT) | (population << POPULATION_SHIFT) | neuron


def kind_of(words: Words) -> Words:
    """Return the kind field of each word."""
    return words >> np.uint32(KIND_SHIFT)


def payload_of(words: Words) -> Words:
    """Return the 28-bit payload of each word."""
    return words & np.uint32(PAYLOAD_MASK)


def population_of(words: Words) -> Words:
    """Return the population field of SPIKE and READOUT words."""
    return (words >> np.uint32(POPULATION_SHIFT)) & np.uint32((1 << POPULATION_BITS) - 1)


def neuron_of(words: Words) -> Words:
    """Return the neuron field of SPIKE and READOUT words."""
    return words & np.uint32(NEURON_MASK)


def signed_payload_of(words: Words) -> NDArray[np.int32]:
    """Return the payload as a signed 28-bit integer."""
    shift = np.uint32(WORD_BITS - PAYLOAD_BITS)
    return (words << shift).view(np.int32) >> np.int32(WORD_BITS - PAYLOAD_BITS)


def to_beats(words: Words) -> Beats:
    """Join uint32 words two to a beat, padding the last beat with NULL."""
    words = np.ascontiguousarray(words, np.uint32)
    if len(words) % BEAT_WORDS:
        words = np.append(words, np.uint32(0))
    return words.view("<u8") if len(words) else np.zeros(0, np.uint64)


def to_words(beats: Beats) -> Words:
    """Split beats into their words, NULL words included."""
    return np.ascontiguousarray(beats, "<u8").view("<u4")

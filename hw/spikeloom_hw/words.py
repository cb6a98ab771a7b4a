"""What a word of a stream says of itself."""

from __future__ import annotations

from typing import NamedTuple

from amaranth.hdl import Value

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind


class WordClass(NamedTuple):
    """What a core makes of a word: one of these is 1, or none for NULL.

    ``lost`` is a spike of another population than the input, or of no neuron of it; ``unknown``
    is a kind that the core does not take.
    """

    spike: Value
    lost: Value
    tick: Value
    end: Value
    graded: Value
    unknown: Value

    @property
    def passes(self) -> Value:
        """Whether the word is one that a core takes."""
        return self.spike | self.tick | self.end | self.graded


def kind_of(word: Value) -> Value:
    """Return the kind field of a word."""
    return word[aer.KIND_SHIFT :]


def classify(word: Value, n_neurons: Value, graded: bool) -> WordClass:
    """Return the class of a word of the input, which has ``n_neurons`` addresses.

    Without ``graded`` the kind GRADED is unknown.
    """
    kind = kind_of(word)
    population = word[aer.POPULATION_SHIFT : aer.KIND_SHIFT]
    known = (population == 0) & (word[: aer.NEURON_BITS] < n_neurons)
    is_spike, is_tick, is_end = (kind == k for k in (Kind.SPIKE, Kind.TICK, Kind.END))
    is_graded = (kind == Kind.GRADED) & int(graded)
    return WordClass(
        spike=is_spike & known,
        lost=is_spike & ~known,
        tick=is_tick,
        end=is_end,
        graded=is_graded,
        unknown=~(is_spike | is_tick | is_end | is_graded | (kind == Kind.NULL)),
    )

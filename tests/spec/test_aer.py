from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind

KINDS = st.sampled_from(list(Kind))
PAYLOADS = st.integers(0, aer.PAYLOAD_MASK)
WORDS = npst.arrays(np.uint32, st.integers(0, 40), elements=st.integers(0, 2**32 - 1))


def one(word: int) -> aer.Words:
    return np.array([word], np.uint32)


@given(KINDS, PAYLOADS)
def test_kind_and_payload_come_back(kind, payload):
    word = one(aer.word(kind, payload))
    assert aer.kind_of(word)[0] == kind
    assert aer.payload_of(word)[0] == payload


@given(st.integers(-(1 << 27), (1 << 27) - 1))
def test_signed_payload_comes_back(value):
    assert aer.signed_payload_of(one(aer.word(Kind.VALUE, value)))[0] == value


@given(st.integers(0, 255), st.integers(0, aer.NEURON_MASK), st.sampled_from([1, 5]))
def test_population_and_neuron_come_back(population, neuron, kind):
    word = one(aer.addressed(Kind(kind), population, neuron))
    assert aer.kind_of(word)[0] == kind
    assert aer.population_of(word)[0] == population
    assert aer.neuron_of(word)[0] == neuron


@given(npst.arrays(np.uint32, 9, elements=st.integers(0, aer.NEURON_MASK)))
def test_addressed_is_the_same_for_arrays_and_numbers(neurons):
    expected = [aer.addressed(Kind.SPIKE, 3, int(n)) for n in neurons]
    assert aer.addressed(Kind.SPIKE, 3, neurons).tolist() == expected


@given(WORDS)
def test_words_come_back_from_beats_padded_with_null(words):
    got = aer.to_words(aer.to_beats(words))
    assert got[: len(words)].tolist() == words.tolist()
    assert len(got) == len(words) + len(words) % aer.BEAT_WORDS
    assert not got[len(words) :].any()


def test_low_half_of_a_beat_is_the_first_word():
    beats = aer.to_beats(np.array([1, 2], np.uint32))
    assert beats.tolist() == [1 | 2 << aer.WORD_BITS]


def test_beats_of_a_strided_array_are_those_of_its_copy():
    words = np.arange(12, dtype=np.uint32)[::3]
    assert aer.to_beats(words).tolist() == aer.to_beats(words.copy()).tolist()


def test_null_word_is_zero():
    assert aer.word(Kind.NULL) == 0


def test_every_kind_has_fields_and_fits_its_bits():
    assert set(aer.FIELDS) == set(Kind)
    assert max(Kind) < 1 << (aer.WORD_BITS - aer.KIND_SHIFT)
    assert aer.INPUT_KINDS


@pytest.mark.parametrize("kind", list(Kind))
def test_fields_do_not_overlap_nor_touch_the_kind(kind):
    bits = [b for _, msb, lsb, _ in aer.FIELDS[kind] for b in range(lsb, msb + 1)]
    assert len(bits) == len(set(bits))
    assert not bits or max(bits) < aer.KIND_SHIFT


@pytest.mark.parametrize("kind", [Kind.SPIKE, Kind.READOUT])
def test_address_constants_agree_with_the_field_table(kind):
    assert [f[:3] for f in aer.FIELDS[kind]] == [
        (
            "population",
            aer.POPULATION_SHIFT + aer.POPULATION_BITS - 1,
            aer.POPULATION_SHIFT,
        ),
        ("neuron", aer.NEURON_BITS - 1, 0),
    ]


def test_the_greatest_population_is_addressable():
    from spikeloom.spec import numfmt

    assert numfmt.NEURONS_MAX == aer.NEURON_MASK + 1

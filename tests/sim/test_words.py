"""Inputs to beats, and answers that do not fit the request."""

import numpy as np
import pytest

from sim.networks import one_neuron
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind, addressed, word
from spikeloom.spec.errors import DeviceError
from spikeloom_sim.words import Shown, decode_answer, encode_inputs

SHOWN = Shown.of(spikes=["n"], potentials=["n"])
GOOD = [word(Kind.TICK), 0, word(Kind.CYCLES), word(Kind.SOPS, 1), word(Kind.END), 0]


def decode(words):
    beats = aer.to_beats(np.array(words, np.uint32))
    return decode_answer(one_neuron(), beats, 1, 1, SHOWN)


def test_inputs_become_pairs_of_even_and_odd_neurons():
    network = one_neuron(n_inputs=3, magnitude=2)
    beats = encode_inputs(network, np.array([[[1, 0, 2], [0, 1, 0]]]), first_sample=4)
    spike = [addressed(Kind.SPIKE, 0, n) for n in range(3)]
    words = aer.to_words(beats)
    assert sorted(words[:6].tolist()) == sorted([spike[0], spike[2], spike[2], 0, 0, 0])
    assert words[6:].tolist() == [
        word(Kind.TICK, 0), 0, 0, spike[1], word(Kind.TICK, 1), 0, word(Kind.END, 4), 0,
    ]  # fmt: skip


def test_neurons_that_were_not_visited_have_no_potential():
    trace = decode(GOOD)
    assert trace.potentials["n"].tolist() == [[[0]]]
    assert trace.sops.tolist() == [1]
    assert "n" not in trace.final


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([0x90000000, *GOOD], "the word 0x90000000 of unknown kind"),
        ([0x20000001, *GOOD], "SPIKE behind every GRADED"),
        (GOOD[2:], "must hold 1 TICK words, not 0"),
        (GOOD[:4], "must hold 1 END words, not 0"),
        ([*GOOD[2:], *GOOD[:2]], "must have 1 TICK words and then END"),
        ([addressed(Kind.READOUT, 1, 0), 0, *GOOD], "VALUE behind every READOUT"),
        ([addressed(Kind.SPIKE, 1, 1), 0, *GOOD], "SPIKE of neuron 1 of population 1"),
        ([addressed(Kind.SPIKE, 0, 0), 0, *GOOD], "SPIKE of neuron 0 of population 0"),
        ([addressed(Kind.SPIKE, 1, 0)] * 2 + GOOD, "two spikes in one tick"),
    ],
)
def test_answers_that_do_not_fit_are_refused(words, message):
    with pytest.raises(DeviceError, match=message):
        decode(words)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.board.probes import Probes
from spikeloom.board.words import decode
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.errors import DeviceError
from spikeloom.spec.manifest import PlacedPopulation

POPULATIONS = (
    PlacedPopulation("in", 4, (4,), True, False),
    PlacedPopulation("hid", 5, (5,), False, False, 0, 2),
    PlacedPopulation("out", 3, (3,), False, True, 2, 1),
)
ALL = Probes((1, 2), (1, 2), (1, 2))
OUTPUTS = Probes((2,), (), (2,))
TICK, END = (aer.word(kind) for kind in (Kind.TICK, Kind.END))
COUNTERS = (aer.word(Kind.CYCLES, 9), aer.word(Kind.SOPS, 8))


def spike(population, neuron):
    return aer.addressed(Kind.SPIKE, population, neuron)


def readout(population, neuron):
    return aer.addressed(Kind.READOUT, population, neuron)


def value(number):
    return aer.word(Kind.VALUE, number)


def decoded(words, probes=OUTPUTS, n_samples=1, n_ticks=2, first=0):
    beats = aer.to_beats(np.array(words, np.uint32))
    return decode(beats, POPULATIONS, probes, n_samples, n_ticks, first)


GOOD = (spike(2, 1), TICK | 0, TICK | 1, readout(2, 2), value(-7), *COUNTERS, END)


def test_decode_reads_every_kind():
    got = decoded(GOOD)
    assert got.spikes[2].tolist() == [[[0, 1, 0], [0, 0, 0]]]
    assert got.final[2].tolist() == [[0, 0, -7]]
    assert got.potentials == {}
    assert (got.cycles.tolist(), got.sops.tolist()) == ([9], [8])
    assert got.cycles.dtype == got.sops.dtype == np.int64


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32 - 1),
    st.sampled_from((ALL, OUTPUTS)), st.sampled_from((0, 5, aer.PAYLOAD_MASK - 1)),
)  # fmt: skip
def test_decode_returns_what_was_sent(n_samples, n_ticks, seed, probes, first):
    rng = np.random.default_rng(seed)
    sizes = {i: POPULATIONS[i].n_neurons for i in (1, 2)}
    spikes = {i: rng.integers(0, 2, (n_samples, n_ticks, sizes[i])) for i in probes.spikes}
    h = {i: rng.integers(-(2**17), 2**17, (n_samples, n_ticks, sizes[i])) for i in probes.ticks}
    v = {i: rng.integers(-(2**15), 2**15, (n_samples, sizes[i])) for i in probes.end}
    counters = rng.integers(0, 2**28, (2, n_samples))
    words = []

    def values(population, array):
        for n, number in enumerate(array.tolist()):
            if number or rng.random() < 0.5:
                words.extend((readout(population, n), value(number)))

    for s in range(n_samples):
        for t in range(n_ticks):
            for i in probes.populations:
                if i in h:
                    values(i, h[i][s, t])
                order = rng.permutation(np.flatnonzero(spikes[i][s, t]))
                words += [spike(i, int(n)) for n in order] + [0] * int(rng.integers(0, 3))
            words.append(TICK | t)
        for i in probes.end:
            values(i, v[i][s])
        words += [aer.word(Kind.CYCLES, int(counters[0, s])), 0]
        words += [aer.word(Kind.SOPS, int(counters[1, s])), END | (first + s) & aer.PAYLOAD_MASK]
    got = decoded(words, probes, n_samples, n_ticks, first)
    for want, have in ((spikes, got.spikes), (h, got.potentials), (v, got.final)):
        assert want.keys() == have.keys()
        for i in want:
            np.testing.assert_array_equal(have[i], want[i])
    np.testing.assert_array_equal((got.cycles, got.sops), counters)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ((), "must hold 3 TICK and END words, not 0; the first one missing is TICK 0"),
        ((TICK, TICK | 1), "not 2; the first one missing is END 0"),
        ((TICK, TICK | 1, *COUNTERS, END, TICK), "not 4; the first one too many is TICK 0"),
        ((TICK, TICK | 2, *COUNTERS, END), "must echo TICK 1 as number 1 .* not TICK 2"),
        ((TICK, TICK | 1, *COUNTERS, END | 4), "must echo END 0 as number 2 .* not END 4"),
        ((TICK, END, TICK | 1), "must echo TICK 1 as number 1 .* not END 0"),
        ((*GOOD, spike(2, 0)), "must end with END 0, not with SPIKE of population 2 neuron 0"),
        ((spike(2, 3), *GOOD), r"neuron of out \(0 to 2\), not SPIKE of population 2 neuron 3"),
        ((spike(1, 0), *GOOD), r"neuron of out \(0 to 2\), not SPIKE of population 1 neuron 0"),
        ((spike(255, 0), *GOOD), "not SPIKE of population 255"),
        ((spike(2, 1), *GOOD), "must spike at most once a tick; 2 spikes came from 1"),
        ((TICK, TICK | 1, spike(2, 0), *COUNTERS, END), "not before END of sample 0"),
        ((readout(2, 0), value(1), *GOOD), "potential of a tick must be .* no population"),
        ((TICK, TICK | 1, readout(2, 5), value(1), *COUNTERS, END), "not READOUT of pop"),
        ((TICK, TICK | 1, readout(2, 0), *COUNTERS, END), "followed by its VALUE; of 1 READOUT"),
        ((TICK, TICK | 1, value(3), *COUNTERS, END), "of 0 READOUT and 1 VALUE"),
        ((TICK, TICK | 1, value(3), readout(2, 0), *COUNTERS, END), "of 1 READOUT and 1 VALUE"),
        ((TICK, readout(2, 0), TICK | 1, value(1), *COUNTERS, END), "followed by its VALUE"),
        (
            (TICK, TICK | 1, readout(2, 0), value(1), readout(2, 0), value(2), *COUNTERS, END),
            "out sent two different values",
        ),
        ((TICK, TICK | 1, COUNTERS[0], END), "one SOPS between .* not 0"),
        ((TICK, TICK | 1, *COUNTERS, COUNTERS[0], END), "one CYCLES between .* not 2"),
        ((TICK, *COUNTERS, TICK | 1, END), "one CYCLES between .* not 1 at other places"),
        ((0x9000_0000, *GOOD), "before TICK 0 of sample 0 must be of a kind .* not kind 9"),
        (
            (0x2000_0003, TICK, TICK | 1, *COUNTERS, END),
            "its SPIKE; GRADED 3 before TICK 0",
        ),
        ((TICK, TICK | 1, 0x2000_0001, *COUNTERS, END), "be followed by its SPIKE"),
        ((0x2000_0000, spike(2, 0), *GOOD), "a magnitude from 1 to 127"),
        ((0x2000_0080, spike(2, 0), *GOOD), "a magnitude from 1 to 127"),
        ((0x2000_0002, spike(2, 0), *GOOD), "out must have no magnitude other than 1"),
        ((0xFFFF_FFFF, *GOOD), "not kind 15"),
    ],
)
def test_decode_refuses_what_makes_no_sense(words, match):
    with pytest.raises(DeviceError, match=match):
        decoded(words)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(0, 2**32 - 1),
            st.sampled_from((*GOOD, TICK | 1, spike(1, 4), readout(1, 0), readout(2, 0))),
        ),
        max_size=12,
    ),
    st.integers(0, 8),
    st.sampled_from((ALL, OUTPUTS)),
)
def test_decode_of_garbage_is_right_or_a_device_error(garbage, at, probes):
    words = [*GOOD[:at], *garbage, *GOOD[at:]]
    try:
        got = decoded(words, probes)
    except DeviceError:
        return
    assert got.cycles.shape == got.sops.shape == (1,)
    assert got.spikes.keys() == set(probes.spikes)

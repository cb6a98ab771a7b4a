import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikeloom.board import bench_words, words
from spikeloom.board.words import encode
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.errors import DataError
from spikeloom.spec.manifest import InputFacts


def slow_encode(inputs, facts, first_sample=0):
    """Return the words one by one, as the module's description says."""
    out = []
    for s, sample in enumerate(inputs):
        for t, tick in enumerate(sample):
            if facts.axes == "channels_first":
                c, h, w = facts.shape
                flat = [tick[k][i][j] for i in range(h) for j in range(w) for k in range(c)]
            else:
                flat = list(tick.reshape(-1))
            events = [n for n, m in enumerate(flat) for _ in range(m)]
            even = [n for n in events if n % 2 == 0]
            odd = [n for n in events if n % 2]
            n_pairs = min(len(even), len(odd))
            for e, o in zip(even, odd, strict=False):
                out += [aer.word(Kind.SPIKE, e), aer.word(Kind.SPIKE, o)]
            out += [aer.word(Kind.SPIKE, n) for n in even[n_pairs:] + odd[n_pairs:]]
            out.append(aer.word(Kind.TICK, t))
            if t == len(sample) - 1:
                out.append(aer.word(Kind.END, first_sample + s))
            if len(out) % 2:
                out.append(aer.word(Kind.NULL))
    return aer.to_beats(np.array(out, np.uint32))


@st.composite
def cases(draw):
    axes = draw(st.sampled_from(("flat", "channels_first")))
    dims = 3 if axes == "channels_first" else draw(st.integers(1, 3))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=dims, max_size=dims)))
    top = draw(st.sampled_from((1, 1, 3, 127)))
    dtype = draw(st.sampled_from((np.uint8, np.int8, np.int64, np.uint16)))
    samples, ticks = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    values = hnp.arrays(dtype, (samples, ticks, *shape), elements=st.integers(0, min(top, 5)))
    first = draw(st.sampled_from((0, 7, aer.PAYLOAD_MASK - 1)))
    return draw(values), InputFacts(shape, ticks, axes), top, first


@settings(max_examples=300, deadline=None)
@given(cases(), st.sampled_from((1, 5, 1 << 18)))
def test_encode_equals_the_slow_way(case, chunk):
    inputs, facts, top, first = case
    before, words.CHUNK_VALUES = words.CHUNK_VALUES, chunk
    try:
        got = encode(inputs, facts, top, first)
    finally:
        words.CHUNK_VALUES = before
    assert got.dtype == np.uint64
    np.testing.assert_array_equal(got, slow_encode(inputs, facts, first))


@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
def test_encode_equals_the_slow_way_over_chunks(density):
    rng = np.random.default_rng(1)
    facts = InputFacts((33,), 50)
    inputs = rng.random((11, 50, 33)) < density
    got = encode(inputs, facts)
    np.testing.assert_array_equal(got, slow_encode(inputs.astype(np.uint8), facts))


def test_encode_pairs_as_many_spikes_as_possible():
    got = aer.to_words(encode(np.ones((1, 1, 7), np.uint8), InputFacts((7,), 1)))
    neurons = aer.neuron_of(got[:6]).reshape(3, 2)
    assert (neurons % 2 == [0, 1]).all()
    assert [w >> 28 for w in got.tolist()] == [1] * 7 + [3, 4, 0]


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (np.zeros((1, 1, 3)), "must be integers, not float64"),
        (np.zeros((1, 1, 4), int), r"shape \(samples, ticks, 3\), not \(1, 1, 4\)"),
        (np.zeros((1, 3), int), r"shape \(samples, ticks, 3\), not \(1, 3\)"),
        (np.zeros((0, 1, 3), int), "samples, not 0"),
        (np.zeros((1, 0, 3), int), "ticks, not 0"),
        (np.array([[[0, 1, 0], [0, 0, -1]]]), r"input\[0, 1, 2\] must be from 0 to 2, not -1"),
        (np.array([[[0, 3, 0], [0, 0, 1]]]), r"input\[0, 0, 1\] must be from 0 to 2, not 3"),
        (np.full((1, 1, 3), 1 << 40), r"input\[0, 0, 0\] must be from 0 to 2"),
        (np.array([[["a", "b", "c"]]]), "must be integers"),
    ],
)
def test_encode_refuses_bad_input(inputs, match):
    with pytest.raises(DataError, match=match):
        encode(inputs, InputFacts((3,), 2), 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, ">i4", np.int64])
@pytest.mark.parametrize("size", [1, 7, 8, 13])
def test_one_bad_value_is_found_wherever_it_is(dtype, size):
    facts = InputFacts((size,), 1)
    wrong = (3, -1) if np.dtype(dtype).kind == "i" else (3,)
    for at, value in itertools.product(range(size), wrong):
        inputs = np.ones((1, 1, size), dtype)
        inputs[0, 0, at] = value
        with pytest.raises(
            DataError, match=rf"input\[0, 0, {at}\] must be from 0 to 2, not {value}"
        ):
            encode(inputs, facts, 2)


def test_values_whose_bits_exceed_the_limit_together_are_taken():
    inputs = np.array([[[1, 2, 5]]])
    np.testing.assert_array_equal(
        encode(inputs, InputFacts((3,), 1), 5), slow_encode(inputs, InputFacts((3,), 1))
    )


def test_bench_measures_every_case(monkeypatch, capsys):
    monkeypatch.setattr(bench_words, "N_SAMPLES", 2)
    monkeypatch.setattr(bench_words, "N_TICKS", 3)
    bench_words.main()
    assert len(capsys.readouterr().out.splitlines()) == 5

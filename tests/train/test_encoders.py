"""Encoders: what each promises, exactly."""

import subprocess
import sys

import numpy as np
import pytest

from spikeloom.spec.errors import DataError
from spikeloom.spec.manifest import InputFacts
from spikeloom.train import encoders
from spikeloom.train.encoders import check_encoder, encode, encoder_table, to_levels

VALUES = np.arange(256, dtype=np.uint8)[None]


def run(kind, values=VALUES, ticks=16, maximum=255, **parameters):
    facts = InputFacts((values.shape[1],), ticks, encoder={
        "kind": kind, "maximum": maximum, **parameters})  # fmt: skip
    return encode(facts, values)


@pytest.mark.parametrize("ticks", [1, 7, 16, 100])
def test_rate_count_is_the_rounded_value(ticks):
    counts = run("rate", ticks=ticks)[0].sum(0)
    exact = np.arange(256) * ticks / 255
    assert np.abs(counts - exact).max() <= 0.5 + 1e-3
    assert counts[0] == 0
    assert counts[255] == ticks


@pytest.mark.parametrize("kind", ["rate", "poisson", "latency", "phase", "direct"])
def test_output_is_uint8_of_samples_ticks_inputs(kind):
    out = run(kind, np.repeat(VALUES, 3, 0), ticks=5)
    assert out.shape == (3, 5, 256)
    assert out.dtype == np.uint8


def test_rate_spikes_are_even_over_time():
    out = run("rate", ticks=64)[0]
    for count, train in zip(out.sum(0), out.T, strict=True):
        gaps = np.diff(np.flatnonzero(train))
        assert count < 2 or gaps.max() - gaps.min() <= 1


def test_rate_needs_no_random_numbers_and_equals_the_plain_loop():
    accumulator, expected = 32768, []
    level = round(100 * 65536 / 255)
    for _ in range(16):
        accumulator += level
        expected.append(int(accumulator >= 65536))
        accumulator -= 65536 * expected[-1]
    assert run("rate")[0, :, 100].tolist() == expected


def test_poisson_is_reproducible_and_independent_of_later_samples():
    values = np.full((4, 50), 100, np.uint8)
    whole, part = run("poisson", values, seed=9), run("poisson", values[:2], seed=9)
    assert np.array_equal(whole[:2], part)
    assert not np.array_equal(whole[0], whole[1])
    assert not np.array_equal(whole, run("poisson", values, seed=10))


def test_poisson_frequency_is_the_value():
    values = np.tile(np.array([[0, 64, 128, 255]], np.uint8), (1, 500))
    mean = run("poisson", values, ticks=40)[0].reshape(40, 500, 4).mean((0, 1))
    assert mean[0] == 0
    assert mean[3] == 1
    assert np.abs(mean[1:3] - np.array([64, 128]) / 255).max() < 5 * np.sqrt(0.25 / 20000)


def test_latency_gives_one_spike_per_active_value_earlier_for_greater():
    out = run("latency", ticks=8)[0]
    assert out.sum(0).tolist() == [0] + [1] * 255
    when = out.argmax(0)[1:]
    assert (np.diff(when) <= 0).all()
    assert when[-1] == 0
    assert when.max() <= 7


def test_latency_cutoff_silences_small_values():
    counts = run("latency", ticks=8, cutoff=0.5)[0].sum(0)
    assert counts[:128].sum() == 0
    assert counts[128:].all()


@pytest.mark.parametrize("magnitude", [1, 15, 127])
def test_direct_sends_the_rounded_value_every_tick(magnitude):
    out = run("direct", ticks=3, max_magnitude=magnitude)[0]
    assert (out == out[0]).all()
    assert np.abs(out[0] - np.arange(256) * magnitude / 255).max() <= 0.5 + 1e-2
    assert out.max() == magnitude
    assert encoders.max_magnitude({"kind": "direct", "max_magnitude": magnitude}) == magnitude


@pytest.mark.parametrize("kind", ["rate", "latency", "phase", "direct"])
def test_table_equals_encoding(kind):
    facts = InputFacts((256,), 9, encoder={"kind": kind, "maximum": 255})
    assert np.array_equal(encoder_table(facts.encoder, 9), encode(facts, VALUES)[0])


def test_table_is_absent_where_it_does_not_apply():
    assert encoder_table({"kind": "poisson", "maximum": 255}, 4) is None
    assert encoder_table({"kind": "rate", "maximum": 0.5}, 4) is None
    assert encoder_table({"kind": "rate", "maximum": 256}, 4) is None


def test_phase_sends_the_binary_digits():
    levels = to_levels(np.array([[0, 255, 128, 1, 77]]), 256)
    out = encoders.phase(levels, 8)[0]
    worth = 2 ** np.arange(7, -1, -1)
    assert (out * worth[:, None]).sum(0).tolist() == [0, 255, 128, 1, 77]
    assert np.array_equal(encoders.phase(levels, 19)[0], np.tile(out, (3, 1))[:19])
    assert encoders.phase(to_levels([[1.0]], 1), 3, period=3)[0, :, 0].tolist() == [1, 1, 1]


def test_delta_follows_the_signal():
    facts = InputFacts((2,), 6, encoder={"kind": "delta", "maximum": 10, "threshold": 0.2})
    out = encode(facts, np.array([[0, 2, 4, 9, 9, 0]]))[0]
    assert out[:, 0].tolist() == [0, 1, 1, 1, 1, 0]  # rises, 2 at a time
    assert out[:, 1].tolist() == [0, 0, 0, 0, 0, 1]  # falls


def test_delta_loses_at_most_the_threshold_of_a_slow_signal():
    rng = np.random.default_rng(8)
    signal = np.cumsum(rng.uniform(-0.04, 0.04, (3, 50, 4)), 1) * 0.5 + 0.5
    out = encode(InputFacts((8,), 50, encoder={"kind": "delta", "threshold": 0.05}),
                 signal.reshape(3, 200)).astype(int)  # fmt: skip
    followed = np.cumsum(out[..., :4] - out[..., 4:], 1) * 0.05
    assert np.abs(followed - signal)[:, 25:].max() <= 0.05 + 1e-3
    assert not (out[..., :4] & out[..., 4:]).any()


def test_delta_needs_whole_rows():
    with pytest.raises(DataError, match=r"^ticks must divide the 64 values of a sample for"):
        encoders.input_count({"kind": "delta"}, 64, 12)
    assert encoders.input_count({"kind": "delta"}, 64, 8) == 16


def test_population_fields_share_each_value():
    values = np.arange(0, 61)[None]
    facts = InputFacts((61 * 4,), 30, encoder={"kind": "population", "maximum": 60})
    counts = encode(facts, values)[0].sum(0, dtype=int).reshape(61, 4)
    assert counts[0].tolist() == [30, 0, 0, 0]
    assert counts[20].tolist() == [0, 30, 0, 0]
    assert counts[50].tolist() == [0, 0, 15, 15]
    assert np.abs(counts.sum(1) - 30).max() <= 1
    wide = encoders.population(to_levels(values, 60), 30, fields=4, overlap=2)
    assert wide[0].sum(0).reshape(61, 4)[20].tolist() == [15, 30, 15, 0]


def test_mask_drops_events_of_closed_places():
    rng = np.random.default_rng(9)
    mask = rng.random((5, 7)) < 0.6
    values = rng.integers(0, 256, (4, 7))
    facts = InputFacts((7,), 5, encoder={"kind": "direct", "maximum": 255})
    masked = InputFacts((7,), 5, encoder={**facts.encoder, "mask": encoders.pack_mask(mask)})
    assert np.array_equal(encode(masked, values), encode(facts, values) * mask)
    assert encoder_table(masked.encoder, 5) is None


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("xy", "must be hexadecimal"),
        (3, "must be hexadecimal"),
        ("ff", "must have 10 digits for 5"),
    ],
)
def test_bad_mask_is_refused(mask, message):
    facts = InputFacts((7,), 5, encoder={"kind": "rate", "mask": mask})
    with pytest.raises(DataError, match=rf"^encoder.mask {message}"):
        encode(facts, np.zeros((1, 7)))


def test_real_values_and_images_are_taken():
    facts = InputFacts((2, 2, 1), 6, encoder={"kind": "rate"})
    out = encode(facts, np.array([[[0.0, 1.0], [0.5, 0.25]]]))
    assert out.shape == (1, 6, 2, 2, 1)
    assert out.sum(1).reshape(-1).tolist() == [0, 6, 3, 2]


def test_no_samples_give_no_samples():
    facts = InputFacts((4,), 6, encoder={"kind": "rate"})
    assert encode(facts, np.zeros((0, 4))).shape == (0, 6, 4)


@pytest.mark.parametrize("bad", [-0.1, 1.5, float("nan"), float("inf")])
def test_values_out_of_range_are_refused_with_their_place(bad):
    values = np.zeros((2, 3))
    values[1, 2] = bad
    with pytest.raises(DataError, match=r"^values must be from 0 to 1, not .*\(1, 2\)\)$"):
        to_levels(values, 1)


@pytest.mark.parametrize("values", [np.zeros((2, 5)), np.zeros(4), np.zeros((3, 4, 4))])
def test_wrong_shape_is_refused(values):
    with pytest.raises(DataError, match=r"^values must have shape \(samples, 4\)"):
        encode(InputFacts((4,), 3, encoder={"kind": "rate"}), values)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({}, "encoder.kind must be one of rate, .*, direct, not None"),
        ({"kind": "morse"}, "encoder.kind must be one of .* not 'morse'"),
        ({"kind": "rate", "seed": 1}, "encoder.seed is no parameter of the encoder rate"),
        ({"kind": "poisson", "seed": -1}, "encoder.seed must be an integer from 0"),
        ({"kind": "direct", "max_magnitude": 128}, "encoder.max_magnitude must be an integer"),
        ({"kind": "latency", "cutoff": "x"}, "encoder.cutoff must be a number"),
        ({"kind": "rate", "maximum": 0}, "encoder.maximum must be a number"),
    ],
)
def test_bad_encoder_is_refused_naming_the_field(encoder, message):
    with pytest.raises(DataError, match=f"^{message}"):
        check_encoder(encoder)


def test_encoders_do_not_import_torch():
    code = (
        "import sys; sys.modules['torch'] = None; import spikeloom.train.encoders, "
        "spikeloom.train.datasets, spikeloom.train.config"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

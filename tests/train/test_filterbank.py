"""The filter bank for sounds: exact integers, and what a bad encoder is told."""

import hashlib

import numpy as np
import pytest

from spikeloom.spec.errors import DataError
from spikeloom.spec.manifest import InputFacts
from spikeloom.train import filterbank as module
from spikeloom.train.filterbank import (
    check_filterbank,
    encode_sounds,
    energies,
    input_shape,
    log2_steps,
    sound_levels,
)

SMALL = {"kind": "filterbank", "window": 32, "hop": 20, "channels": 5}


def facts(ticks=30, **encoder):
    encoder = {"kind": "filterbank", **encoder}
    return InputFacts(shape=input_shape(encoder), ticks=ticks, encoder=encoder)


def tone(hertz, length=4000, amplitude=9000):
    turns = 2 * np.pi * hertz * np.arange(length) / 8000
    return np.rint(amplitude * np.sin(turns)).astype(np.int16)


def test_energies_are_those_of_python_integers(rng):
    extremes = np.repeat(np.array([32767, -32768], np.int16), 60)
    for sound in (rng.integers(-32768, 32768, 150).astype(np.int16), extremes):
        checked = check_filterbank(SMALL)
        hann, cosine, sine, filters = (
            np.asarray(table, int).astype(object)
            for table in module._tables(32, 8000, 5, checked["low_hz"], checked["high_hz"])
        )
        got = energies(sound, SMALL, ticks=8)
        for tick in range(8):
            part = [int(v) for v in sound[tick * 20 : tick * 20 + 32]]
            part += [0] * (32 - len(part))
            power = []
            for k in range(17):
                sums = (
                    sum(v * h * t for v, h, t in zip(part, hann, table[:, k], strict=True))
                    for table in (cosine, sine)
                )
                power.append(sum((s >> module.SUM_SHIFT) ** 2 for s in sums))
            expected = [sum(p * w for p, w in zip(power, f, strict=True)) for f in filters.T]
            assert got[tick].tolist() == expected


def test_the_largest_sums_stay_exact():
    encoder = check_filterbank({"kind": "filterbank", "window": 1024, "hop": 1024})
    hann, cosine, sine, filters = module._tables(1024, 8000, 32, 100, 4000)
    greatest = (hann * 32768) @ np.maximum(np.abs(cosine), np.abs(sine))
    assert greatest.max() < 2**53
    power = 2 * (int(greatest.max()) >> module.SUM_SHIFT) ** 2
    assert power * int(filters.sum(axis=0).max()) < 2**63
    loud = np.full(2048, -32768, np.int16)
    assert energies(loud, encoder, 2).min() >= 0


def test_log2_is_exact_at_powers_and_linear_between():
    values = np.array([0, 1, 2, 3, 4, 6, 2**50, 2**50 + 2**49])
    assert (log2_steps(values) / 256).tolist() == [0, 0, 1, 1.5, 2, 2.5, 50, 50.5]


@pytest.mark.parametrize("hertz", [200, 500, 1000, 2000, 3500])
def test_a_tone_is_loudest_in_its_filter(hertz):
    edges = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + np.array([100, 4000]) / 700)), 34)
                          / 2595) - 1)  # fmt: skip
    nearest = int(np.argmin(np.abs(edges[1:-1] - hertz)))
    loudest = energies(tone(hertz), {"kind": "filterbank"}, 20).sum(axis=0).argmax()
    assert abs(int(loudest) - nearest) <= 1


def test_silence_gives_no_spikes():
    for code in ("rate", "delta"):
        made = encode_sounds(facts(code=code), [np.zeros(5000, np.int16), np.zeros(0, np.int16)])
        assert made.shape == (2, 30, 64 if code == "delta" else 32)
        assert not made.any()


def test_levels_are_relative_to_the_loudest():
    quiet, loud = (sound_levels(tone(700, amplitude=a), facts().encoder, 20) for a in (64, 8192))
    assert quiet.max() == loud.max() == 65536
    assert quiet.min() == loud.min() == 0


def test_the_rate_code_sends_as_many_spikes_as_the_levels_say(rng):
    sound = rng.integers(-5000, 5000, 5000).astype(np.int16)
    levels = sound_levels(sound, facts().encoder, 30)
    spikes = encode_sounds(facts(), [sound])[0]
    total = np.zeros(32, np.int64) + 32768
    for tick in range(30):  # an accumulator, tick by tick
        total += levels[tick]
        fired = total >= 65536
        total -= fired * 65536
        assert np.array_equal(spikes[tick], fired)


def test_the_delta_code_follows_the_levels(rng):
    sound = rng.integers(-5000, 5000, 3000).astype(np.int16)
    step = 4096
    encoder = facts(code="delta", step=step)
    levels = sound_levels(sound, encoder.encoder, 30)
    spikes = encode_sounds(encoder, [sound])[0].astype(int)
    assert spikes.max() == 1
    reference = [0] * 32
    for tick in range(30):
        for channel in range(32):
            change = int(levels[tick, channel]) - reference[channel]
            up, down = change >= step, change <= -step
            assert spikes[tick, [channel, 32 + channel]].tolist() == [up, down]
            reference[channel] += step * (up - down)


def test_encoding_is_the_same_on_every_machine():
    sound = (np.arange(6000) * np.arange(6000) % 7919 - 3959).astype(np.int16)
    sums = [
        hashlib.sha256(encode_sounds(facts(60, code=code), [sound]).tobytes()).hexdigest()[:16]
        for code in ("rate", "delta")
    ]
    assert sums == SUMS


SUMS = ["83e711c0cbdbd31b", "ea44f33528b76d68"]


def test_a_sound_does_not_depend_on_the_others_and_is_cut_off_late():
    a, b = tone(300), tone(2500, 9000)
    both = encode_sounds(facts(), [a, b])
    assert np.array_equal(both[1], encode_sounds(facts(), [b])[0])
    cut = b[: 29 * 128 + 256]
    assert np.array_equal(both[1], encode_sounds(facts(), [cut])[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "rate"}, r"encoder.kind must be filterbank, not 'rate'"),
        ({"code": "time"}, r"encoder.code must be rate or delta, not 'time'"),
        ({"window": 8}, r"encoder.window must be an integer from 16 to 1024, not 8"),
        ({"channels": 2.0}, r"encoder.channels must be an integer"),
        ({"hop": True}, r"encoder.hop must be an integer"),
        ({"high_hz": 4001}, r"encoder.high_hz must be above low_hz \(100\) and at most half"),
        ({"low_hz": 4000}, r"encoder.high_hz must be above low_hz \(4000\)"),
        ({"speed": 1}, r"encoder.speed is no parameter of the encoder filterbank"),
    ],
)
def test_a_bad_encoder_is_refused(change, message):
    with pytest.raises(DataError, match="^" + message):
        check_filterbank({"kind": "filterbank", **change})


def test_a_bad_sound_or_shape_is_refused():
    with pytest.raises(DataError, match=r"^sound 1: a sound must be int16 in one dimension"):
        encode_sounds(facts(), [tone(300), np.zeros(5)])
    wrong = InputFacts(shape=(31,), ticks=3, encoder={"kind": "filterbank"})
    with pytest.raises(DataError, match=r"^input.shape must be \(32,\) with this encoder"):
        encode_sounds(wrong, [])

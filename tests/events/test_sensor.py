"""The NumPy twin of the sensor input: hand-worked cases, frames, errors, registers."""

import numpy as np
import pytest

from spikeloom.events import AddressField, Events, SensorSetup, frames
from spikeloom.spec import regmap
from spikeloom.spec.errors import DataError

MHZ = 1_000_000
GOOD = {
    "x": AddressField(1, 7, invert=True),
    "y": AddressField(8, 7),
    "polarity": AddressField(0, 1, invert=True),
    "crop": (10, 20, 33, 50),
    "downscale": 4,
    "period_us": 500,
    "n_ticks": 8,
}


def setup(**changes):
    return SensorSetup(**{**GOOD, **changes})


def random_events(rng, n, side=128, last=9000):
    t = np.sort(rng.integers(0, last, n))
    x, y = (rng.integers(0, side, n) for _ in "xy")
    return Events(t, x, y, rng.integers(0, 2, n), side, side)


def test_addresses_of_a_dvs128_and_back():
    chosen = setup(crop=(0, 0, 128, 128), downscale=1, limit=0)
    events = Events([0, 1, 2], [0, 127, 5], [0, 1, 127], [1, 0, 1], 128, 128)
    assert chosen.addresses(events).tolist() == [127 << 1, 1 << 8 | 1, 127 << 8 | 122 << 1]
    neurons = (events.y.astype(int) * 128 + events.x) * 2 + events.p
    assert chosen.neurons(chosen.addresses(events)).tolist() == neurons.tolist()


@pytest.mark.parametrize("limit", [1, 3, 0])
@pytest.mark.parametrize("n_ticks", [8, 0])
def test_ticks_are_the_frames_of_the_same_crop(rng, limit, n_ticks):
    chosen = setup(limit=limit, n_ticks=n_ticks)
    events = random_events(rng, 9000)
    got = chosen.ticks(chosen.addresses(events), events.t, 8000)
    expected = frames(events, ticks=16, start=0, stop=8000, crop=GOOD["crop"], downscale=4,
                      max_magnitude=limit or 127)  # fmt: skip
    last = expected.transpose(0, 2, 3, 1).reshape(16, -1)
    assert chosen.shape == (9, 13, 2)
    assert np.array_equal(got, last.reshape((2, 8, -1) if n_ticks else (1, 16, -1)))
    assert got.max() == limit if limit else got.max() >= 3


@pytest.mark.parametrize(("polarities", "channels"), [("merge", (0, 1)), ("on", (1,)),
                                                     ("off", (0,))])  # fmt: skip
def test_one_channel(rng, polarities, channels):
    chosen = setup(polarities=polarities, limit=15)
    events = random_events(rng, 3000)
    both = frames(events, ticks=16, start=0, stop=8000, crop=GOOD["crop"], downscale=4,
                  max_magnitude=127)  # fmt: skip
    expected = np.minimum(both[:, list(channels)].sum(axis=1), 15)
    got = chosen.ticks(chosen.addresses(events), events.t, 8000)
    assert np.array_equal(got.reshape(16, 9, 13), expected)


def test_only_samples_that_end_in_time_count():
    chosen = setup(crop=(0, 0, 1, 1), x=AddressField(1, 7), downscale=1, polarities="merge")
    assert chosen.ticks([0, 0, 0], [0, 3999, 4000], 4000).tolist() == [[[1], *[[0]] * 6, [1]]]
    assert chosen.ticks([0], [0], 3999).shape == (0, 8, 1)
    assert setup(n_ticks=0).ticks(np.zeros(0, int), np.zeros(0, int), 1499).shape == (1, 2, 234)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"polarity": AddressField(0, 2)}, "the polarity must have 1 line, not 2"),
        ({"polarities": "both"}, "polarities must be one of keep, merge, on, off, not 'both'"),
        ({"wait": 1}, "wait must be a bool, not 1"),
        ({"crop": (0, 0, 5)}, r"crop must be \(top, left, height, width\), not \(0, 0, 5\)"),
        ({"crop": (-1, 0, 5, 5)}, "crop top must be an integer from 0 to 4095, not -1"),
        ({"crop": (0, 0, 0, 5)}, "crop height must be an integer from 1 to 4096, not 0"),
        ({"crop": (0, 4000, 5, 97)}, "crop width must be an integer from 1 to 96, not 97"),
        ({"period_us": 0}, "period_us must be an integer from 1 to 16777215, not 0"),
        ({"period_us": 1.5}, "period_us must be an integer from 1 to 16777215, not 1.5"),
        ({"n_ticks": 1 << 28}, "n_ticks must be an integer from 0 to 268435455, not 268435456"),
        ({"downscale": 3}, "downscale must be a power of two, not 3"),
        ({"downscale": 4096}, "downscale must be an integer from 1 to 2048, not 4096"),
        ({"limit": 16}, "limit must be an integer from 0 to 15, not 16"),
        ({"filter_cycles": 1}, "filter_cycles must be an integer from 2 to 15, not 1"),
        ({"timeout_cycles": -1}, "timeout_cycles must be an integer from 0 to 16777215, not -1"),
        ({"population": True}, "population must be an integer from 0 to 255, not True"),
        (
            {"crop": (0, 0, 128, 128), "downscale": 1},
            r"the input must have at most 8192 neurons with limit 1, not \(128, 128, 2\); choose a "
            "smaller crop or a greater downscale",
        ),
    ],
)
def test_a_setting_out_of_range_is_refused(changes, message):
    with pytest.raises(DataError, match=rf"^{message}$"):
        setup(**changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((24, 1), "shift of an address field must be an integer from 0 to 23, not 24"),
        ((0, 13), "bits of an address field must be an integer from 0 to 12, not 13"),
        ((20, 5), "an address field must end at line 23, not 20 \\+ 5 - 1"),
        ((0, 1, 1), "invert of an address field must be a bool, not 1"),
    ],
)
def test_an_address_field_out_of_range_is_refused(values, message):
    with pytest.raises(DataError, match=rf"^{message}$"):
        AddressField(*values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (([1 << 24], [0], 10), "addresses must be from 0 to 16777215"),
        (([-1], [0], 10), "addresses must be from 0 to 16777215"),
        (([0.5], [0], 10), "addresses must be whole numbers in one dimension"),
        (([0, 1], [0], 10), "there must be a time for each of 2 events, not 1"),
        (([0, 1], [5, 4], 10), "times must be 0 or more and never decrease"),
        (([0], [-1], 10), "times must be 0 or more and never decrease"),
        (([0], [0], -1), "duration must be an integer from 0 to"),
    ],
)
def test_bad_events_are_refused(values, message):
    with pytest.raises(DataError, match=rf"^{message}"):
        setup().ticks(*values)


def test_events_that_the_address_has_no_room_for_are_refused():
    events = Events([0], [128], [0], [0], 200, 200)
    with pytest.raises(DataError, match=r"^values of an address field of 7 bits .* at most 127"):
        setup().addresses(events)


@pytest.mark.parametrize("clock", [0, 999_999, 1_024_000_000, 1.5e6, True])
def test_a_clock_that_is_no_whole_number_of_megahertz_is_refused(clock):
    with pytest.raises(DataError, match=r"^clock_hz must be"):
        setup().registers(clock)


def test_the_registers_hold_what_was_asked_for():
    values = setup(
        crop=(10, 20, 33, 50), polarities="on", limit=7, wait=True, request_low=True,
        filter_cycles=9, timeout_cycles=70000, population=3,
    ).registers(100 * MHZ)  # fmt: skip
    assert values == {
        "SENSOR_HANDSHAKE": 70000 << 8 | 9,
        "SENSOR_X": 1 << 16 | 7 << 8 | 1,
        "SENSOR_Y": 7 << 8 | 8,
        "SENSOR_POLARITY": 2 << 16 | 1 << 8,
        "SENSOR_ORIGIN": 10 << 16 | 20,
        "SENSOR_SIZE": 33 << 16 | 50,
        "SENSOR_SCALE": 13 << 16 | 2 << 8 | 2,
        "SENSOR_OUTPUT": 3 << 20 | 7,
        "SENSOR_CLOCK": 100,
        "SENSOR_PERIOD": 500,
        "SENSOR_TICKS": 8,
        "SENSOR_CONTROL": 0b01101,
    }
    assert list(values)[-1] == "SENSOR_CONTROL"
    settings = {
        r.name for r in regmap.SENSOR_REGISTERS
        if any(f.access is regmap.Access.READ_WRITE for f in r.fields)
    }  # fmt: skip
    assert set(values) == settings

"""Event frames against a slow loop over single events."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloom.events import Events, frames
from spikeloom.events import frames as frames_function
from spikeloom.spec.errors import DataError


def slow(events, ticks, by, start, stop, crop, downscale, max_magnitude):
    """The definition, event by event, in exact fractions."""
    top, left, rows, columns = crop or (0, 0, events.height, events.width)
    height, width = -(-rows // downscale), -(-columns // downscale)
    out = np.zeros((ticks, 2, height, width), int)
    n = len(events)
    low = start if start is not None else int(events.t[0]) if n else 0
    high = stop if stop is not None else int(events.t[-1]) + 1 if n else 1
    for i in range(n):
        t, x, y, p = (int(getattr(events, c)[i]) for c in "txyp")
        if by == "count":
            tick = floor(Fraction(i, n) * ticks)
        elif low <= t < high:
            tick = floor(Fraction(t - low, high - low) * ticks)
        else:
            continue
        y, x = y - top, x - left
        if 0 <= y < rows and 0 <= x < columns:
            out[tick, p, y // downscale, x // downscale] += 1
    return np.minimum(out, max_magnitude).astype(np.uint8)


@st.composite
def cases(draw):
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    n = draw(st.integers(0, 40))
    t = sorted(draw(st.lists(st.integers(0, 60), min_size=n, max_size=n)))
    base = draw(st.sampled_from([0, 10**12]))
    some = st.lists
    events = Events(
        np.array(t, np.int64) + base,
        np.array(draw(some(st.integers(0, width - 1), min_size=n, max_size=n)), int),
        np.array(draw(some(st.integers(0, height - 1), min_size=n, max_size=n)), int),
        np.array(draw(some(st.integers(0, 1), min_size=n, max_size=n)), int),
        width,
        height,
    )
    by = draw(st.sampled_from(["time", "count"]))
    start = stop = None
    if by == "time" and draw(st.booleans()):
        start = base + draw(st.integers(0, 50))
        stop = start + draw(st.integers(1, 70))
    crop = None
    if draw(st.booleans()):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        crop = (
            *(top, left),
            *(draw(st.integers(1, height - top)), draw(st.integers(1, width - left))),
        )
    options = {
        "ticks": draw(st.integers(1, 20)),
        "by": by,
        "start": start,
        "stop": stop,
        "crop": crop,
        "downscale": draw(st.integers(1, 4)),
        "max_magnitude": draw(st.integers(1, 3)),
    }
    return events, options


@given(case=cases(), group=st.sampled_from([1, 40, 1 << 22]))
def test_frames_are_those_of_the_slow_loop(case, group):
    events, options = case
    module = __import__("sys").modules[frames_function.__module__]
    before, module.GROUP_CELLS = module.GROUP_CELLS, group
    try:
        got = frames(events, **options)
    finally:
        module.GROUP_CELLS = before
    assert got.dtype == np.uint8
    assert np.array_equal(got, slow(events, **options))


def line(times):
    ones = np.zeros(len(times), int)
    return Events(np.array(times), ones, ones, ones, 1, 1)


def test_an_event_on_an_edge_belongs_to_the_later_tick():
    got = frames(line([0, 9, 10, 19, 20, 29]), ticks=3, start=0, stop=30, max_magnitude=9)
    assert got[:, 0, 0, 0].tolist() == [2, 2, 2]
    got = frames(line([3, 4, 6, 7]), ticks=3, start=0, stop=10, max_magnitude=9)
    assert got[:, 0, 0, 0].tolist() == [1, 2, 1]  # edges at 3 1/3 and 6 2/3


def test_the_last_event_is_in_the_last_tick():
    assert frames(line([5, 6, 8]), ticks=4)[:, 0, 0, 0].tolist() == [1, 1, 0, 1]


def test_counts_are_clipped():
    assert frames(line([1] * 300), ticks=1, max_magnitude=127).max() == 127
    assert frames(line([1] * 300), ticks=1).max() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ticks": 0}, r"ticks must be an integer from 1 to"),
        ({"ticks": 2.0}, r"ticks must be an integer"),
        ({"ticks": True}, r"ticks must be an integer"),
        ({"ticks": 1 << 28}, r"frames must have at most 268435456 values in all"),
        ({"by": "events"}, r"by must be time or count, not 'events'"),
        ({"by": "count", "start": 3}, r"start and stop must be absent with by='count'"),
        ({"start": 5, "stop": 5}, r"stop must be an integer from 6 to"),
        ({"start": -1}, r"start must be an integer from 0"),
        ({"stop": 1 << 62}, r"stop must be an integer from 1 to"),
        ({"downscale": 0}, r"downscale must be an integer from 1"),
        ({"max_magnitude": 128}, r"max_magnitude must be an integer from 1 to 127, not 128"),
        ({"crop": (0, 0, 1)}, r"crop must be \(top, left, height, width\)"),
        ({"crop": (0, 0, 2, 1)}, r"crop height must be an integer from 1 to 1, not 2"),
        ({"crop": (1, 0, 1, 1)}, r"crop top must be an integer from 0 to 0, not 1"),
    ],
)
def test_a_bad_parameter_is_refused(options, message):
    with pytest.raises(DataError, match="^" + message):
        frames(line([0, 1]), **{"ticks": 4, **options})

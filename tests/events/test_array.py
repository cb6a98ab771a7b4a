"""Events in memory: what is refused, slices, and chunks."""

import numpy as np
import pytest

from spikeloom.events import Events
from spikeloom.spec.errors import DataError


def events(t=(0, 5, 5, 9), x=(0, 1, 2, 3), y=(0, 1, 1, 2), p=(0, 1, 1, 0), width=4, height=3):
    return Events(*(np.asarray(a) for a in (t, x, y, p)), width=width, height=height)


def test_the_arrays_have_their_types():
    made = events(p=np.array([False, True, True, False]))
    assert [getattr(made, c).dtype for c in "txyp"] == [np.int64, np.uint16, np.uint16, np.uint8]
    assert len(made) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": (0, 5, 4, 9)}, r"event 2 must not be before event 1, at 5 us, but is at 4 us"),
        ({"t": (-1, 5, 5, 9)}, r"the time of event 0 must be from 0 to 2\*\*63 - 1 us, not -1"),
        ({"t": (0.0, 1.0, 2.0, np.nan)}, r"t must be whole numbers in one dimension, not float64"),
        ({"t": (0, 1, 2)}, r"t, x, y and p must have one length, not \[3, 4, 4, 4\]"),
        ({"x": (0, 1, 4, 3)}, r"event 2 must be inside the sensor of 4 x 3, not at x 4, y 1"),
        ({"y": (0, -1, 1, 2)}, r"event 1 must be inside .* y -1"),
        ({"p": (0, 2, 1, 0)}, r"the polarity of event 1 must be 0 or 1, not 2"),
        ({"x": ((0, 1), (2, 3))}, r"x must be whole numbers in one dimension"),
        ({"width": 0}, r"width must be from 1 to 65536, not 0"),
        ({"height": 3.0}, r"height must be an integer, not 3.0"),
    ],
)
def test_bad_arrays_are_refused(change, message):
    with pytest.raises(DataError, match="^" + message):
        events(**change)


def test_a_slice_of_time_has_its_start_and_not_its_stop():
    made = events()
    assert made.between(5, 9).t.tolist() == [5, 5]
    assert made.between(0, 5).t.tolist() == [0]
    assert made.between(6, 6).t.tolist() == []
    assert made.between(9, 3).t.tolist() == []
    assert made.between(0, 100).t.tolist() == [0, 5, 5, 9]


def test_slices_of_indices_and_chunks():
    made = events()
    assert made[1:3].x.tolist() == [1, 2]
    assert made[::2].x.tolist() == [0, 2]
    assert [c.x.tolist() for c in made.chunks(3)] == [[0, 1, 2], [3]]
    with pytest.raises(DataError, match=r"^events are chosen with a slice"):
        made[::-1]
    with pytest.raises(DataError, match=r"^events are chosen with a slice"):
        made[0]
    with pytest.raises(DataError, match=r"^a chunk must have at least 1 event"):
        list(made.chunks(0))


def test_no_events_are_events_too():
    made = events(*((np.zeros(0, int),) * 4))
    assert len(made) == 0
    assert len(made.between(0, 5)) == 0

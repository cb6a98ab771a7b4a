"""Windows of recorded events, back-pressure and drop counters."""

import threading
import time

import numpy as np
import pytest

from spikeloom.board.live import Stream, windows
from spikeloom.board.result import RunResult
from spikeloom.events import Events, frames
from spikeloom.spec.errors import DataError, UsageError
from spikeloom.spec.manifest import InputFacts

TICKS, SIDE = 4, 6
FACTS = InputFacts((SIDE, SIDE, 2), TICKS)


def recording(n=500, span=100_000, seed=1):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, span, n))
    x, y = rng.integers(0, SIDE, (2, n))
    return Events(t, x, y, rng.integers(0, 2, n), SIDE, SIDE)


class FakeRun:
    """Answers with the number of events of each sample, as the spikes of one output."""

    def __init__(self, delay_s=0.0):
        self.inputs, self.delay_s = [], delay_s

    def __call__(self, inputs):
        time.sleep(self.delay_s)
        self.inputs.append(inputs)
        n = len(inputs)
        spikes = np.zeros((n, TICKS, 3), np.uint8)
        spikes[:, 0, 1] = 1
        cycles = inputs.reshape(n, -1).sum(1).astype(np.int64)
        return RunResult(spikes, np.zeros((n, 3), np.int32), cycles, cycles)


def stream(run, source, **options):
    return Stream(run, FACTS, source, **{"window_us": 10_000, **options})


def test_every_window_is_run_as_the_frames_say():
    events, run = recording(), FakeRun()
    opened = stream(run, events.chunks(37), max_magnitude=3)
    found = list(opened)
    start = int(events.t[0])
    assert [w.index for w in found] == list(range(len(found)))
    inputs = np.concatenate(run.inputs)
    for k, window in enumerate(found):
        first = start + 10_000 * k
        part = events.between(first, first + 10_000)
        expected = frames(part, ticks=TICKS, start=first, stop=first + 10_000, max_magnitude=3)
        np.testing.assert_array_equal(inputs[k], np.moveaxis(expected, 1, -1))
        assert (window.start_us, window.n_events) == (first, len(part))
        assert window.prediction == 1
        assert window.cycles == expected.sum()
        assert window.cycles_per_tick == window.cycles / TICKS
        assert 0 <= window.seconds < 60
    counters = opened.counters
    assert counters.events_read == len(events)
    assert counters.events_sent + counters.events_left_out == len(events)
    assert counters.events_sent == inputs.sum()
    assert (counters.windows, counters.windows_dropped) == (len(found), 0)
    assert counters.events_per_s > 0


def test_full_speed_waits_for_a_slow_board_and_drops_nothing():
    opened = stream(FakeRun(0.01), [recording()], queue_windows=1)
    assert len(list(opened)) == 10
    assert opened.counters.waits > 0
    assert opened.counters.events_dropped == 0


def test_real_time_drops_what_a_slow_board_cannot_take_and_counts_it():
    events = recording(2000, span=400_000)
    opened = stream(FakeRun(0.1), [events], queue_windows=1, speed="real")
    found = list(opened)
    counters = opened.counters
    assert counters.windows_dropped > 0
    assert counters.windows + counters.windows_dropped == 40
    assert counters.events_read == len(events)
    kept = sum(w.n_events for w in found)
    assert kept + counters.events_dropped == len(events)
    gaps = np.diff([w.index for w in found])
    assert gaps.max() > 1


def test_real_time_with_a_fast_board_drops_nothing():
    opened = stream(FakeRun(), [recording(200, span=60_000)], speed="real", queue_windows=64)
    start = time.monotonic()
    assert len(list(opened)) == 6
    assert time.monotonic() - start > 0.05
    assert opened.counters.windows_dropped == 0


def test_leaving_early_ends_the_reader():
    opened = stream(FakeRun(), (recording(seed=k) for k in [1]), queue_windows=1)
    with opened:
        for _ in opened:
            break
    assert "spikeloom-live" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(UsageError, match="can be iterated once"):
        next(iter(opened))


def test_errors_of_source_and_board_reach_the_user():
    def broken():
        yield recording()
        raise DataError("file: breaks off")

    with pytest.raises(DataError, match="breaks off"):
        list(stream(FakeRun(), broken()))

    def fail(inputs):
        raise DataError("board")

    with pytest.raises(DataError, match="board"):
        list(stream(fail, [recording()]))


def test_files_are_read_and_missing_ones_refused(tmp_path):
    recording().save(tmp_path / "events.npz")
    assert len(list(stream(FakeRun(), tmp_path / "events.npz"))) == 10
    with pytest.raises(DataError, match=r"none\.npz must be a file of events"):
        list(stream(FakeRun(), str(tmp_path / "none.npz")))


def test_events_are_a_source_as_they_are():
    assert len(list(stream(FakeRun(), recording()))) == 10


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (None, "source must be a file of events, or Events piece by piece, not NoneType"),
        (7, "source must be a file of events, or Events piece by piece, not int"),
        ([1], "each piece of a source must be Events, not int"),
    ],
)
def test_sources_of_another_type_are_refused(source, match):
    with pytest.raises(DataError, match=match):
        list(stream(FakeRun(), source))


@pytest.mark.parametrize(
    ("facts", "shape"),
    [
        (InputFacts((2, SIDE, SIDE), TICKS, "channels_first"), (2, SIDE, SIDE)),
        (InputFacts((2 * SIDE * SIDE,), TICKS), (2 * SIDE * SIDE,)),
        (InputFacts((3, 3, 2), TICKS), (3, 3, 2)),
    ],
)
def test_axes_of_the_network_are_kept(facts, shape):
    run = FakeRun()
    scale = SIDE // facts.shape[0] if facts.shape == (3, 3, 2) else 1
    list(Stream(run, facts, [recording()], window_us=50_000, downscale=scale))
    assert run.inputs[0].shape[1:] == (TICKS, *shape)


def test_frames_are_those_of_the_training_unless_told_otherwise():
    run, events = FakeRun(), recording(4000)
    encoder = {"kind": "frames", "by": "time", "downscale": 2, "max_magnitude": 3}
    facts = InputFacts((3, 3, 2), TICKS, encoder=encoder)
    list(Stream(run, facts, [events], window_us=50_000))
    assert run.inputs[0].max() == 3
    list(Stream(run, facts, [events], window_us=50_000, max_magnitude=2))
    assert run.inputs[-1].max() == 2


def test_events_of_another_size_are_refused():
    with pytest.raises(DataError, match=r"must have the shape \(3, 3, 2\) of the events, not"):
        list(stream(FakeRun(), [recording()], downscale=2))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"speed": "slow"}, "speed must be one of full, real, not 'slow'"),
        ({"window_us": 0}, "window_us must be a positive integer, not 0"),
        ({"queue_windows": 0}, "queue_windows must be a positive integer"),
        ({"window_us": 3}, "window_us must be at least the 4 ticks"),
    ],
)
def test_bad_options_are_refused(options, match):
    with pytest.raises(UsageError, match=match):
        stream(FakeRun(), [], **options)


def piece(*times, side=SIDE):
    zeros = np.zeros(len(times), int)
    return Events(np.array(times, int), zeros, zeros, zeros, side, side)


def test_windows_are_cut_across_pieces_and_gaps():
    cuts = list(windows([piece(5, 9), piece(), piece(14, 15, 16), piece(47)], 10))
    assert [(c.start_us, c.events.t.tolist()) for c in cuts] == [
        (5, [5, 9, 14]), (15, [15, 16]), (25, []), (35, []), (45, [47]),
    ]  # fmt: skip
    assert list(windows([piece()], 10)) == []


@pytest.mark.parametrize(
    ("pieces", "match"),
    [
        ([piece(9), piece(5)], "must be in order of time, but 5 us comes after 9 us"),
        ([piece(1), piece(2, side=7)], "must be of one sensor of 6 x 6, not also of 7 x 7"),
        ([piece(1), piece(10_000_000)], "must not pause for more than 10000 windows of 10 us"),
    ],
)
def test_sources_that_cannot_be_cut_are_refused(pieces, match):
    with pytest.raises(DataError, match=match):
        list(windows(pieces, 10))

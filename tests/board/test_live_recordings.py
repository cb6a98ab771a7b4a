"""Files of real cameras as the source of ``board.stream``, against the golden numbers."""

import json
import time

import numpy as np
import pytest

from board.small_network import INPUT, MAX_MAGNITUDE, expected
from spikeloom.events import frames, read_events

RECORDINGS = {  # crop (top, left, height, width) and downscale to 4 x 1 pixels, length of a window
    "inivation_320x240.aedat4": ((80, 0, 80, 320), 80, 20_000),
    "prophesee_gen3_evt2.raw": ((160, 0, 160, 640), 160, 5_000),
    "prophesee_gen41_evt3.raw": ((320, 0, 320, 1280), 320, 1_000),
}


@pytest.fixture(params=RECORDINGS)
def recording(request, recordings):
    if request.param.endswith("aedat4"):
        pytest.importorskip("lz4")
    facts = json.loads((recordings / "expected.json").read_text("utf-8"))[request.param]
    return recordings / request.param, facts["events"], *RECORDINGS[request.param]


def options(crop, downscale):
    return {"crop": crop, "downscale": downscale, "max_magnitude": MAX_MAGNITUDE}


def test_a_file_is_streamed_whole_at_full_speed(board, recording):
    path, n_events, crop, downscale, window_us = recording
    stream = board.stream(path, window_us=window_us, queue_windows=2, **options(crop, downscale))
    found = list(stream)
    events, counters = read_events(path), stream.counters
    cut = [
        frames(events, ticks=INPUT.ticks, start=w.start_us, stop=w.start_us + window_us,
               **options(crop, downscale))
        for w in found
    ]  # fmt: skip
    spikes = expected(np.stack(cut))[0]["out"]
    assert [w.index for w in found] == list(range(len(found)))
    assert [w.start_us for w in found] == [events.t[0] + window_us * k for k in range(len(found))]
    assert found[-1].start_us + window_us > events.t[-1]
    np.testing.assert_array_equal([w.counts for w in found], spikes.sum(axis=1))
    assert counters.events_read == len(events) == n_events
    assert counters.events_sent == sum(int(f.sum()) for f in cut) > 0
    assert counters.events_left_out == n_events - counters.events_sent
    assert (counters.events_dropped, counters.windows_dropped) == (0, 0)


def test_a_file_in_real_time_loses_windows_to_a_slow_board_and_counts_them(
    board, recording, monkeypatch
):
    path, n_events, crop, downscale, window_us = recording
    run = board.run

    def slow(inputs):
        time.sleep(0.05)
        return run(inputs)

    monkeypatch.setattr(board, "run", slow)
    window_us //= 5
    stream = board.stream(
        path, window_us=window_us, speed="real", queue_windows=1, **options(crop, downscale)
    )
    found = list(stream)
    events, counters = read_events(path), stream.counters
    n_windows = (int(events.t[-1]) - int(events.t[0])) // window_us + 1
    assert counters.windows_dropped > 0
    assert counters.windows + counters.windows_dropped == n_windows
    assert counters.events_read == n_events
    assert sum(w.n_events for w in found) + counters.events_dropped == n_events
    assert counters.events_sent + counters.events_left_out + counters.events_dropped == n_events

"""Recordings of real cameras: every array equal to what other decoders found."""

import hashlib
import json

import numpy as np
import pytest

from spikeloom.events import bench, iterate_events, read_events

FORMATS = {
    "inivation_320x240.aedat4": "aedat4",
    "nmnist_sample.bin": "nmnist",
    "ncars_sample.dat": "dat",
    "prophesee_gen3_evt2.raw": "evt2",
    "prophesee_gen41_evt3.raw": "evt3",
    "davis240c_rotdisk.aedat": "aedat2",
    "dvs128_pencil.aedat": "aedat2",
    "pattern_320x240.es": "es",
}
SUMS = {"t": "sha256_t_i8le", "x": "sha256_x_u2le", "y": "sha256_y_u2le", "p": "sha256_p_u1"}


@pytest.fixture(scope="module")
def expected(recordings):
    return json.loads((recordings / "expected.json").read_text("utf-8"))


def test_every_recording_is_in_the_list(expected):
    assert expected.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_a_recording_is_read_as_other_decoders_read_it(recordings, expected, name):
    if name.endswith("aedat4"):
        pytest.importorskip("lz4")
    facts = expected[name]
    events = read_events(recordings / name)
    assert events.format == FORMATS[name]
    assert len(events) == facts["events"]
    assert int(events.p.sum()) == facts["on_events"]
    first = [[int(getattr(events, c)[i]) for c in "txyp"] for i in range(5)]
    assert first == facts["first5_txyp"]
    assert (events.t[0], events.t[-1]) == (facts["t_first_us"], facts["t_last_us"])
    if facts["sensor"] != "N-CARS crop":
        assert f"{events.width}x{events.height}" == facts["sensor"]
    for column, key in SUMS.items():
        array = getattr(events, column)
        little = array.astype(array.dtype.newbyteorder("<"))
        assert hashlib.sha256(little.tobytes()).hexdigest() == facts[key], column


@pytest.mark.parametrize("name", FORMATS)
def test_pieces_joined_are_the_whole(recordings, name):
    if name.endswith("aedat4"):
        pytest.importorskip("lz4")
    whole = read_events(recordings / name)
    pieces = list(iterate_events(recordings / name))
    for column in "txyp":
        joined = np.concatenate([getattr(piece, column) for piece in pieces])
        assert np.array_equal(joined, getattr(whole, column))


def test_the_bench_prints_a_rate_and_refuses_what_it_cannot_read(recordings, tmp_path, capsys):
    assert bench.main([str(recordings / "ncars_sample.dat"), "--repeat", "1"]) == 0
    assert ": dat, 2009 events in " in capsys.readouterr().out
    assert bench.main([str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("error: ")

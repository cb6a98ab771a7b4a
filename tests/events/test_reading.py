"""Readers of event files against independent writers, and what bad files are told."""

import struct
import zipfile

import numpy as np
import pytest

from events import writers
from spikeloom.events import EventWarning, file_format, iterate_events, read_events
from spikeloom.events import source as source_module
from spikeloom.spec.errors import DataError

SIZES = {"npy": {"width": 128, "height": 128}}


def random_events(rng, n=300, start=0, step=40, side=34):
    """Rows of neighbours at one time among single events, so that vectors occur."""
    events, t = [], start
    while len(events) < n:
        t += int(rng.integers(0, step))
        y, p = int(rng.integers(side)), int(rng.integers(2))
        count = int(rng.choice([1, 1, 2, 5, 20]))
        for x in sorted(rng.choice(side, count, replace=False).tolist()):
            events.append((t, x, y, p))
    return events


def rows(events):
    return list(zip(*(getattr(events, name).tolist() for name in "txyp"), strict=True))


def write(tmp_path, name, events, **options):
    writer, suffix, _ = writers.WRITERS[name]
    path = tmp_path / f"file{suffix}"
    path.write_bytes(writer(events, **options))
    return path


@pytest.mark.parametrize("block", [1 << 17, 120])
@pytest.mark.parametrize("name", writers.WRITERS)
def test_a_file_is_read_as_it_was_written(tmp_path, rng, monkeypatch, name, block):
    monkeypatch.setattr(source_module, "BLOCK_BYTES", block)
    monkeypatch.setattr("spikeloom.events.event_stream.BLOCK_BYTES", block)
    for round_ in range(5):
        step = [40, 1, 300, 3000, 10][round_]
        events = random_events(rng, step=step)
        path = write(tmp_path, name, events)
        got = read_events(path, **SIZES.get(name, {}))
        assert rows(got) == events
        assert [getattr(got, c).dtype for c in "txyp"] == [np.int64, np.uint16, np.uint16, np.uint8]
        assert got.format == file_format(path) == name
        pieces = [rows(e) for e in iterate_events(path, **SIZES.get(name, {}))]
        assert [row for piece in pieces for row in piece] == events


@pytest.mark.parametrize("name", [n for n, w in writers.WRITERS.items() if w[2]])
def test_times_go_on_beyond_the_file_s_counter(tmp_path, rng, monkeypatch, name):
    monkeypatch.setattr(source_module, "BLOCK_BYTES", 240)
    period = 1 << writers.WRITERS[name][2]
    events = random_events(rng, 400, start=period - 2000)
    step = period // 3  # and quiet times of a third of the period, over several wraps
    events += [(events[-1][0] + (i + 1) * step, 1, 2, 1) for i in range(10)]
    got = read_events(write(tmp_path, name, events))
    assert rows(got) == events


def test_aedat2_times_of_31_bits_go_on(tmp_path, rng):
    events = random_events(rng, 200, start=(1 << 31) - 1000)
    events += [(events[-1][0] + (i + 1) * (1 << 29), 1, 2, 1) for i in range(12)]
    path = write(tmp_path, "aedat2", events, bits=31)
    assert rows(read_events(path)) == events


def test_evt3_steps_back_across_a_wrap_stay_steps_back(tmp_path):
    words = [0 << 12 | 3, 6 << 12 | 9]
    for high in (4095, 0, 4095, 0, 1):
        words += [8 << 12 | high, 2 << 12 | high % 100]
    path = tmp_path / "f.raw"
    path.write_bytes(b"% evt 3.0\n% geometry 128x128\n" + struct.pack(f"<{len(words)}H", *words))
    with pytest.raises(DataError, match=r"event 2 must not be before event 1"):
        read_events(path)
    got = read_events(path, order="sort")
    assert (got.t >> 12).tolist() == [4095, 4095, 4096, 4096, 4097]


def test_davis_words_of_frames_are_left_out(tmp_path, rng):
    events = random_events(rng)
    path = tmp_path / "f.aedat"
    path.write_bytes(writers.aedat2_davis(events))
    got = read_events(path)
    assert rows(got) == events
    assert (got.width, got.height) == (240, 180)


def test_nmnist_row_240_adds_time(tmp_path):
    events = [(5, 1, 1, 0), (5, 0, 240, 0), (6, 2, 2, 1), (6, 0, 240, 1), (9, 3, 3, 1)]
    got = read_events(write(tmp_path, "nmnist", events))
    assert rows(got) == [(5, 1, 1, 0), (6 + 8192, 2, 2, 1), (9 + 16384, 3, 3, 1)]


@pytest.mark.parametrize("compression", range(5))
def test_aedat4_is_read_with_every_compression(tmp_path, rng, compression):
    if compression:
        pytest.importorskip("lz4" if compression < 3 else "zstandard")
    events = random_events(rng)
    path = write(tmp_path, "aedat4", events, compression=compression)
    assert rows(read_events(path)) == events


def test_a_compressed_aedat4_without_the_packages_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install lz4"):
        read_events(write(tmp_path, "aedat4", [], compression=1))


def test_a_packet_that_grows_without_end_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("zstandard")
    pytest.importorskip("lz4")
    monkeypatch.setattr("spikeloom.events.aedat4.PACKET_BYTES", 3 << 20)
    for compression in (1, 3):
        path = write(tmp_path, "aedat4", [(0, 0, 0, 0)] * 10, compression=compression)
        bomb = writers.compress(bytes(64 << 20), compression)
        path.write_bytes(path.read_bytes() + struct.pack("<ii", 0, len(bomb)) + bomb)
        with pytest.raises(DataError, match=r"a packet must have at most 3145728 bytes"):
            read_events(path)


RECORDS = {"nmnist": 5, "bs2": 5, "dat": 8, "aedat2": 8, "evt2": 4, "evt3": 2}


@pytest.mark.parametrize("name", [*RECORDS, "es", "aedat3", "aedat4"])
def test_a_file_that_breaks_off_is_read_up_to_there_if_lenient(tmp_path, rng, name):
    events = random_events(rng, 30)
    path = write(tmp_path, name, events)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    known = {"aedat3": None, "aedat4": None, "es": len(whole) - 5}
    offset = known.get(name, len(whole) - RECORDS.get(name, 0))
    at = r"\d+" if offset is None else str(offset)
    with pytest.raises(DataError, match=rf"file\.\w+: must end with .* offset {at} \("):
        read_events(path)
    with pytest.warns(EventWarning, match=rf"breaks off at offset {at} \("):
        got = rows(read_events(path, lenient=True))
    assert got == events[: len(got)]
    lost = {"aedat3": 0, "aedat4": 7, "evt2": 0, "evt3": 0}.get(name, 1)
    assert len(events) - lost <= len(got) <= len(events) - min(lost, 1)


def test_times_that_go_back_are_refused_or_sorted(tmp_path):
    events = [(10, 1, 1, 0), (30, 2, 2, 1), (20, 3, 3, 1), (20, 4, 4, 0)]
    path = write(tmp_path, "dat", events)
    with pytest.raises(DataError, match=r"event 2 must not be before event 1, at 30 us, but is at"):
        read_events(path)
    assert rows(read_events(path, order="sort")) == sorted(events, key=lambda e: e[0])
    with pytest.raises(DataError, match=r"^order must be error or sort"):
        read_events(path, order="any")


def test_times_that_go_back_between_two_blocks_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "BLOCK_BYTES", 16)
    path = write(tmp_path, "dat", [(10, 1, 1, 0), (30, 2, 2, 1), (20, 3, 3, 1)])
    with pytest.raises(DataError, match=r"event 2 must not be before event 1, at 30 us"):
        list(iterate_events(path))


def test_events_outside_the_sensor_are_refused_dropped_or_clipped(tmp_path):
    path = write(tmp_path, "dat", [(1, 1, 1, 0), (2, 200, 5, 1), (3, 7, 300, 1)])
    with pytest.raises(DataError, match=r"event 1 must be inside the sensor of 128 x 128, not"):
        read_events(path)
    assert rows(read_events(path, outside="drop")) == [(1, 1, 1, 0)]
    assert rows(read_events(path, outside="clip"))[1:] == [(2, 127, 5, 1), (3, 7, 127, 1)]
    assert len(read_events(path, width=201, height=301)) == 3
    with pytest.raises(DataError, match=r"^outside must be"):
        read_events(path, outside="no")


def test_the_davis_column_left_of_the_sensor_is_refused(tmp_path):
    path = tmp_path / "f.aedat"
    path.write_bytes(b"#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n" + struct.pack(">II", 999 << 12, 1))
    with pytest.raises(DataError, match=r"event 0 must be inside .* not at x -760"):
        read_events(path)


def test_a_polarity_other_than_0_and_1_is_refused(tmp_path):
    path = write(tmp_path, "dat", [(1, 1, 1, 0), (2, 2, 2, 3)])
    with pytest.raises(DataError, match=r"the polarity of event 1 must be 0 or 1, not 3"):
        read_events(path)


BAD = {
    "empty": (b"", r"must hold events, but is empty"),
    "noise": (b"\x01\x02\x03 nothing", r"starts with 01 02 03 .*, which no known format does"),
    "aedat3": (b"#!AER-DAT3.1\r\n#!END-HEADER\r\n", r"must name a DVS128, DAVIS240, DAVIS346 in"),
    "aedat3_open": (b"#!AER-DAT3.1\r\n", r"must have the line #!END-HEADER at the end of its"),
    "aedat3_size": (
        b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
        + struct.pack("<HHIIIIII", 1, 1, 6, 4, 0, 1, 1, 1)
        + bytes(6),
        r"the events at offset 47 must have 8 bytes, not 6",
    ),
    "aedat3_packet": (
        b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
        + struct.pack("<HHIIIIII", 1, 1, 8, 4, 0, 1, 2, 1),
        r"the packet at offset 47 must have 2 of at most 1 events",
    ),
    "aedat30": (b"#!AER-DAT3.0\r\n", r"must be AEDAT 2.0, 3.1 or 4.0, not '3.0'"),
    "nochip": (b"#!AER-DAT2.0\r\n", r"must name the camera .* choose the format aedat2-dvs128"),
    "chip": (b"#!AER-DAT2.0\r\n# AEChip: a.Cochlea\r\n", r"must be DVS128 or DAVIS240, not 'Coch"),
    "line": (b"#!AER-DAT2.0 without end", r"the header line at offset 0 must end with a line feed"),
    "evt4": (b"% evt 4.0\n", r"must be EVT 2.0 or EVT 3.0, not 'evt4'"),
    "size": (b"% evt 2.0\n", r"must tell the sensor's size"),
    "datversion": (b"% Version 1\n", r"must say Version 2, not '1'"),
    "dattype": (b"% Version 2\n\x05\x08", r"must have type 0 or 12 .* offset 12, not \[5, 8\]"),
    "datend": (b"% Version 2\n", r"offset 12, not the end"),
    "es": (b"Event Stream\x03\x00\x00\x01\x01\x00\x01\x00", r"version 2 of type 1 \(DVS\), not 3"),
    "esend": (b"Event Stream\x02", r"must have a header of 20 bytes, not 13"),
    "essize": (b"Event Stream\x02\0\0\x01\0\0\0\0", r"width must be from 1 to 65536, not 0"),
    "evt2kind": (b"% evt 2.0\n% geometry 9x9\n\0\0\0\x50", r"at offset 25 must be of kind 0, 1, 8"),
    "evt3kind": (b"% evt 3.0\n% geometry 9x9\n\0\x90", r"offset 25 must be of kind 0, 2, .* not 9"),
    "aedat4": (b"#!AER-DAT4.0\r\n\xff\xff\xff\x7f", r"the header is not as expected: its 2147"),
    "npy": (b"\x93NUMPY\x01\x00", r"give width and height"),
    "npz": (b"PK\x03\x04", r"must be an npz file"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_reason(tmp_path, name):
    data, message = BAD[name]
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as error:
        read_events(path)
    assert str(error.value).startswith(str(tmp_path)) or name == "essize"


def test_unknown_words_are_passed_over_if_lenient(tmp_path):
    words = [0, 6 << 12, 8 << 12, 9 << 12, 2 << 12 | 5]
    path = tmp_path / "f.raw"
    path.write_bytes(b"% evt 3.0\n% geometry 9x9\n" + struct.pack("<5H", *words))
    with pytest.warns(EventWarning, match=r"offset 31 must be of kind .* not 9 \(1 such words"):
        assert rows(read_events(path, lenient=True)) == [(0, 5, 0, 0)]


def test_what_is_no_file_and_bad_arguments_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"must be a file of events, but is a folder"):
        read_events(tmp_path)
    with pytest.raises(DataError, match=r"missing or no regular file"):
        read_events(tmp_path / "none.bin")
    with pytest.raises(DataError, match=r"must be a file of events"):
        read_events("/dev/zero")
    path = write(tmp_path, "dat", [(1, 1, 1, 0), (2, 1, 1, 0)])
    with pytest.raises(DataError, match=r"^format must be one of aedat2, .*, not 'x'"):
        read_events(path, format="x")
    with pytest.raises(DataError, match=r"^give width and height together"):
        read_events(path, width=3)
    with pytest.raises(DataError, match=r"holds more than 1 events; use iterate_events"):
        read_events(path, max_events=1)


def test_an_object_array_is_not_unpickled(tmp_path):
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return (marker.write_text, ("it ran",))

    path = tmp_path / "f.npy"
    np.save(path, np.array([Payload()], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"must hold plain values, not Python objects"):
        read_events(path, width=9, height=9)
    np.savez(tmp_path / "f.npz", t=np.array([Payload()], object), x=1, y=1, p=1, width=9, height=9)
    with pytest.raises(DataError, match=r"f.npz: t must hold plain values"):
        read_events(tmp_path / "f.npz")
    assert not marker.exists()


@pytest.mark.parametrize("version", [1, 2])
def test_a_header_that_takes_long_to_evaluate_is_refused(tmp_path, version):
    header = b"-" * 20_000 + b"1\n"
    length = len(header).to_bytes(2 * version, "little")
    path = tmp_path / "f.npy"
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + header)
    with pytest.raises(DataError, match=r"the header is longer than 10000 bytes"):
        read_events(path, width=9, height=9)


@pytest.mark.parametrize("t", [np.array([0.5, 1.0]), np.array([-1, 2]), np.array([2**63 + 5] * 2)])
def test_times_that_are_no_whole_microseconds_are_refused(tmp_path, t):
    ones = np.ones(2, np.uint8)
    np.savez(tmp_path / "f.npz", t=t, x=ones, y=ones, p=ones, width=9, height=9)
    with pytest.raises(DataError, match=r"t must be whole numbers|time of event 0 must be from 0"):
        read_events(tmp_path / "f.npz")


def test_an_archive_without_a_needed_array_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        archive.writestr("width", b"")
        archive.writestr("height.npy", b"x")
    with pytest.raises(DataError, match=r"must hold width and height; or give them"):
        read_events(tmp_path / "f.npz")
    with pytest.raises(DataError, match=r"must hold the array t; it holds height"):
        read_events(tmp_path / "f.npz", width=9, height=9)


def test_what_is_saved_is_read_again(tmp_path, rng):
    events = read_events(write(tmp_path, "es", random_events(rng)))
    events.save(tmp_path / "saved.npz")
    again = read_events(tmp_path / "saved.npz")
    assert rows(again) == rows(events)
    assert (again.width, again.height) == (128, 128)

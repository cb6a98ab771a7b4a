"""DVS128 Gesture in the layout of its archive: recordings, labels, and the two lists."""

import numpy as np
import pytest

from events import writers
from spikeloom.datasets import load_dataset
from spikeloom.events import Events
from spikeloom.spec.errors import DataError

HEADER = "class,startTime_usec,endTime_usec\n"


def row(e, at):
    return int(e.t[at]), int(e.x[at]), int(e.y[at]), int(e.p[at])


def archive(folder, recordings):
    """Write (list, name, events as rows, lines of labels) as the archive has them."""
    folder.mkdir(exist_ok=True)
    lists = {"trials_to_train.txt": [], "trials_to_test.txt": []}
    for which, name, events, lines in recordings:
        lists[f"trials_to_{which}.txt"].append(f"{name}.aedat")
        (folder / f"{name}.aedat").write_bytes(writers.aedat3(events, packet=500))
        (folder / f"{name}_labels.csv").write_text(HEADER + "".join(f"{x}\n" for x in lines))
    for name, listed in lists.items():
        (folder / name).write_text("\n".join(listed) + "\n\n")


EVENTS = [(t, t % 128, 3, t % 2) for t in range(0, 1000, 10)]


@pytest.mark.parametrize("place", [".", "DvsGesture"])
def test_gestures_are_parts_of_recordings(tmp_path, place):
    archive(
        tmp_path / place,
        [
            ("train", "user01_led", EVENTS, ["2,100,200", "11,200,990"]),
            ("test", "user02_lab", EVENTS[:20], ["1,0,191"]),
            ("train", "user03_fluorescent", EVENTS, ["8,985,5000"]),
        ],
    )
    dataset = load_dataset("dvs128_gesture", tmp_path)
    assert dataset.classes == 11
    assert dataset.train.labels.tolist() == [1, 10, 7]
    assert dataset.test.labels.tolist() == [0]
    assert dataset.train[0].t.tolist() == list(range(100, 200, 10))
    assert row(dataset.train[1], 0) == (200, 200 % 128, 3, 0)
    assert [len(e) for e in dataset.train] == [10, 79, 1]
    assert [len(e) for e in dataset.train[1:]] == [79, 1]
    assert (dataset.test[0].width, len(dataset.test[0])) == (128, 20)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1,5,5\n", r"line 2 must hold a class from 1 to 11 and a start before the end, not"),
        ("12,5,6\n", r"line 2 must hold a class from 1 to 11"),
        ("1,5\n", r"line 2 must hold three numbers, not \['1', '5'\]"),
        ("a,5,6\n", r"line 2 must hold three numbers"),
    ],
)
def test_wrong_labels_are_named(tmp_path, lines, message):
    archive(tmp_path, [(w, f"user_{w}", EVENTS, ["1,0,99"]) for w in ("train", "test")])
    path = tmp_path / "user_test_labels.csv"
    path.write_text(HEADER + lines)
    with pytest.raises(DataError, match=rf"user_test_labels.csv: {message}"):
        load_dataset("dvs128_gesture", tmp_path)
    path.write_text("a,b\n")
    with pytest.raises(DataError, match=r"labels.csv must start with class,startTime_usec,endTime"):
        load_dataset("dvs128_gesture", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"user_test_labels.csv must be readable text"):
        load_dataset("dvs128_gesture", tmp_path)


def test_wrong_lists_are_named(tmp_path):
    archive(tmp_path, [(w, f"user_{w}", EVENTS, ["1,0,99"]) for w in ("train", "test")])
    for text, message in [
        ("../a.aedat", r"trials_to_test.txt must hold names of files, not '../a.aedat'"),
        ("b.aedat", r"must hold b.aedat, which trials_to_test.txt lists"),
        ("", r"trials_to_test.txt must list at least one recording"),
    ]:
        (tmp_path / "trials_to_test.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            load_dataset("dvs128_gesture", tmp_path)


def test_real_recordings_survive_the_archive_s_format(data, tmp_path):
    """The recordings at hand, which have no labels, written as the archive would hold them."""
    real = load_dataset("dvs128_gesture", data / "dvs128_gesture").train
    sample: Events = real[0]
    part = slice(0, 20_000)
    rows = np.stack([getattr(sample, c)[part].astype(np.int64) for c in "txyp"], 1).tolist()
    stop = rows[-1][0] + 1
    names = ("train", "test")
    archive(tmp_path, [(w, f"user_{w}", rows, [f"5,{rows[0][0]},{stop}"]) for w in names])
    got = load_dataset("dvs128_gesture", tmp_path).test[0]
    for column in "txyp":
        assert np.array_equal(getattr(got, column), getattr(sample, column)[part])

"""N-MNIST and DVS128 Gesture: both layouts, and what damaged files are told."""

import numpy as np
import pytest

from spikeloom.datasets import EventSamples, SampleSet, load_dataset
from spikeloom.events import read_events
from spikeloom.spec.errors import DataError


def arrays(**changes):
    base = {
        "t": np.array([1, 5, 0, 2, 9], np.uint32),
        "x": np.array([1, 2, 3, 4, 33], np.uint8),
        "y": np.array([5, 6, 7, 8, 33], np.uint8),
        "p": np.array([0, 1, 1, 0, 1], np.uint8),
        "offsets": np.array([0, 2, 2, 5]),
        "label": np.array([3, 0, 9], np.uint8),
    }
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "nmnist_train3.npz", **arrays())
    np.savez(tmp_path / "nmnist_test3.npz", **arrays(label=np.array([1, 2, 3])))
    return tmp_path


def test_joined_samples_are_parted_at_their_offsets(folder):
    dataset = load_dataset("nmnist", folder)
    assert isinstance(dataset, SampleSet)
    assert (len(dataset.train), len(dataset.test), dataset.classes) == (3, 3, 10)
    assert dataset.train.labels.tolist() == [3, 0, 9]
    assert dataset.test.labels.tolist() == [1, 2, 3]
    assert [e.t.tolist() for e in dataset.train] == [[1, 5], [], [0, 2, 9]]
    assert dataset.train[-1].x.tolist() == [3, 4, 33]
    assert [len(e) for e in dataset.train[1:]] == [0, 3]
    assert (dataset.train[0].width, dataset.train[0].height) == (34, 34)
    with pytest.raises(IndexError, match=r"^there are 3 samples, not one of index 3"):
        dataset.train[3]


def test_folders_of_bin_files_are_listed_and_read_when_asked_for(tmp_path):
    for split in ("Train", "Test"):
        for label in range(10):
            place = tmp_path / split / str(label)
            place.mkdir(parents=True)
            for number in range(2 if split == "Train" else 1):
                (place / f"{number:05}.bin").write_bytes(bytes([label, number, 128, 0, 7]))
    dataset = load_dataset("nmnist", tmp_path)
    assert dataset.train.labels.tolist() == [i // 2 for i in range(20)]
    assert dataset.test.labels.tolist() == list(range(10))
    sample = dataset.train[13]
    assert [int(getattr(sample, c)[0]) for c in "txyp"] == [7, 6, 1, 1]
    (tmp_path / "Train" / "6" / "00001.bin").write_bytes(b"123")
    with pytest.raises(DataError, match=r"6/00001.bin: must end with a whole event of 5 bytes"):
        dataset.train[13]
    (tmp_path / "Test" / "4" / "00000.bin").unlink()
    with pytest.raises(DataError, match=r"Test/4 must hold files \*.bin, but it holds nothing"):
        load_dataset("nmnist", tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offsets": np.array([0, 2, 2, 4])}, r"offsets must rise from 0 to 5, not from 0 to 4"),
        ({"offsets": np.array([0, 3, 2, 5])}, r"offsets must rise from 0 to 5"),
        ({"offsets": np.array([0.0, 5.0])}, r"offsets must be whole numbers"),
        ({"offsets": None}, r"must hold the array offsets; it holds t, x, y, p, label"),
        ({"label": np.array([1, 2])}, r"label must be 3 whole numbers, not int64 of shape \(2,\)"),
        ({"label": np.array([1, 10, 2])}, r"label must be from 0 to 9, not 10 \(sample 1\)"),
        ({"t": np.array([1, 2])}, r"t, x, y and p must have one length"),
        ({"p": np.zeros(5)}, r"p must be whole numbers in one dimension, not float64"),
    ],
)
def test_damaged_files_are_refused(folder, changes, message):
    np.savez(folder / "nmnist_train3.npz", **arrays(**changes))
    with pytest.raises(DataError, match=rf"nmnist_train3.npz.*{message}"):
        load_dataset("nmnist", folder)


def test_a_damaged_sample_is_refused_when_it_is_read(folder):
    np.savez(folder / "nmnist_train3.npz", **arrays(t=np.array([1, 5, 9, 2, 9])))
    samples = load_dataset("nmnist", folder).train
    assert len(samples[0]) == 2
    with pytest.raises(DataError, match=r"train3.npz: sample 2: event 1 must not be before"):
        samples[2]


def test_missing_files_and_names_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"must hold the folders Train and Test, or nmnist_train"):
        load_dataset("nmnist", tmp_path / "none")
    (folder / "nmnist_train4.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"must hold one nmnist_train\*.npz, not 2"):
        load_dataset("nmnist", folder)
    with pytest.raises(DataError, match=r"^dataset must be one of digits, mnist, .*, not 'x'"):
        load_dataset("x", folder)
    with pytest.raises(DataError, match=r"^data_dir must name the folder of the files of fsdd"):
        load_dataset("fsdd")


def test_gestures_have_no_labels(tmp_path):
    np.savez(tmp_path / "dvs128_gesture_3.npz", **arrays(label=None))
    dataset = load_dataset("dvs128_gesture", tmp_path)
    assert dataset.train.labels is dataset.test.labels is None
    assert (len(dataset.train), len(dataset.test)) == (3, 0)
    assert dataset.train[0].width == 128


def test_recorded_samples_are_those_of_their_original_files(data):
    dataset = load_dataset("nmnist", data / "nmnist")
    assert (len(dataset.train), len(dataset.test)) == (900, 100)
    assert np.bincount(dataset.train.labels).tolist() == [87, 106, 93, 86, 95, 81, 82, 98, 80, 92]
    assert sum(len(e) for e in dataset.train) == 3712168
    assert sum(len(e) for e in dataset.test) == 385596
    originals = sorted((data / "nmnist" / "original_bin").glob("*.bin"))
    assert len(originals) == 20
    for path in originals:
        label, number = path.stem.split("_")
        sample, original = dataset.train[int(number) - 1], read_events(path)
        assert dataset.train.labels[int(number) - 1] == int(label)
        for column in "txyp":
            assert np.array_equal(getattr(sample, column), getattr(original, column))


def test_a_recorded_gesture_is_that_of_its_original_file(data):
    gestures = load_dataset("dvs128_gesture", data / "dvs128_gesture").train
    assert len(gestures) == 7
    original = read_events(data / "dvs128_gesture" / "1.bs2")
    assert original.format == "bs2"
    for column in "txyp":
        assert np.array_equal(getattr(gestures[0], column), getattr(original, column))
    assert all(len(sample) for sample in gestures)


def test_samples_can_be_made_of_any_npz(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays())
    samples = EventSamples.from_npz(tmp_path / "a.npz", (34, 34), classes=10)
    assert len(samples) == 3
    with pytest.raises(DataError, match=r"sample 2: event 2 must be inside the sensor of 9 x 9"):
        EventSamples.from_npz(tmp_path / "a.npz", (9, 9))[2]

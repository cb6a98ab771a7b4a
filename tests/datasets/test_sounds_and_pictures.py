"""Spoken digits and CIFAR-10: every layout, and what damaged files are told."""

import io
import wave

import numpy as np
import pytest

from spikeloom.datasets import load_dataset
from spikeloom.datasets.pictures import read_batch
from spikeloom.datasets.sounds import hold_out, read_wav
from spikeloom.spec.errors import DataError


def write_wav(path, samples, channels=1, width=2, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def sound_arrays(**changes):
    base = {
        "audio": np.arange(10, dtype=np.int16),
        "offsets": np.array([0, 4, 10]),
        "label": np.array([7, 2], np.uint8),
        "rate": np.int32(8000),
    }
    return {**base, **changes}


def test_joined_sounds_are_parted_at_their_offsets(tmp_path):
    np.savez(tmp_path / "fsdd_train2.npz", **sound_arrays())
    np.savez(tmp_path / "fsdd_test2.npz", **sound_arrays())
    train = load_dataset("fsdd", tmp_path).train
    assert [s.tolist() for s in train] == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9]]
    assert train.labels.tolist() == [7, 2]
    for changes, message in [
        ({"rate": np.int32(16000)}, r"rate must be 8000, not 16000"),
        ({"audio": np.zeros(10)}, r"audio must be int16 in one dimension, not float64"),
        ({"label": np.array([1, 11])}, r"label must be from 0 to 9, not 11 \(sample 1\)"),
    ]:
        np.savez(tmp_path / "fsdd_train2.npz", **sound_arrays(**changes))
        with pytest.raises(DataError, match=rf"fsdd_train2.npz: {message}"):
            load_dataset("fsdd", tmp_path)


@pytest.mark.parametrize("place", ["recordings", "."])
def test_wav_files_are_split_by_their_index(tmp_path, place):
    (tmp_path / place).mkdir(exist_ok=True)
    for name, value in [("3_theo_5", 35), ("1_ann_0", 10), ("3_theo_4", 34), ("0_bob_49", 49)]:
        write_wav(tmp_path / place / f"{name}.wav", np.full(value, -value))
    dataset = load_dataset("fsdd", tmp_path)
    assert dataset.train.labels.tolist() == [0, 3]
    assert dataset.test.labels.tolist() == [1, 3]
    assert [len(s) for s in dataset.train] == [49, 35]
    assert dataset.test[1].tolist() == [-34] * 34
    assert dataset.test[0].dtype == np.int16


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: write_wav(p, np.zeros(8), channels=2), r"1 channel, 16 bits .*, not 2, 16"),
        (lambda p: write_wav(p, np.zeros(8), rate=44100), r"and 8000 Hz, not 1, 16 and 44100"),
        (lambda p: p.write_bytes(b""), r"must be a readable wav file: it ends early"),
        (lambda p: p.write_bytes(b"RIFF noise of no kind"), r"must be a readable wav file: "),
    ],
)
def test_other_wav_files_are_refused(tmp_path, make, message):
    make(tmp_path / "1_ann_0.wav")
    with pytest.raises(DataError, match=rf"1_ann_0.wav must .*{message}|{message}"):
        read_wav(tmp_path / "1_ann_0.wav")


def test_damaged_wav_files_give_samples_or_a_data_error(tmp_path):
    seed = 4
    print("seed", seed)
    rng = np.random.default_rng(seed)
    write_wav(tmp_path / "a.wav", rng.integers(-999, 999, 300))
    good, seen = (tmp_path / "a.wav").read_bytes(), set()
    for _ in range(500):
        cut = rng.integers(2) * int(rng.integers(len(good)))
        data = bytearray(good[: len(good) - cut])
        for _ in range(int(rng.integers(0, 4))):
            data[int(rng.integers(len(data)))] = int(rng.integers(256))
        (tmp_path / "a.wav").write_bytes(data)
        try:
            seen.add(read_wav(tmp_path / "a.wav").dtype)
        except DataError:
            seen.add("error")
    assert seen == {np.dtype(np.int16), "error"}


def test_recorded_digits_are_balanced(data):
    dataset = load_dataset("fsdd", data / "fsdd")
    assert (len(dataset.train), len(dataset.test)) == (2400, 300)
    assert np.bincount(dataset.train.labels).tolist() == [240] * 10
    assert np.bincount(dataset.test.labels).tolist() == [30] * 10
    assert all(1000 < len(s) < 20000 for s in dataset.test)


def test_a_speaker_is_held_out(data):
    """Real recordings: 400 and 50 of each of six speakers."""
    dataset = load_dataset("fsdd", data / "fsdd")
    held = hold_out(dataset, "lucas")
    assert (len(held.train), len(held.test)) == (2000, 450)
    assert set(held.train.speakers) == {"george", "jackson", "nicolas", "theo", "yweweler"}
    assert set(held.test.speakers) == {"lucas"}
    assert np.bincount(held.train.labels).tolist() == [200] * 10
    assert np.bincount(held.test.labels).tolist() == [45] * 10
    places = np.flatnonzero(dataset.train.speakers == "lucas")
    assert np.array_equal(held.test[7], dataset.train[int(places[7])])
    places = np.flatnonzero(dataset.test.speakers == "lucas")
    assert np.array_equal(held.test[-50], dataset.test[int(places[0])])
    others = {sound.tobytes() for sound in held.train[:]}
    assert not others & {sound.tobytes() for sound in held.test[:]}
    names = "george, jackson, lucas, nicolas, theo, yweweler"
    with pytest.raises(DataError, match=f"^holdout_speaker must be one of {names}, not 'anna'"):
        hold_out(dataset, "anna")


def test_speakers_of_wav_files_and_of_files_without_them(tmp_path):
    for name in ("3_theo_5", "1_ann_0", "3_theo_4", "0_bob_49"):
        write_wav(tmp_path / f"{name}.wav", np.full(9, 5))
    held = hold_out(load_dataset("fsdd", tmp_path), "theo")
    assert held.train.speakers.tolist() == ["bob"]
    assert held.test.labels.tolist() == [3, 3]
    for split in ("train", "test"):
        np.savez(tmp_path / f"fsdd_{split}2.npz", **sound_arrays())
    with pytest.raises(DataError, match=r"^holdout_speaker must be absent with these files"):
        hold_out(load_dataset("fsdd", tmp_path), "theo")
    names, index = np.array(["ann", "bob"]), np.array([0, 1], np.uint8)
    for changes, message in [
        ({"speakers": names, "speaker": index + 1}, r"speaker must be from 0 to 1, not 2 \(sampl"),
        ({"speakers": names, "speaker": index[:1]}, r"speaker must be 2 whole numbers, not uint8"),
        ({"speakers": index, "speaker": index}, r"speakers must be names in one dimension, not u"),
    ]:
        np.savez(tmp_path / "fsdd_train2.npz", **sound_arrays(**changes))
        with pytest.raises(DataError, match=rf"fsdd_train2.npz: {message}"):
            load_dataset("fsdd", tmp_path)


def cifar_folder(folder, rng, count=3):
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        records = rng.integers(0, 256, (count, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        (folder / name).write_bytes(records.tobytes())
    return records


def test_the_binary_version_is_read_channels_first(tmp_path, rng):
    last = cifar_folder(tmp_path, rng)
    dataset = load_dataset("cifar10", tmp_path)
    assert dataset.train_values.shape == (15, 3072)
    assert dataset.shape == (3, 32, 32)
    assert np.array_equal(dataset.test_values, last[:, 1:])
    assert np.array_equal(dataset.test_labels, last[:, 0])
    second = np.frombuffer((tmp_path / "data_batch_2.bin").read_bytes(), np.uint8)
    assert np.array_equal(dataset.train_values[3], second[1:3073])


def test_damaged_batches_are_refused(tmp_path, rng):
    cifar_folder(tmp_path, rng)
    path = tmp_path / "test_batch.bin"
    data = bytearray(path.read_bytes())
    data[3073] = 10
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"must hold labels from 0 to 9, not 10 at offset 3073"):
        load_dataset("cifar10", tmp_path)
    path.write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"must have 1 to 10000 records of 3073 bytes, not 9218"):
        read_batch(path)


def test_pickles_are_refused(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02")
    with pytest.raises(DataError, match=r"as Python pickles, which run code when they are read"):
        load_dataset("cifar10", tmp_path)
    with pytest.raises(DataError, match=r"must hold data_batch_1.bin to 5 and test_batch.bin"):
        load_dataset("cifar10", tmp_path / "none")


def write_jpegs(path, pictures, labels):
    image = pytest.importorskip("PIL.Image")
    blobs = []
    for picture in pictures:
        stream = io.BytesIO()
        image.fromarray(picture).save(stream, "JPEG")
        blobs.append(stream.getvalue())
    offsets = np.cumsum([0] + [len(b) for b in blobs])
    np.savez(path, jpeg=np.frombuffer(b"".join(blobs), np.uint8), offsets=offsets, label=labels)


def test_jpegs_are_decoded_and_damaged_ones_refused(tmp_path):
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 254
    for split in ("train", "test"):
        write_jpegs(tmp_path / f"cifar10_jpeg_{split}.npz", [red, red // 2], [4, 5])
    values = load_dataset("cifar10", tmp_path).train_values.reshape(2, 3, 32, 32)
    assert set(values[0, 0].ravel().tolist()) == {254}
    assert values[0, 1:].max() <= 1
    write_jpegs(tmp_path / "cifar10_jpeg_test.npz", [red, red[:31]], [4, 5])
    with pytest.raises(DataError, match=r"picture 1 must be 32 x 32 RGB, not 32 x 31 RGB"):
        load_dataset("cifar10", tmp_path)
    blob = np.zeros(9, np.uint8)
    np.savez(tmp_path / "cifar10_jpeg_test.npz", jpeg=blob, offsets=np.array([0, 9]), label=[1])
    with pytest.raises(DataError, match=r"picture 0 must be a whole JPEG: "):
        load_dataset("cifar10", tmp_path)


def test_jpeg_copies_of_the_pictures_are_read(data):
    pytest.importorskip("PIL")
    dataset = load_dataset("cifar10", data / "cifar10_jpeg")
    assert dataset.train_values.shape == (8000, 3072)
    assert np.bincount(dataset.test_labels).tolist() == [200] * 10
    assert 100 < dataset.train_values.mean() < 140


def test_grey_pictures_are_those_of_the_trainer(data):
    dataset = load_dataset("mnist", data / "mnist")
    assert dataset.train_values.shape == (60000, 784)

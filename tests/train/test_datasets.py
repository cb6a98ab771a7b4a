"""Data sets: the digits split, idx files, and what damaged ones are told."""

import gzip
import struct

import numpy as np
import pytest

from spikeloom.spec.errors import DataError
from spikeloom.train.datasets import IDX_FILES, load_dataset, read_idx, stratified


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + (
        array.astype(np.uint8).tobytes()
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    for key, name in IDX_FILES.items():
        n = 20 if key.startswith("train") else 8
        shape = (n, 4, 3) if key.endswith("values") else (n,)
        array = rng.integers(0, 256 if key.endswith("values") else 10, shape)
        (tmp_path / name).write_bytes(idx_bytes(array))
    return tmp_path


def test_digits_are_split_stratified_and_always_alike():
    a, b = load_dataset("digits"), load_dataset("digits")
    assert a.train_values.shape == (1437, 64)
    assert a.test_values.shape == (360, 64)
    assert a.train_values.max() == a.maximum == 16
    assert np.array_equal(a.test_values, b.test_values)
    counts = np.bincount(a.test_labels)
    assert counts.min() >= 34
    assert counts.max() <= 38
    assert a.test_labels[:12].tolist() == b.test_labels[:12].tolist()


def test_digits_split_loses_and_repeats_nothing():
    from sklearn.datasets import load_digits

    a = load_dataset("digits")
    rows = np.concatenate([a.train_values, a.test_values]).astype(float)
    assert sorted(map(tuple, rows)) == sorted(map(tuple, load_digits().data))


def test_stratified_takes_each_class_its_share():
    labels = np.repeat(np.arange(3, dtype=np.uint8), [10, 20, 33])
    chosen = stratified(labels, 21, seed=4)
    assert len(set(chosen.tolist())) == 21
    assert np.bincount(labels[chosen]).tolist() == [3, 7, 11]


def test_idx_files_are_read(folder):
    data = load_dataset("mnist", folder)
    assert data.train_values.shape == (20, 12)
    assert data.test_labels.shape == (8,)
    assert data.shape == (4, 3)


def test_gzip_files_are_read_alike(folder):
    plain = load_dataset("mnist", folder)
    for name in IDX_FILES.values():
        data = (folder / name).read_bytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        (folder / name).unlink()
    packed = load_dataset("fashion_mnist", folder)
    assert np.array_equal(plain.train_values, packed.train_values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: b"", r"start with two zero bytes and a type at offset 0, not nothing"),
        (lambda d: b"PK\x03\x04" + d, r"at offset 0, not 50 4b 03 04"),
        (lambda d: d[:2] + b"\x0d" + d[3:], r"type 08 .* offset 2, not 0d and 3"),
        (lambda d: d[:3] + b"\x09" + d[4:], r"offset 2, not 08 and 9"),
        (lambda d: d[:9], r"3 dimensions of 4 bytes at offset 4, but ends at offset 9, not 16"),
        (lambda d: d[:-5], r"have 96 bytes of data from offset 16 .* not 91"),
        (lambda d: d + b"x", r"have 96 bytes .* not 97"),
        (lambda d: d[:4] + b"\xff" * 12, r"have \d{29} bytes of data"),
    ],
)
def test_damaged_idx_file_is_refused(folder, change, message):
    file = folder / IDX_FILES["test_values"]
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(DataError, match=rf"t10k-images-idx3-ubyte must .*{message}"):
        load_dataset("mnist", folder)


@pytest.mark.parametrize("keep", [10, 30, -4])
def test_truncated_gzip_is_refused(tmp_path, keep):
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(idx_bytes(np.arange(200)))[:keep])
    with pytest.raises(DataError, match=r"a\.gz must be a readable idx file, but reading its"):
        read_idx(file)


def test_missing_file_is_named(folder):
    (folder / IDX_FILES["train_labels"]).unlink()
    with pytest.raises(DataError, match=r"must hold train-labels-idx1-ubyte or .*\.gz, but it"):
        load_dataset("mnist", folder)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere must hold train-images.* no such folder"):
        load_dataset("mnist", tmp_path / "nowhere")


def test_absent_data_dir_is_refused():
    with pytest.raises(DataError, match=r"^data_dir must name the folder"):
        load_dataset("mnist")


def test_too_few_labels_are_refused(folder):
    (folder / IDX_FILES["test_labels"]).write_bytes(idx_bytes(np.zeros(7)))
    with pytest.raises(DataError, match=r"a label for each of the 8 images .* not 7$"):
        load_dataset("mnist", folder)


def test_label_out_of_range_is_refused_with_its_offset(folder):
    labels = np.array([0, 1, 2, 10, 4, 5, 6, 7])
    (folder / IDX_FILES["test_labels"]).write_bytes(idx_bytes(labels))
    with pytest.raises(DataError, match=r"labels from 0 to 9, not 10 at offset 11$"):
        load_dataset("mnist", folder)


def test_unknown_dataset_is_refused():
    with pytest.raises(DataError, match=r"^dataset must be one of digits, mnist"):
        load_dataset("cifar10")


def test_mnist_is_the_real_one(mnist_dir):
    data = load_dataset("mnist", mnist_dir)
    assert np.bincount(data.test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert data.train_values.shape == (60000, 784)

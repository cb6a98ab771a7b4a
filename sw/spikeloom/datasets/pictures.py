"""CIFAR-10: the binary version, or JPEG copies in npz files.

The version for Python is made of pickles, which run code when they are read; it is refused.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError
from ..train.datasets import Dataset
from .samples import Labels, missing, one_file, open_archive, read_labels, read_offsets

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS
CLASSES = 10
BATCH = 10_000
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILES = ("test_batch.bin",)

Pictures = tuple[NDArray[np.uint8], Labels]


def read_batch(path: Path) -> Pictures:
    """Read a file of records of 3073 bytes: label, then red, green and blue of 32 x 32.

    Returns
    -------
    uint8 (pictures, 3072), channels first, and uint8 (pictures,).
    """
    try:
        with path.open("rb") as file:
            data = file.read(BATCH * RECORD + 1)
    except OSError as error:
        raise DataError(f"{path} must be readable: {error}") from None
    if not data or len(data) % RECORD or len(data) > BATCH * RECORD:
        raise DataError(
            f"{path} must have 1 to {BATCH} records of {RECORD} bytes, not {path.stat().st_size} "
            "bytes; fetch the file again"
        )
    table = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    bad = table[:, 0] >= CLASSES
    if bad.any():
        where = int(np.argmax(bad))
        raise DataError(
            f"{path} must hold labels from 0 to {CLASSES - 1}, not {table[where, 0]} at offset "
            f"{where * RECORD}"
        )
    return table[:, 1:], table[:, 0].copy()


def _read_batches(folder: Path, names: tuple[str, ...]) -> Pictures:
    parts = [read_batch(folder / name) for name in names]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def read_jpeg(path: Path) -> Pictures:
    """Read an npz file of JPEG pictures: jpeg (all bytes joined), offsets, label."""
    with open_archive(path) as archive:
        blob = archive["jpeg"]
        if blob.dtype != np.uint8 or blob.ndim != 1:
            raise DataError(f"{path}: jpeg must be bytes in one dimension, not {blob.dtype}")
        offsets = read_offsets(path, archive, len(blob))
        labels = read_labels(path, archive, len(offsets) - 1, CLASSES)
    values = np.empty((len(labels), PIXELS), np.uint8)
    for index in range(len(labels)):
        data = blob[offsets[index] : offsets[index + 1]].tobytes()
        try:
            values[index] = _decode(data).transpose(2, 0, 1).reshape(-1)
        except DataError as error:
            raise DataError(f"{path}: picture {index} {error}") from None
    return values, labels


def _decode(data: bytes) -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError:
        raise DataError("needs Pillow, which is not installed; run: pip install pillow") from None
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if image.size == SHAPE[1:] and image.mode == "RGB":
                return np.asarray(image, np.uint8)
            found = f"{image.size[0]} x {image.size[1]} {image.mode}"
    except Exception as error:  # Pillow's decoders raise many kinds
        raise DataError(f"must be a whole JPEG: {type(error).__name__}: {error}") from None
    raise DataError(f"must be 32 x 32 RGB, not {found}")


def load_cifar10(folder: Path) -> Dataset:
    """Read CIFAR-10 from data_batch_1.bin to 5 and test_batch.bin, or from two npz files.

    The npz files of JPEG copies are cifar10_jpeg_train*.npz and cifar10_jpeg_test*.npz.
    Values are uint8 (pictures, 3 * 32 * 32), channels first.
    """
    for place in (folder, folder / "cifar-10-batches-bin"):
        if all((place / name).is_file() for name in TRAIN_FILES + TEST_FILES):
            parts = [_read_batches(place, names) for names in (TRAIN_FILES, TEST_FILES)]
            return _dataset(*parts)
    files = [one_file(folder, f"cifar10_jpeg_{split}*.npz") for split in ("train", "test")]
    if files[0] and files[1]:
        return _dataset(read_jpeg(files[0]), read_jpeg(files[1]))
    if (folder / "data_batch_1").is_file():
        raise DataError(
            f"{folder} holds CIFAR-10 as Python pickles, which run code when they are read; fetch "
            "the binary version (data_batch_1.bin)"
        )
    missing(folder, f"{TRAIN_FILES[0]} to 5 and {TEST_FILES[0]}, or cifar10_jpeg_train*.npz")


def _dataset(train: Pictures, test: Pictures) -> Dataset:
    return Dataset("cifar10", *train, *test, SHAPE, maximum=255, classes=CLASSES)

"""Data sets: digits, MNIST and Fashion-MNIST, from files only; nothing is downloaded."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError

IDX_UINT8 = 8
MAX_IDX_BYTES = 1 << 30
DIGITS_TEST = 360
DIGITS_SPLIT_SEED = 0

IDX_FILES = {
    "train_values": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_values": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
"""The four standard files; each may also end in ``.gz``."""


@dataclass(frozen=True)
class Dataset:
    """Labelled grey images, split into training and test.

    ``*_values`` are uint8 (samples, height * width), 0 to ``maximum``; ``*_labels`` are
    uint8 (samples,), 0 to ``classes`` - 1; ``shape`` is
    (height, width), or (channels, height, width) of colour images.
    """

    name: str
    train_values: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_values: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    shape: tuple[int, ...]
    maximum: int
    classes: int = 10


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an idx file of unsigned bytes, gzip or not (LeCun's format of MNIST).

    Raises
    ------
    DataError
        Naming the file, what was found, what was expected and the offset in bytes (of
        the uncompressed file).
    """
    data = _read(path)
    if len(data) < 4 or data[0] or data[1]:
        raise DataError(
            f"{path} must start with two zero bytes and a type at offset 0, "
            f"not {data[:4].hex(' ') or 'nothing'}"
        )
    if data[2] != IDX_UINT8 or not 1 <= data[3] <= 4:
        raise DataError(
            f"{path} must have the type 08 (unsigned bytes) and 1 to 4 dimensions at offset 2, "
            f"not {data[2]:02x} and {data[3]}"
        )
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(
            f"{path} must have {data[3]} dimensions of 4 bytes at offset 4, but ends at offset "
            f"{len(data)}, not {start}"
        )
    shape = tuple(int(d) for d in np.frombuffer(data, ">u4", data[3], 4))
    size = 1
    for dimension in shape:
        size *= dimension
    if len(data) - start != size:
        raise DataError(
            f"{path} must have {size} bytes of data from offset {start} for the shape {shape}, "
            f"not {len(data) - start}; fetch the file again"
        )
    return np.frombuffer(data, np.uint8, size, start).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MAX_IDX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        size = path.stat().st_size if path.is_file() else 0
        raise DataError(
            f"{path} must be a readable idx file, but reading its {size} bytes failed: {error}; "
            "fetch the file again"
        ) from None
    if len(data) > MAX_IDX_BYTES:
        raise DataError(f"{path} must hold at most {MAX_IDX_BYTES} bytes, not more")
    return data


def _idx_path(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    found = sorted(p.name for p in folder.iterdir())[:5] if folder.is_dir() else None
    state = f"it holds {', '.join(found) or 'nothing'}" if found is not None else "no such folder"
    raise DataError(
        f"{folder} must hold {name} or {name}.gz, but {state}; put the four standard idx files "
        "there (data_dir)"
    )


def load_idx(name: str, folder: Path) -> Dataset:
    """Read the four standard idx files of MNIST or Fashion-MNIST from ``folder``."""
    paths = {key: _idx_path(folder, file) for key, file in IDX_FILES.items()}
    arrays = {key: read_idx(path) for key, path in paths.items()}
    for split in ("train", "test"):
        values, labels = arrays[f"{split}_values"], arrays[f"{split}_labels"]
        paths_of = paths[f"{split}_values"], paths[f"{split}_labels"]
        if values.ndim != 3 or labels.ndim != 1:
            raise DataError(
                f"{paths_of[0]} and {paths_of[1]} must have 3 and 1 dimensions, "
                f"not {values.ndim} and {labels.ndim}"
            )
        if len(values) != len(labels) or not len(values):
            raise DataError(
                f"{paths_of[1]} must have a label for each of the {len(values)} images of "
                f"{paths_of[0]} and at least one, not {len(labels)}"
            )
        if labels.max() > 9:
            where = int(np.argmax(labels > 9))
            raise DataError(
                f"{paths_of[1]} must hold labels from 0 to 9, not {labels[where]} at offset "
                f"{8 + where}"
            )
        arrays[f"{split}_values"] = values.reshape(len(values), -1)
    height, width = read_shape = values.shape[1:]
    if arrays["train_values"].shape[1] != height * width:
        raise DataError(
            f"{paths['train_values']} must hold images of {read_shape}, as "
            f"{paths['test_values']} does, not of {arrays['train_values'].shape[1]} pixels"
        )
    return Dataset(name=name, shape=(height, width), maximum=255, **arrays)


def load_digits() -> Dataset:
    """Return scikit-learn's 8x8 digits, 1437 to train and 360 to test.

    The split is stratified and always the same, whatever the seed of the training.
    """
    try:
        from sklearn.datasets import load_digits as load
    except ImportError:
        raise DataError(
            "the data set digits comes with scikit-learn, which is not installed; "
            "run: pip install scikit-learn"
        ) from None
    bunch = load()
    values = bunch.data.astype(np.uint8)
    labels = bunch.target.astype(np.uint8)
    test = stratified(labels, DIGITS_TEST, DIGITS_SPLIT_SEED)
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Dataset(
        "digits", values[train], labels[train], values[test], labels[test], (8, 8), maximum=16
    )


def stratified(labels: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.int64]:
    """Return ``count`` sorted indices, of each class its share (largest remainders)."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / len(labels))
    take = np.floor(exact).astype(int)
    take[np.argsort(take - exact, kind="stable")[: count - take.sum()]] += 1
    chosen = []
    for label, n in zip(classes, take, strict=True):
        members = np.flatnonzero(labels == label)
        chosen.append(members[np.argsort(generator.random(len(members)))[:n]])
    return np.sort(np.concatenate(chosen))


DATASETS = ("digits", "mnist", "fashion_mnist")


def load_dataset(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Return the data set ``name``, one of :data:`DATASETS`.

    ``data_dir`` is the folder of the idx files; ``digits`` needs none.
    """
    if name == "digits":
        return load_digits()
    if name not in DATASETS:
        raise DataError(f"dataset must be one of {', '.join(DATASETS)}, not {name!r}")
    if data_dir is None:
        raise DataError(f"data_dir must name the folder of the idx files of {name}, not be absent")
    return load_idx(name, Path(data_dir))

"""What the data sets share: joined arrays, labels, and files in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..events.arrays_file import Archive
from ..events.source import Source
from ..spec.errors import DataError

Labels = NDArray[np.uint8]
T = TypeVar("T", bound=Sequence[Any])


@dataclass(frozen=True)
class SampleSet(Generic[T]):
    """A data set of samples of different lengths, split into training and test.

    ``train`` and ``test`` are sequences of samples with the attribute ``labels``, uint8
    (samples,) from 0 to ``classes`` - 1, or None if the files hold none.
    """

    name: str
    train: T
    test: T
    classes: int


def one_file(folder: Path, pattern: str) -> Path | None:
    """Return the file of ``folder`` that fits ``pattern``, or None; two are an error."""
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if len(found) > 1:
        raise DataError(
            f"{folder} must hold one {pattern}, not {len(found)} ({found[0].name}, "
            f"{found[1].name}, ...)"
        )
    return found[0] if found else None


def missing(folder: Path, expected: str) -> NoReturn:
    """Raise :class:`DataError` that ``folder`` does not hold what was expected."""
    state = "there is no such folder"
    if folder.is_dir():
        names = sorted(p.name for p in folder.iterdir())[:5]
        state = f"it holds {', '.join(names) or 'nothing'}"
    raise DataError(f"{folder} must hold {expected}, but {state}; put the files there (data_dir)")


def open_archive(path: Path) -> Archive:
    """Open an npz file that must be there and not empty."""
    with Source(path) as source:
        return Archive(source)


def read_offsets(path: Path, archive: Archive, length: int) -> NDArray[np.int64]:
    """Return the checked ``offsets`` of joined arrays of ``length`` elements.

    Sample i is the part from offsets[i] to offsets[i + 1].
    """
    offsets = archive["offsets"]
    if offsets.dtype.kind not in "ui" or offsets.ndim != 1 or len(offsets) < 1:
        raise DataError(
            f"{path}: offsets must be whole numbers in one dimension, not {offsets.dtype} of "
            f"shape {offsets.shape}"
        )
    if offsets[0] != 0 or offsets[-1] != length or (offsets[1:] < offsets[:-1]).any():
        raise DataError(
            f"{path}: offsets must rise from 0 to {length}, not from {offsets[0]} to {offsets[-1]}"
        )
    return offsets.astype(np.int64)


def read_labels(path: Path, archive: Archive, count: int, classes: int) -> Labels:
    """Return the checked array ``label``, uint8 (count,)."""
    labels = archive["label"]
    if labels.dtype.kind not in "ui" or labels.shape != (count,):
        raise DataError(
            f"{path}: label must be {count} whole numbers, not {labels.dtype} of shape "
            f"{labels.shape}"
        )
    bad = (labels < 0) | (labels >= classes)
    if bad.any():
        where = int(np.argmax(bad))
        raise DataError(
            f"{path}: label must be from 0 to {classes - 1}, not {labels[where]} (sample {where})"
        )
    return labels.astype(np.uint8)


def check_index(index: int, count: int) -> int:
    """Return ``index`` from 0 to ``count`` - 1; negative ones count from the end."""
    if not -count <= index < count:
        raise IndexError(f"there are {count} samples, not one of index {index}")
    return index % count

"""Samples of event cameras from files, and N-MNIST."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..events import Events, read_events
from ..events.array import check_size, whole_numbers
from ..spec.errors import DataError
from .samples import (
    Labels,
    SampleSet,
    check_index,
    missing,
    one_file,
    open_archive,
    read_labels,
    read_offsets,
)

DIGITS = 10
NMNIST_SIZE = (34, 34)


class EventSamples(Sequence[Events]):
    """Samples of events; ``samples[i]`` makes and checks the :class:`Events` of one.

    Attributes
    ----------
    labels
        uint8 (samples,), or None.
    """

    def __init__(
        self, labels: Labels | None, *, paths: Sequence[Path] = (), joined: _Joined | None = None
    ) -> None:
        self.labels = labels
        self._paths = paths
        self._joined = joined

    def __len__(self) -> int:
        return len(self._paths) if self._joined is None else len(self._joined.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> Events: ...
    @overload
    def __getitem__(self, index: slice) -> list[Events]: ...
    def __getitem__(self, index: int | slice) -> Events | list[Events]:
        """Return one sample, or the list of a slice of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = check_index(index, len(self))
        if self._joined is None:
            return read_events(self._paths[index], "nmnist")
        return self._joined.sample(index)

    @classmethod
    def from_npz(
        cls, path: Path, size: tuple[int, int], classes: int | None = None
    ) -> EventSamples:
        """Read joined samples: t (us), x, y, p, offsets and, with ``classes``, label.

        Sample i is the part from offsets[i] to offsets[i + 1] of the four arrays.
        """
        check_size(*size)
        with open_archive(path) as archive:
            arrays = {n: whole_numbers(f"{path}: {n}", archive[n]) for n in "txyp"}
            lengths = {len(a) for a in arrays.values()}
            if len(lengths) > 1:
                raise DataError(f"{path}: t, x, y and p must have one length, not {lengths}")
            offsets = read_offsets(path, archive, lengths.pop())
            count = len(offsets) - 1
            labels = read_labels(path, archive, count, classes) if classes else None
        return cls(labels, joined=_Joined(path, arrays, offsets, size))

    @classmethod
    def from_folders(cls, folder: Path, classes: int) -> EventSamples:
        """List the .bin files of the folders 0 to ``classes`` - 1; they are read later."""
        paths, labels = [], []
        for label in range(classes):
            found = sorted((folder / str(label)).glob("*.bin"))
            if not found:
                missing(folder / str(label), "files *.bin")
            paths += found
            labels += [label] * len(found)
        return cls(np.array(labels, np.uint8), paths=paths)


class _Joined:
    """The arrays of all samples of an npz file."""

    def __init__(
        self,
        path: Path,
        arrays: dict[str, NDArray[Any]],
        offsets: NDArray[np.int64],
        size: tuple[int, int],
    ) -> None:
        self.path, self.arrays, self.offsets, self.size = path, arrays, offsets, size

    def sample(self, index: int) -> Events:
        """Return sample ``index``; errors name the file and the sample."""
        part = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        try:
            t, x, y, p = (self.arrays[n][part] for n in "txyp")
            return Events(t, x, y, p, *self.size, "npz")
        except DataError as error:
            raise DataError(f"{self.path}: sample {index}: {error}") from None


def load_nmnist(folder: Path) -> SampleSet[EventSamples]:
    """Read N-MNIST: folders Train and Test of .bin files by digit, or two npz files.

    The npz files are nmnist_train*.npz and nmnist_test*.npz (:meth:`EventSamples.from_npz`).
    """
    files = [one_file(folder, f"nmnist_{split}*.npz") for split in ("train", "test")]
    if files[0] and files[1]:
        train, test = (EventSamples.from_npz(f, NMNIST_SIZE, DIGITS) for f in files if f)
    elif (folder / "Train").is_dir() and (folder / "Test").is_dir():
        train, test = (EventSamples.from_folders(folder / s, DIGITS) for s in ("Train", "Test"))
    else:
        missing(folder, "the folders Train and Test, or nmnist_train*.npz and nmnist_test*.npz")
    return SampleSet("nmnist", train, test, DIGITS)

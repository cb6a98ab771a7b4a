"""DVS128 Gesture: its files with labels, or joined recordings without.

The data set (Amir et al. 2017, "A low power, fully event-based gesture recognition system") has
AEDAT 3.1 files of several gestures each, a file of labels for each, and two lists that part
them into training and test.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from ..events import Events, read_events
from ..spec.errors import DataError
from .events import EventSamples
from .samples import Labels, SampleSet, check_index, missing, one_file

GESTURES = 11
SIZE = (128, 128)
LISTS = ("trials_to_train.txt", "trials_to_test.txt")
COLUMNS = ["class", "startTime_usec", "endTime_usec"]
MAX_LIST_BYTES = 1 << 20


@dataclass(frozen=True)
class Gesture:
    """A part of a recording: ``label`` 0 to 10, and times in microseconds, the last not in it."""

    path: Path
    label: int
    start: int
    stop: int


class GestureSamples(Sequence[Events]):
    """Gestures; ``samples[i]`` reads the recording that holds one, and keeps it for the next.

    Attributes
    ----------
    labels
        uint8 (samples,), 0 to 10: one less than in the files.
    """

    def __init__(self, gestures: Sequence[Gesture]) -> None:
        self.gestures = gestures
        self.labels: Labels = np.array([g.label for g in gestures], np.uint8)
        self._last: tuple[Path, Events] | None = None

    def __len__(self) -> int:
        return len(self.gestures)

    @overload
    def __getitem__(self, index: int) -> Events: ...
    @overload
    def __getitem__(self, index: slice) -> GestureSamples: ...
    def __getitem__(self, index: int | slice) -> Events | GestureSamples:
        """Return one gesture, or those of a slice, which are read when they are asked for."""
        if isinstance(index, slice):
            return GestureSamples(self.gestures[index])
        gesture = self.gestures[check_index(index, len(self))]
        if self._last is None or self._last[0] != gesture.path:
            self._last = gesture.path, read_events(gesture.path, "aedat3", order="sort")
        e = self._last[1]
        part = slice(*np.searchsorted(e.t, [gesture.start, gesture.stop]))
        return Events(e.t[part], e.x[part], e.y[part], e.p[part], e.width, e.height, e.format)


def read_labels_file(path: Path) -> list[tuple[int, int, int]]:
    """Return (label 0 to 10, start, stop) of each line of a file of labels."""
    rows = list(csv.reader(_text(path).splitlines()))
    if not rows or [name.strip() for name in rows[0]] != COLUMNS:
        raise DataError(
            f"{path} must start with {','.join(COLUMNS)}, not {','.join(rows[0]) if rows else ''!r}"
        )
    out = []
    for number, row in enumerate(rows[1:], 2):
        try:
            label, start, stop = map(int, row)
        except ValueError:
            raise DataError(f"{path}: line {number} must hold three numbers, not {row}") from None
        if not 1 <= label <= GESTURES or not 0 <= start < stop:
            raise DataError(
                f"{path}: line {number} must hold a class from 1 to {GESTURES} and a start before "
                f"the end, not {row}"
            )
        out.append((label - 1, start, stop))
    return out


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
        text = data.decode("ascii")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} must be readable text: {error}") from None
    if len(data) > MAX_LIST_BYTES:
        raise DataError(f"{path} must have at most {MAX_LIST_BYTES} bytes")
    return text


def _listed(folder: Path, name: str) -> GestureSamples:
    found: list[Gesture] = []
    for line in filter(None, map(str.strip, _text(folder / name).splitlines())):
        if Path(line).name != line:
            raise DataError(f"{folder / name} must hold names of files, not {line!r}")
        path = folder / line
        if not path.is_file():
            missing(folder, f"{line}, which {name} lists")
        labels = path.with_name(f"{path.stem}_labels.csv")
        found += [Gesture(path, *row) for row in read_labels_file(labels)]
    if not found:
        raise DataError(f"{folder / name} must list at least one recording, not none")
    return GestureSamples(found)


def load_dvs128_gesture(folder: Path) -> SampleSet[GestureSamples] | SampleSet[EventSamples]:
    """Read DVS128 Gesture: the files of its archive, or one of joined recordings.

    The archive holds trials_to_train.txt and trials_to_test.txt, which list userNN_LIGHT.aedat;
    each has a file userNN_LIGHT_labels.csv.  The npz file dvs128_gesture*.npz has no labels: all
    of its samples are in ``train``, ``test`` is empty, and both have labels None.
    """
    for place in (folder, folder / "DvsGesture"):
        if all((place / name).is_file() for name in LISTS):
            train, test = (_listed(place, name) for name in LISTS)
            return SampleSet("dvs128_gesture", train, test, GESTURES)
    path = one_file(folder, "dvs128_gesture*.npz")
    if path is None:
        missing(folder, f"{LISTS[0]}, {LISTS[1]} and the recordings, or dvs128_gesture*.npz")
    samples = EventSamples.from_npz(path, SIZE)
    return SampleSet("dvs128_gesture", samples, EventSamples(None), GESTURES)

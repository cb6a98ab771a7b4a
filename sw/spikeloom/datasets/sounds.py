"""The Free Spoken Digit Dataset: words of some tenths of a second at 8 kHz."""

from __future__ import annotations

import re
import wave
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from ..events.arrays_file import Archive
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

RATE_HZ = 8000
DIGITS = 10
TEST_INDICES = 5
"""Recordings 0 to 4 of each digit and speaker are the test split, as upstream says."""

WAV_BYTES = 1 << 26
WAV_NAME = re.compile(r"(\d)_([A-Za-z]+)_(\d{1,4})\.wav")

Sound = NDArray[np.int16]
Names = NDArray[np.str_]


class SoundSamples(Sequence[Sound]):
    """Sounds as int16 (length,), mono; ``samples[i]`` reads one.

    Attributes
    ----------
    labels
        uint8 (samples,).
    speakers
        Name of the speaker of each sample (samples,), or None if the files do not say.
    rate_hz
        Samples of sound in a second.
    """

    rate_hz = RATE_HZ

    def __init__(
        self, labels: Labels, sounds: Sequence[Path | Sound], speakers: Names | None = None
    ) -> None:
        self.labels = labels
        self.speakers = speakers
        self._sounds = sounds

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> Sound: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sound]: ...
    def __getitem__(self, index: int | slice) -> Sound | list[Sound]:
        """Return one sound, or the list of a slice of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        sound = self._sounds[check_index(index, len(self))]
        return read_wav(sound) if isinstance(sound, Path) else sound

    @classmethod
    def from_npz(cls, path: Path) -> SoundSamples:
        """Read joined sounds: audio (int16), offsets, label and rate (8000).

        Where there are the arrays speakers (names) and speaker (an index of them for each
        sample), they are read too.
        """
        with open_archive(path) as archive:
            audio, rate = archive["audio"], archive["rate"]
            if audio.dtype != np.int16 or audio.ndim != 1:
                raise DataError(
                    f"{path}: audio must be int16 in one dimension, not {audio.dtype} of shape "
                    f"{audio.shape}"
                )
            if rate.size != 1 or rate.reshape(-1)[0] != RATE_HZ:
                raise DataError(f"{path}: rate must be {RATE_HZ}, not {rate}")
            offsets = read_offsets(path, archive, len(audio))
            labels = read_labels(path, archive, len(offsets) - 1, DIGITS)
            speakers = _read_speakers(path, archive, len(labels))
        return cls(labels, [audio[start:end] for start, end in pairwise(offsets)], speakers)

    def select(self, chosen: NDArray[np.int64]) -> SoundSamples:
        """Return the samples of the indices ``chosen``."""
        speakers = None if self.speakers is None else self.speakers[chosen]
        return SoundSamples(self.labels[chosen], [self._sounds[i] for i in chosen], speakers)

    def joined(self, others: SoundSamples) -> SoundSamples:
        """Return these samples and then ``others``."""
        speakers = None
        if self.speakers is not None and others.speakers is not None:
            speakers = np.concatenate([self.speakers, others.speakers])
        labels = np.concatenate([self.labels, others.labels])
        return SoundSamples(labels, [*self._sounds, *others._sounds], speakers)


def _read_speakers(path: Path, archive: Archive, count: int) -> Names | None:
    if "speaker" not in archive or "speakers" not in archive:
        return None
    names, index = archive["speakers"], archive["speaker"]
    if names.dtype.kind != "U" or names.ndim != 1:
        raise DataError(
            f"{path}: speakers must be names in one dimension, not {names.dtype} of shape "
            f"{names.shape}"
        )
    if index.dtype.kind not in "ui" or index.shape != (count,):
        raise DataError(
            f"{path}: speaker must be {count} whole numbers, not {index.dtype} of shape "
            f"{index.shape}"
        )
    bad = (index < 0) | (index >= len(names))
    if bad.any():
        where = int(np.argmax(bad))
        raise DataError(
            f"{path}: speaker must be from 0 to {len(names) - 1}, not {index[where]} "
            f"(sample {where})"
        )
    return np.asarray(names[index])


def read_wav(path: Path) -> Sound:
    """Return the samples of a wav file of one channel, 16 bits, 8 kHz."""
    try:
        if path.stat().st_size > WAV_BYTES:
            raise DataError(f"{path} must have at most {WAV_BYTES} bytes")
        with wave.open(str(path), "rb") as file:
            found = (file.getnchannels(), 8 * file.getsampwidth(), file.getframerate())
            count = file.getnframes()
            data = file.readframes(min(count, WAV_BYTES))
    except (wave.Error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"{path} must be a readable wav file: {str(error) or 'it ends early'}"
        ) from None
    if found != (1, 16, RATE_HZ):
        raise DataError(
            f"{path} must have 1 channel, 16 bits and {RATE_HZ} Hz, not {found[0]}, {found[1]} and "
            f"{found[2]}"
        )
    if len(data) != 2 * count:
        raise DataError(f"{path} must hold {2 * count} bytes of sound, not {len(data)}")
    return np.frombuffer(data, "<i2").astype(np.int16)


def _list_wavs(folder: Path) -> SampleSet[SoundSamples]:
    parts: dict[bool, list[tuple[int, str, int, Path]]] = {True: [], False: []}
    for path in folder.glob("*.wav"):
        name = WAV_NAME.fullmatch(path.name)
        if not name:
            raise DataError(f"{path} must be called DIGIT_SPEAKER_INDEX.wav, as 7_jackson_3.wav")
        index = int(name[3])
        parts[index < TEST_INDICES].append((int(name[1]), name[2], index, path))
    sets = []
    for is_test in (False, True):
        found = sorted(parts[is_test])
        labels = np.array([row[0] for row in found], np.uint8)
        names = np.array([row[1] for row in found], np.str_)
        sets.append(SoundSamples(labels, [row[3] for row in found], names))
    return SampleSet("fsdd", sets[0], sets[1], DIGITS)


def load_fsdd(folder: Path) -> SampleSet[SoundSamples]:
    """Read spoken digits: fsdd_train*.npz and fsdd_test*.npz, or a folder of wav files.

    The wav files are those of the data set's repository, DIGIT_SPEAKER_INDEX.wav, in
    ``folder`` or its folder ``recordings``; indices 0 to 4 are the test split.
    """
    files = [one_file(folder, f"fsdd_{split}*.npz") for split in ("train", "test")]
    if files[0] and files[1]:
        train, test = (SoundSamples.from_npz(f) for f in files if f)
        return SampleSet("fsdd", train, test, DIGITS)
    for place in (folder / "recordings", folder):
        if next(place.glob("*.wav"), None) is not None:
            return _list_wavs(place)
    missing(folder, "fsdd_train*.npz and fsdd_test*.npz, or wav files")


def hold_out(samples: SampleSet[SoundSamples], speaker: str) -> SampleSet[SoundSamples]:
    """Return the data set whose test set is one speaker, who is not in its training set.

    The test set is every recording of ``speaker``, those of the training split first; the
    training set is that of the others.  The others' recordings of the test split are in
    neither, so that they can still tell how well known speakers are understood.

    Raises
    ------
    DataError
        If there is no such speaker, naming those there are, and if the files name none.
    """
    train, test = samples.train, samples.test
    if train.speakers is None or test.speakers is None:
        raise DataError(
            f"holdout_speaker must be absent with these files of {samples.name}, not {speaker!r}: "
            "they do not say who speaks (arrays speaker and speakers)"
        )
    known = sorted(set(train.speakers.tolist()) | set(test.speakers.tolist()))
    if speaker not in known:
        raise DataError(f"holdout_speaker must be one of {', '.join(known)}, not {speaker!r}")
    parts = [part.select(np.flatnonzero(part.speakers == speaker)) for part in (train, test)]
    others = train.select(np.flatnonzero(train.speakers != speaker))
    return SampleSet(samples.name, others, parts[0].joined(parts[1]), samples.classes)

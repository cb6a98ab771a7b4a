"""A file of events as readers see it: bounded reads, offsets, and its early end."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError
from .array import Block

BLOCK_BYTES = 1 << 17
"""Bytes that are read and decoded at a time."""

HEADER_BYTES = 1 << 24
"""Longest header of text lines."""


class EventWarning(UserWarning):
    """A file was damaged and read all the same, because ``lenient`` was asked for."""


class Source:
    """An open file of events.  Use it in a ``with`` statement.

    Parameters
    ----------
    path
        A regular file.
    lenient
        Whether an early end and unknown words give a warning in place of an error.

    Raises
    ------
    DataError
        If the file is missing, is no regular file, cannot be read, or is empty.
    """

    def __init__(self, path: str | os.PathLike[str], lenient: bool = False) -> None:
        self.path = Path(path)
        self.lenient = lenient
        try:
            if not self.path.is_file():
                state = "a folder" if self.path.is_dir() else "missing or no regular file"
                raise DataError(f"{self.path} must be a file of events, but is {state}")
            self._file: BinaryIO = self.path.open("rb")
            self.size = os.fstat(self._file.fileno()).st_size
        except (OSError, ValueError) as error:
            raise DataError(f"{path} must be readable: {error}") from None
        if not self.size:
            self._file.close()
            raise DataError(f"{self.path} must hold events, but is empty")

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes from ``offset``; fewer at the end of the file."""
        try:
            self._file.seek(offset)
            return self._file.read(max(0, min(count, self.size - offset)))
        except OSError as error:
            raise DataError(f"{self.path} cannot be read at offset {offset}: {error}") from None

    def fail(self, message: str) -> NoReturn:
        """Raise :class:`DataError` about this file."""
        raise DataError(f"{self.path}: {message}")

    def forgive(self, message: str) -> None:
        """Raise :class:`DataError` about this file, or warn if it is read leniently."""
        if not self.lenient:
            self.fail(f"{message}; lenient=True reads on with a warning")
        warnings.warn(f"{self.path}: {message}", EventWarning, stacklevel=2)

    def truncated(self, offset: int, what: str) -> None:
        """Tell that the last whole piece ends at ``offset``, where the file breaks off."""
        self.forgive(
            f"must end with a whole {what}, but breaks off at offset {offset} "
            f"({self.size - offset} bytes are left)"
        )

    def blocks(self, start: int, record: int, what: str) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (offset, bytes) of whole records of ``record`` bytes up to the end."""
        stop = self.size - (self.size - start) % record
        step = BLOCK_BYTES // record * record
        for offset in range(start, stop, step):
            data = self.read(offset, min(step, stop - offset))
            if len(data) % record:
                self.fail(f"became shorter while it was read, at offset {offset + len(data)}")
            yield offset, np.frombuffer(data, np.uint8)
        if stop != self.size:
            self.truncated(stop, what)

    def header_lines(self, mark: bytes, last: bytes | None = None) -> tuple[list[str], int]:
        """Return the text lines at the top that start with ``mark``, and where they end.

        A line equal to ``last``, if given, ends the header and is part of it.
        """
        data = self.read(0, HEADER_BYTES)
        lines: list[str] = []
        at = 0
        while data.startswith(mark, at):
            end = data.find(b"\n", at)
            if end < 0:
                self.fail(f"the header line at offset {at} must end with a line feed")
            line = data[at:end].rstrip(b"\r")
            lines.append(line.decode("latin-1"))
            at = end + 1
            if line == last:
                break
        return lines, at


@dataclass(frozen=True)
class Stream:
    """An opened file: the size of the sensor, and the events block by block."""

    width: int
    height: int
    blocks: Iterator[Block]


@dataclass(frozen=True)
class Format:
    """A file format: its name, what it is, its suffixes and what opens it."""

    name: str
    text: str
    suffixes: tuple[str, ...]
    open: Callable[[Source], Stream]


class Unwrap:
    """Continue a counter of ``bits`` bits beyond its range, block by block.

    A decrease of more than half the range is a wrap; a smaller one is a step back and
    stays one.  With ``jitter``, an increase of more than half the range is a step back
    across a wrap (of counters that are sent at least twice in a period).
    """

    def __init__(self, bits: int, jitter: bool = False) -> None:
        self.period = 1 << bits
        self.jitter = jitter
        self.last: int | None = None
        self.base = 0

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.int64]:
        """Return the continued values of ``raw``, int64."""
        values = raw.astype(np.int64)
        if not len(values):
            return values
        steps = np.diff(values, prepend=values[0] if self.last is None else self.last)
        self.last = int(values[-1])
        wraps = self.wraps(values, steps)
        if wraps is not None:
            bases = np.cumsum(wraps)
            bases += self.base
            values += bases
            self.base = int(bases[-1])
        elif self.base:
            values += self.base
        return values

    def wraps(
        self, values: NDArray[np.int64], steps: NDArray[np.int64]
    ) -> NDArray[np.int64] | None:
        """Return what each step adds to the base, or None if nothing."""
        half = self.period >> 1
        down = steps < -half
        up = steps > half if self.jitter else None
        if not down.any() and (up is None or not up.any()):
            return None
        total = down.astype(np.int64) - (0 if up is None else up)
        return np.asarray(total * self.period, np.int64)

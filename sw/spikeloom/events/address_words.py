"""Formats of fixed words with an address and a time: AEDAT 2.0 and 40 bits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from .array import Block
from .source import Source, Stream, Unwrap

AEDAT2_MARK = b"#!AER-DAT2.0"
TIME_OVERFLOW_ROW = 240
TIME_OVERFLOW_US = 1 << 13

Words = NDArray[np.uint32]


class Unwrap31(Unwrap):
    """A 32-bit counter of which some writers use 31 bits: both wraps are found."""

    def __init__(self) -> None:
        super().__init__(32)

    def wraps(
        self, values: NDArray[np.int64], steps: NDArray[np.int64]
    ) -> NDArray[np.int64] | None:
        """Return 2**32 for a fall by more than 2**31, 2**31 for one from below 2**31."""
        down = steps < -(1 << 30)
        if not down.any():
            return None
        full = steps < -(1 << 31)
        half = down & ~full & (values - steps < 1 << 31)
        return full * np.int64(1 << 32) + half * np.int64(1 << 31)


def dvs128(address: Words, t: Words) -> tuple[Words, Block]:
    """Decode words of a DVS128 (jAER's address layout): which are events, and the events."""
    keep = address >> 15 == 0
    a = address[keep].astype(np.int32)
    return keep, Block(t[keep], 127 - (a >> 1 & 127), a >> 8 & 127, 1 - (a & 1))


def davis240(address: Words, t: Words) -> tuple[Words, Block]:
    """Decode words of a DAVIS240 (jAER's layout); frame and motion words are left out."""
    keep = address & 0x80000400 == 0
    a = address[keep].astype(np.int32)
    return keep, Block(t[keep], 239 - (a >> 12 & 1023), a >> 22 & 511, a >> 11 & 1)


CAMERAS: dict[str, tuple[int, int, Callable[[Words, Words], tuple[Words, Block]]]] = {
    "DVS128": (128, 128, dvs128),
    "DAVIS240": (240, 180, davis240),
}
"""Width, height and decoder of the cameras that the header's AEChip line may name."""


def aedat2(source: Source, camera: str | None = None) -> Stream:
    """Open an AEDAT 2.0 file: text header, then big-endian words of address and time."""
    if source.read(0, len(AEDAT2_MARK)) != AEDAT2_MARK:
        source.fail(f"must start with {AEDAT2_MARK.decode()} to be AEDAT 2.0")
    lines, start = source.header_lines(b"#")
    camera = camera or _camera(source, lines)
    width, height, decode = CAMERAS[camera]

    def blocks() -> Iterator[Block]:
        unwrap = Unwrap31()
        for _, data in source.blocks(start, 8, "event of 8 bytes"):
            words = data.view(">u4").astype(np.uint32).reshape(-1, 2)
            _, block = decode(words[:, 0], words[:, 1])
            yield block._replace(t=unwrap(block.t))

    return Stream(width, height, blocks())


def _camera(source: Source, lines: list[str]) -> str:
    chips = [line.partition(":")[2].strip() for line in lines if line.startswith("# AEChip:")]
    if not chips:
        source.fail(
            "the header must name the camera in a line '# AEChip:'; if you know it, choose the "
            "format aedat2-dvs128 or aedat2-davis240"
        )
    name = chips[0].rpartition(".")[2]
    for camera in CAMERAS:
        if re.fullmatch(rf"{camera}[A-Za-z]?", name):
            return camera
    return source.fail(f"the camera must be DVS128 or DAVIS240, not {name[:60]!r}")


def forty_bits(source: Source, width: int, height: int) -> Stream:
    """Open a file of 5-byte events: x, y, then 1 bit polarity and 23 bits of microseconds.

    The container of N-MNIST (Orchard et al. 2015).  As in its authors' reader, a word with
    y = 240 is no event but adds 8192 us to all that follow.
    """

    def blocks() -> Iterator[Block]:
        unwrap = Unwrap(23)
        added = 0
        for _, data in source.blocks(0, 5, "event of 5 bytes"):
            columns = data.reshape(-1, 5).astype(np.int64).T
            x, y, high = columns[:3]
            t = unwrap((high & 127) << 16 | columns[3] << 8 | columns[4]) + added
            marks = y == TIME_OVERFLOW_ROW
            block = Block(t, x, y, high >> 7)
            if marks.any():
                late = np.cumsum(marks) * TIME_OVERFLOW_US
                added += int(late[-1])
                block = Block(*(a[~marks] for a in block._replace(t=t + late)))
            yield block

    return Stream(width, height, blocks())

"""AEDAT 3.1: packets of cAER; the polarity events of DVS128 and DAVIS cameras.

After text lines up to ``#!END-HEADER`` come packets, all numbers little-endian: type and source
(16 bits each), bytes of an event, offset of its time, overflows of the 31-bit times, capacity,
number of events and of valid ones (32 bits each), then the events.  A polarity event (type 1)
has 8 bytes: valid in bit 0, polarity in bit 1, y in bits 2 to 16, x in bits 17 to 31, and the
time in microseconds.  Packets of other types are left out.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import numpy as np

from .array import Block
from .source import Source, Stream

MARK = b"#!AER-DAT3.1"
END = b"#!END-HEADER"
POLARITY = 1
EVENT_BYTES = 8
TIME_BITS = 31
PACKET = struct.Struct("<HHIIIIII")
PACKET_BYTES = 1 << 28

CAMERAS = {"DVS128": (128, 128), "DAVIS240": (240, 180), "DAVIS346": (346, 260)}
"""Width and height by the beginning of the name in the header's line of the source."""


def aedat3(source: Source, size: tuple[int, int] | None = None) -> Stream:
    """Open an AEDAT 3.1 file; ``size`` is (width, height) where the header names no camera."""
    if source.read(0, len(MARK)) != MARK:
        source.fail(f"must start with {MARK.decode()} to be AEDAT 3.1")
    lines, start = source.header_lines(b"#", END)
    if lines[-1] != END.decode():
        source.fail(f"must have the line {END.decode()} at the end of its header")
    return Stream(*(size or _size(source, lines)), _blocks(source, start))


def _size(source: Source, lines: list[str]) -> tuple[int, int]:
    for line in lines:
        found = re.match(r"#\s*Source\s+\d+:\s*(\S+)", line)
        for camera, size in CAMERAS.items():
            if found and found[1].upper().startswith(camera):
                return size
    return source.fail(
        f"must name a {', '.join(CAMERAS)} in a line '#Source 1: ...'; or give width and height"
    )


def _blocks(source: Source, at: int) -> Iterator[Block]:
    while at < source.size:
        head = source.read(at, PACKET.size)
        if len(head) < PACKET.size:
            source.truncated(at, "packet")
            return
        kind, _, size, _, overflows, capacity, count, _ = PACKET.unpack(head)
        length = size * capacity
        if not size > 0 or count > capacity or length > PACKET_BYTES:
            source.fail(
                f"the packet at offset {at} must have {count} of at most {capacity} events in at "
                f"most {PACKET_BYTES} bytes, not {length} bytes"
            )
        if kind == POLARITY:
            if size != EVENT_BYTES:
                source.fail(f"the events at offset {at} must have {EVENT_BYTES} bytes, not {size}")
            yield _events(source.read(at + PACKET.size, count * size), overflows)
        if source.size - at - PACKET.size < length:
            source.truncated(at, "packet")
            return
        at += PACKET.size + length


def _events(data: bytes, overflows: int) -> Block:
    words = np.frombuffer(data[: len(data) // EVENT_BYTES * EVENT_BYTES], "<u4").reshape(-1, 2)
    words = words[words[:, 0] & 1 == 1]
    word = words[:, 0].astype(np.int64)
    time = words[:, 1].astype(np.int64) + (overflows << TIME_BITS)
    return Block(time, word >> 17, word >> 2 & 0x7FFF, word >> 1 & 1)

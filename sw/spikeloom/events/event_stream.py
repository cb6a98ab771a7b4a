"""Event Stream (.es) version 2 of type DVS.

After the signature, three bytes of version, the type, width and height, an event is 5
bytes: 7 bits of microseconds since the last one (0 to 126) with the polarity in bit 0, x,
and y counted from the bottom.  A byte FF adds 127 us; a byte FE is a reset mark
(format description of neuromorphicsystems/event_stream).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .array import Block, check_size
from .source import BLOCK_BYTES, Source, Stream

MARK = b"Event Stream"
START = 20
DVS = 1
STEP = 127
RESET, LATER = 0xFE, 0xFF
FIRST_LOOK = 64
"""Records that are looked at first for a mark; four times as many after each without."""


def es(source: Source) -> Stream:
    """Open an Event Stream file of version 2 and type DVS."""
    head = source.read(0, START)
    if not head.startswith(MARK):
        source.fail(f"must start with {MARK.decode()!r} to be Event Stream")
    if len(head) < START:
        source.fail(f"must have a header of {START} bytes, not {len(head)}")
    version, kind = head[len(MARK)], head[len(MARK) + 3]
    if version != 2 or kind != DVS:
        source.fail(f"must be Event Stream version 2 of type 1 (DVS), not {version} of {kind}")
    width, height = (int(v) for v in np.frombuffer(head, "<u2", 2, 16))
    check_size(width, height)
    return Stream(width, height, _blocks(source, height))


def _blocks(source: Source, height: int) -> Iterator[Block]:
    offset, rest, t = START, b"", 0
    while offset < source.size:
        data = rest + source.read(offset, BLOCK_BYTES)
        starts, added, used = split(np.frombuffer(data, np.uint8))
        yield _decode(np.frombuffer(data, np.uint8), starts, t + added, height)
        t += int(added[-1]) if len(added) else 0
        if len(starts):
            steps = np.frombuffer(data, np.uint8)[starts] >> 1
            t += int(steps.sum())
        t += _trailing(data, starts, used)
        offset += BLOCK_BYTES
        rest = data[used:]
    if rest:
        source.truncated(source.size - len(rest), "event of 5 bytes")


def _trailing(data: bytes, starts: NDArray[np.int64], used: int) -> int:
    behind = int(starts[-1]) + 5 if len(starts) else 0
    return STEP * data[behind:used].count(LATER)


def _decode(
    data: NDArray[np.uint8], starts: NDArray[np.int64], base: NDArray[np.int64], height: int
) -> Block:
    fields = data[starts[:, None] + np.arange(5)].astype(np.int64)
    t = base + np.cumsum(fields[:, 0] >> 1)
    y = height - 1 - (fields[:, 3] | fields[:, 4] << 8)
    return Block(t, fields[:, 1] | fields[:, 2] << 8, y, fields[:, 0] & 1)


def split(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Find the events among the marks.

    Returns
    -------
    starts
        Where the whole events start, int64.
    added
        Microseconds that the marks before each of them add in total, int64.
    used
        Bytes up to the end of the last whole event or mark.
    """
    runs: list[tuple[int, int, int]] = []
    at, marks, look = 0, 0, FIRST_LOOK
    while at < len(data):
        if data[at] >= RESET:
            marks += int(data[at] == LATER)
            at += 1
            continue
        count = min((len(data) - at) // 5, look)
        found = data[at : at + 5 * count : 5] >= RESET
        run = int(np.argmax(found)) if found.any() else count
        look = FIRST_LOOK if run < count else look * 4
        if not run:
            break
        runs.append((at, run, marks))
        at += 5 * run
    if not runs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), at
    table = np.array(runs, np.int64)
    index = np.repeat(np.arange(len(table)), table[:, 1])
    ends = np.cumsum(table[:, 1])
    inside = np.arange(ends[-1]) - (ends - table[:, 1])[index]
    return table[index, 0] + 5 * inside, table[index, 2] * STEP, at

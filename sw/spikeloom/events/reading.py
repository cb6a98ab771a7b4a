"""Read files of events: which format it is, and the checks that all formats share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ..spec.errors import DataError
from . import address_words, aedat3, aedat4, array, arrays_file, event_stream, evt3, prophesee
from .array import Block, Events
from .source import Format, Source, Stream

MAX_EVENTS = 1 << 27
"""Most events that :func:`read_events` holds at once (13 bytes each)."""

_BITS_40 = "x, y, polarity and 23 bits of time in 5 bytes"
_ALL = (
    Format("aedat2", "AEDAT 2.0 of a DVS128 or DAVIS240", (), address_words.aedat2),
    Format(
        "aedat2-dvs128",
        "AEDAT 2.0 whose header does not name its DVS128",
        (),
        partial(address_words.aedat2, camera="DVS128"),
    ),
    Format(
        "aedat2-davis240",
        "AEDAT 2.0 whose header does not name its DAVIS240",
        (),
        partial(address_words.aedat2, camera="DAVIS240"),
    ),
    Format("aedat3", "AEDAT 3.1, polarity events of DVS128 and DAVIS", (), aedat3.aedat3),
    Format("aedat4", "AEDAT 4.0, plain, LZ4 or Zstandard", (), aedat4.aedat4),
    Format("evt2", "Prophesee RAW, EVT 2.0", (), prophesee.evt2),
    Format("evt3", "Prophesee RAW, EVT 3.0", (), evt3.evt3),
    Format("dat", "Prophesee DAT version 2, type 0 or 12", (), prophesee.dat),
    Format(
        "nmnist",
        f"N-MNIST: {_BITS_40}, 34 x 34",
        (".bin",),
        partial(address_words.forty_bits, width=34, height=34),
    ),
    Format(
        "bs2",
        f"{_BITS_40}, 128 x 128",
        (".bs2",),
        partial(address_words.forty_bits, width=128, height=128),
    ),
    Format("es", "Event Stream version 2, type DVS", (), event_stream.es),
    Format("npz", "NumPy: t, x, y, p, width, height", (), arrays_file.npz),
    Format("npy", "NumPy: structured array of t, x, y, p", (), arrays_file.npy),
)
FORMATS: dict[str, Format] = {format.name: format for format in _ALL}
"""The file formats by name."""

TAKES_SIZE = ("aedat3", "evt2", "evt3", "npz", "npy")
"""Formats whose files may not tell the sensor's size."""


def detect(source: Source) -> str:
    """Return the name of the file's format, from its suffix or its first bytes."""
    suffix = source.path.suffix.lower()
    for format in _ALL:
        if suffix in format.suffixes:
            return format.name
    head = source.read(0, 16)
    marks = {
        address_words.AEDAT2_MARK: "aedat2",
        aedat3.MARK: "aedat3",
        aedat4.MARK: "aedat4",
        event_stream.MARK: "es",
        b"PK": "npz",
        arrays_file.NPY_MARK: "npy",
    }
    for mark, name in marks.items():
        if head.startswith(mark):
            return name
    if head.startswith(b"% "):
        return _detect_prophesee(source)
    if head.startswith(b"#!AER-DAT"):
        source.fail(f"must be AEDAT 2.0, 3.1 or 4.0, not {head[9:12].decode('latin-1')!r}")
    return source.fail(
        f"starts with {head.hex(' ')}, which no known format does; choose the format "
        f"({', '.join(FORMATS)})"
    )


def _detect_prophesee(source: Source) -> str:
    found = prophesee.encoding(prophesee.header(source)[0])
    if found is None:
        return "dat"
    if found not in ("evt2", "evt3"):
        source.fail(f"must be EVT 2.0 or EVT 3.0, not {found[:20]!r}")
    return found


def _open(
    source: Source, format: str | None, width: int | None, height: int | None
) -> tuple[str, Stream]:
    if (width is None) != (height is None):
        raise DataError(f"give width and height together, not {width} and {height}")
    size = None
    if width is not None and height is not None:
        array.check_size(width, height)
        size = (int(width), int(height))
    name = detect(source) if format is None else format
    if name not in FORMATS:
        raise DataError(f"format must be one of {', '.join(FORMATS)}, not {name!r}")
    opened = FORMATS[name].open
    stream = opened(source, size=size) if name in TAKES_SIZE else opened(source)  # type: ignore[call-arg]
    return name, stream if size is None else Stream(*size, stream.blocks)


def _inside(block: Block, stream: Stream, outside: str, base: int) -> Block:
    """Refuse, drop or clip the events outside the sensor."""
    if outside == "error":
        array.check_inside(block, stream.width, stream.height, base)
        return block
    bad = array.outside(block, stream.width, stream.height)
    if bad is None:
        return block
    if outside == "drop":
        return Block(*(a[~bad] for a in block))
    return block._replace(x=block.x.clip(0, stream.width - 1), y=block.y.clip(0, stream.height - 1))


def _checked(source: Source, stream: Stream, order: str, outside: str) -> Iterator[Block]:
    """Yield the stream's blocks, checked and narrowed; errors name the file."""
    base, previous = 0, None
    for block in stream.blocks:
        try:
            array.check_values(block, base)
            kept = _inside(block, stream, outside, base)
            if order == "error":
                array.check_order(kept.t, base, previous)
        except DataError as error:
            source.fail(str(error))
        base += len(block.t)
        if len(kept.t):
            previous = int(kept.t[-1])
            yield array.narrow(kept)


def _choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise DataError(f"{what} must be {' or '.join(choices)}, not {value!r}")


def iterate_events(
    path: str | os.PathLike[str],
    format: str | None = None,
    lenient: bool = False,
    *,
    width: int | None = None,
    height: int | None = None,
    outside: str = "error",
) -> Iterator[Events]:
    """Yield the events of a file in pieces of at most a few million, in order of time.

    The memory needed does not grow with the file.  Parameters and errors are those of
    :func:`read_events`; an error comes after the pieces before it.
    """
    _choice("outside", outside, ("error", "drop", "clip"))
    with Source(path, lenient) as source:
        name, stream = _open(source, format, width, height)
        for block in _checked(source, stream, "error", outside):
            yield Events.checked(block, stream.width, stream.height, name)


def read_events(
    path: str | os.PathLike[str],
    format: str | None = None,
    lenient: bool = False,
    *,
    width: int | None = None,
    height: int | None = None,
    order: str = "error",
    outside: str = "error",
    max_events: int = MAX_EVENTS,
) -> Events:
    """Read a file of events.

    Parameters
    ----------
    path
        A file in one of :data:`FORMATS`.
    format
        Name of the format; without it, the file's first bytes or suffix decide.
    lenient
        Whether a file that breaks off, or words of an unknown kind, give an
        :class:`EventWarning` and the events that could be read, in place of an error.
    width, height
        Size of the sensor, both or neither, in place of what the file says.
    order
        ``"error"`` refuses a time before the one before it; ``"sort"`` puts the events in
        order of time, equal times as in the file.
    outside
        ``"error"`` refuses events outside the sensor, ``"drop"`` leaves them out, ``"clip"``
        moves them to the edge.
    max_events
        More events than this are refused; use :func:`iterate_events` for longer files.

    Returns
    -------
    Events
        Times are continued beyond the width of the file's counters (see each format).

    Raises
    ------
    DataError
        For a missing, empty, damaged or cut off file and for bad events, with the file, the
        offset in bytes or the index of the event, what was found and what was expected.
    """
    _choice("order", order, ("error", "sort"))
    _choice("outside", outside, ("error", "drop", "clip"))
    with Source(path, lenient) as source:
        name, stream = _open(source, format, width, height)
        blocks, total = [], 0
        for block in _checked(source, stream, order, outside):
            blocks.append(block)
            total += len(block.t)
            if total > max_events:
                source.fail(f"holds more than {max_events} events; use iterate_events")
    joined = array.narrow(
        Block(*(np.concatenate(part) for part in zip(*blocks, strict=True)))
        if blocks
        else Block(*(np.zeros(0, np.int64) for _ in "txyp"))
    )
    if order == "sort":
        by_time = np.argsort(joined.t, kind="stable")
        joined = Block(*(a[by_time] for a in joined))
    return Events.checked(joined, stream.width, stream.height, name)


def file_format(path: str | os.PathLike[str]) -> str:
    """Return the name of the format of the file ``path``, one of :data:`FORMATS`."""
    with Source(Path(path)) as source:
        return detect(source)

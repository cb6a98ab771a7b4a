"""Prophesee's DAT (version 2) and RAW with EVT 2.0 words, and their text header."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .array import Block
from .source import Source, Stream, Unwrap

DAT_TYPES = (0, 12)
DAT_SENSOR = (304, 240)
"""Sensor of the first DAT files, taken when the header gives no size."""

SENSORS = {"gen3": (640, 480), "gen4": (1280, 720)}
"""Sensor by the start of the camera's generation in ``plugin_name``."""

CD_OFF, CD_ON, TIME_HIGH, TRIGGER, OTHERS, CONTINUED = 0, 1, 8, 10, 14, 15
EVT2_KINDS = (CD_OFF, CD_ON, TIME_HIGH, TRIGGER, OTHERS, CONTINUED)


def header(source: Source) -> tuple[dict[str, str], int]:
    """Return the ``% key value`` lines at the top (keys in small letters) and their end."""
    lines, start = source.header_lines(b"% ", b"% end")
    pairs = (line[2:].strip().partition(" ") for line in lines)
    return {key.lower(): value.strip() for key, _, value in pairs}, start


def encoding(facts: dict[str, str]) -> str | None:
    """Return evt2, evt3, another encoding the header names, or None (a DAT file)."""
    name = facts.get("format", "").partition(";")[0].strip().lower()
    if not name and "evt" in facts:
        name = "evt" + facts["evt"].partition(".")[0]
    return name or None


def sensor(source: Source, facts: dict[str, str]) -> tuple[int, int]:
    """Return (width, height) from geometry, format or plugin_name of the header."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", facts.get("geometry", ""))
    if found:
        return int(found[1]), int(found[2])
    sides = dict(re.findall(r"(width|height)=(\d{1,5})", facts.get("format", "")))
    if len(sides) == 2:
        return int(sides["width"]), int(sides["height"])
    for generation, size in SENSORS.items():
        if generation in facts.get("plugin_name", ""):
            return size
    return source.fail(
        "the header must tell the sensor's size in geometry, format or plugin_name; give width "
        "and height"
    )


def dat(source: Source) -> Stream:
    """Open a DAT file of version 2: header, type and size bytes, words of 8 bytes.

    A word is uint32 microseconds and uint32 with x (14 bits), y (14), polarity (4).
    """
    facts, start = header(source)
    if not start:
        source.fail("must start with header lines '% ...' to be DAT")
    if facts.get("version") != "2":
        source.fail(f"the header must say Version 2, not {facts.get('version', 'nothing')[:20]!r}")
    kind = source.read(start, 2)
    if len(kind) < 2 or kind[0] not in DAT_TYPES or kind[1] != 8:
        source.fail(
            f"must have type 0 or 12 and size 8 in the bytes at offset {start}, not "
            f"{list(kind) or 'the end'}"
        )
    sides = [facts.get(name, "") for name in ("width", "height")]
    known = all(re.fullmatch(r"\d{1,5}", side) for side in sides)
    width, height = (int(sides[0]), int(sides[1])) if known else DAT_SENSOR

    def blocks() -> Iterator[Block]:
        unwrap = Unwrap(32)
        for _, data in source.blocks(start + 2, 8, "event of 8 bytes"):
            words = data.view("<u4").reshape(-1, 2)
            a = words[:, 1]
            yield Block(unwrap(words[:, 0]), a & 0x3FFF, a >> 14 & 0x3FFF, a >> 28)

    return Stream(width, height, blocks())


def evt2(source: Source, size: tuple[int, int] | None = None) -> Stream:
    """Open a RAW file of EVT 2.0: words of 32 bits, kind in the top four.

    A TIME_HIGH word gives the upper 28 bits of the time, an event its lower 6, x and y.
    Events before the first TIME_HIGH have no time and are left out.
    """
    facts, start = header(source)
    width, height = size or sensor(source, facts)

    def blocks() -> Iterator[Block]:
        unwrap = Unwrap(28, jitter=True)
        high: int | None = None
        for offset, data in source.blocks(start, 4, "word of 4 bytes"):
            words = data.view("<u4")
            kind = (words >> 28).astype(np.uint8)
            check_kinds(source, offset, 4, kind, EVT2_KINDS)
            times = kind == TIME_HIGH
            highs = np.concatenate([[high or 0], unwrap(words[times] & 0xFFFFFFF)])
            is_event = kind <= CD_ON
            count = np.cumsum(times, dtype=np.int32)[is_event]
            events = words[is_event]
            if high is None:
                events, count = events[count > 0], count[count > 0]
            t = highs[count] << 6 | (events >> 22 & 63)
            yield Block(t, events >> 11 & 0x7FF, events & 0x7FF, events >> 28)
            high = int(highs[-1]) if high is not None or len(highs) > 1 else None

    return Stream(width, height, blocks())


def check_kinds(
    source: Source, offset: int, size: int, kind: NDArray[np.uint8], known: tuple[int, ...]
) -> None:
    """Refuse (or, leniently, pass over) words of a kind that the format does not have."""
    table = np.ones(16, bool)
    table[list(known)] = False
    bad = table[kind]
    if bad.any():
        where = int(np.argmax(bad))
        source.forgive(
            f"the word at offset {offset + where * size} must be of kind "
            f"{', '.join(f'{k:x}' for k in known)}, not {kind[where]:x} "
            f"({int(bad.sum())} such words up to offset {offset + len(kind) * size})"
        )

"""Count events into frames, one for each tick, with exact integer edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError
from ..spec.numfmt import MAGNITUDE_MAX
from .array import Events

MAX_CELLS = 1 << 28
"""Most values of the frames of one call, ticks x 2 x height x width."""

GROUP_CELLS = 1 << 22

Crop = tuple[int, int, int, int]


def frames(
    events: Events,
    *,
    ticks: int,
    by: str = "time",
    start: int | None = None,
    stop: int | None = None,
    crop: Crop | None = None,
    downscale: int = 1,
    max_magnitude: int = 1,
) -> NDArray[np.uint8]:
    """Count events into ``ticks`` frames.

    With ``by="time"`` the window from ``start`` to ``stop`` (``stop`` is not part of it) is
    divided into ``ticks`` equal parts.  An event belongs to tick
    floor((t - start) * ticks / (stop - start)), in integers: one that lies on an edge
    belongs to the later tick, and events outside the window are left out.  With
    ``by="count"`` event i of n, of the whole sensor and in the order of the arrays, belongs
    to tick floor(i * ticks / n); the crop is taken afterwards.

    Pixel (y, x) of the crop goes to (y // downscale, x // downscale).  If a side of the crop
    is no multiple of ``downscale``, the last row or column collects fewer pixels.

    Parameters
    ----------
    events
        Events in order of time.
    ticks
        Number of frames, 1 or more.
    by
        ``"time"`` or ``"count"``.
    start, stop
        Window in microseconds, for ``by="time"`` only; by default the first event's time
        and one after the last's.
    crop
        (top, left, height, width) in pixels of the sensor, inside it.
    downscale
        Pixels of the crop along one side of a pixel of the frame, 1 or more.
    max_magnitude
        Counts above it become it, 1 to 127; the ``max_magnitude`` of the input population.

    Returns
    -------
    uint8 (ticks, 2, height, width): channel 0 counts OFF, channel 1 ON events.

    Raises
    ------
    DataError
        For a parameter out of range, naming it.
    """
    _whole("ticks", ticks, 1, MAX_CELLS)
    _whole("downscale", downscale, 1, 1 << 16)
    _whole("max_magnitude", max_magnitude, 1, MAGNITUDE_MAX)
    top, left, rows, columns = _crop(events, crop)
    height, width = -(-rows // downscale), -(-columns // downscale)
    cells = 2 * height * width
    if ticks * cells > MAX_CELLS:
        raise DataError(
            f"frames must have at most {MAX_CELLS} values in all, not {ticks} x 2 x {height} x "
            f"{width}; choose fewer ticks, a crop or a downscale"
        )
    events, tick = _ticks(events, ticks, by, start, stop)
    y, x = events.y.astype(np.int64) - top, events.x.astype(np.int64) - left
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    row, column = y // downscale, x // downscale
    cell = ((tick * 2 + events.p) * height + row) * width + column
    counts = _count(cell[inside], ticks, cells, max_magnitude)
    return counts.reshape(ticks, 2, height, width)


def _whole(name: str, value: int, low: int, high: int) -> None:
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        raise DataError(f"{name} must be an integer from {low} to {high}, not {value!r}")


def _crop(events: Events, crop: Crop | None) -> Crop:
    if crop is None:
        return 0, 0, events.height, events.width
    if len(crop) != 4:
        raise DataError(f"crop must be (top, left, height, width), not {crop!r}")
    top, left, rows, columns = crop
    _whole("crop top", top, 0, events.height - 1)
    _whole("crop left", left, 0, events.width - 1)
    _whole("crop height", rows, 1, events.height - top)
    _whole("crop width", columns, 1, events.width - left)
    return crop


def _ticks(
    events: Events, ticks: int, by: str, start: int | None, stop: int | None
) -> tuple[Events, NDArray[np.int64]]:
    """Return the events inside the window and the tick of each."""
    if by == "count":
        if start is not None or stop is not None:
            raise DataError("start and stop must be absent with by='count'; use between()")
        return events, np.arange(len(events), dtype=np.int64) * ticks // max(1, len(events))
    if by != "time":
        raise DataError(f"by must be time or count, not {by!r}")
    low, high = (int(events.t[0]), int(events.t[-1]) + 1) if len(events) else (0, 1)
    low, high = low if start is None else start, high if stop is None else stop
    limit = (1 << 62) // ticks
    _whole("start", low, 0, 1 << 62)
    _whole("stop", high, low + 1, low + limit)
    chosen = events.between(low, high)
    return chosen, (chosen.t - low) * ticks // (high - low)


def _count(
    cell: NDArray[np.int64], ticks: int, cells: int, max_magnitude: int
) -> NDArray[np.uint8]:
    """Count equal cells, a group of ticks at a time to bound the memory."""
    out = np.zeros(ticks * cells, np.uint8)
    # Ticks never decrease, so the events of a group of ticks lie together.
    group = max(1, GROUP_CELLS // cells)
    edges = np.arange(0, ticks + group, group) * cells
    bounds = np.searchsorted(cell // cells, edges // cells)
    for index in range(len(edges) - 1):
        first, last = bounds[index], bounds[index + 1]
        if first == last:
            continue
        part = out[edges[index] : edges[index + 1]]
        counts = np.bincount(cell[first:last] - edges[index], minlength=len(part))
        np.minimum(counts, max_magnitude, out=part, casting="unsafe")
    return out

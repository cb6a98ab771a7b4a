"""Live classification: windows of events in, decisions out, with back-pressure and counters.

A thread reads events and makes a sample of each window; the board runs as many samples at a
time as are waiting.  At full speed the reader waits for the board; in real time a window
that finds the queue full is dropped and counted, as a camera does not wait.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError, UsageError
from ..spec.manifest import InputFacts
from .result import RunResult

SPEEDS = ("full", "real")
MAX_GAP_WINDOWS = 10_000
"""Empty windows in a row after which the source counts as damaged."""

_POLL_S = 0.05
_JOIN_S = 5.0

Run = Callable[[NDArray[np.uint8]], RunResult]


@dataclass
class Counters:
    """What became of the events so far.

    Parameters
    ----------
    events_read
        Events of the source in windows that were completed.
    events_sent
        Of these, events in windows that were run, in the crop and within ``max_magnitude``.
    events_left_out
        Of these, events outside the crop or beyond ``max_magnitude``.
    events_dropped, windows_dropped
        Windows that found the queue full, and their events.
    windows
        Windows that were run.
    waits
        Times that the reader waited for the board.
    started_s, ended_s
        ``time.monotonic`` of the first and the last decision's run.
    """

    events_read: int = 0
    events_sent: int = 0
    events_left_out: int = 0
    events_dropped: int = 0
    windows_dropped: int = 0
    windows: int = 0
    waits: int = 0
    started_s: float = 0.0
    ended_s: float = 0.0

    @property
    def events_per_s(self) -> float:
        """Events of run windows per second of wall time."""
        seconds = self.ended_s - self.started_s
        return (self.events_sent + self.events_left_out) / seconds if seconds > 0 else 0.0


@dataclass(frozen=True)
class Window:
    """A window of events and what the network said.

    Parameters
    ----------
    index
        Number of the window from the first event on; dropped windows leave gaps.
    start_us
        Time of its beginning in the source, in microseconds.
    n_events
        Events in it.
    prediction
        As :attr:`RunResult.prediction`.
    counts
        int64 (output neurons,): spikes of each output.
    cycles
        Clock cycles in which the core was busy with it.
    cycles_per_tick
        The same by tick: the cycles from the last event of a tick to the spikes it causes.
    seconds
        Wall time from the window's completion to its decision.
    """

    index: int
    start_us: int
    n_events: int
    prediction: int
    counts: NDArray[np.int64]
    cycles: int
    cycles_per_tick: float
    seconds: float


@dataclass
class _Sample:
    """A window on its way: its input, and the time when it was complete."""

    index: int
    start_us: int
    n_events: int
    n_sent: int
    frames: NDArray[np.uint8]
    complete_s: float = field(default_factory=time.monotonic)


class Stream:
    """An iterator of :class:`Window`; its ``counters`` may be read at any time.

    Use it in a ``with`` statement, or iterate to the end.

    Parameters
    ----------
    run
        Runs samples of shape (samples, ticks, ``*facts.shape``).
    facts
        The network's input: (2, height, width) with axes channels_first, or
        (height, width, 2), or flat 2 * height * width; channel 0 is OFF, 1 is ON.
    source
        A file of events, :class:`spikeloom.events.Events`, or an iterable of them in order of
        time.
    window_us
        Microseconds of a window; a window is one sample, cut into ``facts.ticks`` ticks.
    speed
        ``"full"``: as fast as the board takes windows; ``"real"``: at the speed of the
        recording.
    queue_windows
        Windows that may wait for the board.
    crop
        As in :func:`spikeloom.events.frames`.
    downscale, max_magnitude
        As in :func:`spikeloom.events.frames`; by default those of the encoder that the network
        was trained with, if it made frames, else 1.  Events of a pixel beyond ``max_magnitude``
        in a tick are left out and counted.

    Raises
    ------
    UsageError
        For an unknown speed or a number out of range.
    DataError
        For a source that cannot be read or does not fit the network, when it is noticed.
    """

    def __init__(
        self,
        run: Run,
        facts: InputFacts,
        source: Any,
        *,
        window_us: int,
        speed: str = "full",
        queue_windows: int = 8,
        crop: tuple[int, int, int, int] | None = None,
        downscale: int | None = None,
        max_magnitude: int | None = None,
    ) -> None:
        if speed not in SPEEDS:
            raise UsageError(f"speed must be one of {', '.join(SPEEDS)}, not {speed!r}")
        for name, value in (("window_us", window_us), ("queue_windows", queue_windows)):
            if not isinstance(value, int) or value < 1:
                raise UsageError(f"{name} must be a positive integer, not {value!r}")
        if window_us < facts.ticks:
            raise UsageError(
                f"window_us must be at least the {facts.ticks} ticks of a sample, not {window_us}"
            )
        self.counters = Counters()
        self._run = run
        self._facts = facts
        self._source = source
        self._window_us = window_us
        self._real = speed == "real"
        trained = facts.encoder if facts.encoder.get("kind") == "frames" else {}
        given = {"downscale": downscale, "max_magnitude": max_magnitude}
        self._options = {
            "crop": crop,
            **{k: trained.get(k, 1) if v is None else v for k, v in given.items()},
        }
        self._queue: queue.Queue[_Sample | None] = queue.Queue(queue_windows)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="spikeloom-live", daemon=True)
        self._started = False

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Window]:
        if self._started:
            raise UsageError("a stream can be iterated once; make another")
        self._started = True
        self._thread.start()
        self.counters.started_s = time.monotonic()
        try:
            ended = False
            while not ended:
                samples, ended = self._waiting()
                if samples:
                    yield from self._decide(samples)
            if self._error is not None:
                raise self._error
        finally:
            self.close()

    def close(self) -> None:
        """End the reader; windows that wait are forgotten."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _waiting(self) -> tuple[list[_Sample], bool]:
        """Return every window that waits, at least one unless the source has ended."""
        samples: list[_Sample] = []
        while not self._stop.is_set():
            try:
                found = (
                    self._queue.get(timeout=_POLL_S) if not samples else self._queue.get_nowait()
                )
            except queue.Empty:
                if samples:
                    break
                continue
            if found is None:
                return samples, True
            samples.append(found)
        return samples, self._stop.is_set()

    def _decide(self, samples: list[_Sample]) -> Iterator[Window]:
        result = self._run(np.stack([sample.frames for sample in samples]))
        now = time.monotonic()
        self.counters.ended_s = now
        for k, sample in enumerate(samples):
            self.counters.windows += 1
            self.counters.events_sent += sample.n_sent
            self.counters.events_left_out += sample.n_events - sample.n_sent
            cycles = int(result.cycles[k])
            yield Window(
                index=sample.index,
                start_us=sample.start_us,
                n_events=sample.n_events,
                prediction=int(result.prediction[k]),
                counts=result.counts[k],
                cycles=cycles,
                cycles_per_tick=cycles / self._facts.ticks,
                seconds=now - sample.complete_s,
            )

    def _read(self) -> None:
        """Fill the queue; runs in a thread of its own."""
        try:
            start_s = time.monotonic()
            for sample in self._samples():
                if self._real:
                    due = start_s + (sample.index + 1) * self._window_us / 1e6
                    if self._stop.wait(max(0.0, due - time.monotonic())):
                        return
                sample.complete_s = time.monotonic()
                self.counters.events_read += sample.n_events
                if not self._put(sample):
                    return
        except BaseException as error:
            self._error = error
        finally:
            self._end()

    def _put(self, sample: _Sample) -> bool:
        """Queue a window, or drop it in real time; False once the stream is closed."""
        try:
            self._queue.put_nowait(sample)
            return True
        except queue.Full:
            pass
        if self._real:
            self.counters.windows_dropped += 1
            self.counters.events_dropped += sample.n_events
            return True
        self.counters.waits += 1
        while not self._stop.is_set():
            try:
                self._queue.put(sample, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False

    def _end(self) -> None:
        while not self._stop.is_set():
            try:
                self._queue.put(None, timeout=_POLL_S)
                return
            except queue.Full:
                continue

    def _samples(self) -> Iterator[_Sample]:
        from ..events import frames

        for index, events in enumerate(windows(self._events(), self._window_us)):
            start = events.start_us
            found = frames(
                events.events,
                ticks=self._facts.ticks,
                start=start,
                stop=start + self._window_us,
                **self._options,  # type: ignore[arg-type]
            )
            yield _Sample(
                index, start, len(events.events), int(found.sum(dtype=np.int64)), self._fit(found)
            )

    def _events(self) -> Iterable[Any]:
        if isinstance(self._source, str) or hasattr(self._source, "__fspath__"):
            from ..events import iterate_events

            return iterate_events(self._source)
        if _is_events(self._source):
            return [self._source]
        if not isinstance(self._source, Iterable):
            raise DataError(
                "source must be a file of events, or Events piece by piece, not "
                f"{type(self._source).__name__}"
            )
        return self._source

    def _fit(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring (ticks, 2, height, width) to the axes of the network's input."""
        ticks, _, height, width = frames.shape
        facts = self._facts
        if facts.axes == "flat":
            frames = np.moveaxis(frames, 1, -1)
        shape = (2, height, width) if facts.axes != "flat" else (height, width, 2)
        if facts.shape not in (shape, (2 * height * width,)):
            raise DataError(
                f"the network's input must have the shape {shape} of the events, not "
                f"{facts.shape}; choose another crop or downscale"
            )
        return np.ascontiguousarray(frames).reshape(ticks, *facts.shape)


@dataclass(frozen=True)
class Cut:
    """The events of one window, which begins at ``start_us``."""

    start_us: int
    events: Any


def windows(pieces: Iterable[Any], window_us: int) -> Iterator[Cut]:
    """Cut events into windows from the first event on; the last one may be short.

    Parameters
    ----------
    pieces
        :class:`spikeloom.events.Events`, in order of time also from piece to piece.
    window_us
        Length of a window in microseconds.

    Raises
    ------
    DataError
        If a piece begins before the last one's end, the sensor's size changes, or more than
        :data:`MAX_GAP_WINDOWS` windows in a row are empty.
    """
    rest: Any = None
    start: int | None = None
    for piece in pieces:
        if not _is_events(piece):
            raise DataError(f"each piece of a source must be Events, not {type(piece).__name__}")
        if not len(piece):
            continue
        rest = piece if rest is None else _joined(rest, piece)
        start = int(rest.t[0]) if start is None else start
        while int(rest.t[-1]) >= start + window_us:
            gap = (int(rest.t[0]) - start) // window_us
            if gap > MAX_GAP_WINDOWS:
                raise DataError(
                    f"events must not pause for more than {MAX_GAP_WINDOWS} windows of "
                    f"{window_us} us, but {gap} are empty after {start} us"
                )
            yield Cut(start, rest.between(start, start + window_us))
            start += window_us
            rest = rest.between(start, int(rest.t[-1]) + 1)
    if rest is not None and start is not None:
        yield Cut(start, rest)


def _is_events(value: object) -> bool:
    """Return whether ``value`` is Events, whose module a board imports only when it reads files."""
    return all(hasattr(value, name) for name in ("t", "x", "y", "p", "between"))


def _joined(a: Any, b: Any) -> Any:
    if (a.width, a.height) != (b.width, b.height):
        raise DataError(
            f"all events must be of one sensor of {a.width} x {a.height}, not also of "
            f"{b.width} x {b.height}"
        )
    if not len(a):
        return b
    if int(b.t[0]) < int(a.t[-1]):
        raise DataError(
            f"events must be in order of time, but {int(b.t[0])} us comes after {int(a.t[-1])} us"
        )
    parts = (np.concatenate([getattr(a, name), getattr(b, name)]) for name in "txyp")
    return type(a)(*parts, a.width, a.height, a.format)

"""Live classification of recordings with the gateware behind the streaming API.

A network of fixed random weights looks at windows of a camera's events, 16 x 16 pixels of two
polarities, through :class:`spikeloom.board.live.Stream`.  Cycles and operations come from the
core's own counters and are turned into time by a clock that the caller names; wall times are those
of the simulation, and only show what the stream does when the board is too slow.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.board.live import Counters, Stream, Window
from spikeloom.board.result import RunResult
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import DataError, UsageError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection

from .bench import SEED, Bench

SIDE = 16
"""Pixels along a side of the network's input; the sensor's must be a multiple."""
HIDDEN, OUTPUTS = 128, 11
TICKS = 50
WINDOW_US = 50_000
MAX_MAGNITUDE = 15
DECAY = 29491
PIECE = 4096
"""Events that the source gives at a time."""


@dataclass(frozen=True)
class LiveRun:
    """What became of a recording.

    Parameters
    ----------
    recording
        Its number.
    speed
        ``"full"`` or ``"real"``.
    counters
        Those of the stream, times as ``seconds`` from the first window to the last decision.
    seconds
        Wall time of the simulation.
    cycles, sops
        Of all windows that were run.
    window_cycles
        Median and most cycles of a window, sent as one packet: from its first event to its
        decision.
    last_tick_cycles
        Median and most cycles that a window's last tick adds, its events included: from its first
        event to the decision, where the core is fed tick by tick.
    window_s
        Median and most wall seconds from the end of a window to its decision.
    events_per_s
        Events that the core takes per second at the clock, by its cycles.
    recorded_per_s
        Events per second of the recording.
    """

    recording: int
    speed: str
    counters: dict[str, int]
    seconds: float
    cycles: int
    sops: int
    window_cycles: tuple[float, int]
    last_tick_cycles: tuple[float, int]
    window_s: tuple[float, float]
    events_per_s: float
    recorded_per_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return dict(vars(self))


def live_network(seed: int = SEED) -> Network:
    """Return the network of the benchmark: 512-128-11, about one hidden neuron in twenty fires."""
    rng = np.random.default_rng(seed)

    def weights(n_destination: int, n_source: int, spread: float) -> NDArray[np.int8]:
        drawn = np.round(rng.normal(0, spread, (n_destination, n_source)))
        return np.clip(drawn, -127, 127).astype(np.int8)

    n_inputs = SIDE * SIDE * 2
    decay = np.asarray(DECAY, np.int32)
    return Network(
        (InputPopulation("input", (SIDE, SIDE, 2), MAX_MAGNITUDE),),
        (
            Population("hidden", (HIDDEN,), np.asarray(400, np.int32), decay),
            Population("output", (OUTPUTS,), np.asarray(300, np.int32), decay),
        ),
        (
            Projection("input", "hidden", weights(HIDDEN, n_inputs, 8.0)),
            Projection("hidden", "output", weights(OUTPUTS, HIDDEN, 40.0)),
        ),
        ("output",),
    )


def bench_live(
    config: BuildConfig,
    engine: str,
    recordings: Iterable[Any],
    *,
    clock_mhz: float,
    speeds: Sequence[str] = ("full", "real"),
) -> list[LiveRun]:
    """Stream each recording at each speed and return what became of it.

    Parameters
    ----------
    config
        The build.
    engine
        A simulator of the gateware.
    recordings
        :class:`spikeloom.events.Events` of a square sensor, side a multiple of :data:`SIDE`.
    clock_mhz
        Clock at which cycles are turned into time.
    speeds
        See :class:`spikeloom.board.live.Stream`.

    Raises
    ------
    EngineError
        For an engine that counts no cycles.
    DataError
        If there is no recording, or for one of another size.
    DeviceError
        If any output differs from the golden model: a wrong answer has no speed.
    UsageError
        For a clock or a speed that there is not.
    """
    if not clock_mhz > 0:
        raise UsageError(f"clock_mhz must be above 0, not {clock_mhz:g}")
    recordings = list(recordings)
    if not recordings:
        raise DataError("there must be at least one recording, not 0")
    for number, events in enumerate(recordings):
        if events.width != events.height or events.width % SIDE or not len(events):
            raise DataError(
                f"recording {number} must hold events of a square sensor whose side is a multiple "
                f"of {SIDE}, not {len(events)} of {events.width} x {events.height}"
            )
    with Bench(live_network(), config, engine, TICKS) as bench:
        return [
            _stream(bench, number, events, speed, clock_mhz)
            for number, events in enumerate(recordings)
            for speed in speeds
        ]


class _Runs:
    """The runs of a stream: inputs and results, to be compared when it has ended."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.done: list[tuple[NDArray[np.uint8], RunResult]] = []

    def __call__(self, inputs: NDArray[np.uint8]) -> RunResult:
        result = self._bench.board.run(inputs)
        self.done.append((inputs, result))
        return result

    def check(self) -> NDArray[np.uint8]:
        """Compare all with the golden model and return the inputs."""
        for inputs, result in self.done:
            self._bench.check(inputs, result)
        return np.concatenate([inputs for inputs, _ in self.done])


def _stream(bench: Bench, number: int, events: Any, speed: str, clock_mhz: float) -> LiveRun:
    runs = _Runs(bench)
    stream = Stream(
        runs, bench.artefact.input, events.chunks(PIECE), window_us=WINDOW_US, speed=speed,
        downscale=events.width // SIDE, max_magnitude=MAX_MAGNITUDE,
    )  # fmt: skip
    start = time.monotonic()
    with stream:
        windows = list(stream)
    seconds = time.monotonic() - start
    inputs = runs.check()
    cycles = np.array([window.cycles for window in windows])
    shorter = bench.board.run(inputs[:, :-1])
    bench.check(inputs[:, :-1], shorter)
    total = int(cycles.sum())
    return LiveRun(
        recording=number,
        speed=speed,
        counters=_counts(stream.counters),
        seconds=seconds,
        cycles=total,
        sops=sum(int(result.sops.sum()) for _, result in runs.done),
        window_cycles=_median_and_most(cycles),
        last_tick_cycles=_median_and_most(cycles - shorter.cycles),
        window_s=_seconds(windows),
        events_per_s=stream.counters.events_sent * clock_mhz * 1e6 / total,
        recorded_per_s=len(events) * 1e6 / (int(events.t[-1]) - int(events.t[0]) + 1),
    )


def _counts(counters: Counters) -> dict[str, int]:
    return {name: value for name, value in vars(counters).items() if isinstance(value, int)}


def _median_and_most(values: NDArray[np.int64]) -> tuple[float, int]:
    return float(np.median(values)), int(values.max())


def _seconds(windows: Sequence[Window]) -> tuple[float, float]:
    found = [window.seconds for window in windows]
    return float(np.median(found)), max(found)

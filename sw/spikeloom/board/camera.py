"""Decisions from an event camera at the core's own pins; the processor only listens.

The core counts the camera's events into ticks by itself (:class:`spikeloom.events.SensorSetup`)
and sends a packet after each sample.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..spec import aer, regmap
from ..spec.errors import SpikeLoomError, UsageError
from .answer import decode
from .loaded import Loaded
from .registers import Registers, flags
from .result import RunResult, result_of
from .transport import Transport, unasked

if TYPE_CHECKING:
    from ..events import SensorSetup

MHZ = 1_000_000
_CONTROL = regmap.SENSOR_BY_NAME["SENSOR_CONTROL"]


class Camera:
    """An iterator of :class:`RunResult`, each of one sample, while it is in a ``with`` statement.

    The time of tick 0 begins with the first request for a sample.  Samples follow one another
    without a gap; a caller who is slower than they are makes the core wait, whose queue may then
    be full: see :meth:`counters`.  After the ``with`` statement, :meth:`Board.run` works again.

    Parameters
    ----------
    transport
        A link to a core whose build has the sensor input.
    loaded
        What the core holds.
    setup
        How the camera's addresses are laid out and what becomes of its events.
    clock_hz
        Clock of the core, rounded to whole MHz; by default what the transport says.
    check
        Raises :class:`DeviceError` if the core has set an error flag.
    end
        Brings the core back to its state after loading.

    Raises
    ------
    UsageError
        If the build has no sensor input, the clock is unknown or the transport cannot listen.
    DataError
        If ``setup`` does not fit the network's input, or needs a tick or clock out of range.
    """

    def __init__(
        self,
        transport: Transport,
        loaded: Loaded,
        setup: SensorSetup,
        clock_hz: float | None,
        check: Callable[[], None],
        end: Callable[[], None],
    ) -> None:
        _check_build(loaded, setup)
        clock = transport.describe().get("clock_hz") if clock_hz is None else clock_hz
        if clock is None:
            raise UsageError(f"{transport.name} knows no clock; name it with clock_hz")
        self._values = setup.registers(max(1, round(clock / MHZ)) * MHZ)
        self._registers = Registers(transport)
        self._loaded = loaded
        self._n_ticks = setup.n_ticks
        self._check, self._end = check, end
        events = setup.n_ticks * setup.n_neurons * max(setup.limit, 1)
        period_cycles = clock * setup.period_us * setup.n_ticks / MHZ
        budget = loaded.bounds.budget_cycles(1, setup.n_ticks, events)
        capacity = loaded.bounds.capacity(1, setup.n_ticks)
        self._packets = unasked(transport, capacity, int(2 * period_cycles) + budget)
        self._is_open = False

    def __enter__(self) -> Camera:
        values = dict(self._values)
        control = values.pop(_CONTROL.name)
        # the active levels of the pins first: no request counts before they hold
        self._registers.write(_CONTROL.name, control & ~_CONTROL.mask("ENABLE"))
        for name, value in values.items():
            self._registers.write(name, value)
        errors = regmap.SENSOR_BY_NAME["SENSOR_ERRORS"]
        self._registers.write(errors.name, sum(errors.mask(f.name) for f in errors.fields))
        self._registers.write(_CONTROL.name, control | _CONTROL.mask("CLEAR_COUNTERS"))
        self._is_open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        try:
            control = self._values[_CONTROL.name] & ~_CONTROL.mask("ENABLE")
            self._registers.write(_CONTROL.name, control)
            self._close_packets()
            self._end()
        except SpikeLoomError:
            if error is None:  # or else what went wrong first is said
                raise

    def __iter__(self) -> Iterator[RunResult]:
        """Yield samples for ever; errors are those of :meth:`Board.run`."""
        if not self._is_open:
            raise UsageError("a camera must be used in a with statement, and be iterated once")
        self._is_open = False
        source = self._values[_CONTROL.name] | _CONTROL.mask("SOURCE")
        self._registers.write(_CONTROL.name, source)
        for number, beats in enumerate(self._packets):
            self._check()
            yield self._result(beats, number)

    def counters(self) -> dict[str, int]:
        """Return what became of the camera's events, by the names of ``SENSOR_COUNTERS``."""
        return {name: self._registers.read(f"SENSOR_{name}") for name, _ in regmap.SENSOR_COUNTERS}

    def errors(self) -> list[str]:
        """Return the names of the flags of ``SENSOR_ERRORS`` that are set."""
        return flags("SENSOR_ERRORS", self._registers.read("SENSOR_ERRORS"))

    def _close_packets(self) -> None:
        close = getattr(self._packets, "close", None)
        if close is not None:
            with contextlib.suppress(SpikeLoomError):
                close()

    def _result(self, beats: NDArray[Any], number: int) -> RunResult:
        loaded = self._loaded
        answer = decode(
            beats, loaded.populations, loaded.probes, 1, self._n_ticks, number & aer.PAYLOAD_MASK
        )
        return result_of([answer], loaded.populations, loaded.probes, loaded.fires)


def _check_build(loaded: Loaded, setup: SensorSetup) -> None:
    """Refuse a build without the sensor input, and a setup that does not fit the input."""
    config = loaded.build.config
    if not config.sensor:
        raise UsageError(
            f"a camera needs a build with the sensor input, and {config.name} has none; compile "
            "for a preset whose name ends in -sensor, and load its bitstream"
        )
    placed = loaded.inputs[0]
    if len(loaded.inputs) > 1 or placed.signed or placed.delay:
        raise UsageError("a camera needs a network with one input that is unsigned and not delayed")
    if setup.n_ticks < 1:
        raise UsageError("n_ticks of a camera's setup must be at least 1: a sample has to end")
    if placed.shape not in (setup.shape, (setup.n_neurons,)):
        raise UsageError(
            f"the camera's setup must give the input's shape {placed.shape}, not {setup.shape}; "
            "choose another crop or downscale"
        )
    if not 1 <= setup.limit <= placed.max_magnitude:
        raise UsageError(
            f"limit of a camera's setup must be from 1 to the {placed.max_magnitude} events that "
            f"the compiler allowed for, not {setup.limit}"
        )

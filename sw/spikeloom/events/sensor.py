"""The sensor input of a core in NumPy: its settings, and what it makes of addresses and times.

:class:`SensorSetup` says how a camera's addresses are laid out and what becomes of its events;
:meth:`SensorSetup.registers` are the values that the gateware is given for it, and
:meth:`SensorSetup.ticks` is what the gateware then feeds the core with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..spec import aer, numfmt, regmap
from ..spec.errors import DataError
from .array import Events, whole_numbers

ADDRESS_BITS = 24
COORDINATE_BITS = 12
NO_NEURON = -1

LIMIT_MAX = 15
LIMITED_NEURONS = 8192
"""Neurons for which the gateware can count events; with a limit the input has no more."""

POLARITIES: Mapping[str, int] = {"keep": 0, "merge": 1, "on": 2, "off": 3}
"""What becomes of the polarity: two channels (OFF, ON), one for both, or one of them only."""


def _check(name: str, value: object, low: int, high: int) -> None:
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:  # type: ignore[operator]
        raise DataError(f"{name} must be an integer from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class AddressField:
    """Lines ``shift`` to ``shift + bits - 1`` of an address; ``invert`` inverts each of them.

    ``shift`` is from 0 to 23; ``bits`` from 0 to 12, and 1 for a polarity.
    """

    shift: int
    bits: int
    invert: bool = False

    def __post_init__(self) -> None:
        _check("shift of an address field", self.shift, 0, ADDRESS_BITS - 1)
        _check("bits of an address field", self.bits, 0, COORDINATE_BITS)
        if not isinstance(self.invert, bool):
            raise DataError(f"invert of an address field must be a bool, not {self.invert!r}")
        if self.shift + self.bits > ADDRESS_BITS:
            raise DataError(
                f"an address field must end at line {ADDRESS_BITS - 1}, not {self.shift} + "
                f"{self.bits} - 1"
            )

    @property
    def mask(self) -> int:
        """The field's greatest value."""
        return (1 << self.bits) - 1

    def take(self, addresses: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the value of the field in each address."""
        return ((addresses >> self.shift) & self.mask) ^ (self.mask if self.invert else 0)

    def put(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return addresses that hold ``values`` in this field, and 0 elsewhere."""
        wide = values.astype(np.int64)
        if (wide > self.mask).any():
            raise DataError(
                f"values of an address field of {self.bits} bits must be at most {self.mask}, "
                f"not {int(wide.max())}"
            )
        return (wide ^ (self.mask if self.invert else 0)) << self.shift


@dataclass(frozen=True)
class SensorSetup:
    """How a live sensor feeds an input population of shape (height, width, channels).

    Parameters
    ----------
    x, y, polarity
        Where the camera has them in its address.
    crop
        (top, left, height, width) in pixels of the sensor.
    downscale
        Pixels along one side of a pixel of the input: 1, 2, 4, up to 2048.  If a side of the
        crop is no multiple, the last row or column collects fewer pixels.
    polarities
        ``keep`` (channel 0 OFF, 1 ON), ``merge``, ``on`` or ``off``: see :data:`POLARITIES`.
    period_us
        Length of a tick in microseconds, 1 to 2^24 - 1.
    n_ticks
        Ticks of a sample, up to 2^28 - 1; 0: until the host stops the sensor.
    limit
        Events of a neuron that count in a tick, 1 to 15: the ``max_magnitude`` of the input.
        0: all of them; then nothing guards the compiler's proof against a camera that sends
        more.  With a limit the input has at most 8192 neurons.
    wait
        Whether the camera waits while the core is behind, in place of losing events.
    request_low, acknowledge_low
        Whether these pins are active low.
    filter_cycles
        Clock cycles that a request must hold to count, 2 to 15.
    timeout_cycles
        Clock cycles after which a request that stays is given up, up to 2^24 - 1; 0: never.
    population
        Index of the input population in the core's population table.

    Raises
    ------
    DataError
        For a value out of range, naming it.
    """

    x: AddressField
    y: AddressField
    polarity: AddressField
    crop: tuple[int, int, int, int]
    period_us: int
    n_ticks: int = 0
    downscale: int = 1
    polarities: str = "keep"
    limit: int = 1
    wait: bool = False
    request_low: bool = False
    acknowledge_low: bool = False
    filter_cycles: int = 2
    timeout_cycles: int = 0
    population: int = 0

    def __post_init__(self) -> None:
        if self.polarity.bits != 1:
            raise DataError(f"the polarity must have 1 line, not {self.polarity.bits}")
        if self.polarities not in POLARITIES:
            names = ", ".join(POLARITIES)
            raise DataError(f"polarities must be one of {names}, not {self.polarities!r}")
        for name in ("wait", "request_low", "acknowledge_low"):
            if not isinstance(getattr(self, name), bool):
                raise DataError(f"{name} must be a bool, not {getattr(self, name)!r}")
        if not isinstance(self.crop, tuple) or len(self.crop) != 4:
            raise DataError(f"crop must be (top, left, height, width), not {self.crop!r}")
        top, left, rows, columns = self.crop
        side = 1 << COORDINATE_BITS
        _check("crop top", top, 0, side - 1)
        _check("crop left", left, 0, side - 1)
        _check("crop height", rows, 1, side - top)
        _check("crop width", columns, 1, side - left)
        _check("period_us", self.period_us, 1, (1 << 24) - 1)
        _check("n_ticks", self.n_ticks, 0, (1 << aer.PAYLOAD_BITS) - 1)
        _check("downscale", self.downscale, 1, side >> 1)
        if self.downscale & (self.downscale - 1):
            raise DataError(f"downscale must be a power of two, not {self.downscale}")
        _check("limit", self.limit, 0, LIMIT_MAX)
        _check("filter_cycles", self.filter_cycles, 2, 15)
        _check("timeout_cycles", self.timeout_cycles, 0, (1 << 24) - 1)
        _check("population", self.population, 0, (1 << aer.POPULATION_BITS) - 1)
        most = LIMITED_NEURONS if self.limit else numfmt.NEURONS_MAX
        if self.n_neurons > most:
            raise DataError(
                f"the input must have at most {most} neurons with limit {self.limit}, not "
                f"{self.shape}; choose a smaller crop or a greater downscale"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the input population: (height, width, channels)."""
        height, width = (-(-side // self.downscale) for side in self.crop[2:])
        return height, width, 2 if self.polarities == "keep" else 1

    @property
    def n_neurons(self) -> int:
        """Neurons of the input population."""
        height, width, channels = self.shape
        return height * width * channels

    def addresses(self, events: Events) -> NDArray[np.int64]:
        """Return the addresses by which the camera would send ``events``."""
        return self.x.put(events.x) | self.y.put(events.y) | self.polarity.put(events.p)

    def neurons(self, addresses: ArrayLike) -> NDArray[np.int64]:
        """Return the input neuron of each address, or -1 for an event that is left out."""
        lines = self._lines(addresses)
        top, left, rows, columns = self.crop
        y, x, on = self.y.take(lines) - top, self.x.take(lines) - left, self.polarity.take(lines)
        _, width, channels = self.shape
        kept = {"on": on == 1, "off": on == 0}.get(self.polarities, np.full(len(lines), True))
        inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns) & kept
        channel = on if channels == 2 else 0
        place = (y // self.downscale * width + x // self.downscale) * channels + channel
        return np.where(inside, place, NO_NEURON)

    def ticks(self, addresses: ArrayLike, times: ArrayLike, duration: int) -> NDArray[np.uint8]:
        """Return what the core is fed with, sample by sample.

        Parameters
        ----------
        addresses
            Whole numbers (events,), in the order of the handshakes.
        times
            Whole numbers (events,), microseconds from the moment in which the sensor was chosen
            to that in which the event was taken; never decreasing.
        duration
            Microseconds of the whole run.  Only samples that end within it count; with
            ``n_ticks`` = 0, the whole ticks are one sample.

        Returns
        -------
        uint8 (samples, ticks, neurons): how often each neuron counts in each tick; above 127
        (without a limit) 127 stands.
        """
        _check("duration", duration, 0, 1 << 62)
        neuron, time = self.neurons(addresses), whole_numbers("times", times).astype(np.int64)
        if len(time) != len(neuron):
            raise DataError(
                f"there must be a time for each of {len(neuron)} events, not {len(time)}"
            )
        if (time < 0).any() or (np.diff(time) < 0).any():
            raise DataError("times must be 0 or more and never decrease")
        n_ticks = duration // self.period_us
        tick = time // self.period_us
        n_samples, length = (
            (n_ticks // self.n_ticks, self.n_ticks) if self.n_ticks else (1, n_ticks)
        )
        taken = (neuron != NO_NEURON) & (tick < n_samples * length)
        cells = np.zeros(n_samples * length * self.n_neurons, np.int64)
        np.add.at(cells, tick[taken] * self.n_neurons + neuron[taken], 1)
        counts = np.minimum(cells, self.limit or numfmt.MAGNITUDE_MAX).astype(np.uint8)
        return counts.reshape(n_samples, length, self.n_neurons)

    def registers(self, clock_hz: int) -> dict[str, int]:
        """Return the values of the sensor's registers, in the order of writing.

        SENSOR_CONTROL comes last and enables the port; the core is still fed by the host.

        Parameters
        ----------
        clock_hz
            Clock of the core, a multiple of 1 MHz up to 1023 MHz.
        """
        if isinstance(clock_hz, bool) or not isinstance(clock_hz, int) or clock_hz % 1_000_000:
            raise DataError(f"clock_hz must be a multiple of 1000000, not {clock_hz!r}")
        _check("clock_hz", clock_hz, 1_000_000, 1_023_000_000)
        top, left, rows, columns = self.crop
        _, width, channels = self.shape
        scale = self.downscale.bit_length() - 1
        axes = {
            f"SENSOR_{name}": {"SHIFT": axis.shift, "WIDTH": axis.bits, "INVERT": axis.invert}
            for name, axis in (("X", self.x), ("Y", self.y))
        }
        values: dict[str, dict[str, int]] = {
            "SENSOR_HANDSHAKE": {"FILTER": self.filter_cycles, "TIMEOUT": self.timeout_cycles},
            **axes,
            "SENSOR_POLARITY": {
                "SHIFT": self.polarity.shift,
                "INVERT": self.polarity.invert,
                "MODE": POLARITIES[self.polarities],
            },
            "SENSOR_ORIGIN": {"X": left, "Y": top},
            "SENSOR_SIZE": {"WIDTH": columns, "HEIGHT": rows},
            "SENSOR_SCALE": {"X": scale, "Y": scale, "STRIDE": width * channels},
            "SENSOR_OUTPUT": {"LIMIT": self.limit, "POPULATION": self.population},
            "SENSOR_CLOCK": {"CYCLES": clock_hz // 1_000_000},
            "SENSOR_PERIOD": {"MICROSECONDS": self.period_us},
            "SENSOR_TICKS": {"TICKS": self.n_ticks},
            "SENSOR_CONTROL": {
                "ENABLE": 1,
                "WAIT": self.wait,
                "REQUEST_LOW": self.request_low,
                "ACKNOWLEDGE_LOW": self.acknowledge_low,
            },
        }
        return {name: _pack(name, fields) for name, fields in values.items()}

    @staticmethod
    def _lines(addresses: ArrayLike) -> NDArray[np.int64]:
        lines = whole_numbers("addresses", addresses).astype(np.int64)
        if ((lines < 0) | (lines >> ADDRESS_BITS != 0)).any():
            raise DataError(f"addresses must be from 0 to {(1 << ADDRESS_BITS) - 1}")
        return lines


def _pack(name: str, fields: Mapping[str, int]) -> int:
    register = regmap.named(name)
    word = 0
    for field, value in fields.items():
        if value > register.mask(field) >> register.field(field).lsb:
            raise DataError(f"{name}.{field} must fit its bits, not {value}")
        word |= int(value) << register.field(field).lsb
    return word

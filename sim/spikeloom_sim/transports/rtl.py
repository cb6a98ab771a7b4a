"""The transport to a simulated core, whichever simulator runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec import regmap
from spikeloom.spec.errors import DeviceError, DeviceTimeout, UsageError

from .options import SimOptions

Words = NDArray[np.uint32]
Beats = NDArray[np.uint64]

_CONTROL = regmap.SENSOR_BY_NAME["SENSOR_CONTROL"]

BUS_CYCLES_FIXED = 1000
BUS_CYCLES_PER_WORD = 64
"""Bound of the cycles that a bus access may take."""


class Status(IntEnum):
    """How an access ended; the same numbers as in ``rtl/harness.cpp``."""

    DONE = 0
    TIMEOUT = 1
    OVERRUN = 2
    BUS_ERROR = 3
    PROTOCOL = 4


@dataclass(frozen=True)
class Exchanged:
    """What became of a packet: beats sent, the beats that came back, and the cycles."""

    status: Status
    n_sent: int
    beats: Beats
    cycles: int


class SimulatedCore(Protocol):
    """Bus transactions on a running simulation; every call ends within its cycles."""

    def write(self, address: int, words: Words, max_cycles: int) -> tuple[Status, int]:
        """Write consecutive words; return how it ended and the index of the word that failed."""

    def read(self, address: int, n_words: int, max_cycles: int) -> tuple[Status, int, Words]:
        """Read consecutive words; as :meth:`write`, with the words."""

    def exchange(
        self,
        beats: Beats,
        capacity: int,
        max_cycles: int,
        stalls: tuple[int, int],
        seed: int,
    ) -> Exchanged:
        """Send one packet and take one; ``stalls`` of input and output in 1/65536."""

    def camera(self, addresses: Words, starts: NDArray[np.uint64]) -> None:
        """Let a camera at the pins send events, each not before its cycle from now on."""

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""

    def close(self) -> None:
        """End the simulation."""


class RtlTransport:
    """A :class:`~spikeloom.board.transport.Transport` to a simulated core.

    After a :class:`DeviceTimeout` or a :class:`DeviceError` of :meth:`exchange` the core
    still holds what was not taken; ``CONTROL.RESET`` empties it.
    """

    def __init__(
        self,
        name: str,
        core: SimulatedCore,
        address_bits: int,
        options: SimOptions,
        facts: dict[str, Any],
    ) -> None:
        self.name = name
        self._core: SimulatedCore | None = core
        self._address_bits = address_bits
        self._options = options
        self._facts = facts
        self._n_exchanges = 0
        self._events: tuple[Words, NDArray[np.uint64]] | None = None

    def read32(self, address: int) -> int:
        """Return the word at ``address``; see :meth:`read_block`."""
        return int(self.read_block(address, 1)[0])

    def write32(self, address: int, value: int) -> None:
        """Write one word; see :meth:`write_block`."""
        if not 0 <= value < 1 << 32:
            raise UsageError(f"a word must be from 0 to 2^32 - 1, not {value!r}")
        self.write_block(address, np.array([value], np.uint32))

    def write_block(self, address: int, words: Words) -> None:
        """Write consecutive words.

        Raises :class:`DeviceError` if the bus answers with an error and
        :class:`DeviceTimeout` if it does not answer.
        """
        words = np.ascontiguousarray(words, np.uint32)
        self._check_range(address, len(words))
        limit = BUS_CYCLES_FIXED + BUS_CYCLES_PER_WORD * len(words)
        status, at = self._open.write(address & ~3, words, limit)
        self._check_bus("write", address, status, at, limit)
        if self._events and address == _CONTROL.offset and int(words[0]) & _CONTROL.mask("SOURCE"):
            self._open.camera(*self._events)
            self._events = None

    def camera(self, addresses: NDArray[Any], cycles: NDArray[Any]) -> None:
        """Have a camera at the pins of a build with the sensor input.

        Parameters
        ----------
        addresses
            Whole numbers (events,): what is on the address lines; the levels are high active.
        cycles
            Whole numbers (events,), never decreasing: clock cycles from the moment in which
            ``SENSOR_CONTROL.SOURCE`` is next set to that in which each request rises at the
            earliest.
        """
        self._events = np.array(addresses, np.uint32), np.array(cycles, np.uint64)

    def read_block(self, address: int, n_words: int) -> Words:
        """Return consecutive words; raises as :meth:`write_block`."""
        self._check_range(address, n_words)
        limit = BUS_CYCLES_FIXED + BUS_CYCLES_PER_WORD * n_words
        status, at, words = self._open.read(address & ~3, n_words, limit)
        self._check_bus("read", address, status, at, limit)
        return words

    def exchange(self, beats: Beats, capacity: int, budget_cycles: int) -> Beats:
        """Send one packet and return the packet that comes back.

        The budget grows with the stalls of the options.  Raises :class:`DeviceTimeout`
        past it, and :class:`DeviceError` for an answer longer than ``capacity``, for one
        that was closed before all input was taken and for a breach of the stream protocol.
        """
        beats = np.ascontiguousarray(beats, np.uint64)
        if not len(beats):
            raise UsageError("a packet must have at least one beat, not 0")
        return self._exchange(beats, capacity, budget_cycles)

    def receive_all(self, capacity: int, budget_cycles: int) -> Iterator[Beats]:
        """Yield the packets that the core sends by itself; errors are those of :meth:`exchange`."""
        while True:
            yield self._exchange(np.zeros(0, np.uint64), capacity, budget_cycles)

    def _exchange(self, beats: Beats, capacity: int, budget_cycles: int) -> Beats:
        options = self._options
        limit = int(budget_cycles / ((1 - options.stall_in) * (1 - options.stall_out)))
        stalls = (int(options.stall_in * 65536), int(options.stall_out * 65536))
        seed = (options.seed + (self._n_exchanges << 32)) & ((1 << 64) - 1)
        self._n_exchanges += 1
        done = self._open.exchange(beats, capacity, limit, stalls, seed)
        sent = f"{done.n_sent} of {len(beats)} beats sent, {len(done.beats)} received"
        if done.status is Status.TIMEOUT:
            raise DeviceTimeout(
                f"{self.name} must answer within {limit} cycles; it did not ({sent}; "
                f"{self._state()}); reset the core or give it a greater budget"
            )
        if done.status is Status.OVERRUN:
            raise DeviceError(
                f"the answer of {self.name} must have at most {capacity} beats; it has more "
                f"({sent}; {self._state()})"
            )
        if done.status is not Status.DONE:
            raise DeviceError(
                f"{self.name} broke the stream protocol: TVALID, TDATA and TLAST must hold "
                f"until TREADY, and TKEEP must be all ones ({sent}; {self._state()})"
            )
        if done.n_sent < len(beats):
            raise DeviceError(
                f"{self.name} must close its packet behind the last input beat, not earlier "
                f"({sent})"
            )
        return done.beats

    def describe(self) -> dict[str, Any]:
        """Return engine, tool, version and the clock cycles simulated so far."""
        return {**self._facts, "cycles": self._open.cycles, "clock_hz": None}

    def close(self) -> None:
        """End the simulation."""
        if self._core is not None:
            self._core.close()
            self._core = None

    @property
    def _open(self) -> SimulatedCore:
        if self._core is None:
            raise UsageError(f"the transport {self.name} is closed; open another")
        return self._core

    def _check_range(self, address: int, n_words: int) -> None:
        end = 1 << self._address_bits
        if address < 0 or (address & ~3) + 4 * n_words > end:
            raise DeviceError(
                f"addresses of {self.name} must be below {end:#x}, not {address:#x} "
                f"and {n_words} words on"
            )

    def _check_bus(self, verb: str, address: int, status: Status, at: int, limit: int) -> None:
        where = f"{verb} of {(address & ~3) + 4 * at:#x} on {self.name}"
        if status is Status.BUS_ERROR:
            raise DeviceError(f"{where} was answered with a bus error (SLVERR)")
        if status is Status.TIMEOUT:
            raise DeviceTimeout(f"{where} must be answered within {limit} cycles; it was not")
        if status is not Status.DONE:
            raise DeviceError(f"{where} broke the AXI4-Lite protocol: an answer without a request")

    def _state(self) -> str:
        """Return STATUS and ERRORS for a message."""
        texts = []
        for name in ("STATUS", "ERRORS"):
            status, _, words = self._open.read(regmap.BY_NAME[name].offset, 1, BUS_CYCLES_FIXED)
            texts.append(f"{name} {words[0]:#x}" if status is Status.DONE else f"{name} unreadable")
        return ", ".join(texts)

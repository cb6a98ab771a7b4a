"""A core behind a serial line as a transport: :mod:`spikeloom.spec.serial` from the host's side.

``serial`` (pyserial) is imported when a port is opened, not before.
"""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..spec import regmap, serial
from ..spec.errors import DataError, DeviceError, DeviceTimeout, LinkError, SpikeLoomError
from ..spec.serial import Op, Status

BEAT_BYTES = 8
ANSWER_S = 1.0
"""Time in which the bridge must answer, beside the time that the bytes take."""

QUIET_S = 0.2
"""Time without a byte after which the bridge has forgotten an unfinished request."""

MIN_DEADLINE_S = 1.0
"""Least time that a packet may take, whatever its cycle budget says."""


class ByteLine(Protocol):
    """Two directions of bytes, and a clock in seconds that runs as the line does."""

    bytes_per_s: float

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, n_bytes: int, timeout_s: float) -> bytes:
        """Return ``n_bytes``, or fewer if they do not come in time."""

    def rest(self, seconds: float) -> None:
        """Be quiet for a time, then forget every byte that came."""

    def now(self) -> float:
        """Return seconds."""

    def close(self) -> None:
        """Release the line; may be called twice."""


class SerialTransport:
    """A core and its serial bridge on the other end of ``line``.

    Parameters
    ----------
    line
        The bytes.
    name
        For messages.
    address_bits
        Width of the core's byte address, if it is known.
    clock_hz
        Clock of the core.
    facts
        What :meth:`describe` adds.
    """

    def __init__(
        self,
        line: ByteLine,
        *,
        name: str,
        clock_hz: float,
        address_bits: int = 32,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.line = line
        self._clock_hz = clock_hz
        self._end = 1 << address_bits
        self._facts = dict(facts or {})

    def connect(self) -> None:
        """Bring bridge and line into step; raises :class:`LinkError` if none answers."""
        try:
            version = self._clear()
        except (DeviceError, DeviceTimeout):
            self.line.rest(QUIET_S)
            try:
                version = self._clear()
            except (DeviceError, DeviceTimeout) as error:
                raise LinkError(
                    f"no SpikeLoom bridge answers at {self.name}: {error}; check the port, its "
                    "speed and that the bitstream is loaded"
                ) from error
        if version != serial.VERSION:
            raise LinkError(
                f"the bridge at {self.name} must have version {serial.VERSION}, not {version}; "
                "use a matching SpikeLoom"
            )

    def read32(self, address: int) -> int:
        """Return the word at ``address``."""
        return int(self.read_block(address, 1)[0])

    def write32(self, address: int, value: int) -> None:
        """Write a word."""
        self.write_block(address, np.array([value], np.uint32))

    def write_block(self, address: int, words: NDArray[np.uint32]) -> None:
        """Write consecutive words."""
        data = np.ascontiguousarray(words, "<u4")
        self._check_range(address, len(data))
        for at in range(0, len(data), serial.MAX_WORDS):
            part = data[at : at + serial.MAX_WORDS]
            head = self._bus_head(Op.WRITE, address + 4 * at, len(part))
            self._request(head + part.tobytes(), 0, f"write of 0x{address + 4 * at:X}")

    def read_block(self, address: int, n_words: int) -> NDArray[np.uint32]:
        """Return consecutive words."""
        self._check_range(address, n_words)
        parts = []
        for at in range(0, n_words, serial.MAX_WORDS):
            count = min(serial.MAX_WORDS, n_words - at)
            head = self._bus_head(Op.READ, address + 4 * at, count)
            data = self._request(head, 4 * count, f"read of 0x{address + 4 * at:X}")
            parts.append(np.frombuffer(data, "<u4"))
        return np.concatenate(parts) if parts else np.zeros(0, np.uint32)

    def exchange(
        self, beats: NDArray[np.uint64], capacity: int, budget_cycles: int
    ) -> NDArray[np.uint64]:
        """Send one packet and return the packet that comes back."""
        if beats.dtype != np.uint64 or beats.ndim != 1 or not len(beats):
            raise DataError(
                f"beats must be a vector of uint64 with at least one, not {beats.ndim}-d "
                f"{beats.dtype} of {beats.size}"
            )
        try:
            self._clear()
            return self._exchange(np.ascontiguousarray(beats, "<u8"), capacity, budget_cycles)
        except BaseException as error:
            self._abandon(in_step=isinstance(error, SpikeLoomError))
            raise

    def describe(self) -> dict[str, Any]:
        """Return facts about the line and the core."""
        return {"engine": self.name, "clock_hz": self._clock_hz, **self._facts}

    def close(self) -> None:
        """Release the line."""
        self.line.close()

    def _exchange(
        self, beats: NDArray[np.uint64], capacity: int, budget_cycles: int
    ) -> NDArray[np.uint64]:
        bytes_s = BEAT_BYTES * (len(beats) + capacity) / self.line.bytes_per_s
        limit_s = max(MIN_DEADLINE_S, budget_cycles / self._clock_hz) + 4 * bytes_s
        start = self.line.now()
        sent, free, received = 0, serial.FIFO_BEATS, []
        n_received, ended = 0, False
        while not ended:
            late = self.line.now() - start > limit_s
            count = min(serial.MAX_BEATS, free, len(beats) - sent)
            part = beats[sent : sent + count]
            sent += count
            items, free, ended = self._beats(part, count > 0 and sent == len(beats))
            received.append(items)
            n_received += len(items)
            if n_received > capacity:
                raise DeviceError(
                    f"the answer of {self.name} must have at most {capacity} beats, but has more"
                )
            if late and not ended:
                raise DeviceTimeout(
                    f"{self.name} must answer within {limit_s:.3g} s, but sent {n_received} beats "
                    f"and took {sent} of {len(beats)}; {self._state()}; core and bridge were reset"
                )
        if sent < len(beats):
            raise DeviceError(
                f"{self.name} must close its packet behind the last of {len(beats)} beats, not "
                f"behind {sent}"
            )
        return np.concatenate(received)

    def _beats(self, part: NDArray[np.uint64], last: bool) -> tuple[NDArray[np.uint64], int, bool]:
        """Send beats; return the beats that came, the room left, and whether a packet ended."""
        head = bytes([Op.BEATS, len(part) | last << 7])
        request = head + part.astype("<u8").tobytes()
        self.line.write(request)
        reply = bytearray(self._read(1, len(request)))
        self._check_op(reply[0], Op.BEATS)
        items = bytearray()
        ended = False
        for _ in range(serial.MAX_BEATS + 1):
            flag = self._read(1, 0)
            reply += flag
            if flag[0] == 0:
                break
            if flag[0] not in (serial.ITEM, serial.ITEM_LAST) or ended:
                raise self._garbled(f"an item begins with 0x{flag[0]:02X}")
            data = self._read(BEAT_BYTES, 0)
            reply += data
            items += data
            ended = flag[0] == serial.ITEM_LAST
        else:
            raise self._garbled(f"more than {serial.MAX_BEATS} items came")
        reply += self._read(2, 0)
        self._finish(request, bytes(reply), "packet")
        return np.frombuffer(bytes(items), "<u8"), int(reply[-2]), ended

    def _clear(self) -> int:
        return self._request(bytes([Op.CLEAR]), 1, "clearing of the bridge")[0]

    def _request(self, request: bytes, n_body: int, what: str) -> bytes:
        """Send a request and return the body of its response."""
        self.line.write(request)
        reply = self._read(1, len(request))
        self._check_op(reply[0], Op(request[0]))
        reply += self._read(n_body + 1, 0)
        self._finish(request, reply, what)
        return reply[1:-1]

    def _read(self, n_bytes: int, n_sent: int) -> bytes:
        limit_s = ANSWER_S + 2 * (n_bytes + n_sent) / self.line.bytes_per_s
        data = self.line.read(n_bytes, limit_s)
        if len(data) < n_bytes:
            raise DeviceTimeout(
                f"the bridge at {self.name} must answer within {limit_s:.3g} s, but {len(data)} "
                f"of {n_bytes} bytes came"
            )
        return data

    def _check_op(self, found: int, expected: Op) -> None:
        if found != expected:
            raise self._garbled(f"0x{found:02X} came in place of 0x{int(expected):02X}")

    def _finish(self, request: bytes, reply: bytes, what: str) -> None:
        """Check CRC and status, the last byte of ``reply``."""
        found = int.from_bytes(self._read(2, 0), "little")
        expected = serial.crc(request + reply)
        if found != expected:
            raise self._garbled(f"the CRC is 0x{found:04X} in place of 0x{expected:04X}")
        status = Status(reply[-1])
        if status & Status.BUS:
            raise DeviceError(f"{what} on {self.name} was answered with a bus error (SLVERR)")
        if status:
            raise self._garbled(f"{what} was answered with {status!r}")

    def _garbled(self, found: str) -> DeviceError:
        return DeviceError(
            f"requests and responses of {self.name} must arrive undamaged, but {found}; "
            "check the line and its speed"
        )

    def _check_range(self, address: int, n_words: int) -> None:
        if address % 4 or not 0 <= address <= self._end - 4 * n_words:
            raise DeviceError(
                f"{n_words} words at 0x{address:X} must lie in the core's 0x{self._end:X} bytes "
                "at a multiple of 4; the bitstream is of another build"
            )

    @staticmethod
    def _bus_head(op: Op, address: int, n_words: int) -> bytes:
        return bytes([op]) + address.to_bytes(4, "little") + bytes([n_words - 1])

    def _state(self) -> str:
        try:
            values = [f"{name} 0x{self.read32(regmap.BY_NAME[name].offset):X}"
                      for name in ("STATUS", "ERRORS")]  # fmt: skip
        except SpikeLoomError as error:
            return f"the core does not answer: {error}"
        return ", ".join(values)

    def _abandon(self, in_step: bool) -> None:
        """Silence the core, then empty the bridge; come into step first if need be."""
        if not in_step:
            self.line.rest(QUIET_S)
        for _ in range(2):
            try:
                reset = regmap.BY_NAME["CONTROL"]
                self.write32(reset.offset, reset.mask("RESET"))
                self._clear()
                return
            except (DeviceError, DeviceTimeout):
                self.line.rest(QUIET_S)


def open_serial(
    port: str, *, baud: int = 3_000_000, clock_hz: float = 60e6, address_bits: int = 32
) -> SerialTransport:
    """Open the core on the serial port ``port``, such as ``/dev/ttyUSB0``.

    Raises :class:`LinkError` naming what is missing: pyserial, the port, or the bridge.
    """
    from .serial_line import SerialLine

    line = SerialLine(port, baud)
    with contextlib.ExitStack() as undo:
        undo.callback(line.close)
        transport = SerialTransport(
            line,
            name=f"serial:{port}",
            clock_hz=clock_hz,
            address_bits=address_bits,
            facts={"baud": baud},
        )
        transport.connect()
        undo.pop_all()
        return transport

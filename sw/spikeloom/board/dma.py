"""AXI DMA 7.1 in direct register mode (PG021), with a deadline on every wait.

The shipped driver's ``wait`` has none: a packet without TLAST hangs it for ever.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from ..spec.errors import DeviceError, DeviceTimeout

MM2S, S2MM = "MM2S", "S2MM"
OFFSETS = {MM2S: 0x00, S2MM: 0x30}
BOTH = (MM2S, S2MM)
CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28

RUN, RESET = 1 << 0, 1 << 2
"""Bits of a channel's control register."""

HALTED, IDLE, INTERNAL_ERROR, SLAVE_ERROR, DECODE_ERROR = (1 << b for b in (0, 1, 4, 5, 6))
"""Bits of a channel's status register."""

STATUS_BITS = {
    HALTED: "halted",
    IDLE: "idle",
    INTERNAL_ERROR: "internal error",
    SLAVE_ERROR: "slave error",
    DECODE_ERROR: "decode error",
}
ERROR_HINTS = {
    INTERNAL_ERROR: "the length is 0, or the core sent more than the buffer holds",
    SLAVE_ERROR: "the memory answered with an error",
    DECODE_ERROR: "the buffer's address is not mapped",
}
ERRORS = INTERNAL_ERROR | SLAVE_ERROR | DECODE_ERROR

SETTLE_S = 0.1
"""Time that a channel may take to start or to reset."""


class RegisterWindow(Protocol):
    """The part of ``pynq.MMIO`` that is used."""

    def read(self, offset: int = 0) -> Any:
        """Return the word at ``offset``."""

    def write(self, offset: int, data: Any) -> None:
        """Write a word, or bytes, at ``offset``."""


class DmaChannels:
    """Both channels of one AXI DMA behind the register window ``mmio``."""

    def __init__(self, mmio: RegisterWindow) -> None:
        self._mmio = mmio

    def start(self, channel: str, address: int, n_bytes: int) -> None:
        """Start a transfer of ``n_bytes`` at the physical ``address``."""
        base = OFFSETS[channel]
        if self.status(channel) & HALTED:
            self._mmio.write(base + CONTROL, RUN)
            self._settle(lambda: not self.status(channel) & HALTED, f"{channel} must start")
        self._mmio.write(base + ADDRESS, address & 0xFFFF_FFFF)
        self._mmio.write(base + ADDRESS_HIGH, address >> 32)
        self._mmio.write(base + LENGTH, n_bytes)

    def wait(self, deadline_s: float, channels: Sequence[str] = BOTH) -> None:
        """Wait until channels are done, for at most ``deadline_s`` seconds.

        Raises
        ------
        DeviceError
            If a channel reports an error, whether it is waited for or not.
        DeviceTimeout
            If a channel is not done in time.  Neither resets the channels.
        """
        start = time.monotonic()
        while True:
            elapsed = time.monotonic() - start  # before the reading: a pause must not count
            values = {channel: self.status(channel) for channel in OFFSETS}
            for channel, value in values.items():
                if value & ERRORS:
                    raise DeviceError(
                        f"DMA channel {channel} must end without error, not with "
                        f"{_said(value & ERRORS, ERROR_HINTS)}; {self.dump()}"
                    )
            late = [channel for channel in channels if not values[channel] & IDLE]
            if not late:
                return
            if elapsed > deadline_s:
                raise DeviceTimeout(
                    f"DMA channels {' and '.join(late)} must be done within {deadline_s:.3g} s; "
                    f"{self.dump()}"
                )
            time.sleep(min(1e-3, elapsed / 16))

    def received(self) -> int:
        """Return the bytes that the last packet had."""
        return int(self._mmio.read(OFFSETS[S2MM] + LENGTH))

    def status(self, channel: str) -> int:
        """Return the status register of ``channel``."""
        return int(self._mmio.read(OFFSETS[channel] + STATUS))

    def reset(self) -> None:
        """Reset both channels, whatever they do; raises :class:`DeviceTimeout`."""
        for base in OFFSETS.values():
            self._mmio.write(base + CONTROL, RESET)
        for channel, base in OFFSETS.items():
            self._settle(
                lambda base=base: not int(self._mmio.read(base + CONTROL)) & RESET,
                f"{channel} must come out of its reset",
            )

    def dump(self) -> str:
        """Return both status registers in words."""
        parts = []
        for channel in OFFSETS:
            value = self.status(channel)
            parts.append(f"{channel} DMASR 0x{value:08X} ({_said(value, STATUS_BITS)})")
        return ", ".join(parts)

    def _settle(self, done: Any, what: str) -> None:
        deadline = time.monotonic() + SETTLE_S
        late = False
        while not done():
            if late:
                raise DeviceTimeout(f"DMA channel {what} within {SETTLE_S:g} s; {self.dump()}")
            late = time.monotonic() > deadline


def _said(value: int, names: dict[int, str]) -> str:
    said = [f"0x{bit:02X}: {name}" if names is ERROR_HINTS else name
            for bit, name in names.items() if value & bit]  # fmt: skip
    return ", ".join(said) or "busy"

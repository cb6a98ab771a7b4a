"""Registers by name over a transport: the driver's and the transports' view of the map."""

from __future__ import annotations

import time
from typing import Protocol

from ..spec import regmap
from ..spec.errors import DeviceTimeout


class RegisterPort(Protocol):
    """The part of a transport that reads and writes single registers."""

    def read32(self, address: int) -> int:
        """Return the word at ``address``."""

    def write32(self, address: int, value: int) -> None:
        """Write the word at ``address``."""


class Registers:
    """The registers of :mod:`spikeloom.spec.regmap` behind ``port``."""

    def __init__(self, port: RegisterPort) -> None:
        self._port = port

    def read(self, name: str) -> int:
        """Return the value of register ``name``."""
        return self._port.read32(regmap.named(name).offset)

    def write(self, name: str, value: int) -> None:
        """Write register ``name``."""
        self._port.write32(regmap.named(name).offset, value)

    def read_pair(self, name: str) -> int:
        """Return the 64-bit value of ``{name}_LO`` and ``{name}_HI``, the low word first."""
        low = self.read(f"{name}_LO")
        return self.read(f"{name}_HI") << 32 | low

    def wait(self, name: str, field: str, timeout_s: float) -> None:
        """Wait until a field of a register is not 0.

        Raises :class:`DeviceTimeout` naming the field after ``timeout_s`` seconds.
        """
        mask = regmap.named(name).mask(field)
        deadline = time.monotonic() + timeout_s
        while True:
            late = time.monotonic() > deadline  # before the reading: a pause must not count
            value = self.read(name)
            if value & mask:
                return
            if late:
                raise DeviceTimeout(
                    f"{name}.{field} must become 1 within {timeout_s:g} s, but {name} reads "
                    f"0x{value:08X}; {self.summary()}; load the bitstream again"
                )

    def clear_errors(self) -> None:
        """Clear every sticky error flag."""
        register = regmap.BY_NAME["ERRORS"]
        self.write("ERRORS", sum(register.mask(field.name) for field in register.fields))

    def summary(self) -> str:
        """Return STATUS and ERRORS in words, for messages."""
        parts = []
        for name in ("STATUS", "ERRORS"):
            value = self.read(name)
            parts.append(f"{name} 0x{value:X} ({', '.join(flags(name, value)) or 'none'})")
        return ", ".join(parts)


def pack_register(name: str, **values: int) -> int:
    """Return the word of register ``name`` with the given fields."""
    register = regmap.named(name)
    return sum(int(value) << register.field(field).lsb for field, value in values.items())


def flags(name: str, value: int) -> list[str]:
    """Return the names of the fields of register ``name`` that are not 0 in ``value``."""
    register = regmap.named(name)
    return [field.name for field in register.fields if value & register.mask(field.name)]

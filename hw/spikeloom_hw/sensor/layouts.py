"""Amaranth layouts of the sensor input, made from its registers."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data

from spikeloom.spec import aer, regmap
from spikeloom.spec.regmap import Access, Register

ADDRESS_BITS = 24
"""Address lines of the port; those that a camera does not have are tied to 0."""

COORDINATE_BITS = 12

Address = unsigned(ADDRESS_BITS)
Neuron = unsigned(aer.NEURON_BITS)
Word = unsigned(aer.WORD_BITS)


def short(name: str) -> str:
    """Return the name of a register of the group without its prefix, in small letters."""
    return name.removeprefix("SENSOR_").lower()


def register_layout(register: Register) -> data.FlexibleLayout:
    """Return the fields of a register, where the register has them."""
    return data.FlexibleLayout(
        32, {f.name.lower(): data.Field(unsigned(f.bits), f.lsb) for f in register.fields}
    )


SETTINGS: tuple[Register, ...] = tuple(
    r for r in regmap.SENSOR_REGISTERS if any(f.access is Access.READ_WRITE for f in r.fields)
)
"""The registers that the host sets."""

Settings = data.StructLayout({short(r.name): register_layout(r) for r in SETTINGS})
"""What the host has set, register by register: ``settings.handshake.filter``."""

_PER_CYCLE = {"IGNORED": 2, "OUTSIDE": 2}

Counts = data.StructLayout(
    {name.lower(): unsigned(_PER_CYCLE.get(name, 1)) for name, _ in regmap.SENSOR_COUNTERS}
)
"""What happened in a cycle, for the counters of the sensor."""

Errors = data.StructLayout(
    {f.name.lower(): unsigned(1) for f in regmap.SENSOR_BY_NAME["SENSOR_ERRORS"].fields}
)
"""Faults of a cycle, for the sticky flags of the sensor."""

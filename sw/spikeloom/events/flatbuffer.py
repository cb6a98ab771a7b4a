"""The little of FlatBuffers that AEDAT4 needs, with every read inside the buffer.

A size-prefixed buffer is uint32 size, uint32 offset of the root table (from its own
place), four characters of identifier.  A table starts with the int32 distance back to its
vtable: uint16 sizes of the vtable and table, then for every slot the uint16 offset of its
field, 0 for none (FlatBuffers internals, flatbuffers.dev).
"""

from __future__ import annotations

from typing import NamedTuple

from ..spec.errors import DataError


class Table(NamedTuple):
    """A table at ``at`` in ``data``; it raises :class:`DataError` for any bad offset."""

    data: bytes
    at: int

    def number(self, at: int, size: int, signed: bool = False) -> int:
        """Return the little-endian number of ``size`` bytes at ``at``."""
        if not 0 <= at <= len(self.data) - size:
            raise DataError(f"an offset must be inside the {len(self.data)} bytes, not {at}")
        return int.from_bytes(self.data[at : at + size], "little", signed=signed)

    def field(self, slot: int) -> int | None:
        """Return where the field of ``slot`` is, or None if the table has none."""
        vtable = self.at - self.number(self.at, 4, signed=True)
        entry = 4 + 2 * slot
        if entry + 2 > self.number(vtable, 2):
            return None
        offset = self.number(vtable + entry, 2)
        return self.at + offset if offset else None

    def integer(self, slot: int, size: int, default: int) -> int:
        """Return the signed integer field of ``slot``."""
        at = self.field(slot)
        return default if at is None else self.number(at, size, signed=True)

    def vector(self, slot: int, element: int) -> tuple[int, int]:
        """Return where the vector of ``slot`` starts and how many elements it has."""
        at = self.field(slot)
        if at is None:
            return 0, 0
        at += self.number(at, 4)
        count = self.number(at, 4)
        if at + 4 + count * element > len(self.data):
            raise DataError(
                f"a vector of {count} elements of {element} bytes must fit into the "
                f"{len(self.data)} bytes from offset {at}"
            )
        return at + 4, count


def root(data: bytes, identifier: bytes) -> Table:
    """Return the root table of a size-prefixed buffer with that identifier."""
    start = Table(data, 0)
    size = start.number(0, 4)
    if size + 4 > len(data):
        raise DataError(f"a buffer must hold the {size} bytes it declares, not {len(data) - 4}")
    if data[8:12] != identifier:
        raise DataError(f"a buffer must be of type {identifier!r}, not {bytes(data[8:12])!r}")
    return Table(data, 4 + start.number(4, 4))

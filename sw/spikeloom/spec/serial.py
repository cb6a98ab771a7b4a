"""The serial bridge: how a core without a processor beside it is reached byte by byte.

The host sends a request and waits for its response; the bridge never speaks unasked, so
neither side needs flow control.  Numbers are little endian.

====== ================================================== ================================
op     request                                            response
====== ================================================== ================================
READ   op, address (4), words less one (1)                op, words (4 each), status, CRC
WRITE  op, address (4), words less one (1), words         op, status, CRC
BEATS  op, head (1), beats (8 each)                       op, items, 0, free, status, CRC
CLEAR  op                                                 op, version, status, CRC
====== ================================================== ================================

The head of BEATS holds the number of beats in bits 6 to 0, at most :data:`MAX_BEATS`; bit 7
says that the last of them ends the packet.  Its beats go to a buffer of :data:`FIFO_BEATS`
in front of the core; ``free`` is the room left there.  An item is a byte, :data:`ITEM` or
:data:`ITEM_LAST`, and a beat that the core sent; ITEM_LAST ends the packet and the items.
CLEAR empties both buffers.

The CRC (CRC-16/IBM-3740) covers request and response and is sent low byte first.  A request
that stops in its midst is forgotten after :data:`IDLE_CYCLES` without a byte.
"""

from __future__ import annotations

import binascii
from enum import IntEnum, IntFlag

VERSION = 1
"""Version of the bridge; a driver refuses another."""

MAX_WORDS = 256
MAX_BEATS = 64
FIFO_BEATS = 128
ITEM, ITEM_LAST = 1, 3
CRC_INITIAL = 0xFFFF
IDLE_CYCLES = 1 << 22
"""Cycles without a byte after which an unfinished request is forgotten."""


class Op(IntEnum):
    """First byte of a request and of its response; ASCII letters."""

    READ = 0x52
    WRITE = 0x57
    BEATS = 0x58
    CLEAR = 0x5A
    UNKNOWN = 0x3F


class Status(IntFlag):
    """What went wrong with a request; 0 is well."""

    BUS = 1
    OVERRUN = 2
    UNKNOWN = 4


def crc(data: bytes, start: int = CRC_INITIAL) -> int:
    """Return the CRC of ``data``, going on from ``start``."""
    return binascii.crc_hqx(data, start)

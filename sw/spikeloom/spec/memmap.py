"""The memory window: where a core's memories lie on its AXI4-Lite port.

A memory row takes a power-of-two number of 32-bit words, so that an address
splits into memory, row and word without arithmetic.  The window may be written
and read while the core is stopped (``CONTROL.RUN`` = 0).
"""

from __future__ import annotations

from dataclasses import dataclass

from .config import BuildConfig
from .tables import POPULATIONS, PROJECTIONS


@dataclass(frozen=True)
class Memory:
    """One memory of the window.

    ``base`` is its byte address, ``rows`` the number of rows, ``row_words`` the 32-bit
    words in a row (a power of two).
    """

    name: str
    base: int
    rows: int
    row_words: int
    doc: str

    @property
    def n_bytes(self) -> int:
        """Size in bytes."""
        return self.rows * self.row_words * 4


def memory_map(config: BuildConfig) -> dict[str, Memory]:
    """Return the memories of a build by name, each aligned to its own size."""
    parts = (
        ("populations", config.populations, POPULATIONS.words, "population table"),
        ("projections", config.projections, PROJECTIONS.words, "projection table"),
        ("weights_even", config.weight_rows, config.lanes // 4, "weights of even sources"),
        ("weights_odd", config.weight_rows, config.lanes // 4, "weights of odd sources"),
    )
    out: dict[str, Memory] = {}
    free = 0x1000
    for name, rows, row_words, doc in parts:
        size = rows * row_words * 4
        base = -(-free // size) * size
        out[name] = Memory(name, base, rows, row_words, doc)
        free = base + size
    return out


def address_bits(config: BuildConfig) -> int:
    """Width of the byte address of the AXI4-Lite port."""
    return max(m.base + m.n_bytes - 1 for m in memory_map(config).values()).bit_length()

"""The memory window: where a core's memories lie on its AXI4-Lite port.

A memory row takes a power-of-two number of 32-bit words, so that an address
splits into memory, row and word without arithmetic.  The window may be written
and read while the core is stopped (``CONTROL.RUN`` = 0).
"""

from __future__ import annotations

from dataclasses import dataclass

from .config import BuildConfig
from .tables import GROUPS, PARAMETERS, POPULATIONS, PROJECTIONS, REPLAYS, RUNS


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
    """Return the memories of a build by name, each aligned to its own size.

    A memory that the build lacks is left out.
    """
    weight_words = max(config.lanes * config.weight_bits // 32, 1)
    replays = config.projections if config.history_rows else 0
    parts = (
        ("populations", config.populations, POPULATIONS.words, "population table"),
        ("projections", config.projections, PROJECTIONS.words, "projection table"),
        ("weights_even", config.weight_rows, weight_words, "weights of even sources"),
        ("weights_odd", config.weight_rows, weight_words, "weights of odd sources"),
        ("groups", config.groups, GROUPS.words, "groups of sources"),
        ("runs", config.runs, RUNS.words, "runs of state rows"),
        ("parameters", config.parameter_rows, config.lanes * PARAMETERS.words, "neurons"),
        ("replays", replays, REPLAYS.words, "delayed projections"),
    )
    out: dict[str, Memory] = {}
    free = 0x1000
    for name, rows, row_words, doc in parts:
        if not rows:
            continue
        size = rows * row_words * 4
        base = -(-free // size) * size
        out[name] = Memory(name, base, rows, row_words, doc)
        free = base + size
    return out


def address_bits(config: BuildConfig) -> int:
    """Width of the byte address of the AXI4-Lite port."""
    return max(m.base + m.n_bytes - 1 for m in memory_map(config).values()).bit_length()

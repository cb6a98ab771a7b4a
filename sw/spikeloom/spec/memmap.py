"""The memory window: where a core's memories lie on its AXI4-Lite port.

A memory row takes a power-of-two number of 32-bit words, so that an address
splits into memory, row and word without arithmetic.  The window may be written
and read while the core is stopped (``CONTROL.RUN`` = 0).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .config import BuildConfig
from .tables import (
    FEEDS,
    GROUPS,
    PARAMETERS,
    POPULATIONS,
    PROJECTIONS,
    REPLAYS,
    ROUTES,
    RUNS,
    TARGETS,
)

TARGETS_PER_POPULATION = 4
"""Rows of a core's targets table for each row of its population table."""


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
    def readable(self) -> bool:
        """Whether the host can read it back; parameters stay in the lanes."""
        return not self.name.endswith("parameters")

    @property
    def n_bytes(self) -> int:
        """Size in bytes."""
        return self.rows * self.row_words * 4


def core_name(name: str, core: int) -> str:
    """Return the name of memory ``name`` of core number ``core``."""
    return f"core{core}_{name}" if core else name


def memory_map(config: BuildConfig) -> dict[str, Memory]:
    """Return the memories of a build by name, each aligned to its own size.

    The memories of core k lie k * 2^:func:`core_address_bits` above those of core 0.  A memory
    that the build lacks is left out.
    """
    one = core_memories(config)
    size = 1 << core_address_bits(config)
    return {
        core_name(m.name, core): replace(m, name=core_name(m.name, core), base=m.base + core * size)
        for core in range(config.cores)
        for m in one.values()
    }


def core_address_bits(config: BuildConfig) -> int:
    """Width of the byte address inside the window of one core."""
    return max(m.base + m.n_bytes - 1 for m in core_memories(config).values()).bit_length()


def core_memories(config: BuildConfig) -> dict[str, Memory]:
    """Return the memories of each core as they lie in the window of core 0.

    Those of the links between cores are the last.
    """
    weight_words = max(config.lanes * config.weight_bits // 32, 1)
    replays = config.projections if config.history_rows else 0
    linked = config.link_beats > 0
    parts = (
        ("populations", config.populations, POPULATIONS.words, "population table"),
        ("projections", config.projections, PROJECTIONS.words, "projection table"),
        ("weights_even", config.weight_rows, weight_words, "weights of even sources"),
        ("weights_odd", config.weight_rows, weight_words, "weights of odd sources"),
        ("groups", config.groups, GROUPS.words, "groups of sources"),
        ("runs", config.runs, RUNS.words, "runs of state rows"),
        ("parameters", config.parameter_rows, config.lanes * PARAMETERS.words, "neurons"),
        ("replays", replays, REPLAYS.words, "delayed projections"),
        ("routes", linked * config.populations, ROUTES.words, "where the words of a core go"),
        ("feeds", linked * config.projections, FEEDS.words, "spikes of other cores"),
        (
            *("targets", linked * TARGETS_PER_POPULATION * config.populations),
            *(TARGETS.words, "input addresses of spikes of other cores"),
        ),
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

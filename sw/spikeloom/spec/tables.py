"""Run-time tables of a core: the rows that tell it what network it runs.

Each row is a few 32-bit words; each field lies inside one word.  The compiler
packs rows with :func:`pack_row`, the gateware derives its layouts from the same
tuples, the documentation prints them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class FireSelect(IntEnum):
    """What of the potential goes to the decay multiplier when a neuron fires.

    The reset and its order are encoded as this choice and ``fire_constant`` (both are of no
    effect without a spike)::

        reset     order          fire_select      fire_constant
        subtract  before_decay   H_MINUS_THETA    0
        subtract  after_decay    H                ignored
        zero      any            ZERO             0
        value     before_decay   VALUE            max(value, floor)
        (without parameter rows  ZERO             trunc(max(value, floor) * decay / 2^15))
        value     after_decay    ZERO             max(value, floor)

    ``H`` decays H and takes the threshold of the neuron, times its number of spikes, behind the
    decay; ``H_MINUS_THETA`` takes it before.  ``ZERO`` adds ``fire_constant`` behind the decay;
    ``VALUE`` decays ``fire_constant`` in the place of H.
    """

    H = 0
    H_MINUS_THETA = 1
    ZERO = 2
    VALUE = 3


@dataclass(frozen=True)
class Field:
    """A field of a table row: ``bits`` bits from bit ``lsb`` of word ``word``."""

    name: str
    word: int
    lsb: int
    bits: int
    signed: bool
    doc: str

    def __post_init__(self) -> None:
        if self.lsb < 0 or self.bits < 1 or self.lsb + self.bits > 32:
            raise ValueError(f"field {self.name} must lie inside one 32-bit word")


@dataclass(frozen=True)
class Table:
    """The layout of a table's rows."""

    name: str
    words: int
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        used: set[tuple[int, int]] = set()
        for field in self.fields:
            bits = {(field.word, bit) for bit in range(field.lsb, field.lsb + field.bits)}
            if used & bits or field.word >= self.words:
                raise ValueError(f"field {field.name} of table {self.name} overlaps or overflows")
            used |= bits

    def field(self, name: str) -> Field:
        """Return the field ``name``."""
        return next(f for f in self.fields if f.name == name)


POPULATIONS = Table(
    "populations",
    8,
    (
        Field("row_base", 0, 0, 16, False, "first state row"),
        Field("n_rows", 0, 16, 16, False, "number of state rows; 0 for an input population"),
        Field("n_neurons", 1, 0, 20, False, "number of neurons; input addresses must be below"),
        Field("threshold", 2, 0, 16, False, "fires when H >= threshold"),
        Field("decay", 2, 16, 16, False, "Q0.15 share kept per tick, 32768 keeps all"),
        Field("bias", 3, 0, 16, True, "added to every neuron at every tick"),
        Field("floor", 3, 16, 16, True, "lower clip of the potential"),
        Field("initial", 4, 0, 16, True, "potential at the start of a sample"),
        Field("fire_constant", 4, 16, 16, True, "what a spike resets to: see FireSelect"),
        Field("fire_select", 5, 0, 2, False, "FireSelect: what is decayed when the neuron fires"),
        Field("fires", 5, 2, 1, False, "0 for a readout that never fires"),
        Field("clip_before", 5, 3, 1, False, "1 to clip before the decay (reset before decay)"),
        Field("always_visit", 5, 4, 1, False, "1 to visit every row at every tick (bias)"),
        Field("always_clear", 5, 5, 1, False, "1 to visit every row at END (initial potential)"),
        Field("opens_input", 5, 6, 1, False, "1 on the last population that the input feeds"),
        Field("emit_spikes", 5, 8, 1, False, "1 to send the population's spikes out"),
        Field("probe_ticks", 5, 9, 1, False, "1 to send H of every visited row at each tick"),
        Field("probe_end", 5, 10, 1, False, "1 to send V of every visited row at END"),
        Field("multi_spike", 5, 11, 1, False, "1 for as many spikes as the threshold fits in H"),
        Field("records", 5, 12, 1, False, "1 to keep the spikes for delayed projections"),
        Field("refractory", 5, 13, 4, False, "ticks of rest after a spike"),
        Field("lanes_last", 6, 0, 9, False, "neurons in the last state row, 1 to lanes"),
        Field("held", 6, 16, 16, True, "potential of a resting neuron"),
        Field("first_projection", 7, 0, 8, False, "first row of the projection table"),
        Field("n_projections", 7, 8, 8, False, "number of its projections without delay"),
        Field("current_decay", 7, 16, 16, False, "Q0.15 share of the current kept per tick"),
        Field("parameter_base", 1, 20, 10, False, "added to a state row for its parameter row"),
        Field("parameter_mask", 5, 17, 10, False, "taken of the state row before the addition"),
    ),
)
"""One row per population: row 0 for all inputs, then the others in topological order.

``threshold``, ``decay``, ``bias`` and ``current_decay`` count in builds without parameter rows
only; others read them from parameter row ``parameter_base + (row & parameter_mask)``, modulo
the number of parameter rows, of each state row.
"""

PROJECTIONS = Table(
    "projections",
    4,
    (
        Field("row_base", 0, 0, 16, False, "first state row of the destination"),
        Field("n_rows", 0, 16, 16, False, "number of state rows of the destination"),
        Field("weight_base", 1, 0, 16, False, "first weight row, the same in both banks"),
        Field("stride", 1, 16, 16, False, "weight rows from one state row to the next"),
        Field("lanes_last", 2, 0, 9, False, "neurons in the last state row, 1 to lanes"),
        Field("group_bits", 2, 16, 5, False, "a group has 2^group_bits sources"),
        Field("grouped", 2, 21, 1, False, "1 to take the rows from the group's runs"),
        Field("shared", 2, 22, 1, False, "1 if the sources of a group share their weights"),
        Field("shift", 2, 24, 3, False, "left shift of the weights"),
        Field("group_base", 3, 0, 16, False, "row of the first group in the groups table"),
    ),
)
"""One row per projection, grouped by source and delay.

Without ``grouped`` the weights of source s to state row r lie in weight row
``weight_base + r * stride + s // 2`` of bank ``s % 2``.  With it, sources ``g * 2^group_bits`` to
``(g + 1) * 2^group_bits - 1`` form group g, whose runs stand in the place of ``row_base``,
``n_rows``, ``weight_base``, ``lanes`` and ``lanes_last``; the weights of the group's source c lie
in weight row ``weight_base + r * stride + c // 2`` (without ``c // 2`` if ``shared``) of
bank ``s % 2``.
"""

GROUPS = Table(
    "groups",
    1,
    (
        Field("first_run", 0, 0, 16, False, "first row of the runs table"),
        Field("n_runs", 0, 16, 16, False, "number of runs"),
    ),
)
"""One row per group of sources of a grouped projection."""

RUNS = Table(
    "runs",
    2,
    (
        Field("row_base", 0, 0, 10, False, "first state row"),
        Field("n_rows", 0, 10, 11, False, "number of state rows"),
        Field("lanes", 0, 21, 9, False, "synapses of a source in every row but the last"),
        Field("weight_base", 1, 0, 16, False, "first weight row"),
        Field("lanes_last", 1, 16, 9, False, "synapses of a source in the last row"),
    ),
)
"""One row per run: consecutive state rows that a group of sources reaches."""

REPLAYS = Table(
    "replays",
    1,
    (
        Field("population", 0, 0, 8, False, "table index of the source"),
        Field("delay", 0, 8, 6, False, "ticks, 1 to 63"),
        Field("first_projection", 0, 16, 8, False, "first row of the projection table"),
        Field("n_projections", 0, 24, 8, False, "number of projections"),
    ),
)
"""One row per source and delay: projections that take the spikes of an earlier tick."""

PARAMETERS = Table(
    "parameters",
    2,
    (
        Field("threshold", 0, 0, 16, False, "fires when H >= threshold"),
        Field("decay", 0, 16, 16, False, "Q0.15 share kept per tick, 32768 keeps all"),
        Field("bias", 1, 0, 16, True, "added at every tick"),
        Field("current_decay", 1, 16, 16, False, "Q0.15 share of the current kept per tick"),
    ),
)
"""One per lane of a parameter row: the parameters of a neuron."""

ROUTES = Table(
    "routes",
    1,
    (
        Field("population", 0, 0, 8, False, "index of the population in the whole network"),
        Field("host", 0, 8, 1, False, "1 to send its spikes to the host"),
        Field("cores", 0, 9, 4, False, "a bit for each core that gets its spikes"),
    ),
)
"""One row per population of a core: where its words go."""

FEEDS = Table(
    "feeds",
    1,
    (
        Field("valid", 0, 0, 1, False, "0 behind the last feed"),
        Field("source", 0, 1, 2, False, "the core that the spikes come from"),
        Field("delay", 0, 3, 6, False, "ticks, 0 to 63; at least 1 from a later core"),
        Field("keep", 0, 9, 6, False, "greatest delay of all feeds from that core"),
        Field("first_target", 0, 16, 16, False, "row of the targets table of its population 0"),
    ),
)
"""One row per source core and delay: spikes of an earlier tick, or of this one, that come in."""

TARGETS = Table(
    "targets",
    1,
    (
        Field("address", 0, 0, 20, False, "input address of the population's neuron 0"),
        Field("wanted", 0, 31, 1, False, "0 for a population that the feed does not take"),
    ),
)
"""One row per feed and population of its source core."""

TABLES = (POPULATIONS, PROJECTIONS, GROUPS, RUNS, REPLAYS, PARAMETERS)
LINK_TABLES = (ROUTES, FEEDS, TARGETS)


def pack_row(table: Table, values: Mapping[str, int]) -> NDArray[np.uint32]:
    """Pack field values into the row's words; absent fields are 0.

    Raises ``KeyError`` for an unknown field and ``ValueError`` for a value that does
    not fit: both are faults of the caller, not of a user.
    """
    words = [0] * table.words
    known = {field.name: field for field in table.fields}
    for name, value in values.items():
        field = known[name]
        low = -(1 << (field.bits - 1)) if field.signed else 0
        high = (1 << (field.bits - field.signed)) - 1
        if not low <= value <= high:
            raise ValueError(f"{table.name}.{name} must be from {low} to {high}, not {value}")
        words[field.word] |= (int(value) & ((1 << field.bits) - 1)) << field.lsb
    return np.array(words, np.uint32)


def unpack_row(table: Table, words: NDArray[np.uint32]) -> dict[str, int]:
    """Return the field values of a row."""
    out = {}
    for field in table.fields:
        value = (int(words[field.word]) >> field.lsb) & ((1 << field.bits) - 1)
        if field.signed and value >> (field.bits - 1):
            value -= 1 << field.bits
        out[field.name] = value
    return out

"""Amaranth layouts of what travels between the components of a core."""

from __future__ import annotations

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, enum

from spikeloom.spec import aer, numfmt
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import Table

HALF_INDEX_BITS = aer.NEURON_BITS - 1
"""Width of a neuron index without its parity."""

WEIGHT_BITS = 8
"""Width of a weight behind its memory."""

TABLE_BITS = 8
"""Width of an index of the population, the projection or the replay table."""


SHIFT_BITS = numfmt.SHIFT_MAX.bit_length()


class Token(enum.Enum, shape=2):
    """What an item of the decoded input is."""

    PAIR = 0
    TICK = 1
    END = 2


class OpKind(enum.Enum, shape=2):
    """What an operation does to its state row."""

    ADD = 0
    PEEK = 1
    SWEEP = 2


Beat = data.StructLayout({"data": unsigned(aer.BEAT_BITS), "last": unsigned(1)})
"""A stream beat: two words and TLAST."""

Pair = data.StructLayout(
    {
        "even_valid": unsigned(1),
        "odd_valid": unsigned(1),
        "even": unsigned(HALF_INDEX_BITS),
        "odd": unsigned(HALF_INDEX_BITS),
        "magnitude": signed(aer.MAGNITUDE_BITS),
    }
)
"""Up to two events of one population and magnitude: neurons ``2 * even`` and ``2 * odd + 1``.

Only builds for graded events look at the magnitude.
"""

Item = data.StructLayout(
    {"token": Token, "pair": Pair, "payload": unsigned(aer.PAYLOAD_BITS), "last": unsigned(1)}
)
"""Decoded input: a pair of spikes, or TICK or END with its echoed payload and TLAST."""


def row_bits(config: BuildConfig) -> int:
    """Width of a state row index."""
    return (config.state_rows - 1).bit_length()


def weight_address_bits(config: BuildConfig) -> int:
    """Width of a weight row index."""
    return (config.weight_rows - 1).bit_length()


def parameter_row_bits(config: BuildConfig) -> int:
    """Width of a parameter row index; 1 in builds that have none."""
    return max((config.parameter_rows - 1).bit_length(), 1)


def lane_count_bits(config: BuildConfig) -> int:
    """Width of a count of lanes, from 0 to ``lanes``."""
    return config.lanes.bit_length()


def op_layout(config: BuildConfig) -> data.StructLayout:
    """Return the layout of one operation: one state row, up to two weight rows."""
    graded = {"magnitude": signed(aer.MAGNITUDE_BITS), "shift": SHIFT_BITS}
    return data.StructLayout(
        {
            "kind": OpKind,
            "row": row_bits(config),
            "even_valid": unsigned(1),
            "odd_valid": unsigned(1),
            "even": weight_address_bits(config),
            "odd": weight_address_bits(config),
            "lanes": lane_count_bits(config),
            "last_row": unsigned(1),
            **(graded if config.graded else {}),
        }
    )


ReadoutRequest = data.StructLayout(
    {
        "population": unsigned(aer.POPULATION_BITS),
        "row": unsigned(10),
        "row_base": unsigned(10),
        "lanes": unsigned(9),
    }
)
"""A row whose values are to be sent: the first ``lanes`` lanes of it.

The population starts at ``row_base``; who sends the values counts its neurons.
"""


def mask_layout(config: BuildConfig) -> data.StructLayout:
    """Return the layout of a row's spikes: ``index`` counts rows in its population.

    Each of them counts 2^``digit`` times in builds for multi-spike neurons.
    """
    digit = {"digit": unsigned(3)} if config.multi_spike else {}
    return data.StructLayout({"index": row_bits(config), **digit, "spikes": unsigned(config.lanes)})


def table_row(table: Table) -> data.FlexibleLayout:
    """Return the layout of a table's row, bit for bit as :func:`spec.tables.pack_row` packs it."""
    return data.FlexibleLayout(
        32 * table.words,
        {f.name: data.Field(Shape(f.bits, f.signed), 32 * f.word + f.lsb) for f in table.fields},
    )


__all__ = [
    "HALF_INDEX_BITS",
    "SHIFT_BITS",
    "TABLE_BITS",
    "WEIGHT_BITS",
    "Beat",
    "Item",
    "OpKind",
    "Pair",
    "ReadoutRequest",
    "Token",
    "lane_count_bits",
    "mask_layout",
    "op_layout",
    "parameter_row_bits",
    "row_bits",
    "table_row",
    "weight_address_bits",
]

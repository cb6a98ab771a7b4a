from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloom.spec import numfmt, tables
from spikeloom.spec.tables import LINK_TABLES, Field, Table, pack_row, unpack_row
from spikeloom.spec.tables import TABLES as CORE_TABLES

TABLES = (*CORE_TABLES, *LINK_TABLES)


def limits(field: Field) -> tuple[int, int]:
    if field.signed:
        return numfmt.signed_range(field.bits)
    return 0, (1 << field.bits) - 1


@st.composite
def rows(draw):
    table = draw(st.sampled_from(TABLES))
    return table, {f.name: draw(st.integers(*limits(f))) for f in table.fields}


@given(rows())
def test_packed_values_come_back(row):
    table, values = row
    words = pack_row(table, values)
    assert words.shape == (table.words,)
    assert words.dtype == np.uint32
    assert unpack_row(table, words) == values


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_each_field_owns_its_bits(table):
    owned = []
    for field in table.fields:
        value = -1 if field.signed else (1 << field.bits) - 1
        words = pack_row(table, {field.name: value})
        owned.append(sum(int(w) << (32 * i) for i, w in enumerate(words)))
        assert owned[-1].bit_count() == field.bits
    union = 0
    for mask in owned:
        assert not union & mask
        union |= mask


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_field_names_are_unique_and_row_words_a_power_of_two(table):
    names = [f.name for f in table.fields]
    assert names
    assert len(names) == len(set(names))
    assert table.words & (table.words - 1) == 0


@pytest.mark.parametrize(
    ("table", "field"), [(t, f) for t in TABLES for f in t.fields], ids=lambda x: x.name
)
def test_a_value_past_either_limit_is_refused(table, field):
    low, high = limits(field)
    for value in (low - 1, high + 1):
        message = re.escape(f"{table.name}.{field.name} must be from {low} to {high}, not {value}")
        with pytest.raises(ValueError, match=f"^{message}$"):
            pack_row(table, {field.name: value})


def test_an_unknown_field_is_refused():
    with pytest.raises(KeyError, match=r"^'colour'$"):
        pack_row(tables.POPULATIONS, {"colour": 1})


def test_absent_fields_are_zero():
    assert not pack_row(tables.POPULATIONS, {}).any()


def test_overlapping_fields_are_refused():
    fields = (Field("a", 0, 0, 8, False, ""), Field("b", 0, 7, 2, False, ""))
    with pytest.raises(ValueError, match=r"^field b of table t overlaps or overflows$"):
        Table("t", 1, fields)


def test_a_field_past_the_row_is_refused():
    with pytest.raises(ValueError, match=r"^field a of table t overlaps or overflows$"):
        Table("t", 1, (Field("a", 1, 0, 8, False, ""),))


@pytest.mark.parametrize(("lsb", "bits"), [(-1, 4), (0, 0), (30, 3)])
def test_a_field_that_leaves_its_word_is_refused(lsb, bits):
    with pytest.raises(ValueError, match=r"^field a must lie inside one 32-bit word$"):
        Field("a", 0, lsb, bits, False, "")


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("threshold", 1, numfmt.THRESHOLD_MAX),
        ("decay", 0, numfmt.DECAY_ONE),
        ("bias", numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX),
        ("floor", numfmt.POTENTIAL_MIN, 0),
        ("initial", numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX),
        ("fire_constant", -numfmt.THRESHOLD_MAX, numfmt.POTENTIAL_MAX),
    ],
)
def test_population_fields_hold_what_a_network_may_have(name, low, high):
    least, greatest = limits(tables.POPULATIONS.field(name))
    assert least <= low
    assert greatest >= high

import random

import pytest
from amaranth.hdl import Const

from hw.bench import CONFIG, edge_biased
from spikeloom.spec.tables import TABLES, pack_row, unpack_row
from spikeloom_hw import layouts


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
@pytest.mark.parametrize("seed", range(5))
def test_a_table_row_reads_what_was_packed(table, seed):
    rng = random.Random(seed)
    layout = layouts.table_row(table)
    values = {}
    for field in table.fields:
        low = -(1 << field.bits - 1) if field.signed else 0
        high = (1 << field.bits - field.signed) - 1
        values[field.name] = edge_biased(rng, low, high)
    words = pack_row(table, values)
    row = layout.from_bits(sum(int(word) << 32 * k for k, word in enumerate(words)))
    assert {name: int(row[name]) for name in values} == values, f"seed {seed}"
    assert unpack_row(table, words) == values
    assert layout.size == 32 * table.words


def test_widths_follow_the_build():
    assert layouts.row_bits(CONFIG) == 3
    assert layouts.weight_address_bits(CONFIG) == 6
    assert layouts.lane_count_bits(CONFIG) == 3
    assert layouts.op_layout(CONFIG)["lanes"].width == len(Const(CONFIG.lanes))


def test_word_layouts_have_the_size_of_a_beat():
    assert layouts.Beat["data"].width == 64
    assert layouts.HALF_INDEX_BITS == 19
    assert layouts.Item["payload"].width == 28

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloom.spec import numfmt


@pytest.mark.parametrize(
    ("bits", "expected"), [(2, (-2, 1)), (4, (-8, 7)), (8, (-128, 127)), (16, (-32768, 32767))]
)
def test_signed_range_of_known_widths(bits, expected):
    assert numfmt.signed_range(bits) == expected


@given(st.integers(1, 64))
def test_signed_range_holds_two_to_the_bits_values(bits):
    low, high = numfmt.signed_range(bits)
    assert high - low + 1 == 1 << bits
    assert low == -high - 1


def test_potential_and_accumulator_limits_follow_their_widths():
    assert (numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX) == (-(1 << 15), (1 << 15) - 1)
    assert (numfmt.ACCUMULATOR_MIN, numfmt.ACCUMULATOR_MAX) == (-(1 << 17), (1 << 17) - 1)


def test_thresholds_can_be_reached_by_a_stored_potential():
    assert 1 <= numfmt.THRESHOLD_MAX <= numfmt.POTENTIAL_MAX


def test_before_decay_product_fits_int32_and_after_decay_product_does_not():
    assert -numfmt.POTENTIAL_MIN * numfmt.DECAY_ONE < 1 << 31
    assert -numfmt.ACCUMULATOR_MIN * numfmt.DECAY_ONE >= 1 << 31


def test_decay_of_one_is_the_greatest_decay_of_sixteen_bits():
    assert numfmt.DECAY_ONE == 32768
    assert numfmt.DECAY_ONE.bit_length() == 16

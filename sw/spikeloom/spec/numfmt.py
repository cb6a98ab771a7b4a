"""Number formats of the arithmetic contract (docs/spec/semantics.md, rules N1 to N6).

Every number is a two's complement or unsigned integer.  These are parameters;
the arithmetic itself is written once in the golden model and once in the
gateware, and the two meet in tests only.
"""

from __future__ import annotations

ACCUMULATOR_BITS = 18
"""Width A of the signed accumulator in which H is formed without saturation."""

POTENTIAL_BITS = 16
"""Width of the stored signed membrane potential V."""

WEIGHT_BITS = (8, 4, 2)
"""Widths of a signed weight that a projection may declare."""

MAGNITUDE_BITS = 8
"""Width of an event's signed magnitude (1 for a plain spike)."""

DECAY_FRACTION_BITS = 15
DECAY_ONE = 1 << DECAY_FRACTION_BITS
"""Decay of a pure integrator: Q0.15, 32768 keeps the whole potential."""

THRESHOLD_MAX = (1 << 15) - 1
REFRACTORY_MAX = 15
SHIFT_MAX = 7
DELAY_MAX = 63
NEURONS_MAX = 1 << 20
MAGNITUDE_MAX = (1 << (MAGNITUDE_BITS - 1)) - 1


def signed_range(bits: int) -> tuple[int, int]:
    """Return the least and the greatest value of a signed integer of ``bits`` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


POTENTIAL_MIN, POTENTIAL_MAX = signed_range(POTENTIAL_BITS)
ACCUMULATOR_MIN, ACCUMULATOR_MAX = signed_range(ACCUMULATOR_BITS)

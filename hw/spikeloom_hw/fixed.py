"""Fixed-point arithmetic of the lanes: clips, and a share of a number truncated towards zero."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed

from spikeloom.spec import numfmt


def above(value: Value) -> Value:
    """Return that a signed value is more than a potential can be."""
    return ~value[-1] & value[numfmt.POTENTIAL_BITS - 1 : -1].any()


def saturated(value: Value) -> Value:
    """Return a signed value clipped to 16 bits."""
    bits = numfmt.POTENTIAL_BITS
    beyond = value[-1] & ~value[bits - 1 : -1].all()
    inside = Mux(above(value), numfmt.POTENTIAL_MAX, value[:bits].as_signed())
    return Mux(beyond, numfmt.POTENTIAL_MIN, inside)


def truncated_share(m: Module, value: Value, share: Value, addend: Value, name: str) -> Signal:
    """Return trunc(value * share / 2^15) + addend two cycles later; ``value`` is registered.

    Adding 2^15 - 1 to a negative product before the shift truncates towards zero; the addend
    rides above the fraction.  Both are added behind the multiplier.
    """
    fraction = numfmt.DECAY_FRACTION_BITS
    product = Signal(signed(len(value) + 16), name=f"{name}_product", reset_less=True)
    behind = Signal(signed(len(addend) + fraction), name=f"{name}_behind", reset_less=True)
    total = Signal(signed(len(product) + 1), name=f"{name}_sum", reset_less=True)
    m.d.sync += [
        product.eq(value * share),
        behind.eq(Cat(value[-1].replicate(fraction), addend).as_signed()),
        total.eq(product + behind),
    ]
    return total[fraction:].as_signed()

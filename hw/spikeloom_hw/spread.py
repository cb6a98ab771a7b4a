"""Registers in several copies, for what every lane needs.

One register that drives all lanes has a net across the whole device, whose delay limits the clock.
With a copy for every few lanes the tools can place each near its lanes.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from spikeloom.spec.config import BuildConfig

LANES_PER_COPY = 4


def lane_groups(config: BuildConfig) -> int:
    """Return the number of groups of lanes with copies of their own."""
    return config.lanes // LANES_PER_COPY


def copies(
    m: Module, value: Value, config: BuildConfig, name: str, reset_less: bool = True
) -> list[Signal]:
    """Return, for each group of lanes, a register that is loaded with ``value`` in every cycle.

    The attribute ``keep`` stops the tools from making one register of equal ones again.
    """
    groups = lane_groups(config)
    attributes = {"keep": "true"} if groups > 1 else {}
    shape = Value.cast(value).shape()
    found = []
    for group in range(groups):
        copy = Signal(shape, name=f"{name}_{group}", reset_less=reset_less, attrs=attributes)
        m.d.sync += copy.eq(value)
        found.append(copy)
    return found

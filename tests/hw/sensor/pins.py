"""What the tests of the sensor input share: settings, a sender at the pins, words."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikeloom.events.sensor import AddressField, SensorSetup
from spikeloom.spec import regmap
from spikeloom_hw.sensor.layouts import SETTINGS, short

MHZ = 1_000_000
DVS128 = {
    "x": AddressField(1, 7, invert=True),
    "y": AddressField(8, 7),
    "polarity": AddressField(0, 1, invert=True),
}
"""The address of a DVS128."""


def setup(**changes: Any) -> SensorSetup:
    """Return a setup of a DVS128 with some values changed."""
    facts = {**DVS128, "crop": (0, 0, 64, 64), "period_us": 10, "n_ticks": 5, **changes}
    return SensorSetup(**facts)


def apply(ctx: Any, port: Any, values: dict[str, int]) -> None:
    """Set the settings port of a component to register values."""
    for register in SETTINGS:
        ctx.set(port[short(register.name)].as_value(), values.get(register.name, 0))


def fields(name: str, **values: int) -> dict[str, int]:
    """Return the value of the register SENSOR_``name`` with the given fields."""
    register = regmap.SENSOR_BY_NAME[f"SENSOR_{name}"]
    return {register.name: sum(v << register.field(k).lsb for k, v in values.items())}


@dataclass
class Sender:
    """A camera at the pins of ``dut``, one clock cycle at a time.

    The clock cycle ``cycle`` ends with the edge that sees what was set in it.  ``requests`` has
    for each finished handshake the cycle in which its request rose.
    """

    dut: Any
    names: tuple[str, str, str] = ("request", "address", "acknowledge")
    low: tuple[bool, bool] = (False, False)
    cycle: int = 0
    requests: list[int] = field(default_factory=list)

    async def idle(self, ctx: Any, cycles: int = 1) -> None:
        """Let cycles pass."""
        for _ in range(cycles):
            await ctx.tick()
            self.cycle += 1

    def request(self, ctx: Any, level: int) -> None:
        """Set the request."""
        ctx.set(getattr(self.dut, self.names[0]), level ^ self.low[0])

    def acknowledged(self, ctx: Any) -> bool:
        """Return whether the acknowledge is active."""
        return bool(ctx.get(getattr(self.dut, self.names[2])) ^ self.low[1])

    async def until(self, ctx: Any, level: bool, limit: int = 2000) -> None:
        """Wait until the acknowledge is ``level``."""
        for _ in range(limit):
            if self.acknowledged(ctx) == level:
                return
            await self.idle(ctx)
        raise AssertionError(f"the acknowledge must become {level}")

    async def send(
        self,
        ctx: Any,
        addresses: Iterable[int],
        starts: Sequence[int] = (),
        rng: random.Random | None = None,
        slow: int = 0,
    ) -> None:
        """Carry out a handshake for each address, not before the cycle of ``starts``.

        With ``slow`` the sender takes up to so many cycles for each of its own steps.
        """

        def pause() -> int:
            return rng.randint(0, slow) if rng and slow else 0

        for index, address in enumerate(addresses):
            if index < len(starts) and starts[index] > self.cycle:
                await self.idle(ctx, starts[index] - self.cycle)
            await self.until(ctx, False)
            await self.idle(ctx, pause())
            ctx.set(getattr(self.dut, self.names[1]), address)
            self.request(ctx, 1)
            rose = self.cycle
            await self.until(ctx, True)
            await self.idle(ctx, pause())
            self.request(ctx, 0)
            if rng:  # what is on the lines now means nothing
                ctx.set(getattr(self.dut, self.names[1]), rng.getrandbits(24))
            self.requests.append(rose)

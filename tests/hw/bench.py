"""What the tests of the gateware share: a bounded simulation, stream drivers and checkers."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

from spikeloom.spec.config import BuildConfig

CONFIG = BuildConfig("unit", lanes=4, state_rows=8, weight_rows=64, populations=4, projections=4)
COMPACT = replace(CONFIG, compact=True)
PERIOD = 1e-8

Stall = float | str
BURSTY = "bursty"
STALLS = (0.0, 0.5, 0.9)
"""Probabilities of a stalled cycle that stream tests run with."""
PATTERNS: tuple[Stall, ...] = (0.0, 0.5, BURSTY)
"""How :func:`send` and :func:`receive` stall: by a probability per cycle, or in bursts."""

Bench = Callable[[Any], Awaitable[None]]


def simulate(dut: Elaboratable, *benches: Bench, cycles: int = 5000) -> None:
    """Run every bench to its end; fail if that takes more than ``cycles`` clock cycles."""
    simulator = Simulator(dut)
    simulator.add_clock(PERIOD)
    ended = [False] * len(benches)

    def watched(index: int, bench: Bench) -> Bench:
        async def run(ctx: Any) -> None:
            await bench(ctx)
            ended[index] = True

        return run

    for index, bench in enumerate(benches):
        simulator.add_testbench(watched(index, bench))
    for _ in range(2 * cycles):
        if all(ended):
            return
        simulator.advance()
    names = [b.__name__ for b, done in zip(benches, ended, strict=True) if not done]
    pytest.fail(f"{', '.join(names)} must end within {cycles} cycles")


_bursts: WeakKeyDictionary[random.Random, Iterator[bool]] = WeakKeyDictionary()


def stalled(rng: random.Random, stall: Stall) -> bool:
    """Return whether this cycle is stalled; bursts go on from call to call with ``rng``."""
    if stall == 0:
        return False
    if isinstance(stall, str):
        return next(_bursts.setdefault(rng, _burst(rng)))
    return rng.random() < stall


def _burst(rng: random.Random) -> Iterator[bool]:
    """Return, cycle by cycle, whether a bursty stream is stalled; bursts last up to 20 cycles."""
    while True:
        burst = rng.random() < 0.5
        for _ in range(rng.randint(1, 20)):
            yield burst


def stalls(rng: random.Random | None, stall: Stall) -> Iterator[bool]:
    """Return, cycle by cycle, whether it is stalled."""
    if isinstance(stall, str) and rng is not None:
        yield from _burst(rng)
    while True:
        yield rng is not None and stalled(rng, stall)


async def send(
    ctx: Any,
    port: Any,
    payloads: Iterable[Any],
    rng: random.Random | None = None,
    stall: Stall = 0.0,
    watch: Sequence[Any] = (),
) -> list[tuple[Any, ...]]:
    """Offer ``payloads`` one after the other; a stalled cycle keeps ``valid`` low.

    Returns what the signals of ``watch`` held in the cycle in which each was taken.
    """
    seen = []
    pauses = stalls(rng, stall)
    for payload in payloads:
        while next(pauses):
            ctx.set(port.valid, 0)
            await ctx.tick()
        ctx.set(port.valid, 1)
        ctx.set(port.payload, payload)
        ready = 0
        while not ready:
            _, _, ready, *values = await ctx.tick().sample(port.ready, *watch)
        seen.append(tuple(values))
    ctx.set(port.valid, 0)
    return seen


async def receive(
    ctx: Any,
    port: Any,
    n: int,
    rng: random.Random | None = None,
    stall: Stall = 0.0,
) -> list[tuple[int, Any]]:
    """Take ``n`` payloads; return each with its cycle, the first cycle of the bench being 0.

    Fails if ``valid`` is withdrawn or the payload changes while it waits for ``ready``.
    """
    taken: list[tuple[int, Any]] = []
    waiting = None
    pauses = stalls(rng, stall)
    cycle = 0
    while len(taken) < n:
        ready = not next(pauses)
        ctx.set(port.ready, ready)
        _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
        raw = as_int(payload)
        assert waiting is None or (valid, raw) == (1, waiting), f"withdrawn in cycle {cycle}"
        waiting = raw if valid and not ready else None
        if valid and ready:
            taken.append((cycle, payload))
        cycle += 1
    ctx.set(port.ready, 0)
    return taken


def as_int(value: Any) -> int:
    """Return a sampled value as the integer of its bits."""
    return int(value) if isinstance(value, int) else int(value.as_bits())


def edge_biased(rng: random.Random, low: int, high: int, edges: Sequence[int] = ()) -> int:
    """Return an integer from ``low`` to ``high``, often at an edge."""
    if rng.random() < 0.5:
        near = [low, low + 1, high - 1, high, -1, 0, 1, *edges]
        return rng.choice([v for v in near if low <= v <= high])
    return rng.randint(low, high)

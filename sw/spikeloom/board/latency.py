"""How long one sample takes: in the core, with the link, and with Python around it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from .result import RunResult
from .transport import Packet, Transport


@dataclass(frozen=True)
class Latency:
    """Median times of one packet in seconds.

    Parameters
    ----------
    core_s
        Cycles in which the core was busy, by its own counter, at its clock; None if the
        clock is unknown (simulations).
    link_s
        From handing a ready packet to the link to having its answer in memory.
    total_s
        A whole call of :meth:`Board.run`: checks, encoding, link, decoding.
    cycles
        Busy clock cycles of the core.
    """

    core_s: float | None
    link_s: float
    total_s: float
    cycles: int


def measure(
    run: Callable[[], RunResult], packet: Packet, transport: Transport, repeats: int
) -> Latency:
    """Return the medians of ``repeats`` runs of a packet."""
    link_s, total_s, cycles = [], [], []
    for _ in range(repeats):
        start = time.perf_counter()
        transport.exchange(packet.beats, packet.capacity, packet.budget_cycles)
        link_s.append(time.perf_counter() - start)
        start = time.perf_counter()
        result = run()
        total_s.append(time.perf_counter() - start)
        cycles.append(int(result.cycles.sum()))
    clock_hz = transport.describe().get("clock_hz")
    median = int(statistics.median(cycles))
    return Latency(
        core_s=median / float(clock_hz) if clock_hz else None,
        link_s=statistics.median(link_s),
        total_s=statistics.median(total_s),
        cycles=median,
    )

"""How fast a file of events is read: ``python -m spikeloom.events.bench FILE``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from ..spec.errors import SpikeLoomError
from .reading import iterate_events


def measure(path: str, repeat: int) -> tuple[str, int, float]:
    """Return format, number of events and the least seconds of ``repeat`` readings."""
    best, count, name = float("inf"), 0, ""
    for _ in range(repeat):
        start, count = time.perf_counter(), 0
        for events in iterate_events(path):
            count += len(events)
            name = events.format
        best = min(best, time.perf_counter() - start)
    return name, count, best


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each file; return 0, or 2 for a file that cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m spikeloom.events.bench", description="Measure how fast files are read."
    )
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--repeat", type=int, default=5, help="readings, of which the best counts")
    args = parser.parse_args(arguments)
    for path in args.files:
        try:
            name, count, seconds = measure(path, max(1, args.repeat))
        except SpikeLoomError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        rate = count / seconds / 1e6
        print(f"{path}: {name}, {count} events in {seconds * 1e3:.1f} ms, {rate:.1f} million/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

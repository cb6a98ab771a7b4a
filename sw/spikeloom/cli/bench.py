"""``spikeloom bench``: figures of the gateware."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_atomically
from ..report import table, to_json
from ..spec.errors import UsageError
from .build_choice import add_build_arguments, chosen_build
from .ranges import check_counts, check_positive

NAME = "bench"
HELP = "measure the gateware: cycles and synaptic operations from its own counters"
EXAMPLE = "spikeloom bench rtl --preset pynq-z2 --json bench.json"

RECORDINGS = 3

if TYPE_CHECKING:
    from spikeloom_sim.bench_parts import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument(
        "what", choices=("rtl", "live"), help="rtl: cycles, operations and streams; "
        "live: recordings through the streaming API"
    )  # fmt: skip
    parser.add_argument(
        "--nmnist", metavar="DIR", help="recordings of N-MNIST (without: synthetic events)"
    )
    parser.add_argument("--dvs128", metavar="DIR", help="live: recordings of DVS128 Gesture")
    parser.add_argument("--recordings", type=int, metavar="N", help="live: only the first N")
    parser.add_argument(
        "--clock-mhz", type=float, default=100, metavar="F", help="live: the core's clock (100)"
    )
    add_build_arguments(parser, "measure")
    parser.add_argument("--engine", default="verilator", help="cxxrtl or verilator (verilator)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")


def _recordings(folder: str) -> list[Recording]:
    """Return the first recordings of N-MNIST's test set."""
    from ..datasets.events import load_nmnist

    samples = load_nmnist(Path(folder)).test[:RECORDINGS]
    return [(e.t, e.x, e.y, e.p) for e in samples]


def main(args: argparse.Namespace) -> int:
    """Measure and print."""
    return _live(args) if args.what == "live" else _rtl(args)


def _live(args: argparse.Namespace) -> int:
    from spikeloom_sim.bench_live import bench_live

    from ..datasets.gestures import load_dvs128_gesture

    if not args.dvs128:
        raise UsageError("bench live needs --dvs128 DIR, a folder of DVS128 Gesture")
    check_counts(args, "recordings")
    check_positive(args, "clock_mhz")
    samples = load_dvs128_gesture(Path(args.dvs128)).train[: args.recordings]
    config = chosen_build(args)
    runs = bench_live(config, args.engine, samples, clock_mhz=args.clock_mhz)
    rows = [
        (
            r.recording, r.speed, r.counters["events_read"], r.counters["events_dropped"],
            r.counters["windows"], r.counters["windows_dropped"], r.counters["waits"],
            round(r.window_cycles[0]), r.window_cycles[1],
            round(r.last_tick_cycles[0]), r.last_tick_cycles[1],
            round(r.recorded_per_s / 1e6, 3), round(r.events_per_s / 1e6, 1),
        )
        for r in runs
    ]  # fmt: skip
    head = (
        "recording", "speed", "events", "dropped", "windows", "dropped", "waits",
        "cycles per window", "most", "last tick", "most", "Mevents/s recorded",
        f"Mevents/s taken at {args.clock_mhz:g} MHz",
    )  # fmt: skip
    print(table(rows, head))
    if args.json:
        facts = {"preset": config.name, "engine": args.engine, "clock_mhz": args.clock_mhz}
        report = {**facts, "runs": [run.to_dict() for run in runs]}
        write_atomically(args.json, to_json(report).encode())
    return 0


def _rtl(args: argparse.Namespace) -> int:
    from spikeloom_sim.bench import bench_rtl, to_rows
    from spikeloom_sim.bench_parts import bench_parts

    recordings = _recordings(args.nmnist) if args.nmnist else None
    config = chosen_build(args)
    figures = [*bench_rtl(config, args.engine), *bench_parts(config, args.engine, recordings)]
    rows = [(f.name, round(f.measured, 3), round(f.bound, 3), f.unit) for f in figures]
    print(table(rows, ("784-128-10, then the parts", "measured", "bound", "unit")))
    if args.json:
        write_atomically(args.json, to_json(to_rows(figures)).encode())
    return 0

"""``spikeloom search``: networks that are good and cheap on the hardware."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..report import table, to_json
from .train import add_config_arguments, config_of

NAME = "search"
HELP = "search training settings and lanes for accuracy against costs on the hardware"
EXAMPLE = (
    "spikeloom search --dataset mnist --data-dir DIR --validation 6000 "
    "--vary 'hidden=32|64|128' --vary ticks=4..12 --out runs/search"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add_config_arguments(parser)
    parser.add_argument(
        "--vary", action="append", metavar="NAME=VALUES", default=[],
        help="NAME=A|B|C, NAME=LOW..HIGH or NAME=LOW..HIGH:log; a field of training, or lanes",
    )  # fmt: skip
    parser.add_argument(
        "--objectives", default="accuracy,cycles",
        help="of accuracy, cycles, sops, luts, weight_bytes (accuracy,cycles)",
    )  # fmt: skip
    parser.add_argument("--lanes", type=int, default=128, help="lanes of the build (128)")
    parser.add_argument("--trials", type=int, default=20, help="trials of all processes (20)")
    parser.add_argument(
        "--worker", type=int, default=0, help="number of this process, of several on one folder"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the search")
    parser.add_argument("--json", action="store_true", help="print the front as JSON")


def search_config(args: argparse.Namespace) -> Any:
    """Return the :class:`~spikeloom.search.study.SearchConfig` that the options ask for."""
    from ..search.space import parse_space
    from ..search.study import SearchConfig

    space = parse_space(args.vary)
    base = config_of(args)
    objectives = tuple(name for name in args.objectives.split(",") if name)
    return SearchConfig(base, space, objectives, args.lanes, args.trials, args.worker)


def main(args: argparse.Namespace) -> int:
    """Run trials and print the front."""
    from ..search.study import Search

    config = search_config(args)
    search = Search(config, Path(args.out))
    search.run(lambda trial: None if args.json else print(_line(trial), flush=True))
    front = search.front()
    if args.json:
        print(to_json([result.to_dict() for result in front]), end="")
        return 0
    names = [variation.name for variation in config.space]
    rows = [
        (
            r.number, f"{100 * r.accuracy:.2f}", f"{100 * r.test_accuracy:.2f}",
            round(r.cost.cycles), round(r.cost.sops), r.cost.luts, r.cost.weight_bytes,
            *(_text(r.parameters[name]) for name in names),
        )
        for r in front
    ]  # fmt: skip
    header = ("trial", "held out %", "test %", "cycles", "SOP", "LUT", "weight bytes", *names)
    print(table(rows, header))
    return 0


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(trial: Any) -> str:
    if isinstance(trial, str):
        return trial
    chosen = " ".join(f"{name}={_text(value)}" for name, value in trial.parameters.items())
    return (
        f"trial {trial.number}: {100 * trial.accuracy:.2f} % held out, "
        f"{trial.cost.cycles:.0f} cycles, {trial.cost.sops:.0f} SOP; {chosen}"
    )

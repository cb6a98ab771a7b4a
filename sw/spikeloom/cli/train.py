"""``spikeloom train``: data to a quantised network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..report import to_json
from ..spec.errors import UsageError

NAME = "train"
HELP = "train a network, float first, then on the integers of the hardware, and export it"
EXAMPLE = "spikeloom train --dataset mnist --data-dir DIR --hidden 128 --ticks 10 --out runs/mnist"

_OPTIONS: tuple[tuple[str, type, str], ...] = (
    ("ticks", int, "ticks of a sample"),
    ("encoder", str, "rate, poisson, latency or direct"),
    ("weight_bits", int, "8, 4 or 2"),
    ("decay", float, "share of the potential kept per tick"),
    ("reset", str, "subtract, zero or value"),
    ("reset_order", str, "before_decay or after_decay"),
    ("surrogate", str, "arctan, superspike, rectangular or sigmoid"),
    ("surrogate_width", float, "width in thresholds, 0 for the shape's default"),
    ("epochs_float", int, "epochs on real numbers"),
    ("epochs_qat", int, "epochs on integers"),
    ("batch_size", int, "samples per step"),
    ("lr", float, "learning rate of the float stage"),
    ("lr_qat", float, "learning rate of the integer stage"),
    ("dropout", float, "of hidden neurons, in the float stage"),
    ("augment_shift", int, "shift of training images, in pixels"),
    ("seed", int, "seed of everything random"),
    ("threads", int, "threads of PyTorch"),
)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that make a training configuration (also those of the demo)."""
    parser.add_argument(
        "--dataset", default="digits", help="digits, mnist or fashion_mnist (digits)"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the idx files")
    parser.add_argument("--hidden", metavar="N[,N...]", help="neurons of the hidden populations")
    for name, kind, help_ in _OPTIONS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=help_)


def config_of(args: argparse.Namespace) -> Any:
    """Return the :class:`~spikeloom.train.config.TrainConfig` that the options ask for."""
    from ..train.config import default_config

    chosen = {name: getattr(args, name) for name, _, _ in _OPTIONS}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if args.hidden is not None:
        try:
            chosen["hidden"] = tuple(int(n) for n in args.hidden.split(",") if n)
        except ValueError:
            raise UsageError(f"--hidden must be integers, not {args.hidden!r}") from None
    return default_config(args.dataset, data_dir=args.data_dir, **chosen)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add_config_arguments(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for checkpoint, metrics and network"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def main(args: argparse.Namespace) -> int:
    """Train, and write DIR/network."""
    config = config_of(args)
    from ..train.run import train

    out = Path(args.out)
    result = train(config, out, progress=not args.json, resume=args.resume)
    result.write(out / "network", replace=True)
    summary = {
        "network": str(out / "network"),
        "dataset": config.dataset,
        "accuracy_float": result.accuracy_float,
        "accuracy_quantised": result.accuracy_quantised,
        "epochs": len(result.history),
        "seed": config.seed,
        "seconds": round(result.seconds, 3),
    }
    if args.json:
        print(to_json(summary), end="")
    else:
        print(
            f"accuracy {100 * result.accuracy_float:.2f} % float, "
            f"{100 * result.accuracy_quantised:.2f} % quantised; network in {out / 'network'}"
        )
    return 0

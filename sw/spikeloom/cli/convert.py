"""``spikeloom convert``: an ordinary convolutional network to a spiking one."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from ..report import table, to_json
from ..spec.errors import UsageError
from .train import encoder_parameter

CHECK_SAMPLES = 100
"""Samples compared with the golden model at a time."""

NAME = "convert"
HELP = "train an ordinary convolutional network, or take one, and convert it to a spiking network"
EXAMPLE = "spikeloom convert --dataset mnist --data-dir DIR --ticks 16 --out runs/converted"

_OPTIONS: tuple[tuple[str, type, str], ...] = (
    ("network", str, "cnn (pools fold into filters) or cnn_pool (pools are populations)"),
    ("epochs", int, "epochs of the ordinary network"),
    ("epochs_fine", int, "epochs of fine-tuning with the values that spike counts can have"),
    ("levels", int, "values between 0 and the limit in fine-tuning, 0 for the ticks"),
    ("batch_size", int, "samples per step"),
    ("lr", float, "learning rate"),
    ("lr_fine", float, "learning rate of fine-tuning"),
    ("weight_decay", float, "of AdamW"),
    ("augment_shift", int, "greatest shift of training images, in pixels"),
    ("augment_rotate", float, "greatest rotation, in degrees"),
    ("augment_scale", float, "greatest stretch and shear, as a share"),
    ("augment_elastic", float, "elastic distortion, in pixels"),
    ("ticks", int, "ticks of a sample"),
    ("encoder", str, "direct, rate or poisson"),
    ("weight_bits", int, "8, 4 or 2"),
    ("percentile", float, "of the activations that a threshold stands for; 100 is the maximum"),
    ("calibration_samples", int, "training samples from which thresholds are taken"),
    ("seed", int, "seed of everything random"),
    ("threads", int, "threads of PyTorch"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("--dataset", default="digits", help="data set to train and measure on")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data set's files")
    parser.add_argument(
        "--model", metavar="MODULE:FUNCTION",
        help="a function of yours that returns the torch.nn.Module to take; its module is run",
    )  # fmt: skip
    parser.add_argument("--weights", metavar="FILE", help="state dictionary to start from")
    parser.add_argument(
        "--per-channel", action="store_true", help="balance every channel of a convolution apart"
    )
    parser.add_argument(
        "--encoder-parameter", action="append", metavar="NAME=VALUE",
        help="a parameter of the encoder; may be given several times",
    )  # fmt: skip
    for name, kind, help_ in _OPTIONS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=help_)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for weights and network"
    )
    parser.add_argument(
        "--check", type=int, nargs="?", const=0, metavar="N",
        help="compare every spike and potential of the test set, or of its first N samples, with "
        "the golden model",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def config_of(args: argparse.Namespace) -> Any:
    """Return the :class:`~spikeloom.convert.config.ConvertConfig` that the options ask for."""
    from ..convert.config import convert_config

    chosen = {name: getattr(args, name) for name, _, _ in _OPTIONS}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if args.per_channel:
        chosen["per_channel"] = True
    if args.encoder_parameter:
        chosen["encoder_parameters"] = dict(map(encoder_parameter, args.encoder_parameter))
    return convert_config(args.dataset, data_dir=args.data_dir, **chosen)


def check(outcome: Any, count: int) -> dict[str, Any]:
    """Compare ``count`` samples of the test set, 0 for all, with the golden model's integers."""
    from spikeloom_sim.matrix import MatrixModel

    from ..convert.simulate import Simulator
    from .golden_check import compared_values

    converted = outcome.converted
    golden, ours = MatrixModel(converted.network), Simulator(converted.network)
    values = outcome.test_values[: count or None]
    compared, operations = 0, 0
    for start in range(0, len(values), CHECK_SAMPLES):
        inputs = converted.encoded(values[start : start + CHECK_SAMPLES])
        expected, got = golden.run(inputs), ours.run(inputs)
        found = {what: getattr(got, what) for what in ("spikes", "potentials", "final")}
        compared += compared_values(found, expected, start)
        operations += int(expected.sops.sum())
    return {
        "samples_checked": len(values),
        "values_equal_to_golden_model": compared,
        "synaptic_operations_per_sample": operations / max(len(values), 1),
    }


def main(args: argparse.Namespace) -> int:
    """Convert, and write DIR/network."""
    config = config_of(args)
    out = Path(args.out)
    from ..artefact import check_target

    check_target(out / "network", replace=True)
    if args.check is not None and args.check < 0:
        raise UsageError(f"--check must be a number of samples, not {args.check}")
    if args.model is not None and args.network is not None:
        raise UsageError("--network and --model exclude each other")
    from ..convert.networks import load_network
    from ..convert.pipeline import convert

    model = None if args.model is None else load_network(args.model)
    weights = None if args.weights is None else Path(args.weights)
    outcome = convert(config, out, model, weights, say=_say(args.json))
    argv = [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv[0] not in ("", "-c") else []
    outcome.write(out / "network", shlex.join(argv), replace=True)
    summary = {"network": str(out / "network"), **outcome.summary()}
    if args.check is not None:
        summary.update(check(outcome, args.check))
    print(to_json(summary) if args.json else _text(summary), end="")
    return 0


def _say(quiet: bool) -> Any:
    return (lambda text: None) if quiet else (lambda text: print(text, flush=True))


def _text(summary: dict[str, Any]) -> str:
    header = ("population", "limit", "threshold", "above %", "spikes per tick", "error")
    rows = [
        (
            s["name"], f"{s['limit']:.4f}", s["threshold"], f"{100 * s['above']:.3f}",
            f"{s['rate']:.4f}", f"{s['error']:.4f}",
        )
        for s in summary["stages"]
    ]  # fmt: skip
    fine = summary.get("accuracy_fine")
    lines = [
        table(rows, header),
        f"accuracy {100 * summary['accuracy_ann']:.2f} % before"
        + ("" if fine is None else f", {100 * fine:.2f} % fine-tuned")
        + f", {100 * summary['accuracy_quantised']:.2f} % of the spiking network; "
        + f"network in {summary['network']}",
    ]
    if "values_equal_to_golden_model" in summary:
        lines.append(
            f"{summary['values_equal_to_golden_model']} spikes and potentials of "
            f"{summary['samples_checked']} test samples equal the golden model's; "
            f"{summary['synaptic_operations_per_sample']:.0f} synaptic operations per sample"
        )
    return "\n".join(lines) + "\n"

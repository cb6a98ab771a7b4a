"""``spikeloom train``: data to a quantised network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..report import to_json
from ..spec.errors import UsageError

CHECK_SAMPLES = 500
"""Samples compared with the golden model at a time."""

NAME = "train"
HELP = "train a network, float first, then on the integers of the hardware, and export it"
EXAMPLE = "spikeloom train --dataset mnist --data-dir DIR --hidden 128 --ticks 10 --out runs/mnist"

WORDS = ("by", "code")
"""Parameters of encoders that are words."""

_OPTIONS: tuple[tuple[str, type, str], ...] = (
    ("holdout_speaker", str, "speaker of fsdd to leave out of training and to test on alone"),
    ("network", str, "fc, conv, recurrent, sew_resnet or vgg"),
    ("layers", str, "another network, as 32c5s2-64c3s2-128 (see the documentation)"),
    ("delays", int, "greatest delay to be learnt in every dense projection, in ticks"),
    ("delay_values", int, "values that a learnt delay can take"),
    ("norm", str, "none, bn, tdbn or tebn"),
    ("ticks", int, "ticks of a sample"),
    ("encoder", str, "rate, poisson, latency, phase, delta, direct or population; of pictures"),
    ("weight_bits", int, "8, 4 or 2"),
    ("neuron", str, "lif, plif (learns the decay), if, cuba or multi_spike"),
    ("decay", float, "share of the potential kept per tick"),
    ("readout_decay", float, "that of an output that is read as a potential"),
    ("current_decay", float, "share of the synaptic current kept per tick, for cuba"),
    ("refractory", int, "ticks"),
    ("reset", str, "subtract, zero or value"),
    ("reset_order", str, "before_decay or after_decay"),
    ("surrogate", str, "arctan, superspike, rectangular, sigmoid or triangle"),
    ("surrogate_width", float, "width in thresholds, 0 for the shape's default"),
    ("epochs_float", int, "epochs on real numbers"),
    ("epochs_qat", int, "epochs on integers"),
    ("batch_size", int, "samples per step"),
    ("lr", float, "learning rate of the float stage"),
    ("lr_qat", float, "learning rate of the integer stage"),
    ("dropout", float, "of hidden neurons, in the float stage"),
    ("weight_decay", float, "of AdamW"),
    ("augment_shift", int, "greatest shift of training images, in pixels"),
    ("augment_rotate", float, "greatest rotation, in degrees"),
    ("augment_scale", float, "greatest stretch and shear, as a share"),
    ("augment_elastic", float, "elastic distortion, in pixels"),
    ("augment_drop", float, "greatest share of events left out, of recordings and sounds"),
    ("augment_time", float, "greatest change of a sound's speed, as a share"),
    ("augment_noise", float, "greatest noise, as a share of the sound"),
    ("loss", str, "rate, tet, membrane or latency"),
    ("label_smoothing", float, "of the cross-entropy"),
    ("logit_scale", float, "of spike counts, potentials or first-spike ticks"),
    ("tet_share", float, "weight of the regulariser in the loss tet"),
    ("rate_penalty", float, "weight of the firing-rate penalty"),
    ("rate_low", float, "rate, in spikes per tick, from which firing costs nothing"),
    ("rate_high", float, "rate, in spikes per tick, up to which firing costs nothing"),
    ("sop_penalty", float, "weight of the penalty on synaptic operations"),
    ("sop_target", int, "synaptic operations per sample that cost nothing"),
    ("calibration_samples", int, "training samples for the choice of steps without --epochs-qat"),
    ("start", str, "folder of a run whose float stage to start from"),
    ("validation", int, "training samples held out to judge epochs by"),
    ("patience", int, "epochs without a better validation accuracy that end a stage"),
    ("precision", str, "float32, or bfloat16 for the products of the float stage"),
    ("shards", int, "parts of a batch, for as many processes of torchrun"),
    ("seed", int, "seed of everything random"),
    ("threads", int, "threads of PyTorch"),
)


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that make a training configuration (also those of the demo)."""
    parser.add_argument(
        "--config", metavar="FILE", help="TOML or JSON of the fields below; options come before it"
    )
    parser.add_argument(
        "--dataset",
        help="digits, mnist, fashion_mnist, cifar10, nmnist, dvs128_gesture or fsdd (digits)",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data set's files")
    parser.add_argument("--hidden", metavar="N[,N...]", help="neurons of the hidden populations")
    parser.add_argument("--bias", action="store_true", help="learn a bias of each population")
    parser.add_argument(
        "--per-channel", action="store_true",
        help="a threshold, and a step of the weights, for each channel",
    )  # fmt: skip
    parser.add_argument("--learn-threshold", action="store_true", help="learn the thresholds")
    parser.add_argument(
        "--input-gate", action="store_true",
        help="learn which input may send in which tick; with --sop-penalty",
    )  # fmt: skip
    parser.add_argument(
        "--encoder-parameter", action="append", metavar="NAME=VALUE",
        help="a parameter of the encoder; may be given several times",
    )  # fmt: skip
    for name, kind, help_ in _OPTIONS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=help_)


def encoder_parameter(text: str) -> tuple[str, int | float | str]:
    """Return name and value of NAME=VALUE."""
    name, _, value = text.partition("=")
    if name in WORDS and value.isalpha():
        return name, value
    try:
        return name, int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError:
        raise UsageError(f"--encoder-parameter must be NAME=NUMBER, not {text!r}") from None


def config_of(args: argparse.Namespace) -> Any:
    """Return the :class:`~spikeloom.train.config.TrainConfig` that the options ask for."""
    from ..train.config_file import read_config
    from ..train.defaults import default_config

    from_file = {} if args.config is None else read_config(Path(args.config))
    chosen = {name: getattr(args, name) for name, _, _ in _OPTIONS}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    for name in ("bias", "input_gate", "per_channel", "learn_threshold"):
        if getattr(args, name):
            chosen[name] = True
    if args.encoder_parameter:
        chosen["encoder_parameters"] = dict(map(encoder_parameter, args.encoder_parameter))
    if args.hidden is not None:
        try:
            chosen["hidden"] = tuple(int(n) for n in args.hidden.split(",") if n)
        except ValueError:
            raise UsageError(f"--hidden must be integers, not {args.hidden!r}") from None
    for name in ("dataset", "data_dir"):
        if getattr(args, name) is not None:
            chosen[name] = getattr(args, name)
    return default_config(**{"dataset": "digits", **from_file, **chosen})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add_config_arguments(parser)
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for checkpoint, metrics and network"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="write curves to DIR/tensorboard too"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    parser.add_argument(
        "--check", action="store_true",
        help="compare every spike and potential of the test set with the golden model",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def _check(result: Any) -> dict[str, Any]:
    """Compare the whole test set with the golden model; return the values compared."""
    from spikeloom_sim.matrix import MatrixModel

    from ..train.sources import for_population
    from .golden_check import compared_values

    model, inputs = MatrixModel(result.network), result.test_inputs
    compared, operations = 0, 0
    for start in range(0, len(inputs), CHECK_SAMPLES):
        part = inputs[start : start + CHECK_SAMPLES]
        golden = model.run(for_population(part))
        ours = {
            "spikes": result.quantised_spikes(part),
            "potentials": result.quantised_potentials(part),
            "final": result.quantised_final(part),
        }
        compared += compared_values(ours, golden, start)
        operations += int(golden.sops.sum())
    return {
        "values_equal_to_golden_model": compared,
        "synaptic_operations_per_sample": operations / max(len(inputs), 1),
    }


def main(args: argparse.Namespace) -> int:
    """Train, and write DIR/network."""
    config = config_of(args)
    out = Path(args.out)
    from ..artefact import check_target

    check_target(out / "network", replace=True)
    from ..train.run import train
    from ..train.team import is_leader

    result = train(config, out, not args.json, args.resume, args.tensorboard)
    if not is_leader():
        return 0
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
    if result.calibration:
        summary["calibration"] = [report.to_dict() for report in result.calibration]
    if args.check:
        summary.update(_check(result))
    if args.json:
        print(to_json(summary), end="")
        return 0
    print(
        f"accuracy {100 * result.accuracy_float:.2f} % float, "
        f"{100 * result.accuracy_quantised:.2f} % quantised; network in {out / 'network'}"
    )
    if result.calibration:
        from ..train.calibrate import lines

        print("\n".join(lines(result.calibration)))
    if args.check:
        print(
            f"{summary['values_equal_to_golden_model']} spikes and potentials of the test set "
            "equal the golden model's; "
            f"{summary['synaptic_operations_per_sample']:.0f} synaptic operations per sample"
        )
    return 0

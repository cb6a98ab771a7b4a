"""``spikeloom encode``: a data set's test samples as input for an artefact."""

from __future__ import annotations

import argparse

from . import files
from .ranges import check_counts

NAME = "encode"
HELP = "encode a data set's test samples as an artefact wants them, into an npz for run and verify"
EXAMPLE = "spikeloom encode net --dataset mnist --data-dir DIR --output in.npz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("artefact", help="folder of the artefact; its encoder is used")
    parser.add_argument(
        "--dataset",
        required=True,
        help="digits, mnist, fashion_mnist, cifar10, nmnist, dvs128_gesture or fsdd",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the data set's files")
    parser.add_argument(
        "--holdout-speaker", metavar="NAME",
        help="all recordings of this speaker of fsdd; by default the one whom the network was "
        "trained without, if any",
    )  # fmt: skip
    parser.add_argument("--samples", type=int, metavar="N", help="only the first N samples")
    parser.add_argument(
        "--output", required=True, metavar="IN.npz", help="npz to write: input and label"
    )


def main(args: argparse.Namespace) -> int:
    """Encode and write the file."""
    from ..artefact import read_artefact
    from ..train.test_sets import encode_test_set, held_out_speaker

    check_counts(args, "samples")
    artefact = read_artefact(args.artefact)
    speaker = args.holdout_speaker
    if speaker is None and args.dataset == artefact.manifest.provenance.get("dataset"):
        speaker = held_out_speaker(artefact.manifest.provenance)
    inputs, labels = encode_test_set(
        artefact.input, args.dataset, args.data_dir, args.samples, speaker
    )
    files.write_npz(args.output, {"input": inputs, "label": labels})
    whose = "" if speaker is None else f", all of the speaker {speaker}"
    print(f"{len(inputs)} samples of {args.dataset}{whose} in {args.output}")
    return 0

"""snnTorch's published network for N-MNIST on the same recordings as ours, for comparison.

``python -m spikeloom.train.nmnist_snntorch --data-dir DIR`` trains the network of snnTorch's
tutorial 7 ("Neuromorphic datasets with Tonic + snnTorch"): 12C5-maxpool2-32C5-maxpool2-10,
beta 0.5, arctangent surrogate, Adam with rate 0.02, a mean squared error of spike counts with
rates of 0.8 and 0.2, batches of 128.  The tutorial has frames of 1 ms; ``--ticks`` says into how
many equal times a recording is divided here.  Needs snnTorch, which is no dependency.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets.events import NMNIST_SIZE, load_nmnist
from ..report import to_json
from ..spec.errors import DataError
from .frame_encoder import encode_recordings, frame_facts

BETA = 0.5
RATE = 2e-2
BATCH = 128


def _network() -> tuple[nn.ModuleList, nn.ModuleList]:
    import snntorch

    layers = nn.ModuleList(
        [
            nn.Sequential(nn.Conv2d(2, 12, 5), nn.MaxPool2d(2)),
            nn.Sequential(nn.Conv2d(12, 32, 5), nn.MaxPool2d(2)),
            nn.Sequential(nn.Flatten(), nn.Linear(32 * 5 * 5, 10)),
        ]
    )
    slope = snntorch.surrogate.atan()
    return layers, nn.ModuleList(snntorch.Leaky(beta=BETA, spike_grad=slope) for _ in layers)


def _forward(layers: nn.ModuleList, neurons: nn.ModuleList, frames: Tensor) -> Tensor:
    """Return the output spikes [T, N, 10] of frames [T, N, 2, 34, 34]."""
    states = [neuron.init_leaky() for neuron in neurons]
    out = []
    for spikes in frames:
        for index, (layer, neuron) in enumerate(zip(layers, neurons, strict=True)):
            spikes, states[index] = neuron(layer(spikes), states[index])
        out.append(spikes)
    return torch.stack(out)


def compare(folder: Path, ticks: int, epochs: int, seed: int) -> dict[str, float]:
    """Train on the training recordings of ``folder`` and return accuracy, 0 to 1, and seconds.

    Raises :class:`DataError` for a folder without N-MNIST, :class:`ImportError` without snnTorch.
    """
    from snntorch import functional

    torch.manual_seed(seed)
    start = time.process_time()
    samples = load_nmnist(folder)
    facts = frame_facts({"kind": "frames", "max_magnitude": 127}, NMNIST_SIZE, ticks)
    train, test = (encode_recordings(facts, part[:]) for part in (samples.train, samples.test))
    layers, neurons = _network()
    optimizer = torch.optim.Adam([*layers.parameters(), *neurons.parameters()], lr=RATE)
    loss_of = functional.mse_count_loss(correct_rate=0.8, incorrect_rate=0.2)
    labels = torch.from_numpy(np.asarray(samples.train.labels).astype(np.int64))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.randperm(len(train), generator=generator).split(BATCH):
            frames = torch.from_numpy(train[chosen.numpy()]).float().transpose(0, 1)
            loss = loss_of(_forward(layers, neurons, frames), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        frames = torch.from_numpy(test).float().transpose(0, 1)
        guess = _forward(layers, neurons, frames).sum(0).argmax(1).numpy()
    return {
        "accuracy": float((guess == samples.test.labels).mean()),
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def main(argv: list[str] | None = None) -> int:
    """Train and print the accuracy of each seed."""
    parser = argparse.ArgumentParser("spikeloom.train.nmnist_snntorch", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of N-MNIST")
    parser.add_argument("--ticks", type=int, default=30, help="frames of a recording (30)")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the recordings (10)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="1 2 3")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        results = {s: compare(args.data_dir, args.ticks, args.epochs, s) for s in args.seeds}
    except DataError as error:
        print(f"spikeloom.train.nmnist_snntorch: {error}", file=sys.stderr)
        return 2
    except ImportError:
        print("snnTorch is not installed; run: pip install snntorch", file=sys.stderr)
        return 2
    mean = sum(r["accuracy"] for r in results.values()) / len(results)
    print(to_json({"seeds": results, "mean": mean}), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

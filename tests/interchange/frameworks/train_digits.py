"""Digits classifiers trained by snnTorch and SpikingJelly, saved as NIR.

A script of its own, run by an environment that has the frameworks; it knows nothing of
SpikeLoom.  ``train_digits.py FOLDER`` writes NAME.nir for every network, and digits.npz with
``input`` (samples, ticks, 1, 8, 8) and ``labels`` of the test set and ``calibration`` from the
training set.  NAME.npz has the framework's own ``counts`` (samples, 10) of output spikes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nir
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

TICKS, EPOCHS, BATCH, CALIBRATION = 12, 10, 64, 64
torch.set_num_threads(1)


def encoded(images: np.ndarray) -> torch.Tensor:
    """Return spikes (TICKS, N, 1, 8, 8): a pixel's rate is its value."""
    levels = images.reshape(-1, 1, 8, 8) / 16
    steps = np.floor(levels[None] * np.arange(TICKS + 1).reshape(-1, 1, 1, 1, 1))
    return torch.tensor(np.diff(steps, axis=0), dtype=torch.float32)


def train(net: torch.nn.Module, forward, x: torch.Tensor, labels: torch.Tensor) -> None:
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for batch in torch.randperm(x.shape[1], generator=generator).split(BATCH):
            counts = forward(net, x[:, batch]).sum(0)
            loss = torch.nn.functional.cross_entropy(counts, labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


def run_snntorch(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    for layer in net:
        if hasattr(layer, "reset_mem"):
            layer.reset_mem()
    return torch.stack([net(x[tick]) for tick in range(len(x))])


def run_spikingjelly(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    from spikingjelly.activation_based import functional

    functional.reset_net(net)
    return torch.stack([net(x[tick]) for tick in range(len(x))])


def snntorch_networks() -> dict[str, torch.nn.Module]:
    import snntorch as snn

    def leaky(*shape: int, **options: object) -> torch.nn.Module:
        return snn.Leaky(beta=torch.full(shape, 0.9), threshold=torch.full(shape, 1.0),
                         init_hidden=True, **options)  # fmt: skip

    def synaptic(n: int) -> torch.nn.Module:
        return snn.Synaptic(alpha=torch.full((n,), 0.6), beta=torch.full((n,), 0.8),
                            threshold=torch.full((n,), 1.0), init_hidden=True)  # fmt: skip

    def fc(bias: bool, *neurons: torch.nn.Module) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(64, 48, bias=bias), neurons[0],
            torch.nn.Linear(48, 10, bias=bias), neurons[1],
        )  # fmt: skip

    recurrent = snn.RLeaky(beta=torch.full((48,), 0.9), threshold=torch.full((48,), 1.0),
                           linear_features=48, init_hidden=True)  # fmt: skip
    recurrent.recurrent.weight.data *= 0.3
    zero = {"reset_mechanism": "zero"}
    return {
        "fc_subtract": fc(True, leaky(48), leaky(10)),
        "fc_zero": fc(False, leaky(48, **zero), leaky(10, **zero)),
        "cuba": fc(True, synaptic(48), synaptic(10)),
        "recurrent": fc(True, recurrent, leaky(10)),
        "conv_pool": torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3, padding=1), leaky(8, 8, 8), torch.nn.AvgPool2d(2),
            torch.nn.Flatten(), torch.nn.Linear(128, 10), leaky(10),
        ),
    }  # fmt: skip


def spikingjelly_networks() -> dict[str, torch.nn.Module]:
    from spikingjelly.activation_based import layer, neuron

    return {
        "conv_if": torch.nn.Sequential(
            layer.Conv2d(1, 12, 3, stride=2, padding=1), neuron.IFNode(),
            layer.Flatten(), layer.Linear(192, 10), neuron.IFNode(),
        ),
    }  # fmt: skip


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images, rest, labels, rest_labels = train_test_split(
        digits.images, digits.target, test_size=0.25, random_state=0, stratify=digits.target
    )
    x, test = encoded(images), encoded(rest)
    np.savez_compressed(
        folder / "digits.npz",
        input=test.transpose(0, 1).numpy().astype(np.uint8),
        labels=rest_labels,
        calibration=x[:, :CALIBRATION].transpose(0, 1).numpy().astype(np.uint8),
    )
    from snntorch.export_nir import export_to_nir as from_snntorch
    from spikingjelly.activation_based.nir_exchange import export_to_nir as from_spikingjelly

    for networks, forward in (
        (snntorch_networks, run_snntorch), (spikingjelly_networks, run_spikingjelly),
    ):  # fmt: skip
        torch.manual_seed(0)
        for name, net in networks().items():
            train(net, forward, x, torch.tensor(labels))
            with torch.no_grad():
                counts = forward(net, test).sum(0).numpy()
                if forward is run_snntorch:
                    for layer in net:
                        if hasattr(layer, "reset_mem"):
                            layer.reset_mem()
                    graph = from_snntorch(net, test[0, :1], ignore_dims=[0])
                else:
                    graph = from_spikingjelly(net, test[0, :1], dt=1e-4)
            nir.write(folder / f"{name}.nir", graph)
            np.savez_compressed(folder / f"{name}.npz", counts=counts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

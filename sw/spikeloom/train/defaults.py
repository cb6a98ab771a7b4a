"""The settings of training that suit each data set."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from ..spec.errors import UsageError
from .choices import DATASETS
from .config import TrainConfig
from .fields import check_choice

_MNIST = TrainConfig(
    dataset="mnist", hidden=(128,), ticks=10, epochs_float=30, epochs_qat=12, batch_size=128,
    lr=2e-3, lr_qat=5e-4, augment_shift=1, weight_decay=1e-3,
)  # fmt: skip

_NMNIST = TrainConfig(
    dataset="nmnist",
    network="conv",
    ticks=8,
    encoder="frames",
    norm="tdbn",
    decay=0.5,
    batch_size=32,
    lr=2e-3,
    lr_qat=5e-4,
    epochs_float=40,
    epochs_qat=15,
    loss="membrane",
)

DEFAULTS: dict[str, TrainConfig] = {
    "digits": TrainConfig(),
    "mnist": _MNIST,
    "fashion_mnist": replace(_MNIST, dataset="fashion_mnist", hidden=(256,), augment_shift=0),
    "cifar10": replace(
        _MNIST,
        dataset="cifar10",
        network="vgg",
        norm="tdbn",
        decay=0.5,
        ticks=4,
        encoder="direct",
        encoder_parameters={"max_magnitude": 7},
        loss="membrane",
        augment_shift=2,
    ),
    "nmnist": _NMNIST,
    "dvs128_gesture": replace(
        _NMNIST,
        dataset="dvs128_gesture",
        ticks=16,
        batch_size=16,
        encoder_parameters={"downscale": 4},
    ),
    "fsdd": TrainConfig(
        dataset="fsdd",
        network="recurrent",
        ticks=48,
        encoder="filterbank",
        batch_size=32,
        lr=2e-3,
        lr_qat=5e-4,
        epochs_float=40,
        epochs_qat=15,
        loss="membrane",
    ),
}
"""The settings that suit each data set."""


def default_config(dataset: str, **overrides: Any) -> TrainConfig:
    """Return the settings that suit ``dataset``, with ``overrides`` by field name.

    Raises :class:`UsageError` for an unknown data set or field or a value out of range.
    """
    check_choice("dataset", dataset, DATASETS)
    known = {f.name for f in fields(TrainConfig)}
    for name in overrides.keys() - known:
        raise UsageError(f"{name} is no field of a training configuration: {', '.join(known)}")
    if overrides.get("neuron") == "if":
        overrides.setdefault("decay", 1.0)
    if overrides.get("start") is not None:
        overrides.setdefault("epochs_float", 0)
    return replace(DEFAULTS[dataset], **overrides)

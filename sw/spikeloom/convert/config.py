"""What to train and convert, and how: the validated configuration of ``spikeloom convert``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..spec.errors import DataError, UsageError
from ..spec.numfmt import WEIGHT_BITS
from ..train.choices import RANGES
from ..train.datasets import DATASETS
from ..train.encoders import check_encoder
from ..train.fields import check_choice, check_encoder_parameters, check_number

NETWORKS = ("cnn", "cnn_pool")

_AUGMENT = ("augment_shift", "augment_rotate", "augment_scale", "augment_elastic")

_RANGES: dict[str, tuple[float, float, type]] = {
    "epochs": RANGES["epochs_float"],
    "epochs_fine": RANGES["epochs_qat"],
    "levels": (0, 1024, int),
    "batch_size": (2, 1 << 20, int),
    "lr": RANGES["lr"],
    "lr_fine": RANGES["lr_qat"],
    **{name: RANGES[name] for name in ("weight_decay", *_AUGMENT, "ticks")},
    "percentile": (1e-3, 100.0, float),
    **{name: RANGES[name] for name in ("calibration_samples", "seed", "threads")},
}
"""(low, high, type) of the fields that are numbers; those of training have the ranges there."""


@dataclass(frozen=True)
class ConvertConfig:
    """A conversion with the training that comes before it.

    Parameters
    ----------
    dataset, data_dir
        As of :class:`spikeloom.train.config.TrainConfig`.
    network
        One of :data:`NETWORKS` (:mod:`.networks`); not used for a model of the user's own.
    epochs
        Epochs of the ordinary network; 0 for a model that is trained already.
    epochs_fine, levels
        Epochs of fine-tuning with :class:`.activation.ClipFloorShift` of so many levels;
        0 levels stand for as many as there are ticks.
    batch_size, lr, lr_fine, weight_decay
        AdamW; either stage lowers its learning rate to 0 along half a cosine.
    augment_shift, augment_rotate, augment_scale, augment_elastic
        As of :class:`spikeloom.train.config.TrainConfig`.
    ticks, encoder, encoder_parameters, weight_bits
        As of :func:`.run.convert_model`; ``maximum`` is that of the data set.
    percentile, per_channel
        As of :class:`.balance.Limits`.
    calibration_samples
        Training samples from which limits are taken.
    seed
        Seed of weights, data order, augmentation and dropout.
    threads
        Threads of PyTorch.

    Raises
    ------
    UsageError
        Naming the field that is wrong, what was found and what was expected.
    """

    dataset: str = "digits"
    data_dir: str | None = None
    network: str = "cnn"
    epochs: int = 12
    epochs_fine: int = 4
    levels: int = 0
    batch_size: int = 128
    lr: float = 4e-3
    lr_fine: float = 5e-4
    weight_decay: float = 1e-3
    augment_shift: int = 0
    augment_rotate: float = 0.0
    augment_scale: float = 0.0
    augment_elastic: float = 0.0
    ticks: int = 16
    encoder: str = "direct"
    encoder_parameters: Mapping[str, Any] = field(default_factory=dict)
    weight_bits: int = 8
    percentile: float = 99.9
    per_channel: bool = False
    calibration_samples: int = 1000
    seed: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        check_choice("dataset", self.dataset, DATASETS)
        check_choice("network", self.network, NETWORKS)
        check_choice("weight_bits", self.weight_bits, WEIGHT_BITS)
        for name, (low, high, kind) in _RANGES.items():
            object.__setattr__(self, name, check_number(name, getattr(self, name), low, high, kind))
        if not isinstance(self.per_channel, bool):
            raise UsageError(f"per_channel must be true or false, not {self.per_channel!r}")
        check_encoder_parameters(self.encoder_parameters)
        self.encoder_facts(1)

    def encoder_facts(self, maximum: int) -> dict[str, Any]:
        """Return the encoder as the artefact keeps it; ``maximum`` stands for 1."""
        try:
            return check_encoder(
                {"kind": self.encoder, "maximum": maximum, **self.encoder_parameters}
            )
        except DataError as error:
            raise UsageError(str(error)) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        return {**asdict(self), "encoder_parameters": dict(self.encoder_parameters)}


def convert_config(dataset: str, **overrides: Any) -> ConvertConfig:
    """Return the settings for ``dataset``, with ``overrides`` by field name.

    Raises :class:`UsageError` for an unknown field or a value out of range.
    """
    known = {f.name for f in fields(ConvertConfig)}
    for name in overrides.keys() - known:
        raise UsageError(f"{name} is no field of a conversion: {', '.join(sorted(known))}")
    return ConvertConfig(dataset=dataset, **overrides)

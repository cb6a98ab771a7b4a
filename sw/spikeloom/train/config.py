"""What to train and how: the validated configuration of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from typing import Any

from ..spec.errors import DataError, UsageError
from ..spec.network import Reset, ResetOrder
from ..spec.numfmt import WEIGHT_BITS
from .datasets import DATASETS
from .encoders import check_encoder

MAXIMA = {"digits": 16, "mnist": 255, "fashion_mnist": 255}
"""The value that stands for 1, of each data set."""

SURROGATE_NAMES = ("arctan", "superspike", "rectangular", "sigmoid")

_RANGES: dict[str, tuple[float, float, type]] = {
    "ticks": (1, 1024, int),
    "surrogate_width": (0.0, 1e3, float),
    "decay": (0.0, 1.0, float),
    "reset_value": (-100.0, 100.0, float),
    "initial": (-100.0, 100.0, float),
    "epochs_float": (0, 100000, int),
    "epochs_qat": (0, 100000, int),
    "batch_size": (1, 1 << 20, int),
    "lr": (0.0, 10.0, float),
    "lr_qat": (0.0, 10.0, float),
    "weight_decay": (0.0, 10.0, float),
    "dropout": (0.0, 0.95, float),
    "augment_shift": (0, 8, int),
    "label_smoothing": (0.0, 0.9, float),
    "logit_scale": (1e-3, 1e3, float),
    "seed": (0, 2**31 - 1, int),
    "threads": (1, 256, int),
}


@dataclass(frozen=True)
class TrainConfig:
    """A training run; the defaults are those of ``digits`` (see :func:`default_config`).

    Parameters
    ----------
    dataset
        ``digits``, ``mnist`` or ``fashion_mnist``.
    data_dir
        Folder of the idx files; not needed for ``digits``.
    hidden
        Neurons of each hidden population.
    ticks
        Ticks of a sample, 1 to 1024.
    encoder, encoder_parameters
        Kind and parameters of the encoder (:data:`spikeloom.train.encoders.ENCODERS`).
    weight_bits
        8, 4 or 2.
    decay
        0 to 1, share of the potential kept from tick to tick (beta).
    reset, reset_order, reset_value, initial, floor
        The neurons; potentials in thresholds (:class:`spikeloom.train.model.NeuronConfig`).
    surrogate, surrogate_width
        Surrogate gradient and its width in thresholds, 0 for the shape's own default.
    detach_reset
        True to leave the reset out of the gradient.
    epochs_float, epochs_qat
        Epochs on real numbers, then on integers.
    batch_size, lr, lr_qat, weight_decay
        AdamW; either stage lowers its learning rate to 0 along half a cosine.
    dropout
        Of hidden neurons, in the float stage.
    augment_shift
        Training images are shifted by up to so many pixels in each direction.
    label_smoothing, logit_scale
        Of the cross-entropy; a logit is a spike count times ``logit_scale``.
    seed
        Seed of weights, data order, augmentation and dropout.
    threads
        Threads of PyTorch; 1 is fastest for networks of this size unless both cores are idle.

    Raises
    ------
    UsageError
        Naming the field that is wrong, what was found and what was expected.
    """

    dataset: str = "digits"
    data_dir: str | None = None
    hidden: tuple[int, ...] = (64,)
    ticks: int = 12
    encoder: str = "rate"
    encoder_parameters: Mapping[str, Any] = field(default_factory=dict)
    weight_bits: int = 8
    decay: float = 0.9
    reset: Reset = Reset.SUBTRACT
    reset_order: ResetOrder = ResetOrder.BEFORE_DECAY
    reset_value: float = 0.0
    initial: float = 0.0
    floor: float | None = None
    surrogate: str = "arctan"
    surrogate_width: float = 0.0
    detach_reset: bool = True
    epochs_float: int = 36
    epochs_qat: int = 12
    batch_size: int = 64
    lr: float = 5e-3
    lr_qat: float = 1e-3
    weight_decay: float = 1e-2
    dropout: float = 0.0
    augment_shift: int = 0
    label_smoothing: float = 0.0
    logit_scale: float = 1.0
    seed: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        put = object.__setattr__
        _choice("dataset", self.dataset, DATASETS)
        _choice("surrogate", self.surrogate, SURROGATE_NAMES)
        _choice("weight_bits", self.weight_bits, WEIGHT_BITS)
        put(self, "data_dir", None if self.data_dir is None else str(self.data_dir))
        put(self, "reset", _enum("reset", self.reset, Reset))
        put(self, "reset_order", _enum("reset_order", self.reset_order, ResetOrder))
        for name, (low, high, kind) in _RANGES.items():
            put(self, name, _number(name, getattr(self, name), low, high, kind))
        if self.floor is not None:
            put(self, "floor", _number("floor", self.floor, -1e4, 0.0, float))
        put(self, "hidden", _sizes(self.hidden))
        if not isinstance(self.detach_reset, bool):
            raise UsageError(f"detach_reset must be true or false, not {self.detach_reset!r}")
        self._check_together()
        put(self, "encoder_parameters", dict(self.encoder_parameters))

    def _check_together(self) -> None:
        if self.reset is Reset.NONE:
            raise UsageError(
                "reset must be subtract, zero or value, not none: the loss counts spikes"
            )
        if self.reset_value and self.reset is not Reset.VALUE:
            raise UsageError(
                f"reset_value must be 0 unless reset is value, not {self.reset_value} with "
                f"reset {self.reset.value}"
            )
        if self.epochs_float + self.epochs_qat == 0:
            raise UsageError("epochs_float + epochs_qat must be at least 1, not 0")
        if not isinstance(self.encoder_parameters, Mapping):
            raise UsageError(
                f"encoder_parameters must be a mapping, not {self.encoder_parameters!r}"
            )
        for name in ("kind", "maximum"):
            if name in self.encoder_parameters:
                raise UsageError(f"encoder_parameters must not hold {name}: the data set sets it")
        self.encoder_facts()

    def encoder_facts(self) -> dict[str, Any]:
        """Return the encoder as the artefact keeps it, every parameter filled in."""
        facts = {
            "kind": self.encoder, "maximum": MAXIMA[self.dataset], **self.encoder_parameters
        }  # fmt: skip
        try:
            return check_encoder(facts)
        except DataError as error:
            raise UsageError(str(error)) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values."""
        out = asdict(self)
        for name, value in out.items():
            out[name] = value.value if isinstance(value, Enum) else value
        out["hidden"] = list(self.hidden)
        return out


def _choice(name: str, value: object, known: tuple[Any, ...]) -> None:
    if isinstance(value, bool) or value not in known:
        raise UsageError(f"{name} must be one of {', '.join(map(str, known))}, not {value!r}")


def _enum(name: str, value: object, enum: type[Enum]) -> Any:
    try:
        return enum(value)
    except ValueError:
        known = ", ".join(member.value for member in enum)
        raise UsageError(f"{name} must be one of {known}, not {value!r}") from None


def _number(name: str, value: Any, low: float, high: float, kind: type) -> Any:
    what = "an integer" if kind is int else "a number"
    types = int if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, types):
        raise UsageError(f"{name} must be {what}, not {value!r}")
    if not math.isfinite(value) or not low <= value <= high:
        raise UsageError(f"{name} must be from {low:g} to {high:g}, not {value!r}")
    return kind(value)


def _sizes(value: Any) -> tuple[int, ...]:
    if isinstance(value, (str, int)) or not all(
        isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= 65536 for n in value
    ):
        raise UsageError(f"hidden must be integers from 1 to 65536, not {value!r}")
    return tuple(value)


_MNIST = TrainConfig(
    dataset="mnist", hidden=(128,), ticks=10, epochs_float=30, epochs_qat=12, batch_size=128,
    lr=2e-3, lr_qat=5e-4, augment_shift=1, weight_decay=1e-3,
)  # fmt: skip

DEFAULTS: dict[str, TrainConfig] = {
    "digits": TrainConfig(),
    "mnist": _MNIST,
    "fashion_mnist": replace(_MNIST, dataset="fashion_mnist", hidden=(256,), augment_shift=0),
}
"""The settings that suit each data set."""


def default_config(dataset: str, **overrides: Any) -> TrainConfig:
    """Return the settings that suit ``dataset``, with ``overrides`` by field name.

    Raises :class:`UsageError` for an unknown data set or field or a value out of range.
    """
    _choice("dataset", dataset, DATASETS)
    known = {f.name for f in fields(TrainConfig)}
    for name in overrides.keys() - known:
        raise UsageError(f"{name} is no field of a training configuration: {', '.join(known)}")
    return replace(DEFAULTS[dataset], **overrides)

"""What a training configuration may name, and the ranges of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..spec.numfmt import DELAY_MAX, REFRACTORY_MAX
from .filterbank import check_filterbank
from .frame_encoder import check_frames

MAXIMA = {"digits": 16, "mnist": 255, "fashion_mnist": 255, "cifar10": 255}
"""The value that stands for 1, of each data set of pictures."""

DATASETS = (*MAXIMA, "nmnist", "dvs128_gesture", "fsdd")
"""The data sets there is training for."""

OWN_ENCODERS: dict[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "nmnist": ("frames", check_frames),
    "dvs128_gesture": ("frames", check_frames),
    "fsdd": ("filterbank", check_filterbank),
}
"""The encoder of each data set that is not one of pictures, and its check."""

SPEAKER_DATASETS = ("fsdd",)
"""The data sets whose samples have a speaker."""

SURROGATE_NAMES = ("arctan", "superspike", "rectangular", "sigmoid", "triangle")
PRECISION_NAMES = ("float32", "bfloat16")
LOSS_NAMES = ("rate", "tet", "membrane", "latency")
NEURON_NAMES = ("lif", "plif", "if", "cuba", "multi_spike")

REFUSED_NEURONS = {
    "alif": "its threshold moves with its spikes; a population has one constant threshold",
    "adex": "it has a second state and an exponential; a neuron has one potential",
    "izhikevich": "it multiplies potentials and has a second state; a neuron has one potential",
    "synaptic": "its current decays before it is seen; cuba is the neuron with a current here",
    "psn": "it mixes all ticks at once; the accelerator goes from tick to tick",
    "rf": "its potential is complex; a neuron has one real potential",
}
"""Known neurons that the accelerator cannot run, and why."""

RANGES: dict[str, tuple[float, float, type]] = {
    "ticks": (1, 1024, int),
    "delays": (0, DELAY_MAX, int),
    "delay_values": (2, DELAY_MAX + 1, int),
    "surrogate_width": (0.0, 1e3, float),
    "decay": (0.0, 1.0, float),
    "current_decay": (0.0, 1.0, float),
    "refractory": (0, REFRACTORY_MAX, int),
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
    "augment_rotate": (0.0, 180.0, float),
    "augment_scale": (0.0, 0.9, float),
    "augment_elastic": (0.0, 10.0, float),
    "augment_drop": (0.0, 0.9, float),
    "augment_time": (0.0, 0.5, float),
    "augment_noise": (0.0, 10.0, float),
    "label_smoothing": (0.0, 0.9, float),
    "logit_scale": (1e-3, 1e3, float),
    "tet_share": (0.0, 1.0, float),
    "rate_penalty": (0.0, 1e6, float),
    "rate_low": (0.0, 1.0, float),
    "rate_high": (0.0, 1.0, float),
    "sop_penalty": (0.0, 1e6, float),
    "sop_target": (1, 1 << 40, int),
    "calibration_samples": (1, 1 << 20, int),
    "validation": (0, 1 << 20, int),
    "patience": (0, 100000, int),
    "shards": (1, 1024, int),
    "seed": (0, 2**31 - 1, int),
    "threads": (1, 256, int),
}
"""(low, high, type) of the fields that are numbers."""

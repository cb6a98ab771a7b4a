"""One function for every data set."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..spec.errors import DataError
from ..train import datasets as grey
from ..train.datasets import Dataset
from .events import load_nmnist
from .gestures import load_dvs128_gesture
from .pictures import load_cifar10
from .samples import SampleSet
from .sounds import load_fsdd

_LOADERS: dict[str, Callable[[Path], Dataset | SampleSet[Any]]] = {
    "mnist": partial(grey.load_idx, "mnist"),
    "fashion_mnist": partial(grey.load_idx, "fashion_mnist"),
    "cifar10": load_cifar10,
    "nmnist": load_nmnist,
    "dvs128_gesture": load_dvs128_gesture,
    "fsdd": load_fsdd,
}

DATASETS = ("digits", *_LOADERS)
"""Names of all data sets."""


def load_dataset(
    name: str, data_dir: str | os.PathLike[str] | None = None
) -> Dataset | SampleSet[Any]:
    """Return the data set ``name`` from the files in ``data_dir``.

    Parameters
    ----------
    name
        One of :data:`DATASETS`.
    data_dir
        Folder of the files; ``digits`` needs none.

    Returns
    -------
    Dataset
        For pictures: arrays of values and labels.
    SampleSet
        For events and sounds: ``train`` and ``test`` are sequences that read a sample
        when it is asked for, with ``labels``.

    Raises
    ------
    DataError
        For an unknown name and for missing or damaged files, naming the file, what was
        found and what was expected.
    """
    if name == "digits":
        return grey.load_digits()
    if name not in _LOADERS:
        raise DataError(f"dataset must be one of {', '.join(DATASETS)}, not {name!r}")
    if data_dir is None:
        raise DataError(f"data_dir must name the folder of the files of {name}, not be absent")
    return _LOADERS[name](Path(data_dir))

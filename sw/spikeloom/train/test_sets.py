"""A data set's test samples as input for an artefact; needs no PyTorch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.loading import load_dataset as load_any
from ..datasets.samples import SampleSet
from ..datasets.sounds import hold_out
from ..spec.errors import DataError
from ..spec.manifest import InputFacts
from .choices import DATASETS, OWN_ENCODERS, SPEAKER_DATASETS
from .datasets import DATASETS as GREY
from .datasets import Dataset, load_dataset
from .encoders import encode
from .filterbank import encode_sounds
from .frame_encoder import encode_recordings

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]

_ENCODERS: dict[str, Any] = {"frames": encode_recordings, "filterbank": encode_sounds}


def load_pictures(name: str, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """Return the data set of pictures ``name`` from its folder."""
    if name in GREY:
        return load_dataset(name, data_dir)
    found = load_any(name, data_dir)
    assert isinstance(found, Dataset)
    return found


def _check_speaker(name: str, holdout_speaker: str | None) -> None:
    if holdout_speaker is not None and name not in SPEAKER_DATASETS:
        raise DataError(
            f"holdout_speaker must be absent with {name}, not {holdout_speaker!r}: only "
            f"{', '.join(SPEAKER_DATASETS)} has speakers"
        )


def load_samples(
    name: str, data_dir: str | os.PathLike[str] | None, holdout_speaker: str | None = None
) -> SampleSet[Any]:
    """Return the data set of recordings or sounds ``name`` from its folder.

    With ``holdout_speaker`` the test set is that speaker, who is not in the training set.
    """
    _check_speaker(name, holdout_speaker)
    samples: Any = load_any(name, data_dir)
    if samples.train.labels is None:
        raise DataError(f"{data_dir} must hold labels of {name} to train and test on, not none")
    return samples if holdout_speaker is None else hold_out(samples, holdout_speaker)


def held_out_speaker(provenance: Mapping[str, Any]) -> str | None:
    """Return the speaker whom a network has not heard in training, from its provenance."""
    config = provenance.get("config")
    name = config.get("holdout_speaker") if isinstance(config, Mapping) else None
    return name if isinstance(name, str) else None


def encode_test_set(
    facts: InputFacts,
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    samples: int | None = None,
    holdout_speaker: str | None = None,
) -> Arrays:
    """Return the test samples of a data set, encoded, and their labels.

    Parameters
    ----------
    facts
        ``artefact.input``.
    name
        One of :data:`spikeloom.train.choices.DATASETS`.
    data_dir
        Folder of its files; ``digits`` needs none.
    samples
        Only the first so many.
    holdout_speaker
        The recordings of this speaker instead, from the whole data set.

    Returns
    -------
    inputs
        uint8 (samples, ``facts.ticks``, ``*facts.shape``).
    labels
        uint8 (samples,).

    Raises
    ------
    DataError
        For an unknown data set, damaged files, and an encoder of another kind of data.
    """
    if name not in DATASETS:
        raise DataError(f"dataset must be one of {', '.join(DATASETS)}, not {name!r}")
    _check_speaker(name, holdout_speaker)
    chosen = slice(0, samples)
    if name not in OWN_ENCODERS:
        dataset = load_pictures(name, data_dir)
        return encode(facts, dataset.test_values[chosen]), dataset.test_labels[chosen]
    wanted, kind = OWN_ENCODERS[name][0], facts.encoder.get("kind")
    if kind != wanted:
        raise DataError(
            f"the artefact's encoder must be {wanted} for samples of {name}, not {kind!r}"
        )
    found = load_samples(name, data_dir, holdout_speaker)
    return _ENCODERS[wanted](facts, found.test[chosen]), found.test.labels[chosen]

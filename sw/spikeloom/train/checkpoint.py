"""Checkpoints: a training run in one file, whole or not at all.

A checkpoint is read with ``torch.load(weights_only=True)`` and holds tensors, numbers
and strings only, so that opening a foreign one runs no code.  No random state is
needed: every epoch seeds its own generators from the configuration's seed.
"""

from __future__ import annotations

import json
import os
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from ..files import write_atomically
from ..spec.errors import DataError, UsageError
from .config import TrainConfig

SCHEMA = "spikeloom-checkpoint-1"
CHECKPOINT_FILE = "checkpoint.pt"
PREVIOUS_FILE = "checkpoint.previous.pt"
FLOAT_FILE = "checkpoint.float.pt"
"""The state at the end of the float stage."""
BEST_FILE = "checkpoint.best.pt"
"""The state of the present stage's best epoch, where ``patience`` asks for it."""
RESULT_NEUTRAL = ("data_dir", "threads")
"""Fields that may differ between a run and its continuation."""
SAME_IN_START = (
    "dataset", "network", "layers", "hidden", "norm", "neuron", "current_decay", "readout_decay",
    "refractory", "per_channel", "learn_threshold", "bias", "reset", "reset_order",
    "reset_value", "initial", "floor", "delays", "delay_values",
)  # fmt: skip
"""Fields that must be those of the run whose float stage is taken over."""


@dataclass(frozen=True)
class Checkpoint:
    """The state after ``len(history)`` epochs.

    ``model`` and ``optimizer`` are state dictionaries; ``history`` has a row per epoch.
    """

    model: Mapping[str, Any]
    optimizer: Mapping[str, Any]
    history: list[dict[str, Any]]


def save_checkpoint(
    folder: Path, config: TrainConfig, checkpoint: Checkpoint, name: str = CHECKPOINT_FILE
) -> None:
    """Write the checkpoint of a run in ``folder``, in place of an older one."""
    buffer = BytesIO()
    torch.save(
        {
            "schema": SCHEMA,
            "config": json.dumps(config.to_dict()),
            "model": dict(checkpoint.model),
            "optimizer": dict(checkpoint.optimizer),
            "history": json.dumps(checkpoint.history),
        },
        buffer,
    )
    write_atomically(folder / name, buffer.getvalue())


def load_checkpoint(folder: Path, config: TrainConfig, name: str = CHECKPOINT_FILE) -> Checkpoint:
    """Read the checkpoint of a run in ``folder`` to continue it with ``config``.

    Raises
    ------
    DataError
        If there is none, or it is damaged or foreign.
    UsageError
        If it was made with another configuration, naming the field.
    """
    path = folder / name
    if not path.is_file():
        raise DataError(f"{folder} has no {name} to resume from; train without resume")
    made, checkpoint = _read(path, "train without resume")
    made = {**json.loads(json.dumps(TrainConfig().to_dict())), **made}  # fields that came later
    for name, wanted in json.loads(json.dumps(config.to_dict())).items():
        if name not in RESULT_NEUTRAL and made.get(name) != wanted:
            raise UsageError(
                f"{name} must be {made.get(name)!r} as in {path} to resume it, not {wanted!r}; "
                "train without resume to start over"
            )
    return checkpoint


def load_start(config: TrainConfig) -> Checkpoint:
    """Read the float stage of the run in the folder ``config.start``.

    Raises
    ------
    DataError
        If there is none, or it is damaged or foreign.
    UsageError
        If its network is another one, naming the field.
    """
    assert config.start is not None
    path = Path(config.start) / FLOAT_FILE
    if not path.is_file():
        raise DataError(f"start must be the folder of a run with a {FLOAT_FILE}, not {path.parent}")
    made, checkpoint = _read(path, "train that run again")
    wanted = json.loads(json.dumps(config.to_dict()))
    for name in SAME_IN_START:
        if made.get(name, wanted[name]) != wanted[name]:
            raise UsageError(
                f"{name} must be {made[name]!r} as in {path} to start from it, not {wanted[name]!r}"
            )
    if (made.get("loss") == "membrane") != (config.loss == "membrane"):
        raise UsageError(
            f"loss must be {made.get('loss')!r} as in {path} to start from it, not "
            f"{config.loss!r}: only one of the two outputs fires"
        )
    return checkpoint


def _read(path: Path, help_: str) -> tuple[dict[str, Any], Checkpoint]:
    """Return the configuration and the checkpoint in a file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of foreign pickles; the error says enough
            value = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path} must be a whole checkpoint, but its {path.stat().st_size} bytes cannot be "
            f"read: {reason}; {help_}"
        ) from None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        found = value.get("schema") if isinstance(value, dict) else type(value).__name__
        raise DataError(f"{path} must have the schema {SCHEMA!r}, not {found!r}")
    try:
        made, history = json.loads(value["config"]), json.loads(value["history"])
        return made, Checkpoint(value["model"], value["optimizer"], history)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} lacks a part of a checkpoint: {error}") from None


def read_checkpoint(path: Path) -> tuple[dict[str, Any], Checkpoint]:
    """Return the configuration's fields and the checkpoint in a file.

    Raises :class:`DataError` if it is missing, damaged or foreign.
    """
    if not path.is_file():
        raise DataError(f"checkpoint {path} does not exist")
    return _read(path, "train that run again")


def set_aside(folder: Path) -> None:
    """Keep an earlier run's checkpoint under another name before a new run starts."""
    path = folder / CHECKPOINT_FILE
    if path.exists():
        os.replace(path, folder / PREVIOUS_FILE)

"""Ordinary convolutional networks to convert, and their weights in a file."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch
from torch import nn

from ..files import write_atomically
from ..spec.errors import DataError, UsageError

Shape = tuple[int, int, int]


def _cnn(shape: Shape, classes: int) -> nn.Module:
    """8C5-32C5-64-10 with average pools before the activations: they fold into the filters."""
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 8, 5, padding=2), nn.AvgPool2d(2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 32, 5, padding=2), nn.AvgPool2d(2), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * (height // 4) * (width // 4), 64), nn.BatchNorm1d(64),
        nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip


def _cnn_pool(shape: Shape, classes: int) -> nn.Module:
    """16C3-32C3-64-10 with average pools behind the activations: populations of their own."""
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(32 * (height // 4) * (width // 4), 64), nn.BatchNorm1d(64),
        nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip


_MAKERS: dict[str, Callable[[Shape, int], nn.Module]] = {"cnn": _cnn, "cnn_pool": _cnn_pool}


def make_network(name: str, shape: Shape, classes: int, seed: int) -> nn.Module:
    """Return a network of :data:`.config.NETWORKS` with initial weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _MAKERS[name](shape, classes)


def load_network(text: str) -> nn.Module:
    """Return what the function ``module:function`` returns, called without arguments.

    The module is imported and run: it is the user's own code.  Modules of the working folder
    are found.

    Raises
    ------
    UsageError
        If there is no such function or it returns no ``torch.nn.Module``.
    """
    module_name, _, function = text.partition(":")
    if not module_name or not function:
        raise UsageError(f"a model must be named as MODULE:FUNCTION, not {text!r}")
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise UsageError(f"module {module_name} is not there, nor in {folder}") from None
    finally:
        sys.path.remove(folder)
    made = getattr(module, function, None)
    if not callable(made):
        raise UsageError(f"module {module_name} has no function {function}")
    model = made()
    if not isinstance(model, nn.Module):
        raise UsageError(f"{text} must return a torch.nn.Module, not {type(model).__name__}")
    return model


def save_weights(path: Path, model: nn.Module) -> None:
    """Write the state dictionary of ``model``, in place of an older file."""
    buffer = BytesIO()
    torch.save(model.state_dict(), buffer)
    write_atomically(path, buffer.getvalue())


def load_weights(path: Path, model: nn.Module) -> None:
    """Read a state dictionary into ``model``; nothing in the file is executed.

    Raises
    ------
    DataError
        If the file is missing, damaged, or of another network.
    """
    if not path.is_file():
        raise DataError(f"weights file {path} does not exist")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state)
    except (
        *(RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError),
        *(TypeError, AttributeError),
    ) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"{path} must hold the state dictionary of the network: {reason}") from None

"""Curves of a run for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..spec.errors import UsageError

FOLDER = "tensorboard"
"""Folder of the event files in that of the run."""

CURVES = ("loss", "train_accuracy", "validation_accuracy", "test_accuracy", "lr", "seconds")


class Logbook:
    """Writes the numbers of every epoch to event files.

    Parameters
    ----------
    folder
        Folder of the run; None to write nothing.
    done
        Epochs done before: what event files hold beyond them is left out of the curves.

    Raises
    ------
    UsageError
        If the package tensorboard is not installed.
    """

    def __init__(self, folder: Path | None, done: int = 0) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UsageError(
                "curves for TensorBoard need the package tensorboard; run: pip install "
                "'spikeloom[tensorboard]'"
            ) from None
        self._writer = SummaryWriter(str(folder / FOLDER), purge_step=done + 1)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Write an epoch's row of the history."""
        if self._writer is None:
            return
        for name in CURVES:
            if name in row:
                self._writer.add_scalar(name, row[name], row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

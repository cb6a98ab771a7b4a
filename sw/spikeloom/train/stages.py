"""Where a run stands: its stages, when one ends, and its best epoch.

Everything follows from the configuration and the rows of the history, so that a run that goes on
from a checkpoint decides as one without interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .config import TrainConfig

STAGES = ("float", "qat")

Row = Mapping[str, Any]


def rows_of(history: Sequence[Row], stage: str) -> list[Row]:
    """Return the rows of a stage."""
    return [row for row in history if row["stage"] == stage]


def best_row(rows: Sequence[Row], config: TrainConfig) -> Row:
    """Return the row whose weights a stage keeps: the best with ``patience``, else the last."""
    if not config.patience:
        return rows[-1]
    return max(rows, key=lambda row: float(row["validation_accuracy"]))  # of equals the first


def is_over(rows: Sequence[Row], stage: str, config: TrainConfig) -> bool:
    """Return whether a stage with these rows has ended."""
    epochs = config.epochs_float if stage == "float" else config.epochs_qat
    if len(rows) >= epochs:
        return True
    if not config.patience or not rows:
        return False
    return len(rows) - 1 - rows.index(best_row(rows, config)) >= config.patience


def next_stage(history: Sequence[Row], config: TrainConfig) -> str | None:
    """Return the stage of the next epoch, None if the run has ended."""
    for stage in STAGES:
        if not is_over(rows_of(history, stage), stage, config):
            return stage
    return None

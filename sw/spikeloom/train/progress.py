"""The progress bar of a training run."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingProgress:
    """A bar over all epochs, on a terminal only; elsewhere it does nothing.

    Parameters
    ----------
    wanted
        Whether to show it at all.
    epochs, batches
        Epochs of the run and batches of an epoch.
    done
        Epochs done before.
    """

    def __init__(self, wanted: bool, epochs: int, batches: int, done: int = 0) -> None:
        console = Console(stderr=True)
        self._shown = wanted and console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._shown,
        )
        self._task = self._progress.add_task(
            "training", total=epochs * batches, completed=done * batches, facts=""
        )

    def __enter__(self) -> TrainingProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def batch(self, loss: float) -> None:
        """Count one batch."""
        if self._shown:
            self._progress.advance(self._task)

    def epoch(self, facts: dict[str, Any]) -> None:
        """Show the facts of an epoch that has ended."""
        text = f"loss {facts['loss']:.3f}  test {100 * facts['test_accuracy']:.2f} %"
        if self._shown:
            self._progress.update(self._task, description=facts["stage"], facts=text)

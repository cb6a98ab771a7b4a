"""Pictures of a demo: a spike raster and a training curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _save(figure: Any, path: Path) -> None:
    """Write the picture whole: to a temporary name first."""
    staging = path.with_name(f".{path.name}")
    figure.savefig(staging, format="png", dpi=120)
    staging.replace(path)


def draw_raster(
    path: Path, inputs: NDArray[np.generic], spikes: Mapping[str, NDArray[np.uint8]], label: int
) -> None:
    """Draw one sample's spikes as PNG: a panel for the input and for each population.

    ``inputs`` has the shape (ticks, n), each array of ``spikes`` (ticks, n).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = {"input": inputs.reshape(len(inputs), -1), **spikes}
    figure = Figure(figsize=(8, 2 + 2 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, panel) in zip(axes, panels.items(), strict=True):
        ticks, neurons = np.nonzero(panel)
        axis.scatter(ticks, neurons, s=10, marker="|", color="black")
        axis.set_ylim(-0.5, panel.shape[1] - 0.5)
        axis.set_ylabel(f"{name}\nneuron")
    axes[0].set_title(f"test sample 0, label {label}: every spike")
    axes[-1].set_xlabel("tick")
    axes[-1].set_xlim(-0.5, len(inputs) - 0.5)
    _save(figure, path)


def draw_curve(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Draw loss and test accuracy per epoch as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.subplots()
    right = left.twinx()
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], color="tab:blue")
    right.plot(epochs, [100 * row["test_accuracy"] for row in history], color="tab:orange")
    switch = next((row["epoch"] for row in history if row["stage"] == "qat"), None)
    if switch is not None and switch > epochs[0]:
        left.axvline(switch - 0.5, color="grey", linestyle=":")
        left.text(switch - 0.4, left.get_ylim()[1], "on integers", va="top", color="grey")
    left.set_xlabel("epoch")
    left.set_ylabel("training loss", color="tab:blue")
    right.set_ylabel("test accuracy / %", color="tab:orange")
    _save(figure, path)

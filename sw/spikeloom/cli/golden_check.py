"""A trainer's or converter's own run against the golden model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import EngineError

Arrays = Mapping[str, NDArray[Any]]


def compared_values(ours: Mapping[str, Arrays], golden: Any, start: int) -> int:
    """Return how many values are equal, which is all of them.

    Parameters
    ----------
    ours
        ``spikes``, ``potentials`` and ``final`` by population.
    golden
        A :class:`spikeloom_sim.golden.Trace` of the same samples.
    start
        Number of the first sample, for the error.

    Raises
    ------
    EngineError
        Naming the population and the first value that differs.
    """
    compared = 0
    for what, populations in ours.items():
        for name, mine in populations.items():
            differ = np.argwhere(mine != getattr(golden, what)[name])
            if len(differ):
                where = tuple(int(i) for i in differ[0])
                raise EngineError(
                    f"{what} of {name} must be those of the golden model, but {len(differ)} "
                    f"of {mine.size} differ in the samples from {start}, the first at "
                    f"{where}; report this"
                )
            compared += mine.size
    return compared

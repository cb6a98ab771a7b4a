"""Two DMA buffers of a packet that is away: what is sent, and what comes back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Slot:
    """A pair of buffers that grows; ``held`` frees them.

    Parameters
    ----------
    allocate
        Returns a ``PynqBuffer`` of a number of beats.
    held
        Where every buffer that is in use is registered.
    """

    def __init__(self, allocate: Callable[[int], Any], held: contextlib.ExitStack) -> None:
        self._allocate = allocate
        self._held = held
        self.sent: Any = None
        self.received: Any = None
        self.n_beats = 0
        self.capacity = 0
        self.deadline_s = 0.0

    def fill(self, beats: NDArray[np.uint64], capacity: int) -> None:
        """Put ``beats`` where the device sees them, and make room for the answer."""
        self.sent = self._grown(self.sent, len(beats))
        self.received = self._grown(self.received, capacity)
        self.n_beats, self.capacity = len(beats), capacity
        self.sent[: len(beats)] = beats
        self.sent.flush()
        self.received.flush()

    def expect(self, capacity: int) -> None:
        """Make room for a packet that comes by itself."""
        self.received = self._grown(self.received, capacity)
        self.capacity = capacity
        self.received.flush()

    def take(self, n_beats: int) -> NDArray[np.uint64]:
        """Return a copy of the beats that the device wrote."""
        self.received.invalidate()
        return np.array(self.received[:n_beats], np.uint64)

    def _grown(self, buffer: Any, n_beats: int) -> Any:
        if buffer is not None and len(buffer) >= n_beats:
            return buffer
        grown = self._allocate(n_beats)
        self._held.callback(grown.freebuffer)  # buffers of PYNQ.remote are no context managers
        return grown

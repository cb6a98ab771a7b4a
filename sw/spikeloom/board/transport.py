"""What a driver needs of the thing at the other end: registers, memory, packets.

Three families implement it: the golden model and the RTL simulations
(:mod:`spikeloom_sim`), and a PYNQ board (:mod:`.pynq_transport`).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Transport(Protocol):
    """A link to one core.

    Addresses are byte addresses on the core's AXI4-Lite port
    (:mod:`spikeloom.spec.regmap`, :mod:`spikeloom.spec.memmap`).
    """

    name: str
    """Name of the engine or board, for messages and reports."""

    def read32(self, address: int) -> int:
        """Return the 32-bit word at ``address``.

        Raises :class:`~spikeloom.spec.errors.DeviceError` if the bus answers with an error.
        """

    def write32(self, address: int, value: int) -> None:
        """Write a 32-bit word; raises :class:`DeviceError` if the bus answers with an error."""

    def write_block(self, address: int, words: NDArray[np.uint32]) -> None:
        """Write consecutive words from ``address`` on."""

    def read_block(self, address: int, n_words: int) -> NDArray[np.uint32]:
        """Return ``n_words`` consecutive words from ``address`` on."""

    def exchange(
        self, beats: NDArray[np.uint64], capacity: int, budget_cycles: int
    ) -> NDArray[np.uint64]:
        """Send one packet of beats (TLAST on its last) and return the packet that comes back.

        The core closes its packet with the END whose input beat had TLAST, so ``beats``
        must end with an END word.  ``capacity`` is the number of beats the answer may have;
        ``budget_cycles`` the clock cycles the core may take.  Raises
        :class:`~spikeloom.spec.errors.DeviceTimeout` past the deadline and
        :class:`~spikeloom.spec.errors.DeviceError` if the answer is longer than ``capacity``.
        """

    def describe(self) -> dict[str, Any]:
        """Return JSON-ready facts about the engine (tool, version, clock)."""

    def close(self) -> None:
        """Release what the transport holds; it may be called twice."""

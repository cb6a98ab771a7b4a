"""What a driver needs of the thing at the other end: registers, memory, packets.

Four families implement it: the golden model and the RTL simulations (:mod:`spikeloom_sim`),
a PYNQ board (:mod:`.pynq_transport`), and a serial bridge (:mod:`.serial_transport`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import UsageError


@dataclass(frozen=True)
class Packet:
    """What :meth:`Transport.exchange` takes, as one object."""

    beats: NDArray[np.uint64]
    capacity: int
    budget_cycles: int


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


def unasked(
    transport: Transport, capacity: int, budget_cycles: int
) -> Iterator[NDArray[np.uint64]]:
    """Yield the packets that a core sends by itself, until the iterator is closed.

    ``capacity`` and ``budget_cycles`` are those of each packet.  Raises :class:`UsageError` for a
    transport without a method ``receive_all``; its errors are those of ``exchange``.
    """
    receive_all = getattr(transport, "receive_all", None)
    if receive_all is None:
        raise UsageError(
            f"{transport.name} cannot wait for packets that the core sends by itself; take a PYNQ "
            "board, or gateware simulated by cxxrtl or verilator"
        )
    packets: Iterator[NDArray[np.uint64]] = receive_all(capacity, budget_cycles)
    return packets


def answers(transport: Transport, packets: Iterable[Packet]) -> Iterator[NDArray[np.uint64]]:
    """Yield the answer to each packet, in order.

    A transport with a method ``exchange_all`` takes the next packet while the core still
    works at the last one; any other gets them one by one.
    """
    overlapped = getattr(transport, "exchange_all", None)
    if overlapped is not None:
        yield from overlapped(packets)
        return
    for packet in packets:
        yield transport.exchange(packet.beats, packet.capacity, packet.budget_cycles)

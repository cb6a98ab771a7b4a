"""A PYNQ board as a transport: registers by MMIO, packets by AXI DMA.

``pynq`` is imported when a board is opened, not before.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec import regmap
from ..spec.aer import BEAT_BITS
from ..spec.errors import DataError, DeviceError, LinkError, SpikeLoomError
from .dma import MM2S, S2MM, DmaChannels, RegisterWindow
from .driver import Board
from .lock import board_lock
from .registers import Registers
from .slot import Slot
from .transport import Packet

BEAT_BYTES = BEAT_BITS // 8
MIN_DEADLINE_S = 1.0
"""Least time that a packet may take, whatever its cycle budget says."""


class PynqTransport:
    """A core and its AXI DMA on the real ``pynq`` library.

    The buffers are flushed and invalidated here, the receiving channel starts first, and the
    deadline of a packet is its cycle budget at the core's clock, at least
    ``min_deadline_s``.  After an error the core and both channels are reset.

    Parameters
    ----------
    core, dma
        Register windows of the two (``pynq.MMIO`` or alike); ``core_bytes`` is the size of
        the first.
    allocate
        Returns a ``PynqBuffer`` for a number of elements and a dtype.
    name
        For messages.
    clock_hz
        Clock of the core.
    max_bytes
        Longest transfer that the DMA is built for.
    facts
        What :meth:`describe` adds.
    min_deadline_s
        Least time that a packet may take.
    """

    def __init__(
        self,
        core: RegisterWindow,
        dma: RegisterWindow,
        allocate: Callable[[int, str], Any],
        *,
        name: str,
        core_bytes: int,
        clock_hz: float,
        max_bytes: int,
        facts: dict[str, Any] | None = None,
        min_deadline_s: float = MIN_DEADLINE_S,
    ) -> None:
        self.name = name
        self.dma = DmaChannels(dma)
        self._core = core
        self._core_bytes = core_bytes
        self._allocate = allocate
        self._clock_hz = clock_hz
        self._max_bytes = max_bytes
        self._min_deadline_s = min_deadline_s
        self._facts = dict(facts or {})
        self._resources = contextlib.ExitStack()
        self._clean = True

    def read32(self, address: int) -> int:
        """Return the word at ``address``."""
        self._check_range(address, 1)
        return int(self._core.read(address))

    def write32(self, address: int, value: int) -> None:
        """Write a word."""
        self._check_range(address, 1)
        self._core.write(address, int(value))

    def write_block(self, address: int, words: NDArray[np.uint32]) -> None:
        """Write consecutive words, one bus access each (AXI4-Lite knows no bursts)."""
        self._check_range(address, len(words))
        if len(words):
            self._core.write(address, np.ascontiguousarray(words, "<u4").tobytes())

    def read_block(self, address: int, n_words: int) -> NDArray[np.uint32]:
        """Return consecutive words."""
        self._check_range(address, n_words)
        read = self._core.read
        return np.array([read(address + 4 * i) for i in range(n_words)], np.uint32)

    def exchange(
        self, beats: NDArray[np.uint64], capacity: int, budget_cycles: int
    ) -> NDArray[np.uint64]:
        """Send one packet and return the packet that comes back."""
        (answer,) = self.exchange_all([Packet(beats, capacity, budget_cycles)])
        return answer

    def exchange_all(self, packets: Iterable[Packet]) -> Iterator[NDArray[np.uint64]]:
        """Yield the answer to each packet; the next one is on its way while one is awaited.

        ``packets`` is asked for the next packet while the core works at the last one, and an
        answer is yielded when the next one has been started.  Two buffers per direction are
        kept until the end, larger ones taken as needed.
        """
        with self._recovering() as slots:
            yield from self._overlapped(packets, slots)

    def receive_all(self, capacity: int, budget_cycles: int) -> Iterator[NDArray[np.uint64]]:
        """Yield the packets that the core sends by itself, each of at most ``capacity`` beats.

        There is a buffer for the next packet before one is yielded.  It goes on until it is
        closed, which resets core and DMA, or until a packet takes longer than its budget.
        """
        with self._recovering() as slots:
            self._check_length("packet", capacity)
            deadline_s = max(self._min_deadline_s, budget_cycles / self._clock_hz)
            slots[0].expect(capacity)
            self._receive(slots[0])
            for slot, following in itertools.cycle((slots, slots[::-1])):
                self.dma.wait(deadline_s, [S2MM])
                n_beats = self._received_beats(capacity)
                following.expect(capacity)
                self._receive(following)
                yield slot.take(n_beats)

    @contextlib.contextmanager
    def _recovering(self) -> Iterator[list[Slot]]:
        """Give two slots, and leave core and DMA reset after any error."""
        with contextlib.ExitStack() as held:
            slots = [Slot(self._buffer, held) for _ in range(2)]
            try:
                if not self._clean:
                    self._reset_dma()
                yield slots
            except DataError:
                if any(slot.n_beats for slot in slots):
                    self._abandon()
                raise
            except SpikeLoomError as error:
                state = self._state()
                self._abandon()  # before the buffers are freed, as the DMA may still write
                raise type(error)(
                    f"{self.name}: {error}; {state}; core and DMA were reset"
                ) from error
            except BaseException:
                self._abandon()
                raise

    def _overlapped(
        self, packets: Iterable[Packet], slots: Sequence[Slot]
    ) -> Iterator[NDArray[np.uint64]]:
        away: Slot | None = None
        for index, packet in enumerate(packets):
            slot = slots[index % len(slots)]
            beats = self._check_packet(packet.beats, packet.capacity)
            slot.fill(beats, packet.capacity)
            slot.deadline_s = max(self._min_deadline_s, packet.budget_cycles / self._clock_hz)
            if away is None:
                self._receive(slot)
                self._send(slot)
            else:
                self.dma.wait(away.deadline_s, [MM2S])
                self._send(slot)
                self.dma.wait(away.deadline_s, [S2MM])
                n_beats = self._received_beats(away.capacity)
                self._receive(slot)
                yield away.take(n_beats)
            away = slot
        if away is not None:
            self.dma.wait(away.deadline_s)
            yield away.take(self._received_beats(away.capacity))

    def _send(self, slot: Slot) -> None:
        self.dma.start(MM2S, int(slot.sent.physical_address), slot.n_beats * BEAT_BYTES)

    def _receive(self, slot: Slot) -> None:
        self.dma.start(S2MM, int(slot.received.physical_address), slot.capacity * BEAT_BYTES)

    def describe(self) -> dict[str, Any]:
        """Return facts about the board and the bitstream."""
        return {"engine": self.name, "clock_hz": self._clock_hz, **self._facts}

    def close(self) -> None:
        """Release the board to other processes."""
        self._resources.close()

    def hold(self, resources: contextlib.ExitStack) -> None:
        """Keep ``resources`` until :meth:`close`."""
        self._resources.push(resources)

    def _check_range(self, address: int, n_words: int) -> None:
        if address % 4 or not 0 <= address <= self._core_bytes - 4 * n_words:
            raise DeviceError(
                f"{n_words} words at 0x{address:X} must lie in the core's 0x{self._core_bytes:X} "
                "bytes at a multiple of 4; the bitstream is of another build"
            )

    def _check_packet(self, beats: NDArray[np.uint64], capacity: int) -> NDArray[np.uint64]:
        """Refuse what the DMA cannot carry, before any hardware is touched."""
        if beats.dtype != np.uint64 or beats.ndim != 1:
            raise DataError(f"beats must be a vector of uint64, not {beats.ndim}-d {beats.dtype}")
        self._check_length("packet", len(beats))
        self._check_length("answer's capacity", capacity)
        return np.ascontiguousarray(beats)

    def _check_length(self, what: str, n_beats: int) -> None:
        limit = self._max_bytes // BEAT_BYTES
        if not 1 <= n_beats <= limit:
            raise DataError(
                f"{what} must have from 1 to {limit} beats, which the DMA can carry, "
                f"not {n_beats}; run fewer samples per packet, or fewer ticks or probes"
            )

    def _buffer(self, n_beats: int) -> Any:
        try:
            return self._allocate(n_beats, "u8")
        except (RuntimeError, MemoryError, OSError) as error:
            raise DeviceError(
                f"a DMA buffer of {n_beats * BEAT_BYTES} bytes must fit the board's contiguous "
                f"memory: {error}; run fewer samples per packet or free other buffers"
            ) from error

    def _received_beats(self, capacity: int) -> int:
        n_bytes = self.dma.received()
        if n_bytes % BEAT_BYTES or not 0 < n_bytes <= capacity * BEAT_BYTES:
            raise DeviceError(
                f"the DMA must have received from 1 to {capacity} whole beats of {BEAT_BYTES} "
                f"bytes, not {n_bytes} bytes"
            )
        return n_bytes // BEAT_BYTES

    def _state(self) -> str:
        try:
            return Registers(self).summary()
        except SpikeLoomError as error:
            return f"the core does not answer: {error}"

    def _abandon(self) -> None:
        """Silence the core first, then the DMA, so that no late beat is left in either."""
        with contextlib.suppress(SpikeLoomError):
            Registers(self).write("CONTROL", regmap.BY_NAME["CONTROL"].mask("RESET"))
        with contextlib.suppress(SpikeLoomError):
            self._reset_dma()

    def _reset_dma(self) -> None:
        """Reset both channels; if that fails, the next packet begins with another attempt."""
        self._clean = False
        self.dma.reset()
        self._clean = True


def open_board(bitfile: str) -> Board:
    """Load ``bitfile`` into the PYNQ board this runs on and return its :class:`Board`.

    ``NAME.hwh`` must lie beside ``NAME.bit``.  Raises :class:`LinkError` naming what is
    missing: the library, the file, the core or the DMA, or who uses the board already.
    """
    _check_pynq()
    with contextlib.ExitStack() as resources:
        resources.enter_context(board_lock())
        transport = open_pynq(bitfile)
        transport.hold(resources.pop_all())
        return Board(transport)


def open_pynq(bitfile: str, device: Any = None, **options: Any) -> PynqTransport:
    """Return the transport to the core in ``bitfile`` on a ``pynq`` device.

    ``options`` are further arguments of :class:`PynqTransport`.
    """
    path = Path(bitfile)
    if not path.name:
        raise LinkError(f"a bitstream must be named as a .bit file, not {str(bitfile)!r}")
    for file in (path, path.with_suffix(".hwh")):
        if not file.is_file():
            raise LinkError(
                f"bitstream {path} needs the files {path.name} and {path.stem}.hwh, "
                f"but {file} does not exist"
            )
    from .pynq_overlay import open_overlay

    return open_overlay(path, device, PynqTransport, options)


def _check_pynq() -> None:
    """Say what is missing for a board in one line."""
    try:
        version = importlib.metadata.version("pynq")
    except importlib.metadata.PackageNotFoundError:
        raise LinkError(
            "a board needs the pynq library, which is not installed; use a PYNQ image, "
            "and on it the Python that has pynq"
        ) from None
    if int(np.__version__.split(".")[0]) >= 2:
        raise LinkError(f"pynq {version} needs numpy below 2, not {np.__version__}")
    if int(version.split(".")[0]) >= 4 and platform.machine() == "armv7l":
        raise LinkError(
            f"pynq {version} does not support Zynq-7000 boards such as PYNQ-Z1 and PYNQ-Z2; "
            f"use the PYNQ 3.1 image (this is Python {sys.version_info[0]}."
            f"{sys.version_info[1]} on {platform.machine()})"
        )

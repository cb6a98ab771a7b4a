"""A ``pynq.Device`` without a board: the real library's plug-in, here over a transport.

Importing this module imports ``pynq``.  The device is not registered for probing, so
that nobody else's ``pynq.Device.devices`` changes; it is passed to ``pynq`` by name.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pynq
from numpy.typing import NDArray
from pynq.buffer import PynqBuffer
from pynq.ps import ZYNQ_ARCH
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime.runtime_metadata_parser import RuntimeMetadataParser

from spikeloom.board.hwh import CORE_BASE, DMA_BASE, DMA_BYTES, DMA_LENGTH_BITS
from spikeloom.board.transport import Transport
from spikeloom.spec import regmap

from .pynq_sim_dma import AxiDma
from .pynq_sim_memory import Block, BufferMemory

SENSOR_CONTROL = regmap.SENSOR_BY_NAME["SENSOR_CONTROL"]

SLCR_BASE = 0xF800_0000
SLCR_WORDS = {0x100: 0x28000, 0x104: 0x20000, 0x108: 0x1E000, 0x170: 0x0030_0500}
"""PLL and clock words of a Zynq-7000 whose FCLK0 runs at 100 MHz."""


class SimBuffer(PynqBuffer):  # type: ignore[misc]
    """A buffer whose host copy is its own memory; ``bo`` is its :class:`Block`."""

    def freebuffer(self) -> None:
        """Give the memory back; a view of a buffer owns none."""
        if self.__dict__.get("owner"):
            self.owner = False
            self.device.memory.free(self.bo)


class SimDevice(pynq.Device):  # type: ignore[misc]
    """A Zynq-7000 with the core of ``inner`` and an AXI DMA in front of it."""

    def __init__(self, inner: Transport, core_bytes: int, tag: str) -> None:
        super().__init__(tag)
        self.name = tag
        self.arch = ZYNQ_ARCH
        self.capabilities = {"REGISTER_RW": True}
        self.inner = inner
        self.budgets: deque[int] = deque()
        """Clock cycles that the packets under way may take, in order."""
        self.budget_cycles = 1 << 30
        self.memory = BufferMemory()
        self.dma = AxiDma(self.memory, self._stream, DMA_LENGTH_BITS)
        self.dma.unasked = self._unasked
        self._sensing = False
        self._core_bytes = core_bytes
        self._slcr = dict(SLCR_WORDS)

    def _stream(self, beats: NDArray[np.uint64], capacity: int) -> NDArray[np.uint64]:
        if self.budgets:
            self.budget_cycles = self.budgets.popleft()
        return self.inner.exchange(beats, capacity, self.budget_cycles)

    def _unasked(self, capacity: int) -> NDArray[np.uint64] | None:
        """Return the core's next packet while a camera feeds it."""
        if not self._sensing:
            return None
        packets: Any = self.inner
        packet: NDArray[np.uint64] = next(packets.receive_all(capacity, self.budget_cycles))
        return packet

    def read_registers(self, address: int, length: int) -> bytes:
        """Read ``length`` bytes from the address map."""
        if CORE_BASE <= address < CORE_BASE + self._core_bytes:
            words = self._read_core(address - CORE_BASE, length // 4)
        elif DMA_BASE <= address < DMA_BASE + DMA_BYTES:
            offsets = range(address - DMA_BASE, address - DMA_BASE + length, 4)
            words = np.array([self.dma.read(offset) for offset in offsets], "<u4")
        elif SLCR_BASE <= address < SLCR_BASE + 0x1000:
            offsets = range(address - SLCR_BASE, address - SLCR_BASE + length, 4)
            words = np.array([self._slcr.get(offset, 0) for offset in offsets], "<u4")
        else:
            raise RuntimeError(f"bus error: nothing answers at 0x{address:08X}")
        return words.tobytes()

    def _read_core(self, offset: int, n_words: int) -> NDArray[np.uint32]:
        if n_words == 1:
            return np.array([self.inner.read32(offset)], "<u4")
        return np.asarray(self.inner.read_block(offset, n_words), "<u4")

    def write_registers(self, address: int, data: bytes) -> None:
        """Write bytes to the address map."""
        words = np.frombuffer(bytes(data), "<u4")
        if CORE_BASE <= address < CORE_BASE + self._core_bytes:
            if len(words) == 1:
                self.inner.write32(address - CORE_BASE, int(words[0]))
                if address - CORE_BASE == SENSOR_CONTROL.offset:
                    self._sensing = bool(int(words[0]) & SENSOR_CONTROL.mask("SOURCE"))
            else:
                self.inner.write_block(address - CORE_BASE, words)
        elif DMA_BASE <= address < DMA_BASE + DMA_BYTES:
            for index, word in enumerate(words):
                self.dma.write(address - DMA_BASE + 4 * index, int(word))
        elif SLCR_BASE <= address < SLCR_BASE + 0x1000:
            for index, word in enumerate(words):
                self._slcr[address - SLCR_BASE + 4 * index] = int(word)
        else:
            raise RuntimeError(f"bus error: nothing answers at 0x{address:08X}")

    def allocate(self, shape: Any, dtype: Any = "u4", **_options: Any) -> SimBuffer:
        """Return a buffer, as ``pynq.allocate`` asks for it."""
        block = self.memory.allocate(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        buffer = SimBuffer(
            shape,
            dtype,
            buffer=block.host,
            device=self,
            device_address=block.address,
            bo=block,
            coherent=False,
        )
        buffer.owner = True
        return buffer

    def flush(self, bo: Block, offset: int, _address: int, n_bytes: int) -> None:
        """Write the cache back."""
        bo.flush(offset, n_bytes)

    def invalidate(self, bo: Block, offset: int, _address: int, n_bytes: int) -> None:
        """Drop the cache."""
        bo.invalidate(offset, n_bytes)

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:
        """Parse the .hwh beside the bitstream, always anew."""
        return RuntimeMetadataParser(Metadata(bitfile_name.rpartition(".")[0] + ".hwh"))

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """Take the bitstream as loaded."""
        self.post_download(bitstream, parser, self.name)

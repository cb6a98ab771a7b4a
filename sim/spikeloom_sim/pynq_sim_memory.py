"""Buffer memory with caches that matter: the host and the device see separate copies.

A processor's cache is modelled at its worst: nothing the host writes reaches the
device before a flush, nothing the device writes reaches the host before an
invalidate, and both begin with :data:`POISON`, whose words have no known kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POISON = 0xEE
PAGE = 4096
BASE = 0x1000_0000


@dataclass(eq=False)
class Block:
    """One buffer at a physical address, as the host and as the device see it."""

    address: int
    host: NDArray[np.uint8]
    device: NDArray[np.uint8]

    def flush(self, offset: int, n_bytes: int) -> None:
        """Copy what the host wrote to the device."""
        self.device[offset : offset + n_bytes] = self.host[offset : offset + n_bytes]

    def invalidate(self, offset: int, n_bytes: int) -> None:
        """Copy what the device wrote to the host."""
        self.host[offset : offset + n_bytes] = self.device[offset : offset + n_bytes]


class BufferMemory:
    """Contiguous memory of ``limit`` bytes, handed out page by page."""

    def __init__(self, limit: int = 1 << 28) -> None:
        self.limit = limit
        self.blocks: dict[int, Block] = {}
        self._free = BASE

    @property
    def used(self) -> int:
        """Bytes handed out and not yet freed."""
        return sum(len(block.host) for block in self.blocks.values())

    def allocate(self, n_bytes: int) -> Block:
        """Return a new block; raises ``RuntimeError`` as pynq does when memory is out."""
        if self.used + n_bytes > self.limit:
            raise RuntimeError(f"Failed to allocate Memory! {n_bytes} bytes")
        block = Block(
            self._free, np.full(n_bytes, POISON, np.uint8), np.full(n_bytes, POISON, np.uint8)
        )
        self._free += -(-n_bytes // PAGE) * PAGE + PAGE
        self.blocks[block.address] = block
        return block

    def free(self, block: Block) -> None:
        """Take a block back; a second time does nothing."""
        self.blocks.pop(block.address, None)

    def device_view(self, address: int, n_bytes: int) -> NDArray[np.uint8] | None:
        """Return the device's copy of a range that lies in one live block, else None."""
        for block in self.blocks.values():
            start = address - block.address
            if start >= 0 and start + n_bytes <= len(block.device):
                return block.device[start : start + n_bytes]
        return None

"""The two weight banks while they fill up, and the blocks of weights that share rows in them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Int8 = NDArray[np.int8]


class Banks:
    """Rows of ``lanes`` weights for even sources (bank 0) and for odd ones (bank 1)."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._tops = [0, 0]
        self._parts: list[tuple[int, int, Int8]] = []

    @property
    def n_rows(self) -> int:
        """Rows in use of the bank that has more of them."""
        return max(self._tops)

    def add_pair(self, even: Int8, odd: Int8) -> int:
        """Place the rows ``even`` and ``odd`` at the same base and return it."""
        base = self.n_rows
        for bank, rows in enumerate((even, odd)):
            self._parts.append((bank, base, rows))
            self._tops[bank] = base + len(rows)
        return base

    def add_single(self, bank: int, rows: Int8) -> int:
        """Place ``rows`` in one bank and return their base."""
        base = self._tops[bank]
        self._parts.append((bank, base, rows))
        self._tops[bank] = base + len(rows)
        return base

    def arrays(self) -> tuple[Int8, Int8]:
        """Return both banks, int8 of shape (n_rows, lanes); what nothing fills is 0."""
        out = np.zeros((2, self.n_rows, self.lanes), np.int8)
        for bank, base, rows in self._parts:
            out[bank, base : base + len(rows)] = rows
        return out[0], out[1]


class BlockPool:
    """Blocks of equal form: the weights of one group of sources to one state row.

    A block has the shape (stride, 2, lanes), or, with ``bank``, (1, lanes) of that bank alone.
    Equal blocks have one number.
    """

    def __init__(self, stride: int, bank: int | None) -> None:
        self.stride = stride
        self.bank = bank
        self._numbers: dict[bytes, int] = {}
        self._blocks: list[Int8] = []
        self._wanted: set[tuple[int, ...]] = set()
        self._bases: dict[tuple[int, ...], int] = {}

    def want(self, blocks: Int8) -> tuple[int, ...]:
        """Ask for ``blocks`` in consecutive places and return their numbers."""
        numbers = []
        for block in np.ascontiguousarray(blocks):
            content = block.tobytes()
            number = self._numbers.setdefault(content, len(self._blocks))
            if number == len(self._blocks):
                self._blocks.append(block.copy())
            numbers.append(number)
        self._wanted.add(tuple(numbers))
        return tuple(numbers)

    def place(self, banks: Banks) -> None:
        """Place all wanted sequences, the longest first; one inside another takes no rows."""
        starts: dict[int, list[tuple[tuple[int, ...], int]]] = {}
        for sequence in sorted(self._wanted, key=lambda s: (-len(s), s)):
            n = len(sequence)
            for placed, at in starts.get(sequence[0], ()):
                if placed[at : at + n] == sequence:
                    self._bases[sequence] = self._bases[placed] + at * self.stride
                    break
            else:
                self._bases[sequence] = self._add(banks, sequence)
                for at, number in enumerate(sequence):
                    starts.setdefault(number, []).append((sequence, at))

    def base(self, numbers: tuple[int, ...]) -> int:
        """Return the weight row where the sequence ``numbers`` begins, once placed."""
        return self._bases[numbers]

    def _add(self, banks: Banks, sequence: Iterable[int]) -> int:
        rows = np.concatenate([self._blocks[number] for number in sequence])
        if self.bank is not None:
            return banks.add_single(self.bank, rows)
        return banks.add_pair(rows[:, 0], rows[:, 1])


class BlockPools:
    """The pools of a network, by form."""

    def __init__(self) -> None:
        self._pools: dict[tuple[int, int | None], BlockPool] = {}

    def pool(self, stride: int, bank: int | None = None) -> BlockPool:
        """Return the pool of blocks of that form."""
        return self._pools.setdefault((stride, bank), BlockPool(stride, bank))

    def place(self, banks: Banks) -> None:
        """Place every pool: those of both banks first, then those of one fill each bank up."""
        for pool in sorted(self._pools.values(), key=lambda p: (p.bank is not None, -p.stride)):
            pool.place(banks)

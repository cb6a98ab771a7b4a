"""From any kind of projection to groups of sources, runs of state rows and blocks of weights.

The synapses of a source reach some state rows, a number of synapses in each: its signature.
Aligned blocks of 2^k sources whose signatures agree form groups, with k as large as it goes; a
group has runs of consecutive state rows.  The weights of a group to a state row are one block, and
equal blocks are stored once (:mod:`.banks`): that is where a convolution, which looks the same at
every place, becomes small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..spec.kinds import Ends, Int64
from ..spec.projection import Projection
from .banks import BlockPool, BlockPools, Int8

CACHED_SYNAPSES = 1 << 23
"""Projections of at most so many synapses are listed once and kept in memory."""

_NOTHING = 0
_FREE = -1


@dataclass(frozen=True)
class Run:
    """Consecutive state rows, counted from the destination's first, that a group reaches.

    ``lanes`` is the number of synapses of every source in each row but the last, ``lanes_last``
    in the last; ``blocks`` are numbers in ``pool``, one per row.
    """

    row: int
    n_rows: int
    lanes: int
    lanes_last: int
    pool: BlockPool
    blocks: tuple[int, ...]

    @property
    def weight_base(self) -> int:
        """First weight row, once the pools are placed."""
        return self.pool.base(self.blocks)


@dataclass(frozen=True)
class FanOut:
    """The synapses of a projection: group g has the runs ``groups[g]``."""

    group_bits: int
    shared: bool
    stride: int
    groups: tuple[tuple[Run, ...], ...]


@dataclass(frozen=True)
class Addresses:
    """Where the sources of a projection lie: from ``first`` on, among ``total`` addresses.

    ``others`` are ranges (first, stop) of addresses of other sources, which the projection must
    not reach.  What belongs to no range is never sent.
    """

    first: int
    total: int
    others: tuple[tuple[int, int], ...] = ()


def pack_fan_out(
    projection: Projection, ends: Ends, addresses: Addresses, lanes: int, pools: BlockPools
) -> FanOut:
    """Return the groups and runs of ``projection`` and ask ``pools`` for its blocks."""
    synapses = _Synapses(projection, ends, lanes)
    numbers, signatures = _signatures(synapses, ends.n_source)
    by_address = np.full(addresses.total, _FREE, np.int64)
    for first, stop in addresses.others:
        by_address[first:stop] = _NOTHING
    by_address[addresses.first : addresses.first + ends.n_source] = numbers
    group_bits, groups = _group(by_address)
    packer = _Packer(synapses, signatures, groups, group_bits, addresses.first)
    return packer.pack(pools)


class _Synapses:
    """The synapses of a projection by source: state rows, lanes and weights."""

    def __init__(self, projection: Projection, ends: Ends, lanes: int) -> None:
        self.lanes = lanes
        self.n_source = ends.n_source
        self._projection = projection
        self._ends = ends
        sizes = projection.kind.fan_out_sizes(ends, projection.weights)
        self._keep = int(sizes.sum()) <= CACHED_SYNAPSES
        self._kept: dict[int, tuple[Int64, Int64]] = {}

    def of(self, neuron: int) -> tuple[Int64, Int64]:
        """Return (destination neurons, weights) of the synapses of a source."""
        found = self._kept.get(neuron)
        if found is None:
            weights = self._projection.weights
            found = self._projection.kind.fan_out(neuron, self._ends, weights)
            if self._keep:
                self._kept[neuron] = found
        return found


_Signature = tuple[Int64, Int64]


def _signatures(synapses: _Synapses, n_source: int) -> tuple[Int64, list[_Signature]]:
    """Return the number of each source's signature, and the signatures (rows, synapses)."""
    empty = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    signatures: list[_Signature] = [empty]
    known = {b"": _NOTHING}
    numbers = np.zeros(n_source, np.int64)
    for neuron in range(n_source):
        reached, _ = synapses.of(neuron)
        counts = np.bincount(reached // synapses.lanes)
        rows = np.flatnonzero(counts)
        key = rows.tobytes() + counts[rows].tobytes()
        number = known.setdefault(key, len(signatures))
        if number == len(signatures):
            signatures.append((rows, counts[rows]))
        numbers[neuron] = number
    return numbers, signatures


def _group(by_address: Int64) -> tuple[int, Int64]:
    """Return the greatest k at which aligned blocks of 2^k agree, and the number of each."""
    bits = 0
    level = by_address
    while len(level) > 1:
        if len(level) % 2:
            level = np.append(level, _FREE)
        even, odd = level[0::2], level[1::2]
        if ((even != odd) & (even != _FREE) & (odd != _FREE)).any():
            break
        level = np.maximum(even, odd)
        bits += 1
    return bits, level[: -(-len(by_address) >> bits)]


def _runs_of(rows: Int64, counts: Int64) -> Iterator[tuple[int, int]]:
    """Yield (first, stop) positions of consecutive rows whose counts agree but for the last."""
    first = 0
    for at in range(1, len(rows) + 1):
        ends = at == len(rows) or rows[at] != rows[at - 1] + 1
        if ends or (at - first > 1 and counts[at - 1] != counts[first]):
            yield first, at
            first = at


class _Packer:
    """Packs the groups of one projection."""

    def __init__(
        self,
        synapses: _Synapses,
        signatures: list[_Signature],
        groups: Int64,
        group_bits: int,
        first: int,
    ) -> None:
        self._synapses = synapses
        self._signatures = signatures
        self._groups = groups
        self._bits = group_bits
        self._first = first

    def pack(self, pools: BlockPools) -> FanOut:
        """Return the projection's fan-out."""
        shared = self._bits > 0 and all(self._is_shared(g) for g in self._used())
        width = 1 if shared else max((self._members(g).stop for g in self._used()), default=1)
        stride = -(-width // 2)
        groups: list[tuple[Run, ...]] = []
        for group in range(len(self._groups)):
            rows, counts = self._signatures[max(int(self._groups[group]), _NOTHING)]
            if not len(rows):
                groups.append(())
                continue
            pool = pools.pool(stride, group & 1 if self._bits == 0 else None)
            blocks = self._blocks(group, rows, stride, shared)
            groups.append(
                tuple(
                    Run(
                        row=int(rows[first]),
                        n_rows=stop - first,
                        lanes=int(counts[first]),
                        lanes_last=int(counts[stop - 1]),
                        pool=pool,
                        blocks=pool.want(blocks[first:stop]),
                    )
                    for first, stop in _runs_of(rows, counts)
                )
            )
        return FanOut(self._bits, shared, stride, tuple(groups))

    def _used(self) -> Iterator[int]:
        return (g for g, number in enumerate(self._groups.tolist()) if number > _NOTHING)

    def _members(self, group: int) -> range:
        """Return the places within the group where sources are."""
        base = group << self._bits
        first = max(self._first - base, 0)
        stop = min(self._first + self._synapses.n_source - base, 1 << self._bits)
        return range(first, stop)

    def _weights(self, group: int, rows: Int64, members: range) -> Int8:
        """Return the weights of ``members``, int8 of shape (rows, members, lanes)."""
        lanes = self._synapses.lanes
        out = np.zeros((len(rows), len(members), lanes), np.int8)
        place = np.zeros(int(rows[-1]) + 1, np.int64)
        place[rows] = np.arange(len(rows))
        offset = (group << self._bits) - self._first
        for index, member in enumerate(members):
            reached, weights = self._synapses.of(offset + member)
            out[place[reached // lanes], index, reached % lanes] = weights
        return out

    def _is_shared(self, group: int) -> bool:
        rows, _ = self._signatures[int(self._groups[group])]
        members = self._members(group)
        first = self._weights(group, rows, members[:1])
        return all(
            np.array_equal(first, self._weights(group, rows, members[i : i + 1]))
            for i in range(1, len(members))
        )

    def _blocks(self, group: int, rows: Int64, stride: int, shared: bool) -> Int8:
        """Return the group's blocks, one per row, in the form of their pool."""
        members = self._members(group)
        lanes = self._synapses.lanes
        if self._bits == 0:
            return self._weights(group, rows, members)
        if shared:
            return np.repeat(self._weights(group, rows, members[:1]), 2, axis=1)[:, None]
        out = np.zeros((len(rows), 2 * stride, lanes), np.int8)
        out[:, members.start : members.stop] = self._weights(group, rows, members)
        return out.reshape(len(rows), stride, 2, lanes)

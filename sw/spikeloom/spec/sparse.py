"""The kind of projection whose synapses are listed one by one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NetworkError
from .kinds import CHUNK_VALUES, Ends, Int64, Kind, ProjectionKind, Weights


@dataclass(frozen=True, eq=False)
class Sparse(Kind):
    """A list of synapses in compressed rows, one row per source neuron.

    Synapses ``indptr[i]`` to ``indptr[i + 1] - 1`` leave source neuron i; ``indices`` says
    which destination neuron each one reaches.  ``weights`` of the projection has the
    shape (synapses,).  A stored weight of zero is a synapse too.

    Parameters
    ----------
    indptr
        int32 of shape (n_source + 1,): from 0 to the number of synapses, never falling.
    indices
        int32 of shape (synapses,): rising within a row.
    """

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]

    tag = ProjectionKind.SPARSE
    weights_form = "a one-dimensional integer array"
    weights_ndims = (1,)
    tensor_fields = ("indptr", "indices")

    def __post_init__(self) -> None:
        for name in self.tensor_fields:
            value = np.asarray(getattr(self, name))
            if value.dtype.kind not in "iu" or value.ndim != 1:
                raise NetworkError(
                    f"{name} of kind sparse must be a one-dimensional integer array, "
                    f"not {value.ndim}-dimensional {value.dtype}"
                )
            if value.size and (value.min() < 0 or value.max() > np.iinfo(np.int32).max):
                raise NetworkError(
                    f"{name} of kind sparse must be from 0 to {np.iinfo(np.int32).max}, "
                    f"not from {int(value.min())} to {int(value.max())}"
                )
            out = value.astype(np.int32)
            out.setflags(write=False)
            object.__setattr__(self, name, out)
        self._check_rows()

    def _check_rows(self) -> None:
        indptr, indices = self.indptr, self.indices
        if not indices.size:
            raise NetworkError("indices of kind sparse must hold at least one synapse, not 0")
        if len(indptr) < 2:
            raise NetworkError(
                f"indptr of kind sparse must have n_source + 1 values, not {len(indptr)}"
            )
        if (indptr[0], indptr[-1]) != (0, len(indices)) or (np.diff(indptr) < 0).any():
            raise NetworkError(
                f"indptr of kind sparse must rise from 0 to {len(indices)}, the number of "
                f"indices, not go from {int(indptr[0])} to {int(indptr[-1])} or fall in between"
            )
        starts = np.zeros(len(indices), np.bool_)
        starts[indptr[:-1][indptr[:-1] < len(indices)]] = True
        bad = np.flatnonzero((np.diff(indices) <= 0) & ~starts[1:])
        if bad.size:
            row = int(np.searchsorted(indptr, bad[0], "right")) - 1
            raise NetworkError(
                f"indices of kind sparse must rise within a row, but row {row} has "
                f"{int(indices[bad[0] + 1])} behind {int(indices[bad[0]])}"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sparse) and all(
            np.array_equal(getattr(self, n), getattr(other, n)) for n in self.tensor_fields
        )

    __hash__ = None  # type: ignore[assignment]

    def check_ends(self, what: str, ends: Ends, weights: Weights) -> None:
        """See :meth:`Kind.check_ends`."""
        if weights.shape != self.indices.shape:
            raise NetworkError(
                f"weights of {what} must have shape (synapses,) = {self.indices.shape}, "
                f"not {weights.shape}"
            )
        if len(self.indptr) != ends.n_source + 1:
            raise NetworkError(
                f"indptr of {what} must have n_source + 1 = {ends.n_source + 1} values, "
                f"not {len(self.indptr)}"
            )
        if int(self.indices.max()) >= ends.n_destination:
            raise NetworkError(
                f"indices of {what} must be from 0 to {ends.n_destination - 1}, "
                f"not {int(self.indices.max())}"
            )

    def fan_out(self, neuron: int, ends: Ends, weights: Weights) -> tuple[Int64, Int64]:
        """See :meth:`Kind.fan_out`."""
        row = slice(int(self.indptr[neuron]), int(self.indptr[neuron + 1]))
        return self.indices[row].astype(np.int64), weights[row].astype(np.int64)

    def fan_out_sizes(self, ends: Ends, weights: Weights) -> Int64:
        """See :meth:`Kind.fan_out_sizes`."""
        return np.diff(self.indptr).astype(np.int64)

    @cached_property
    def _by_destination(self) -> tuple[Int64, Int64, Int64, Int64]:
        """Synapses in order of destination and their sources; destinations, where each starts."""
        order = np.argsort(self.indices, kind="stable")
        sources = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))[order]
        reached, starts = np.unique(self.indices[order], return_index=True)
        return order, sources, reached.astype(np.int64), starts

    def sums(self, events: NDArray[Any], ends: Ends, weights: Weights) -> NDArray[Any]:
        """See :meth:`Kind.sums`."""
        order, sources, reached, starts = self._by_destination
        ordered = weights[order]
        out = np.zeros((len(events), ends.n_destination), events.dtype)
        step = max(1, CHUNK_VALUES // len(sources))
        for at in range(0, len(events), step):
            products = events[at : at + step, sources] * ordered
            out[at : at + step, reached] = np.add.reduceat(products, starts, axis=1)
        return out

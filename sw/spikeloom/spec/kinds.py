"""Kinds of projections: which synapses exist and which weight each one has (rule G7).

A :class:`Kind` is a value without weights; the projection holds those.  Every kind says
which weights and which two populations it takes, which synapses leave a source neuron
(:meth:`Kind.fan_out`, what an event does), and the sums that arrive at the destination
(:meth:`Kind.sums`, all events of a tick together).  Convolution and pooling are in
:mod:`.windows`.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .checks import check_flag
from .errors import NetworkError

Int64 = NDArray[np.int64]
Weights = NDArray[Any]
"""Weights of a projection: int8, or another type that holds the same integers."""

CHUNK_VALUES = 1 << 24
"""Largest number of values that a temporary array of :meth:`Kind.sums` holds."""


class ProjectionKind(str, Enum):
    """Names of the kinds, as the artefact has them."""

    DENSE = "dense"
    CONV2D = "conv2d"
    POOL = "pool"
    SPARSE = "sparse"
    ONE_TO_ONE = "one_to_one"
    UNIFORM = "uniform"


class Ends(NamedTuple):
    """Shapes of the two populations that a projection joins."""

    source: tuple[int, ...]
    destination: tuple[int, ...]

    @property
    def n_source(self) -> int:
        """Number of source neurons."""
        return math.prod(self.source)

    @property
    def n_destination(self) -> int:
        """Number of destination neurons."""
        return math.prod(self.destination)


class Kind(ABC):
    """A rule that says which synapses a projection has; subclasses are frozen dataclasses.

    The dataclass fields are the kind's parameters: arrays go to the artefact as tensors,
    everything else to the manifest.
    """

    tag: ClassVar[ProjectionKind]
    weights_form: ClassVar[str]
    weights_ndims: ClassVar[tuple[int, ...]]
    tensor_fields: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def fact_fields(cls) -> tuple[str, ...]:
        """Return the names of the parameters that the manifest holds."""
        names = (f.name for f in dataclasses.fields(cls))  # type: ignore[arg-type]
        return tuple(name for name in names if name not in cls.tensor_fields)

    def facts(self) -> dict[str, Any]:
        """Return the parameters of the manifest as JSON-ready values."""
        values = {name: getattr(self, name) for name in self.fact_fields()}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the parameters that are arrays."""
        return {name: getattr(self, name) for name in self.tensor_fields}

    def check_form(self, what: str, weights: Weights) -> None:
        """Raise :class:`NetworkError` unless ``weights`` are integers of the kind's rank."""
        if weights.dtype.kind not in "iu" or weights.ndim not in self.weights_ndims:
            raise NetworkError(
                f"weights of {what} must be {self.weights_form}, "
                f"not {weights.ndim}-dimensional {weights.dtype}"
            )

    @abstractmethod
    def check_ends(self, what: str, ends: Ends, weights: Weights) -> None:
        """Raise :class:`NetworkError` unless the kind can join these populations."""

    def destination_shape(
        self, what: str, source: tuple[int, ...], weights: Weights
    ) -> tuple[int, ...] | None:
        """Return the one shape the destination can have, or None if others can do."""
        return None

    @abstractmethod
    def fan_out(self, neuron: int, ends: Ends, weights: Weights) -> tuple[Int64, Int64]:
        """Return (destination neurons, weights) of the synapses that leave ``neuron``.

        Both are int64; no destination is there twice.
        """

    @abstractmethod
    def fan_out_sizes(self, ends: Ends, weights: Weights) -> Int64:
        """Return the number of synapses that leave each source neuron, int64 (n_source,)."""

    @abstractmethod
    def sums(self, events: NDArray[Any], ends: Ends, weights: Weights) -> NDArray[Any]:
        """Return what ``events`` of shape (samples, n_source) add to each destination neuron.

        The result has the shape (samples, n_destination) and the type of ``events``; ``weights``
        have that type too.  It is exact if that type holds every partial sum.
        """


@dataclass(frozen=True)
class Dense(Kind):
    """Every pair has a synapse; weights of shape (n_destination, n_source)."""

    tag = ProjectionKind.DENSE
    weights_form = "a two-dimensional integer array"
    weights_ndims = (2,)

    def check_ends(self, what: str, ends: Ends, weights: Weights) -> None:
        """See :meth:`Kind.check_ends`."""
        expected = (ends.n_destination, ends.n_source)
        if weights.shape != expected:
            raise NetworkError(
                f"weights of {what} must have shape (destination, source) = {expected}, "
                f"not {weights.shape}"
            )

    def fan_out(self, neuron: int, ends: Ends, weights: Weights) -> tuple[Int64, Int64]:
        """See :meth:`Kind.fan_out`."""
        return np.arange(ends.n_destination), weights[:, neuron].astype(np.int64)

    def fan_out_sizes(self, ends: Ends, weights: Weights) -> Int64:
        """See :meth:`Kind.fan_out_sizes`."""
        return np.full(ends.n_source, ends.n_destination, np.int64)

    def sums(self, events: NDArray[Any], ends: Ends, weights: Weights) -> NDArray[Any]:
        """See :meth:`Kind.sums`."""
        out: NDArray[Any] = events @ weights.T
        return out


@dataclass(frozen=True)
class OneToOne(Kind):
    """A neuron reaches the neuron of its own index; one weight per neuron, or one for all."""

    tag = ProjectionKind.ONE_TO_ONE
    weights_form = "one integer or a one-dimensional integer array"
    weights_ndims = (0, 1)

    def check_ends(self, what: str, ends: Ends, weights: Weights) -> None:
        """See :meth:`Kind.check_ends`."""
        check_equal_sizes(f"one_to_one {what}", ends)
        if weights.shape not in {(), (ends.n_source,)}:
            raise NetworkError(
                f"weights of {what} must have shape () or (neurons,) = {(ends.n_source,)}, "
                f"not {weights.shape}"
            )

    def fan_out(self, neuron: int, ends: Ends, weights: Weights) -> tuple[Int64, Int64]:
        """See :meth:`Kind.fan_out`."""
        weight = weights[neuron] if weights.ndim else weights
        return np.array([neuron]), np.array([weight], np.int64)

    def fan_out_sizes(self, ends: Ends, weights: Weights) -> Int64:
        """See :meth:`Kind.fan_out_sizes`."""
        return np.ones(ends.n_source, np.int64)

    def sums(self, events: NDArray[Any], ends: Ends, weights: Weights) -> NDArray[Any]:
        """See :meth:`Kind.sums`."""
        out: NDArray[Any] = events * weights
        return out


@dataclass(frozen=True)
class Uniform(Kind):
    """Every source neuron reaches all destination neurons with one and the same weight.

    With ``except_partner`` it does not reach the neuron of its own index: lateral
    inhibition, where a population projects to itself.
    """

    except_partner: bool = False

    tag = ProjectionKind.UNIFORM
    weights_form = "one integer"
    weights_ndims = (0,)

    def __post_init__(self) -> None:
        flag = check_flag("except_partner of kind uniform", self.except_partner)
        object.__setattr__(self, "except_partner", flag)

    def check_ends(self, what: str, ends: Ends, weights: Weights) -> None:
        """See :meth:`Kind.check_ends`."""
        if self.except_partner:
            check_equal_sizes(f"uniform {what} with except_partner", ends)

    def fan_out(self, neuron: int, ends: Ends, weights: Weights) -> tuple[Int64, Int64]:
        """See :meth:`Kind.fan_out`."""
        reached = np.arange(ends.n_destination)
        if self.except_partner:
            reached = np.delete(reached, neuron)
        return reached, np.full(len(reached), weights, np.int64)

    def fan_out_sizes(self, ends: Ends, weights: Weights) -> Int64:
        """See :meth:`Kind.fan_out_sizes`."""
        return np.full(ends.n_source, ends.n_destination - self.except_partner, np.int64)

    def sums(self, events: NDArray[Any], ends: Ends, weights: Weights) -> NDArray[Any]:
        """See :meth:`Kind.sums`."""
        total = events.sum(axis=1, keepdims=True, dtype=events.dtype)
        own = events if self.except_partner else events.dtype.type(0)
        shape = (len(events), ends.n_destination)
        out: NDArray[Any] = np.broadcast_to((total - own) * weights, shape).copy()
        return out


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


def check_equal_sizes(what: str, ends: Ends) -> None:
    """Raise :class:`NetworkError` unless both populations have the same number of neurons."""
    if ends.n_source != ends.n_destination:
        raise NetworkError(
            f"{what} must join populations of the same number of neurons, "
            f"not {ends.n_source} and {ends.n_destination}"
        )

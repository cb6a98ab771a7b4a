"""Kinds of projections: which synapses exist and which weight each one has (rule G7).

A :class:`Kind` is a value without weights; the projection holds those.  Every kind says
which weights and which two populations it takes, which synapses leave a source neuron
(:meth:`Kind.fan_out`, what an event does), and the sums that arrive at the destination
(:meth:`Kind.sums`, all events of a tick together).  Convolution and pooling are in
:mod:`.windows`, lists of synapses in :mod:`.sparse`.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
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


def check_equal_sizes(what: str, ends: Ends) -> None:
    """Raise :class:`NetworkError` unless both populations have the same number of neurons."""
    if ends.n_source != ends.n_destination:
        raise NetworkError(
            f"{what} must join populations of the same number of neurons, "
            f"not {ends.n_source} and {ends.n_destination}"
        )

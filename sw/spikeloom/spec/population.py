"""Populations: the inputs of a network and its integer neurons.

The meaning of every field, to the bit, is docs/spec/semantics.md.  Each object is
immutable and valid once constructed; :mod:`.network` joins them to a graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import numfmt
from .checks import check_flag, check_identifier, check_int, check_shape
from .errors import NetworkError

IntArray = NDArray[np.int32]

_BINARY_ONES = np.array([value.bit_count() for value in range(numfmt.MAGNITUDE_MAX + 1)])


class Reset(str, Enum):
    """What a spike does to the potential (rule D3)."""

    SUBTRACT = "subtract"
    ZERO = "zero"
    VALUE = "value"
    NONE = "none"


class ResetOrder(str, Enum):
    """Whether the reset comes before or after the tick's decay (rule D4)."""

    BEFORE_DECAY = "before_decay"
    AFTER_DECAY = "after_decay"


@dataclass(frozen=True)
class InputPopulation:
    """A population whose spikes come from outside.

    Parameters
    ----------
    name
        Identifier, unique in the network.
    shape
        ``(n,)`` or ``(height, width, channels)``; a neuron's index is row-major,
        channels last.
    max_magnitude
        The greatest number of unit events a source neuron may send in one tick
        (1 to 127).  The overflow proof relies on it; the driver refuses more.
    signed
        A neuron sends at most one graded event per tick, whose magnitude is from
        ``-max_magnitude`` to ``max_magnitude`` (rule E3).
    """

    name: str
    shape: tuple[int, ...]
    max_magnitude: int = 1
    signed: bool = False

    def __post_init__(self) -> None:
        check_identifier("population name", self.name)
        object.__setattr__(self, "shape", check_shape(f"shape of {self.name}", self.shape))
        what = f"max_magnitude of {self.name}"
        most = check_int(what, self.max_magnitude, 1, numfmt.MAGNITUDE_MAX)
        object.__setattr__(self, "max_magnitude", most)
        flag = check_flag(f"signed of {self.name}", self.signed)
        object.__setattr__(self, "signed", flag)

    @property
    def n_neurons(self) -> int:
        """Number of neurons (addresses) of the population."""
        return math.prod(self.shape)

    def events(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return how many events each of the tick's ``values`` is (rule S4)."""
        return (values != 0).astype(np.int64) if self.signed else values

    @property
    def min_magnitude(self) -> int:
        """The least value of a neuron in one tick."""
        return -self.max_magnitude if self.signed else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values; ``signed`` only where it is true."""
        facts = {"name": self.name, "shape": list(self.shape), "max_magnitude": self.max_magnitude}
        return {**facts, "signed": True} if self.signed else facts


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons that share one model (semantics, section 1).

    ``threshold``, ``decay`` and ``bias`` are int32 arrays of shape ``()`` (one for
    the population), ``(channels,)`` or ``(n_neurons,)``; plain integers are taken too.

    Parameters
    ----------
    name, shape
        As of :class:`InputPopulation`.
    threshold
        1 to 32767; the neuron fires when H >= threshold.
    decay
        0 to 32768, Q0.15; share of the potential kept from tick to tick.
    bias
        16 bit signed; added every tick.
    reset, reset_order
        See :class:`Reset` and :class:`ResetOrder`.
    reset_value
        16 bit signed; the potential after a spike for ``Reset.VALUE``, else 0.
    initial
        16 bit signed; potential at the start of a sample, not below ``floor``.
    floor
        -32768 to 0; lower clip of the potential.
    refractory
        0 to 15 ticks.
    current_decay
        0 to 32768, Q0.15, shapes as ``decay``; share of a synaptic current kept from tick
        to tick (rule D9).  None: input goes to the potential directly.
    multi_spike
        The neuron fires floor(H / threshold) times in a tick, at most 127, as one event of
        that magnitude (rule D10); needs ``Reset.SUBTRACT``.
    """

    name: str
    shape: tuple[int, ...]
    threshold: IntArray
    decay: IntArray
    bias: IntArray = field(default_factory=lambda: np.zeros((), np.int32))
    reset: Reset = Reset.SUBTRACT
    reset_order: ResetOrder = ResetOrder.BEFORE_DECAY
    reset_value: int = 0
    initial: int = 0
    floor: int = numfmt.POTENTIAL_MIN
    refractory: int = 0
    current_decay: IntArray | None = None
    multi_spike: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        check_identifier("population name", self.name)
        put(self, "shape", check_shape(f"shape of {self.name}", self.shape))
        low, high = numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX
        put(self, "threshold", self._parameter("threshold", 1, numfmt.THRESHOLD_MAX))
        put(self, "decay", self._parameter("decay", 0, numfmt.DECAY_ONE))
        put(self, "bias", self._parameter("bias", low, high))
        if self.current_decay is not None:
            current_decay = self._parameter("current_decay", 0, numfmt.DECAY_ONE)
            put(self, "current_decay", current_decay)
        for name, enum in (("reset", Reset), ("reset_order", ResetOrder)):
            try:
                put(self, name, enum(getattr(self, name)))
            except ValueError:
                known = ", ".join(member.value for member in enum)
                raise NetworkError(
                    f"{name} of {self.name} must be one of {known}, not {getattr(self, name)!r}"
                ) from None
        self._integer("floor", low, 0)
        self._integer("initial", self.floor, high)
        self._integer("refractory", 0, numfmt.REFRACTORY_MAX)
        self._integer("reset_value", low, high)
        if self.reset_value and self.reset is not Reset.VALUE:
            raise NetworkError(
                f"reset_value of {self.name} must be 0 unless reset is value, "
                f"not {self.reset_value} with reset {self.reset.value}"
            )
        put(self, "multi_spike", check_flag(f"multi_spike of {self.name}", self.multi_spike))
        if self.multi_spike and self.reset is not Reset.SUBTRACT:
            raise NetworkError(
                f"reset of {self.name} must be subtract with multi_spike, not {self.reset.value}"
            )

    def _integer(self, name: str, low: int, high: int) -> None:
        value = check_int(f"{name} of {self.name}", getattr(self, name), low, high)
        object.__setattr__(self, name, value)

    def _parameter(self, name: str, low: int, high: int) -> IntArray:
        value = np.asarray(getattr(self, name))
        what = f"{name} of {self.name}"
        if value.dtype.kind not in "iu":
            raise NetworkError(f"{what} must be integers, not {value.dtype}")
        allowed = {(), (self.shape[-1],), (self.n_neurons,)}
        if value.shape not in allowed:
            raise NetworkError(
                f"{what} must have shape (), (channels,) or (n_neurons,) = "
                f"{sorted(allowed)}, not {value.shape}"
            )
        if value.min() < low or value.max() > high:
            raise NetworkError(
                f"{what} must be from {low} to {high}, "
                f"not from {int(value.min())} to {int(value.max())}"
            )
        out = value.astype(np.int32)
        out.setflags(write=False)
        return out

    @property
    def n_neurons(self) -> int:
        """Number of neurons of the population."""
        return math.prod(self.shape)

    def events(self, spikes: NDArray[Any]) -> NDArray[Any]:
        """Return how many events each number of ``spikes``, 0 to 127, is (rule S4)."""
        out: NDArray[Any] = _BINARY_ONES[spikes] if self.multi_spike else spikes
        return out

    def per_neuron(self, name: str) -> IntArray:
        """Return the parameter ``name``, such as ``threshold``, as int32 of shape (n_neurons,).

        A neuron's channel is its index modulo the number of channels (channels last).
        """
        value: IntArray = getattr(self, name)
        if value.shape == (self.n_neurons,):
            return value
        repeats = self.n_neurons // max(value.size, 1)
        return np.tile(np.atleast_1d(value), repeats).astype(np.int32)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Population) and (
            self.to_dict() == other.to_dict()
            and self.tensors().keys() == other.tensors().keys()
            and all(np.array_equal(a, other.tensors()[k]) for k, a in self.tensors().items())
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the scalar facts as JSON-ready values (the tensors apart).

        ``multi_spike`` and ``has_current`` are there only where they are true.
        """
        flags = {"multi_spike": self.multi_spike, "has_current": self.current_decay is not None}
        return {
            "name": self.name,
            "shape": list(self.shape),
            "reset": self.reset.value,
            "reset_order": self.reset_order.value,
            "reset_value": self.reset_value,
            "initial": self.initial,
            "floor": self.floor,
            "refractory": self.refractory,
            **{name: True for name, value in flags.items() if value},
        }

    def tensors(self) -> dict[str, IntArray]:
        """Return the integer tensors by field name."""
        out = {"threshold": self.threshold, "decay": self.decay, "bias": self.bias}
        return out if self.current_decay is None else {**out, "current_decay": self.current_decay}

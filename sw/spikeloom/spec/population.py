"""Populations of integer neurons and the projections between them.

The meaning of every field, to the bit, is docs/spec/semantics.md.  Each object is
immutable and valid once constructed; :mod:`.network` joins them to a graph.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import numfmt
from .errors import NetworkError

IntArray = NDArray[np.int32]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")


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


class ProjectionKind(str, Enum):
    """How the weights of a projection are laid out."""

    DENSE = "dense"


def check_identifier(what: str, name: object) -> str:
    """Return ``name`` if it is an identifier of at most 64 characters.

    Names reach Verilog, Tcl and file names, so they are allow-listed.
    """
    if not isinstance(name, str) or not IDENTIFIER.match(name):
        raise NetworkError(
            f"{what} must be a letter or underscore followed by at most 63 letters, "
            f"digits or underscores, not {name!r}"
        )
    return name


def _check_shape(what: str, shape: object) -> tuple[int, ...]:
    if not isinstance(shape, (tuple, list)) or len(shape) not in (1, 3):
        raise NetworkError(f"{what} must be (n,) or (height, width, channels), not {shape!r}")
    integers = all(isinstance(d, (int, np.integer)) and not isinstance(d, bool) for d in shape)
    if not integers or min(shape) < 1:
        raise NetworkError(f"{what} must have positive integer dimensions, not {tuple(shape)!r}")
    out = tuple(int(d) for d in shape)
    if math.prod(out) > numfmt.NEURONS_MAX:
        raise NetworkError(f"{what} must have at most {numfmt.NEURONS_MAX} neurons, not {out!r}")
    return out


def _check_int(what: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise NetworkError(f"{what} must be an integer, not {value!r}")
    if not low <= value <= high:
        raise NetworkError(f"{what} must be from {low} to {high}, not {int(value)}")
    return int(value)


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
    """

    name: str
    shape: tuple[int, ...]
    max_magnitude: int = 1

    def __post_init__(self) -> None:
        check_identifier("population name", self.name)
        object.__setattr__(self, "shape", _check_shape(f"shape of {self.name}", self.shape))
        what = f"max_magnitude of {self.name}"
        most = _check_int(what, self.max_magnitude, 1, numfmt.MAGNITUDE_MAX)
        object.__setattr__(self, "max_magnitude", most)

    @property
    def n_neurons(self) -> int:
        """Number of neurons (addresses) of the population."""
        return math.prod(self.shape)


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

    def __post_init__(self) -> None:
        put = object.__setattr__
        check_identifier("population name", self.name)
        put(self, "shape", _check_shape(f"shape of {self.name}", self.shape))
        low, high = numfmt.POTENTIAL_MIN, numfmt.POTENTIAL_MAX
        put(self, "threshold", self._parameter("threshold", 1, numfmt.THRESHOLD_MAX))
        put(self, "decay", self._parameter("decay", 0, numfmt.DECAY_ONE))
        put(self, "bias", self._parameter("bias", low, high))
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

    def _integer(self, name: str, low: int, high: int) -> None:
        value = _check_int(f"{name} of {self.name}", getattr(self, name), low, high)
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

    def per_neuron(self, name: str) -> IntArray:
        """Return ``threshold``, ``decay`` or ``bias`` as int32 of shape (n_neurons,).

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
            and all(np.array_equal(a, other.tensors()[k]) for k, a in self.tensors().items())
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the scalar facts as JSON-ready values (the tensors apart)."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "reset": self.reset.value,
            "reset_order": self.reset_order.value,
            "reset_value": self.reset_value,
            "initial": self.initial,
            "floor": self.floor,
            "refractory": self.refractory,
        }

    def tensors(self) -> dict[str, IntArray]:
        """Return the integer tensors by field name."""
        return {"threshold": self.threshold, "decay": self.decay, "bias": self.bias}


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another.

    Parameters
    ----------
    source, destination
        Names of populations.
    weights
        ``dense``: int8 array of shape (n_destination, n_source), each within
        ``weight_bits``.
    weight_bits
        8, 4 or 2.
    shift
        Left shift of every product, 0 to 7.
    delay
        Ticks, 0 to 63; at least 1 on at least one projection of every cycle.
    """

    source: str
    destination: str
    weights: NDArray[np.int8]
    weight_bits: int = 8
    shift: int = 0
    delay: int = 0
    kind: ProjectionKind = ProjectionKind.DENSE

    def __post_init__(self) -> None:
        check_identifier("projection source", self.source)
        check_identifier("projection destination", self.destination)
        what = f"projection {self.name}"
        put = object.__setattr__
        try:
            put(self, "kind", ProjectionKind(self.kind))
        except ValueError:
            known = ", ".join(kind.value for kind in ProjectionKind)
            raise NetworkError(
                f"kind of {what} must be one of {known}, not {self.kind!r}"
            ) from None
        if self.weight_bits not in numfmt.WEIGHT_BITS or isinstance(self.weight_bits, float):
            raise NetworkError(
                f"weight_bits of {what} must be one of {numfmt.WEIGHT_BITS}, "
                f"not {self.weight_bits!r}"
            )
        put(self, "weight_bits", int(self.weight_bits))
        put(self, "shift", _check_int(f"shift of {what}", self.shift, 0, numfmt.SHIFT_MAX))
        put(self, "delay", _check_int(f"delay of {what}", self.delay, 0, numfmt.DELAY_MAX))
        weights = np.asarray(self.weights)
        if weights.dtype.kind not in "iu" or weights.ndim != 2:
            raise NetworkError(
                f"weights of {what} must be a two-dimensional integer array, "
                f"not {weights.ndim}-dimensional {weights.dtype}"
            )
        low, high = numfmt.signed_range(self.weight_bits)
        if weights.size and (weights.min() < low or weights.max() > high):
            raise NetworkError(
                f"weights of {what} must be from {low} to {high} for {self.weight_bits} bits, "
                f"not from {int(weights.min())} to {int(weights.max())}"
            )
        out = weights.astype(np.int8)
        out.setflags(write=False)
        put(self, "weights", out)

    @property
    def name(self) -> str:
        """``source->destination``."""
        return f"{self.source}->{self.destination}"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Projection)
            and self.to_dict() == other.to_dict()
            and np.array_equal(self.weights, other.weights)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the scalar facts as JSON-ready values (the weights apart)."""
        return {
            "source": self.source,
            "destination": self.destination,
            "kind": self.kind.value,
            "weight_bits": self.weight_bits,
            "shift": self.shift,
            "delay": self.delay,
        }

"""Projections: the synapses from one population to another, and how they are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import numfmt
from .checks import check_identifier, check_int
from .errors import NetworkError
from .kinds import Dense, Kind, OneToOne, ProjectionKind, Uniform
from .sparse import Sparse
from .windows import Conv2d, Pool

KINDS: dict[str, type[Kind]] = {
    kind.tag.value: kind for kind in (Dense, Conv2d, Pool, Sparse, OneToOne, Uniform)
}
"""Every kind by its name in the artefact."""


def kind_class(what: str, tag: object) -> type[Kind]:
    """Return the kind of that name; :class:`NetworkError` names those there are."""
    name = tag.value if isinstance(tag, ProjectionKind) else tag
    if not isinstance(name, str) or name not in KINDS:
        raise NetworkError(f"kind of {what} must be one of {', '.join(KINDS)}, not {tag!r}")
    return KINDS[name]


def as_kind(what: str, kind: object) -> Kind:
    """Return ``kind``, or the kind of that name with the parameters it has by default."""
    if isinstance(kind, Kind):
        return kind
    found = kind_class(what, kind)
    try:
        return found()
    except TypeError:
        raise NetworkError(
            f"kind of {what} must be given with its parameters, as a {found.__name__}, "
            f"not as the name {found.tag.value}"
        ) from None


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from one population to another.

    Parameters
    ----------
    source, destination
        Names of populations.
    weights
        int8 array, each within ``weight_bits``, of the shape that the kind asks: dense
        (n_destination, n_source); conv2d (out_channels, kernel_height, kernel_width,
        in_channels / groups); sparse (synapses,); one_to_one () or (n,); pool and
        uniform (), where 1 is the default.
    weight_bits
        8, 4 or 2.
    shift
        Left shift of every product, 0 to 7.
    delay
        Ticks, 0 to 63; at least 1 on at least one projection of every cycle.
    kind
        Which synapses there are: a :class:`~spikeloom.spec.kinds.Kind`, or the name of one
        that needs no parameters.
    """

    source: str
    destination: str
    weights: NDArray[np.int8] = field(default_factory=lambda: np.ones((), np.int8))
    weight_bits: int = 8
    shift: int = 0
    delay: int = 0
    kind: Kind = field(default_factory=Dense)

    def __post_init__(self) -> None:
        check_identifier("projection source", self.source)
        check_identifier("projection destination", self.destination)
        what = f"projection {self.name}"
        put = object.__setattr__
        put(self, "kind", as_kind(what, self.kind))
        if self.weight_bits not in numfmt.WEIGHT_BITS or isinstance(self.weight_bits, float):
            raise NetworkError(
                f"weight_bits of {what} must be one of {numfmt.WEIGHT_BITS}, "
                f"not {self.weight_bits!r}"
            )
        put(self, "weight_bits", int(self.weight_bits))
        put(self, "shift", check_int(f"shift of {what}", self.shift, 0, numfmt.SHIFT_MAX))
        put(self, "delay", check_int(f"delay of {what}", self.delay, 0, numfmt.DELAY_MAX))
        weights = np.asarray(self.weights)
        self.kind.check_form(what, weights)
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
            and self.kind == other.kind
            and np.array_equal(self.weights, other.weights)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the scalar facts as JSON-ready values (the tensors apart)."""
        return {
            "source": self.source,
            "destination": self.destination,
            "kind": self.kind.tag.value,
            "weight_bits": self.weight_bits,
            "shift": self.shift,
            "delay": self.delay,
            **self.kind.facts(),
        }

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the integer tensors by field name."""
        return {"weights": self.weights, **self.kind.tensors()}

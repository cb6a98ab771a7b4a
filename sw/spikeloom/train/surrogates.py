"""Surrogate gradients: what stands in for the derivative of a spike.

A spike is the step function of x = (H - threshold) / threshold, whose derivative is
zero almost everywhere.  Training replaces it with one of these bumps around x = 0
(Neftci, Mostafa and Zenke 2019, "Surrogate gradient learning in spiking neural
networks").  All have one parameter, ``width``, in thresholds: the greater it is, the
further from the threshold a neuron still learns.

To add one: write the class and add a line to :data:`SURROGATES`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..spec.errors import UsageError

WIDTH_MIN, WIDTH_MAX = 1e-3, 1e3


@dataclass(frozen=True)
class Surrogate:
    """The base of the surrogates.

    Parameters
    ----------
    width
        0.001 to 1000, in thresholds; 0 takes :attr:`DEFAULT`.
    """

    DEFAULT: ClassVar[float] = 1.0

    width: float = 0.0

    def __post_init__(self) -> None:
        width = self.width or self.DEFAULT
        if isinstance(width, bool) or not isinstance(width, (int, float)):
            raise UsageError(f"surrogate width must be a number, not {width!r}")
        if not WIDTH_MIN <= width <= WIDTH_MAX:
            raise UsageError(
                f"surrogate width must be from {WIDTH_MIN:g} to {WIDTH_MAX:g}, not {width!r}"
            )
        object.__setattr__(self, "width", float(width))

    def gradient(self, x: Tensor) -> Tensor:
        """Return the stand-in for dS/dx, of the shape and type of ``x``."""
        raise NotImplementedError


@dataclass(frozen=True)
class ArcTan(Surrogate):
    """(a / 2) / (1 + (pi / 2 * a * x)**2) with a = 1 / width.

    Fang et al. 2021, "Incorporating learnable membrane time constant to enhance learning
    of spiking neural networks" (PLIF), where a = 2.
    """

    DEFAULT: ClassVar[float] = 0.5

    def gradient(self, x: Tensor) -> Tensor:
        """Return the stand-in for dS/dx."""
        slope = 1 / self.width
        y = x * (math.pi / 2 * slope)
        return y.mul_(y).add_(1).reciprocal_().mul_(slope / 2)


@dataclass(frozen=True)
class SuperSpike(Surrogate):
    """1 / (1 + a * abs(x))**2 with a = 1 / width, the fast sigmoid.

    Zenke and Ganguli 2018, "SuperSpike: supervised learning in multilayer spiking neural
    networks".
    """

    DEFAULT: ClassVar[float] = 0.2

    def gradient(self, x: Tensor) -> Tensor:
        """Return the stand-in for dS/dx."""
        y = x.abs().mul_(1 / self.width).add_(1)
        return y.mul_(y).reciprocal_()


@dataclass(frozen=True)
class Rectangular(Surrogate):
    """(1 / a) where abs(x) < a / 2, else 0, with a = width.

    Wu et al. 2018, "Spatio-temporal backpropagation for training high-performance spiking
    neural networks" (STBP), its curve h1.
    """

    DEFAULT: ClassVar[float] = 1.0

    def gradient(self, x: Tensor) -> Tensor:
        """Return the stand-in for dS/dx."""
        return (x.abs() < self.width / 2).to(x.dtype).mul_(1 / self.width)


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    """a * s(a * x) * (1 - s(a * x)) with a = 1 / width and s the logistic function.

    Wu et al. 2018 (STBP), its curve h3; a = 4 is common.
    """

    DEFAULT: ClassVar[float] = 0.25

    def gradient(self, x: Tensor) -> Tensor:
        """Return the stand-in for dS/dx."""
        slope = 1 / self.width
        y = (x * slope).sigmoid_()
        return (1 - y).mul_(y).mul_(slope)


@dataclass(frozen=True)
class Triangle(Surrogate):
    """(1 / a) * max(0, 1 - abs(x) / a) with a = width.

    Bellec et al. 2018, "Long short-term memory and learning-to-learn in networks of
    spiking neurons", there scaled by a further factor; here the area is 1.
    """

    DEFAULT: ClassVar[float] = 1.0

    def gradient(self, x: Tensor) -> Tensor:
        """Return the stand-in for dS/dx."""
        y = x.abs().mul_(-1 / self.width).add_(1)
        return y.clamp_(min=0).mul_(1 / self.width)


SURROGATES: dict[str, type[Surrogate]] = {
    "arctan": ArcTan,
    "superspike": SuperSpike,
    "rectangular": Rectangular,
    "sigmoid": Sigmoid,
    "triangle": Triangle,
}
"""The surrogates by name."""


def make_surrogate(name: str, width: float = 0.0) -> Surrogate:
    """Return the surrogate ``name``; :class:`UsageError` lists those there are."""
    if name not in SURROGATES:
        raise UsageError(f"surrogate must be one of {', '.join(SURROGATES)}, not {name!r}")
    return SURROGATES[name](width)

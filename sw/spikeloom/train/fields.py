"""Checks of configuration fields; every error names the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..spec.errors import UsageError


def check_choice(name: str, value: object, known: tuple[Any, ...]) -> None:
    """Raise :class:`UsageError` unless ``value`` is one of ``known``."""
    if isinstance(value, bool) or value not in known:
        raise UsageError(f"{name} must be one of {', '.join(map(str, known))}, not {value!r}")


def check_number(name: str, value: Any, low: float, high: float, kind: type) -> Any:
    """Return ``value`` as a ``kind``, int or float; :class:`UsageError` unless low to high."""
    what = "an integer" if kind is int else "a number"
    types = int if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, types):
        raise UsageError(f"{name} must be {what}, not {value!r}")
    if not math.isfinite(value) or not low <= value <= high:
        raise UsageError(f"{name} must be from {low:g} to {high:g}, not {value!r}")
    return kind(value)


def check_encoder_parameters(value: object) -> None:
    """Raise :class:`UsageError` unless ``value`` is a mapping without what is set elsewhere."""
    if not isinstance(value, Mapping):
        raise UsageError(f"encoder_parameters must be a mapping, not {value!r}")
    for name in ("kind", "maximum", "mask"):
        if name in value:
            raise UsageError(f"encoder_parameters must not hold {name}: it is set for you")

"""Checks of single values that every part of a network description, or of its input, shares."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import numfmt
from .errors import DataError, NetworkError

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")


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


def check_shape(what: str, shape: object) -> tuple[int, ...]:
    """Return ``shape`` as a tuple if it is (n,) or (height, width, channels)."""
    if not isinstance(shape, (tuple, list)) or len(shape) not in (1, 3):
        raise NetworkError(f"{what} must be (n,) or (height, width, channels), not {shape!r}")
    integers = all(isinstance(d, (int, np.integer)) and not isinstance(d, bool) for d in shape)
    if not integers or min(shape) < 1:
        raise NetworkError(f"{what} must have positive integer dimensions, not {tuple(shape)!r}")
    out = tuple(int(d) for d in shape)
    if math.prod(out) > numfmt.NEURONS_MAX:
        raise NetworkError(f"{what} must have at most {numfmt.NEURONS_MAX} neurons, not {out!r}")
    return out


def check_int(what: str, value: object, low: int, high: int) -> int:
    """Return ``value`` as an int if it is an integer from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise NetworkError(f"{what} must be an integer, not {value!r}")
    if not low <= value <= high:
        raise NetworkError(f"{what} must be from {low} to {high}, not {int(value)}")
    return int(value)


def check_flag(what: str, value: object) -> bool:
    """Return ``value`` as a bool if it is true or false."""
    if not isinstance(value, (bool, np.bool_)):
        raise NetworkError(f"{what} must be true or false, not {value!r}")
    return bool(value)


def check_pair(what: str, value: object, low: int) -> tuple[int, int]:
    """Return ``value`` as (vertical, horizontal); one integer stands for both.

    Both are from ``low`` to the greatest number of neurons of a population.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        value = (value, value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise NetworkError(f"{what} must be two integers (vertical, horizontal), not {value!r}")
    vertical, horizontal = (check_int(what, v, low, numfmt.NEURONS_MAX) for v in value)
    return vertical, horizontal


def inputs_by_name(inputs: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """Return what is given for each of the input populations ``names``.

    ``inputs`` is a mapping from these names; if there is one population only, it may be what is
    given for it.  Raises :class:`DataError` if a population is missing or unknown.
    """
    if not isinstance(inputs, Mapping):
        if len(names) > 1:
            raise DataError(
                f"input must be a mapping from the names {', '.join(names)} to arrays, "
                f"not one {type(inputs).__name__}"
            )
        return {names[0]: inputs}
    if inputs.keys() != set(names):
        raise DataError(
            f"input must be given for the populations {', '.join(names)}, "
            f"not for {', '.join(map(str, inputs)) or 'none'}"
        )
    return inputs


def check_same_sizes(sizes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise :class:`DataError` unless all inputs have the same (samples, ticks)."""
    if len(set(sizes.values())) > 1:
        raise DataError(
            f"all inputs must have the same numbers of samples and ticks, not {dict(sizes)}"
        )

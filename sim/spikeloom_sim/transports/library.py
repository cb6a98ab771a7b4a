"""Loading a compiled core."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path

from spikeloom.spec.errors import EngineError

Functions = Mapping[str, tuple[type | None, tuple[type, ...]]]
"""The result and the arguments of each function, in ctypes."""


def load_library(path: Path, functions: Functions) -> ctypes.CDLL:
    """Return the library ``path`` with the types of its functions set.

    Raises :class:`EngineError` if it cannot be loaded.
    """
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise EngineError(
            f"the compiled core {path} cannot be loaded: {error}; remove its folder"
        ) from None
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library

"""Files the commands read and write."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import DAMAGED_NPZ, write_atomically
from ..spec.errors import DataError

MAX_INPUT_BYTES = 1 << 32


def read_input(path: str | os.PathLike[str], kinds: str = "iub") -> NDArray[np.generic]:
    """Return the array ``input`` of an npz file; nothing is unpickled.

    ``kinds`` are the kinds of NumPy types it may have: ``iub`` integers, ``f`` real numbers.

    Raises :class:`DataError` saying what is missing or damaged.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"input file {file} does not exist")
    try:
        with file.open("rb") as stream:
            array = _input_of(file, np.load(stream, allow_pickle=False))
    except DAMAGED_NPZ as error:
        raise DataError(f"{file} cannot be read as an npz archive: {error}") from None
    if not isinstance(array, np.ndarray):  # NumPy returns the bytes of any other member
        raise DataError(f"{file}: 'input' must be an array in npy format")
    if array.dtype.kind not in kinds:
        wanted = "numbers" if "f" in kinds else "integers"
        raise DataError(f"{file}: 'input' must be {wanted}, not {array.dtype}")
    return np.asarray(array)


def _input_of(file: Path, archive: Any) -> Any:
    """Return the member ``input`` of what NumPy has opened."""
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{file} must be an npz archive with the array 'input'")
    with archive:
        if "input" not in archive.files:
            names = ", ".join(archive.files) or "nothing"
            raise DataError(f"{file} must hold the array 'input', but holds {names}")
        size = archive.zip.getinfo("input.npy").file_size if archive.zip else 0
        if size > MAX_INPUT_BYTES:
            raise DataError(
                f"{file}: 'input' must have at most {MAX_INPUT_BYTES} bytes, not {size}"
            )
        return archive["input"]


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an npz archive atomically."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())

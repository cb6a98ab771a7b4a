"""Files the commands read and write."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError

MAX_INPUT_BYTES = 1 << 32


def read_input(path: str | os.PathLike[str]) -> NDArray[np.generic]:
    """Return the array ``input`` of an npz file; nothing is unpickled.

    Raises :class:`DataError` saying what is missing or damaged.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"input file {file} does not exist")
    try:
        with np.load(file, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{file} must be an npz archive with the array 'input'")
            if "input" not in archive.files:
                names = ", ".join(archive.files) or "nothing"
                raise DataError(f"{file} must hold the array 'input', but holds {names}")
            size = archive.zip.getinfo("input.npy").file_size if archive.zip else 0
            if size > MAX_INPUT_BYTES:
                raise DataError(
                    f"{file}: 'input' must have at most {MAX_INPUT_BYTES} bytes, not {size}"
                )
            array = archive["input"]
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} cannot be read as an npz archive: {error}") from None
    if array.dtype.kind not in "iub":
        raise DataError(f"{file}: 'input' must be integers, not {array.dtype}")
    return np.asarray(array)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all: to a temporary name first, then renamed."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an npz archive atomically."""
    import io

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def to_json(value: Any) -> str:
    """Return JSON text for a report; NumPy numbers are taken as Python's."""

    def convert(item: Any) -> Any:
        if isinstance(item, np.generic):
            return item.item()
        if isinstance(item, np.ndarray):
            return item.tolist()
        if isinstance(item, Path):
            return str(item)
        raise TypeError(f"{type(item).__name__} has no JSON form")

    return json.dumps(value, indent=1, default=convert, allow_nan=False) + "\n"

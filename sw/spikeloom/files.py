"""Files that appear whole or not at all, and what reading a damaged archive raises."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path

# RuntimeError: encrypted; NotImplementedError: another compression or version
DAMAGED_NPZ = (
    *(ValueError, OSError, EOFError, KeyError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What NumPy raises for a damaged npz archive, and for a member that is not there."""


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` so that a reader finds the old file or the new one.

    The data go to a file beside it, are synchronised to the disk and renamed; a missing
    parent folder is made.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # name the target, not the temporary file
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

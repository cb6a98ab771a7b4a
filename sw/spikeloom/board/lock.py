"""One process at a time on a board: a file lock that the kernel frees at exit."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..spec.errors import LinkError

LOCK_FILE = "spikeloom-board.lock"


@contextlib.contextmanager
def board_lock(folder: str | None = None) -> Iterator[None]:
    """Hold the board's lock.

    Raises :class:`LinkError` naming the process that holds it.
    """
    import fcntl

    path = Path(folder or tempfile.gettempdir()) / LOCK_FILE
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise LinkError(f"the lock file {path} must be writable: {error}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise LinkError(
                f"the board is in use by process {owner} (lock {path}); close it there first"
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)

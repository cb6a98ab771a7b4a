"""The cache of compiled cores: a folder per sha256, safe for processes that build at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from spikeloom.spec.errors import EngineError


def cache_folder() -> Path:
    """Return SPIKELOOM_CACHE, or ``spikeloom`` in XDG_CACHE_HOME or ``~/.cache``."""
    own = os.environ.get("SPIKELOOM_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikeloom"


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold ``file`` as a lock; the system releases it when the process ends, however it does."""
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """Return the cache entry ``key``, a folder; ``build`` fills it if it is not there.

    ``build`` gets an empty folder beside the entry that becomes the entry when it
    returns; an entry is whole or absent.  Of several processes one builds, the others
    wait.  Raises :class:`EngineError` if the cache cannot be written.
    """
    root = cache_folder()
    entry = root / key
    if entry.is_dir():
        return entry
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f"{key}.lock"):
            if not entry.is_dir():
                _build(root, entry, build)
    except OSError as error:
        raise EngineError(
            f"the cache of compiled cores, {root}, must be writable: {error}; "
            "name another folder in SPIKELOOM_CACHE"
        ) from None
    return entry


def _build(root: Path, entry: Path, build: Callable[[Path], None]) -> None:
    staging = Path(tempfile.mkdtemp(prefix=".build-", dir=root))
    try:
        build(staging)
        os.replace(staging, entry)
    finally:
        shutil.rmtree(staging, ignore_errors=True)

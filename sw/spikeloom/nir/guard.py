"""Work on untrusted files in a process of its own, which may hang or die without harm.

The HDF5 library can loop for ever, or worse, on a damaged file.  What comes back are bytes
that the parent parses, never pickled objects.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

MEMORY_BYTES = 4 << 30
"""Memory that the work may take on top of what the parent has."""


class HangError(Exception):
    """The work was not done before its deadline."""


class DeathError(Exception):
    """The process that did the work is gone without an answer."""


def guarded(work: Callable[..., bytes], *arguments: Any, seconds: float) -> bytes:
    """Return ``work(*arguments)``, done in a forked process.

    Raises :class:`HangError` or :class:`DeathError`; what ``work`` raises counts as death.
    """
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(there, work, arguments), daemon=True)
    child.start()
    there.close()
    try:
        if not here.poll(seconds):
            raise HangError
        return here.recv_bytes()
    except EOFError:
        raise DeathError from None
    finally:
        here.close()
        child.kill()
        child.join()


def _child(pipe: Any, work: Callable[..., bytes], arguments: tuple[Any, ...]) -> None:
    import os
    import resource

    with open("/proc/self/statm", encoding="ascii") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or used + MEMORY_BYTES < hard:
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, hard))
    try:
        pipe.send_bytes(work(*arguments))
    finally:
        os._exit(0)  # no handlers of the parent

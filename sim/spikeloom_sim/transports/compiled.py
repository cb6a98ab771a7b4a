"""A simulated core in a shared library, driven through ctypes with whole arrays."""

from __future__ import annotations

import ctypes
from ctypes import c_int, c_uint32, c_uint64, c_void_p
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .build import COMPILERS
from .design import Design, version
from .library import Functions, load_library
from .options import SimOptions
from .rtl import Beats, Exchanged, RtlTransport, Status, Words

_FUNCTIONS: Functions = {
    "core_open": (c_void_p, ()),
    "core_close": (None, (c_void_p,)),
    "core_cycles": (c_uint64, (c_void_p,)),
    "core_wait": (None, (c_void_p, c_uint64)),
    "core_camera": (None, (c_void_p, c_void_p, c_void_p, c_uint64)),
    "core_write": (c_int, (c_void_p, c_uint32, c_void_p, c_uint64, c_uint64, c_void_p)),
    "core_read": (c_int, (c_void_p, c_uint32, c_void_p, c_uint64, c_uint64, c_void_p)),
    "core_exchange": (
        c_int,
        (
            *(c_void_p, c_void_p, c_uint64, c_void_p, c_uint64, c_uint64),
            *(c_uint32, c_uint32, c_uint64, c_void_p),
        ),
    ),
}


class CompiledCore:
    """The functions of ``rtl/harness.cpp`` as a :class:`.rtl.SimulatedCore`."""

    def __init__(self, library: Path) -> None:
        self._library = load_library(library, _FUNCTIONS)
        self._handle: int | None = self._library.core_open()

    def write(self, address: int, words: Words, max_cycles: int) -> tuple[Status, int]:
        """Write consecutive words."""
        at = c_uint64(0)
        status = self._library.core_write(
            self._handle, address, words.ctypes.data, len(words), max_cycles, ctypes.byref(at)
        )
        return Status(status), at.value

    def read(self, address: int, n_words: int, max_cycles: int) -> tuple[Status, int, Words]:
        """Read consecutive words."""
        words = np.zeros(n_words, np.uint32)
        at = c_uint64(0)
        status = self._library.core_read(
            self._handle, address, words.ctypes.data, n_words, max_cycles, ctypes.byref(at)
        )
        return Status(status), at.value, words

    def exchange(
        self,
        beats: Beats,
        capacity: int,
        max_cycles: int,
        stalls: tuple[int, int],
        seed: int,
    ) -> Exchanged:
        """Send one packet and take one."""
        out = np.empty(capacity, np.uint64)
        counts = np.zeros(3, np.uint64)
        status = self._library.core_exchange(
            self._handle, beats.ctypes.data, len(beats), out.ctypes.data, capacity,
            max_cycles, *stalls, seed, counts.ctypes.data,
        )  # fmt: skip
        sent, taken, cycles = (int(c) for c in counts)
        return Exchanged(Status(status), sent, out[:taken].copy(), cycles)

    def camera(self, addresses: Words, starts: NDArray[np.uint64]) -> None:
        """Let a camera send events, each not before its cycle from now on."""
        self._library.core_camera(
            self._handle, addresses.ctypes.data, starts.ctypes.data, len(addresses)
        )

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""
        return int(self._library.core_cycles(self._handle))

    def close(self) -> None:
        """Free the simulation (the library stays loaded)."""
        if self._handle is not None:
            self._library.core_close(self._handle)
            self._handle = None


def open_compiled(engine: str, design: Design, options: SimOptions) -> RtlTransport:
    """Open ``design`` in the engine ``cxxrtl`` or ``verilator``, compiling it if need be."""
    compiler = COMPILERS[engine]()
    core = CompiledCore(compiler.library(design))
    facts = {
        "engine": engine,
        "tool": compiler.tool,
        "version": version(compiler.tool),
        "design": design.name,
    }
    return RtlTransport(engine, core, design.address_bits, options, facts)

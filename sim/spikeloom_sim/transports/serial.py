"""The serial transport over a simulated bridge and core: every bit on the simulated pins."""

from __future__ import annotations

from ctypes import c_uint64, c_void_p
from pathlib import Path

import numpy as np

from spikeloom.board.serial_transport import SerialTransport
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import UsageError

from .build import Cxxrtl
from .design import serial_gateware, version
from .library import Functions, load_library

DIVISOR = 4
"""Clock cycles per bit: fewer than on a board, so that the simulation is soon done."""

IDLE_CYCLES = 1 << 14
CLOCK_HZ = 1e5
"""Clock that a second of the simulated line stands for.  Only deadlines depend on it."""

_FUNCTIONS: Functions = {
    "line_open": (c_void_p, ()),
    "line_close": (None, (c_void_p,)),
    "line_cycles": (c_uint64, (c_void_p,)),
    "line_run": (
        c_uint64,
        (c_void_p, c_void_p, c_uint64, c_void_p, c_uint64, c_uint64, c_uint64),
    ),
}


class SerialCompiler(Cxxrtl):
    """CXXRTL with the far end of a serial line as harness."""

    engine = "serial"
    sources = ("serial.cpp",)
    defines = (f"-DDIVISOR={DIVISOR}",)
    flags = (*Cxxrtl.flags, *defines)


class SimulatedLine:
    """A :class:`~spikeloom.board.serial_transport.ByteLine` to a simulated design.

    ``damage``, if set, changes the bytes that are sent; for tests.
    """

    bytes_per_s = CLOCK_HZ / DIVISOR / 10

    def __init__(self, library: Path) -> None:
        self._library = load_library(library, _FUNCTIONS)
        self._handle: int | None = self._library.line_open()
        self._pending = bytearray()
        self.damage: dict[str, bytes | None] = {}

    def write(self, data: bytes) -> None:
        """Send bytes; what comes meanwhile is kept."""
        self._run(data, 0, 0)

    def read(self, n_bytes: int, timeout_s: float) -> bytes:
        """Return ``n_bytes``, or fewer if they do not come in time."""
        missing = n_bytes - len(self._pending)
        if missing > 0:
            self._run(b"", missing, int(timeout_s * CLOCK_HZ))
        found = bytes(self._pending[:n_bytes])
        del self._pending[:n_bytes]
        return found

    def rest(self, seconds: float) -> None:
        """Be quiet for a time, then forget every byte that came."""
        self._run(b"", 1 << 30, int(seconds * CLOCK_HZ) + 2 * IDLE_CYCLES)
        self._pending.clear()

    def now(self) -> float:
        """Return seconds of the simulated line."""
        return float(self.cycles / CLOCK_HZ)

    @property
    def cycles(self) -> int:
        """Clock cycles simulated so far."""
        return int(self._library.line_cycles(self._open))

    def close(self) -> None:
        """End the simulation."""
        if self._handle is not None:
            self._library.line_close(self._handle)
            self._handle = None

    @property
    def _open(self) -> int:
        if self._handle is None:
            raise UsageError("the simulated line is closed; open another")
        return self._handle

    def _run(self, data: bytes, wanted: int, max_cycles: int) -> None:
        capacity = min(wanted, 1 << 20) + 2 * len(data) + 4096
        out = np.empty(capacity, np.uint8)
        sent = np.frombuffer(data, np.uint8)
        taken = self._library.line_run(
            self._open, sent.ctypes.data, len(sent), out.ctypes.data, wanted, capacity, max_cycles
        )
        self._pending += out[:taken].tobytes()


def open_serial_sim(config: BuildConfig) -> SerialTransport:
    """Return the serial transport to the simulated core of ``config``, compiling it if need be."""
    design = serial_gateware(config, DIVISOR, IDLE_CYCLES)
    compiler = SerialCompiler()
    line = SimulatedLine(compiler.library(design))
    transport = SerialTransport(
        line,
        name="serial-sim",
        clock_hz=CLOCK_HZ,
        address_bits=design.address_bits,
        facts={"tool": compiler.tool, "version": version(compiler.tool), "design": design.name},
    )
    transport.connect()
    return transport

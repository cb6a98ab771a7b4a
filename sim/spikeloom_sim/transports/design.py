"""What a simulator needs to know of the gateware, without importing it too early."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spikeloom.spec import build, memmap
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import EngineError

TOP = "spikeloom_core"
"""Name of the emitted top module."""


@dataclass(frozen=True)
class Design:
    """A design under simulation.

    ``fingerprint`` stands for everything that the emitted text depends on; ``verilog``
    and ``rtlil`` emit the module :data:`TOP`; ``component`` elaborates the Amaranth
    component of the same ports without clock and reset.
    """

    name: str
    fingerprint: str
    address_bits: int
    verilog: Callable[[], str]
    rtlil: Callable[[], str]
    component: Callable[[], Any]


def gateware(config: BuildConfig) -> Design:
    """Return the design of the core of ``config``; Amaranth is imported when it is emitted."""

    def emit(name: str) -> Callable[[], str]:
        def run() -> str:
            _require("amaranth", "spikeloom_hw.emit")
            from spikeloom_hw import emit as emitter

            text: str = getattr(emitter, name)(config)
            return text

        return run

    def component() -> Any:
        _require("amaranth", "spikeloom_hw.top")
        from spikeloom_hw.top import Accelerator

        return Accelerator(config)

    return Design(
        name=config.name,
        fingerprint=f"{build.build_id(config)}:{source_digest()}",
        address_bits=memmap.address_bits(config),
        verilog=emit("emit_verilog"),
        rtlil=emit("emit_rtlil"),
        component=component,
    )


def serial_gateware(config: BuildConfig, divisor: int, idle_cycles: int) -> Design:
    """Return the core of ``config`` behind its serial bridge, with the pins ``rx`` and ``tx``."""

    def top() -> Any:
        _require("amaranth", "spikeloom_hw.boards.serial_core")
        from spikeloom_hw.boards.serial_core import SerialTop

        return SerialTop(config, divisor, idle_cycles)

    def text() -> str:
        _require("amaranth")
        from amaranth.back import rtlil

        emitted: str = rtlil.convert(top(), name=TOP, emit_src=False)
        return emitted

    def verilog() -> str:
        raise EngineError("the serial bridge is simulated by cxxrtl only")

    return Design(
        name=f"{config.name}-serial",
        fingerprint=f"serial:{divisor}:{idle_cycles}:{build.build_id(config)}:{source_digest()}",
        address_bits=memmap.address_bits(config),
        verilog=verilog,
        rtlil=text,
        component=top,
    )


def _require(*modules: str) -> None:
    for module in modules:
        try:
            found = find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise EngineError(
                f"an RTL engine needs the Python module {module}, which is not installed; "
                "run: pip install 'spikeloom[hw]'"
            )


@cache
def source_digest() -> str:
    """Return the sha256 over the sources of the gateware and the spec and Amaranth's version."""
    parts = [f"amaranth {version('amaranth')}".encode()]
    for package in ("spikeloom_hw", "spikeloom.spec"):
        spec = find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        for folder in folders or ():
            parts += _sources(Path(folder))
    return digest(parts)


def _sources(folder: Path) -> list[bytes]:
    files = sorted(folder.rglob("*.py"))
    return [part for f in files for part in (str(f.relative_to(folder)).encode(), f.read_bytes())]


def digest(parts: Iterable[bytes]) -> str:
    """Return the sha256 of ``parts``, their borders included, as hexadecimal digits."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()


def version(distribution: str) -> str:
    """Return the version of an installed distribution, or ``missing``."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "missing"

"""``settings.tcl``: what the Vivado scripts are told, with nothing that Tcl would run."""

from __future__ import annotations

from collections.abc import Iterable

from ..board.hwh import ACCESS, CORE_VLNV, DMA_BYTES, DMA_LENGTH_BITS, SYSTEMS, core_bytes
from ..spec import regmap
from ..spec.build import build_id
from ..spec.config import BuildConfig
from .boards import Board

VERILOG_FILE = "spikeloom_core.v"

Pin = tuple[str, str, int]
"""A port beside clock, reset and buses: its name, I or O, and its width."""


def settings_tcl(board: Board, config: BuildConfig, clock_mhz: float, pins: Iterable[Pin]) -> str:
    """Return the text of ``settings.tcl``."""
    system = SYSTEMS[board.family]
    values: dict[str, object] = {
        "board": board.name,
        "family": board.family,
        "part": board.part,
        "board_parts": list(board.board_parts),
        "clock_mhz": f"{clock_mhz:g}",
        "preset": config.name,
        "build_id": build_id(config),
        "vlnv": CORE_VLNV,
        "verilog": VERILOG_FILE,
        "core_base": f"0x{system.core_base:X}",
        "core_bytes": core_bytes(config),
        "dma_base": f"0x{system.dma_base:X}",
        "dma_bytes": DMA_BYTES,
        "dma_length_bits": DMA_LENGTH_BITS,
        "pins": [list(pin) for pin in pins],
        "pins_file": board.pins_file.name if board.pins_file else "",
        "registers": [_register(register) for register in regmap.registers(config)],
    }
    lines = [f"    {name} {tcl(value)}" for name, value in values.items()]
    return "\n".join(
        [
            f"# Written by spikeloom build for {board.name}, preset {config.name}.",
            "set settings {",
            *lines,
            "}",
            "",
        ]
    )


def _register(register: regmap.Register) -> list[object]:
    access = {ACCESS[field.access] for field in register.fields}
    return [
        register.name,
        f"0x{register.offset:X}",
        "read-write" if "read-write" in access else "read-only",
        register.doc,
        [[f.name, f.lsb, f.bits, ACCESS[f.access], f.doc] for f in register.fields],
    ]


def tcl(value: object) -> str:
    """Return ``value`` as a Tcl word in braces; lists become Tcl lists.

    Braces and backslashes have no place in our texts and are refused.
    """
    if isinstance(value, list | tuple):
        return "{" + " ".join(tcl(item) for item in value) + "}"
    text = str(value)
    if any(sign in text for sign in "{}\\\n"):
        raise ValueError(
            f"a value for Tcl must have no braces, backslashes or line feeds: {text!r}"
        )
    return "{" + text + "}"

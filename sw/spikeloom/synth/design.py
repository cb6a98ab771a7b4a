"""The gateware as the synthesis tools read it."""

from __future__ import annotations

from importlib.util import find_spec

from ..spec.config import BuildConfig
from ..spec.errors import EngineError
from .wrapper import Port

CLOCK = "aclk"

KEEP_COPIES = (
    "hierarchy -top {top}; proc; flatten; "
    "select -set copies w:* a:keep=true %i %ci1:+[Q] c:* %i; setattr -set keep 1 @copies; "
)
"""Yosys commands before a synthesis: the registers of signals with the attribute ``keep`` stay.

Yosys looks at that attribute of a cell; at that of a signal it does not when it makes one register
of equal ones, and the copies of :mod:`spikeloom_hw.spread` are equal.
"""


def emit(config: BuildConfig) -> tuple[str, str]:
    """Return the RTLIL of a build and the name of its top module.

    Unlike :func:`spikeloom_hw.emit.emit_rtlil` it says for each cell which line it was made
    from; the logic is the same.  Raises :class:`EngineError` if Amaranth is missing.
    """
    _require_amaranth()
    from amaranth.back import rtlil

    from spikeloom_hw.top import TOP_NAME, Top

    return rtlil.convert(Top(config), name=TOP_NAME, emit_src=True), TOP_NAME


def ports(config: BuildConfig) -> list[Port]:
    """Return the ports of the top module of a build."""
    _require_amaranth()
    from amaranth.hdl import Shape
    from amaranth.lib.wiring import In

    from spikeloom_hw.top import port_members

    members = [
        Port(name, Shape.cast(member.shape).width, member.flow is In)
        for name, member in port_members(config).items()
    ]
    return [Port(CLOCK, 1, True), Port("aresetn", 1, True), *members]


def _require_amaranth() -> None:
    if find_spec("amaranth") is None:
        raise EngineError(
            "spikeloom synth needs the Python package amaranth, which is not installed; "
            "run: pip install 'spikeloom[hw]'"
        )

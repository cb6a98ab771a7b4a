"""The boards: facts from ``hw/boards/<board>/board.json``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path

from ..spec.config import PRESETS
from ..spec.errors import UsageError

FAMILIES = ("zynq", "zynqmp", "ecp5")
FACTS_FILE = "board.json"
PINS_FILE = "pins.xdc"
_TEXT = re.compile(r"[A-Za-z0-9 .,:/_-]{1,80}")


@dataclass(frozen=True)
class Board:
    """A board that a recipe exists for.

    Parameters
    ----------
    name
        As in ``spikeloom build --board``; the name of its folder in ``hw/boards``.
    title
        As its maker writes it.
    family
        ``zynq``, ``zynqmp`` or ``ecp5``.
    part
        The device, as the tool names it.
    board_parts
        Vivado's names of its board files, the one to be preferred first.
    pynq
        Version of the PYNQ image, or None.
    clock_mhz
        Clock of the core.
    preset
        The build that is meant for it.
    aer_header
        Where the AER port is, or None.
    """

    name: str
    title: str
    family: str
    part: str
    board_parts: tuple[str, ...]
    pynq: str | None
    clock_mhz: int
    preset: str
    aer_header: str | None

    @property
    def folder(self) -> Path:
        """Folder of the recipe."""
        return recipes_folder() / self.name

    @property
    def pins_file(self) -> Path | None:
        """Constraints of the AER port's pins, if the board has any."""
        path = self.folder / PINS_FILE
        return path if path.is_file() else None


def recipes_folder() -> Path:
    """Return the folder of the recipes: in the package if it is installed, else in the sources.

    Raises :class:`UsageError` if it is in neither place.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "recipes", package.parent.parent / "hw" / "boards"):
        if folder.is_dir():
            return folder
    raise UsageError(
        "the recipes of the boards must be installed with SpikeLoom, but are missing; "
        "install it again, or run it from its sources"
    )


def boards() -> dict[str, Board]:
    """Return every board by name."""
    files = sorted(recipes_folder().glob(f"*/{FACTS_FILE}"))
    return {file.parent.name: _read(file) for file in files}


def board(name: str) -> Board:
    """Return the board ``name``; raises :class:`UsageError` listing those there are."""
    known = boards()
    if name not in known:
        raise UsageError(f"board must be one of {', '.join(known)}, not {name!r}")
    return known[name]


def _read(file: Path) -> Board:
    try:
        facts = json.loads(file.read_text("utf-8"))
        facts["board_parts"] = tuple(facts["board_parts"])
        found = Board(name=file.parent.name, **facts)
    except (OSError, ValueError, TypeError, KeyError) as error:
        wanted = ", ".join(f.name for f in fields(Board) if f.name != "name")
        raise UsageError(f"{file} must be JSON with {wanted}: {error}") from None
    texts = (found.title, found.part, *found.board_parts)
    good = (
        found.family in FAMILIES
        and found.preset in PRESETS
        and isinstance(found.clock_mhz, int)
        and all(isinstance(text, str) and _TEXT.fullmatch(text) for text in texts)
    )
    if not good:
        raise UsageError(f"{file} must name a known family and preset, a clock in MHz and a part")
    return found

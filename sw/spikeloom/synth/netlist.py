"""The netlist that Yosys writes as JSON: cells, ports, and names for single bits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..spec.errors import EngineError

Bit = int
"""Number of a one-bit net.  Constants (``"0"``, ``"1"``, ``"x"``) have none."""

NOT_CELLS = ("$scopeinfo",)


@dataclass(frozen=True)
class Pin:
    """One bit of a port of a cell."""

    port: str
    index: int

    def __str__(self) -> str:
        return f"{self.port}[{self.index}]"


@dataclass(frozen=True)
class Cell:
    """An instance of a primitive.

    ``pins`` maps every connected port to its bits, lowest first; ``parameters`` holds
    integers as ``int`` and the rest as text; ``source`` is the place in the source that the
    cell was made from (``issue.py:100``), empty if unknown.
    """

    name: str
    type: str
    parameters: dict[str, int | str]
    pins: dict[str, tuple[Bit | str, ...]]
    directions: dict[str, str]
    source: str

    def bits(self, direction: str) -> Iterator[tuple[Pin, Bit]]:
        """Yield the pins of a direction (``input`` or ``output``) that carry a net."""
        for port, bits in self.pins.items():
            if self.directions[port] == direction:
                for index, bit in enumerate(bits):
                    if isinstance(bit, int):
                        yield Pin(port, index), bit


@dataclass(frozen=True)
class Netlist:
    """A flat netlist.

    ``inputs`` and ``outputs`` are the bits of the ports; ``names`` maps bits to every public
    name they have, each with its index in the named vector (-1 for a name of one bit).
    """

    creator: str
    cells: tuple[Cell, ...]
    inputs: dict[Bit, str]
    outputs: dict[Bit, str]
    names: dict[Bit, list[tuple[str, int]]]

    @property
    def version(self) -> str:
        """Version of Yosys; ``creator`` reads ``Yosys 0.70 (git sha1 ...)``."""
        words = self.creator.split()
        return words[1] if len(words) > 1 else "unknown"

    def counts(self) -> Counter[str]:
        """Return the number of cells of each type."""
        return Counter(cell.type for cell in self.cells)

    def signal(self, bit: Bit, source: str = "") -> str:
        """Return the best name of a net, with its index; empty if it has none.

        Flattening gives a net one name per level of the hierarchy.  The best name is the
        deepest one, in a component whose source file is that of ``source`` if there is one.
        """
        stem = source.partition(".")[0]

        def rank(name: str) -> tuple[bool, bool, int, int, str]:
            parts = name.split(".")
            inside = bool(stem) and any(part.startswith(stem) for part in parts[:-1])
            return (not inside, "$" in parts[-1], -len(parts), len(name), name)

        found = self.names.get(bit)
        if not found:
            return ""
        name, index = min(found, key=lambda item: rank(item[0]))
        return name if index < 0 else f"{name}[{index}]"


def read_netlist(path: Path, top: str) -> Netlist:
    """Read the module ``top`` of a file of ``write_json``; raises :class:`EngineError`."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise EngineError(
            f"Yosys wrote a netlist that is no JSON ({error}); run it again"
        ) from None
    return netlist_from_json(data, top)


def netlist_from_json(data: dict[str, Any], top: str) -> Netlist:
    """Return the module ``top`` of Yosys's JSON; raises :class:`EngineError`."""
    module = data.get("modules", {}).get(top)
    if module is None:
        found = ", ".join(sorted(data.get("modules", {}))[:5]) or "none"
        raise EngineError(f"the netlist must have a module {top}; found {found}")
    cells = tuple(
        _cell(name, cell) for name, cell in module["cells"].items() if cell["type"] not in NOT_CELLS
    )
    names: dict[Bit, list[tuple[str, int]]] = {}
    for name, net in module["netnames"].items():
        if not net["hide_name"]:
            wide = len(net["bits"]) > 1
            for index, bit in enumerate(net["bits"]):
                if isinstance(bit, int):
                    names.setdefault(bit, []).append((name, index if wide else -1))
    ports: dict[str, dict[Bit, str]] = {"input": {}, "output": {}}
    for name, port in module["ports"].items():
        for index, bit in enumerate(port["bits"]):
            if isinstance(bit, int) and port["direction"] in ports:
                label = f"{name}[{index}]" if len(port["bits"]) > 1 else name
                ports[port["direction"]].setdefault(bit, label)
    return Netlist(data.get("creator", ""), cells, ports["input"], ports["output"], names)


def _cell(name: str, cell: dict[str, Any]) -> Cell:
    return Cell(
        name,
        cell["type"],
        {key: _parameter(value) for key, value in cell["parameters"].items()},
        {port: tuple(bits) for port, bits in cell["connections"].items()},
        cell["port_directions"],
        _source(cell["attributes"].get("src", "")),
    )


def _parameter(value: int | str) -> int | str:
    """Return a parameter: Yosys writes integers as texts of binary digits."""
    if isinstance(value, str) and value and not set(value) - {"0", "1"}:
        return int(value, 2)
    return value


def _source(text: str) -> str:
    """Return the first Python source of a ``src`` attribute as ``file.py:line``."""
    for place in text.split("|"):
        file, _, line = place.rpartition("/")[2].partition(":")
        if file.endswith(".py"):
            return f"{file}:{line.partition('.')[0]}"
    return ""

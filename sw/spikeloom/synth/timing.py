"""Longest paths through the cells of a netlist; routing is not counted.

The arrival time of a net is the largest sum of cell delays from the clock edge, or from a
port, to it.  A path ends at an input that the clock samples, whose set-up time is added, or at
an output port.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..spec.errors import EngineError
from .arcs import Arcs, Library, arcs_of
from .netlist import Bit, Cell, Netlist, Pin

GROUPS = ("register to register", "port to register", "register to port", "port to port")


@dataclass(frozen=True)
class Step:
    """A cell on a path: how it is crossed and when its output settles (ps from the edge)."""

    cell: str
    type: str
    enters: str
    leaves: str
    net: str
    delay_ps: int
    arrival_ps: int
    source: str


@dataclass(frozen=True)
class Path:
    """A path: where it starts and ends, its cells, and its length in picoseconds.

    The first step of a path from a register is the register (from clock to output).  The
    set-up time at the end is in ``delay_ps``, but is not a step.
    """

    group: str
    start: str
    end: str
    end_source: str
    setup_ps: int
    delay_ps: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class _Edge:
    """A way to a net: from the net ``start`` through a cell, or (None) from its clock."""

    start: Bit | None
    cell: Cell | None
    enters: Pin | None
    leaves: Pin | None
    delay: int


@dataclass(frozen=True)
class _End:
    bit: Bit
    cell: Cell | None
    pin: Pin | None
    port: str
    setup: int


class TimingGraph:
    """The delays between the nets of a netlist.

    Parameters
    ----------
    netlist, library
        Cells, and the delays of their types.

    Raises
    ------
    EngineError
        If the delay of a cell or pin in use is unknown, if there is more than one clock, or
        if cells form a loop without a register.
    """

    def __init__(self, netlist: Netlist, library: Library) -> None:
        self.netlist = netlist
        self._into: dict[Bit, list[_Edge]] = {}
        self._launched: dict[Bit, _Edge] = {}
        self._ends: list[_End] = []
        clocks: set[Bit] = set()
        cache: dict[tuple[object, ...], Arcs] = {}
        for cell in netlist.cells:
            key = (cell.type, *sorted((k, v) for k, v in cell.parameters.items() if k != "INIT"))
            if key not in cache:
                cache[key] = arcs_of(cell, library)
            clocks |= self._add(cell, cache[key])
        self._check_clocks(clocks)
        self._ends += [_End(bit, None, None, name, 0) for bit, name in netlist.outputs.items()]
        self._check_drivers(clocks)
        self._order = self._sort()

    def _add(self, cell: Cell, arcs: Arcs) -> set[Bit]:
        """Add the arcs of a cell and return the nets on its clock pins."""
        inputs, outputs = list(cell.bits("input")), list(cell.bits("output"))
        clocks = {bit for pin, bit in inputs if pin.port in arcs.clocks}
        timed = set()
        for o, out in outputs:
            launch = arcs.launch_ps(o)
            if launch is not None:
                self._launched[out] = _Edge(None, cell, None, o, launch)
            for i, bit in inputs:
                delay = arcs.delay(i, o)
                if delay is not None:
                    timed.add(i)
                    self._into.setdefault(out, []).append(_Edge(bit, cell, i, o, delay))
        for i, bit in inputs:
            setup = arcs.setup_ps(i)
            if setup is not None:
                self._ends.append(_End(bit, cell, i, "", setup))
            elif i not in timed and i.port not in arcs.clocks and outputs:
                raise EngineError(
                    f"every pin in use must have a known delay; {cell.type} has none for {i} "
                    f"(cell {cell.name})"
                )
        return clocks

    def _check_clocks(self, clocks: set[Bit]) -> None:
        if len(clocks) > 1:
            names = ", ".join(sorted(self.netlist.signal(c) or str(c) for c in clocks))
            raise EngineError(f"a netlist must have one clock for this analysis; found {names}")

    def _check_drivers(self, clocks: set[Bit]) -> None:
        """Check that every net that is looked at gets its time from somewhere."""
        known = self._into.keys() | self._launched.keys() | self.netlist.inputs.keys() | clocks
        for cell_bit in self._sinks():
            if cell_bit not in known:
                name = self.netlist.signal(cell_bit) or f"number {cell_bit}"
                raise EngineError(
                    f"every net in use must have a driver of known delay; {name} has none"
                )

    def _sinks(self) -> Iterable[Bit]:
        yield from (end.bit for end in self._ends)
        for edges in self._into.values():
            yield from (edge.start for edge in edges if edge.start is not None)

    def _sort(self) -> list[Bit]:
        """Return the nets behind cells in an order in which inputs come first."""
        waiting = {bit: 0 for bit in self._into}
        followers: dict[Bit, list[Bit]] = {}
        for bit, edges in self._into.items():
            for edge in edges:
                if edge.start in waiting:
                    waiting[bit] += 1
                    followers.setdefault(edge.start, []).append(bit)  # type: ignore[arg-type]
        ready = [bit for bit, count in waiting.items() if not count]
        order = []
        while ready:
            bit = ready.pop()
            order.append(bit)
            for follower in followers.get(bit, ()):
                waiting[follower] -= 1
                if not waiting[follower]:
                    ready.append(follower)
        if len(order) < len(waiting):
            raise EngineError(
                "a netlist must have a register in every loop; these cells feed each other: "
                + self._loop({bit for bit, count in waiting.items() if count})
            )
        return order

    def _loop(self, stuck: set[Bit]) -> str:
        """Return the cells of one loop among nets that wait for each other."""
        bit = min(stuck)
        seen: dict[Bit, int] = {}
        trail: list[str] = []
        while bit not in seen:
            seen[bit] = len(trail)
            edge = next(e for e in self._into[bit] if e.start in stuck)
            assert edge.cell is not None
            trail.append(f"{edge.cell.type} {self.netlist.signal(bit) or edge.cell.name}")
            assert edge.start is not None
            bit = edge.start
        loop = trail[seen[bit] :]
        shown = loop if len(loop) <= 8 else [*loop[:7], f"... ({len(loop)} cells)"]
        return " <- ".join([*shown, loop[0]])

    def longest(self, group: str, count: int = 1) -> list[Path]:
        """Return the longest paths of a group, longest first.

        At most one path is returned for each end (a register or port without its index), so
        that the bits of one register do not hide the next problem.

        Parameters
        ----------
        group
            One of :data:`GROUPS`.
        count
            How many paths at most.
        """
        if group not in GROUPS:
            raise ValueError(f"group must be one of {', '.join(GROUPS)}, not {group!r}")
        start, end = group.split(" to ")
        arrival = self._arrivals(start)
        wanted = [e for e in self._ends if (e.cell is None) == (end == "port") and e.bit in arrival]
        wanted.sort(key=lambda e: (-(arrival[e.bit][0] + e.setup), self._end_name(e)))
        paths: dict[str, Path] = {}
        for found in wanted:
            name = (self._cell_name(found.cell) if found.cell else found.port).partition("[")[0]
            if name not in paths:
                if len(paths) == count:
                    break
                paths[name] = self._path(group, found, arrival)
        return list(paths.values())

    def _arrivals(self, start: str) -> dict[Bit, tuple[int, _Edge]]:
        """Return for each net its arrival time and the edge that it comes by."""
        if start == "register":
            arrival = {bit: (edge.delay, edge) for bit, edge in self._launched.items()}
        else:
            arrival = {bit: (0, _Edge(None, None, None, None, 0)) for bit in self.netlist.inputs}
        for bit in self._order:
            for edge in self._into[bit]:
                if edge.start in arrival:
                    time = arrival[edge.start][0] + edge.delay  # type: ignore[index]
                    if bit not in arrival or time > arrival[bit][0]:
                        arrival[bit] = (time, edge)
        return arrival

    def _end_name(self, end: _End) -> str:
        if end.cell is None:
            return end.port
        return f"{self._cell_name(end.cell)}.{end.pin}"

    def _cell_name(self, cell: Cell) -> str:
        """Return the name of the register that a cell is, else the cell's own name."""
        if "Q" in cell.pins and isinstance(cell.pins["Q"][0], int):
            signal = self.netlist.signal(cell.pins["Q"][0], cell.source)
            if signal:
                return signal
        return cell.name.replace("$flatten\\", "").replace(".\\", ".")

    def _path(self, group: str, end: _End, arrival: dict[Bit, tuple[int, _Edge]]) -> Path:
        steps: list[Step] = []
        bit: Bit | None = end.bit
        start = self.netlist.inputs.get(end.bit, "")
        while bit is not None:
            time, edge = arrival[bit]
            if edge.cell is None:
                start = self.netlist.inputs[bit]
                break
            start = self._cell_name(edge.cell)
            net = self.netlist.signal(bit, edge.cell.source)
            steps.append(
                Step(
                    edge.cell.name, edge.cell.type, str(edge.enters or "clock"), str(edge.leaves),
                    net, edge.delay, time, edge.cell.source,
                )
            )  # fmt: skip
            bit = edge.start
        return Path(
            group, start, self._end_name(end), end.cell.source if end.cell else "", end.setup,
            arrival[end.bit][0] + end.setup, tuple(reversed(steps)),
        )  # fmt: skip

"""What a synthesis run says: figures, paths, and their tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..report import Figure, table
from .timing import Path


@dataclass(frozen=True)
class Stage:
    """One element of a routed path: a cell or a wire, and its share of the delay in ns."""

    kind: str
    name: str
    delay_ns: float
    arrival_ns: float


@dataclass(frozen=True)
class Report:
    """The outcome of a run.

    Parameters
    ----------
    preset, target, device
        What was built for what.
    tools
        Version of each tool.
    figures
        Resources, then timing.
    paths
        Longest paths of the cells' delays, longest first (xc7).
    stages
        The critical path as routed (ECP5).
    notes
        What a reader must know to use the figures.
    """

    preset: str
    target: str
    device: str
    tools: dict[str, str]
    figures: tuple[Figure, ...]
    paths: tuple[Path, ...] = ()
    stages: tuple[Stage, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values; ``figures`` are rows of name, measured, ..."""
        return asdict(self)

    def text(self) -> str:
        """Return the report as tables for a terminal."""
        rows = [
            (f.name, f"{f.measured:g}", f"{f.bound:g}", f.unit, _share(f)) for f in self.figures
        ]
        title = f"{self.preset} on {self.device}"
        parts = [table(rows, (title, "measured", "bound", "unit", "share"))]
        if self.paths:
            found = [(p.group, p.delay_ps / 1000, p.start, p.end, p.end_source) for p in self.paths]
            parts.append(table(found, ("longest paths", "ns", "from", "to", "source")))
            parts.append(_path_table(self.paths[0]))
        if self.stages:
            steps = [(s.kind, s.name, s.delay_ns, s.arrival_ns) for s in self.stages]
            parts.append(table(steps, ("critical path", "cell or net", "ns", "at")))
        tools = ", ".join(f"{name} {version}" for name, version in self.tools.items())
        return "\n\n".join([*parts, "\n".join([f"tools: {tools}", *self.notes])])


def _share(figure: Figure) -> str:
    return f"{100 * figure.measured / figure.bound:.1f} %" if figure.bound else ""


def _path_table(path: Path) -> str:
    """Return the cells of one path, its set-up time last."""
    rows = [
        (
            s.type,
            f"{s.enters} > {s.leaves}",
            s.delay_ps / 1000,
            s.arrival_ps / 1000,
            s.net,
            s.source,
        )
        for s in path.steps
    ]
    rows.append(
        ("set-up", path.end, path.setup_ps / 1000, path.delay_ps / 1000, "", path.end_source)
    )
    return table(rows, ("cell", "pins", "ns", "at", "net", "source"))

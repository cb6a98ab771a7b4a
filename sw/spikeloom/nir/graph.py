"""A NIR graph as plain nodes and edges, sub-graphs unfolded, and the reasons against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import NetworkError

Array = NDArray[np.float64]
Shape = tuple[int, ...]
Edge = tuple[str, str]

FIRING = ("IF", "LIF", "CubaLIF", "Threshold")
"""Nodes that send spikes."""

SILENT = ("I", "LI", "CubaLI")
"""Nodes with a state that never fire."""

NEURONS = (*FIRING, *SILENT)
WEIGHTS = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d")
WINDOWS = ("SumPool2d", "AvgPool2d")
LINEAR = (*WEIGHTS, *WINDOWS, "Flatten", "Delay", "Input", "Output")
"""Nodes without a state of their own; a delay apart, what comes out is linear in what goes in."""


@dataclass(frozen=True)
class Problem:
    """A reason why a graph cannot be read or mapped: where, why, and what would help."""

    node: str
    cause: str
    help: str = ""

    def __str__(self) -> str:
        return f"{self.node}: {self.cause}" + (f" ({self.help})" if self.help else "")


def refuse(what: str, problems: Iterable[Problem]) -> NoReturn:
    """Raise :class:`NetworkError` with every reason."""
    reasons = list(dict.fromkeys(map(str, problems)))
    listed = "; ".join(f"[{i}] {text}" for i, text in enumerate(reasons, 1))
    number = "1 reason" if len(reasons) == 1 else f"{len(reasons)} reasons"
    raise NetworkError(f"{what} cannot be used for {number}: {listed}")


@dataclass(frozen=True)
class Node:
    """A node: its name, its NIR type, and its parameters.

    Parameters of real numbers are float64 arrays of the file's shape, sizes are tuples of
    integers.
    """

    name: str
    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def real(self, name: str) -> Array:
        """Return a parameter as float64."""
        return np.asarray(self.fields[name], np.float64)


@dataclass(frozen=True)
class Graph:
    """Nodes by name, in the file's order, and the edges between them; no sub-graphs."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]

    def before(self, name: str) -> list[str]:
        """Return the nodes with an edge to ``name``."""
        return [a for a, b in self.edges if b == name]

    def after(self, name: str) -> list[str]:
        """Return the nodes that ``name`` has an edge to."""
        return [b for a, b in self.edges if a == name]

    def of_kind(self, *kinds: str) -> list[Node]:
        """Return the nodes of these types."""
        return [node for node in self.nodes.values() if node.kind in kinds]


@dataclass(frozen=True)
class Order:
    """An order of evaluation, and the edges that close a cycle and hand on the last tick."""

    names: tuple[str, ...]
    feedback: frozenset[Edge]


def evaluation_order(graph: Graph) -> Order:
    """Return the order in which the nodes of a tick are evaluated.

    NIR does not say which edge of a cycle carries the value of the tick before.  Here it is
    an edge to the node at which the cycle is first reached from the inputs, a neuron if
    there is a choice: in ``lif -> w_rec -> lif`` the edge from ``w_rec``.
    """
    distance = _distances(graph)
    waiting, done, feedback = dict(graph.nodes), [], set()
    before = {name: set(graph.before(name)) for name in graph.nodes}
    while waiting:
        ready = [name for name in waiting if not before[name] & waiting.keys()]
        if not ready:
            far = len(graph.nodes) + 1

            def rank(name: str, far: int = far) -> tuple[bool, bool, int]:
                reached = bool(before[name] - waiting.keys())
                neuron = waiting[name].kind in NEURONS
                return not reached, not neuron, distance.get(name, far)

            first = min(waiting, key=rank)
            feedback |= {(a, first) for a in before[first] & waiting.keys()}
            ready = [first]
        done.append(ready[0])
        del waiting[ready[0]]
    return Order(tuple(done), frozenset(feedback))


def _distances(graph: Graph) -> dict[str, int]:
    """Return the number of edges from the nearest input to every node it reaches."""
    found = {node.name: 0 for node in graph.of_kind("Input")}
    border = list(found)
    while border:
        following = []
        for name in border:
            for after in graph.after(name):
                if after not in found:
                    found[after] = found[name] + 1
                    following.append(after)
        border = following
    return found


def unfold(nodes: Mapping[str, Any], edges: Iterable[Edge], problems: list[Problem]) -> Graph:
    """Return the graph with every sub-graph replaced by its nodes.

    ``nodes`` maps names to :class:`Node` or to a pair (nodes, edges).  A node ``lif`` of the
    sub-graph ``lif1`` becomes ``lif1.lif``; edges to and from the sub-graph go to its Input
    and come from its Output.  What is wrong is added to ``problems``.
    """
    out: dict[str, Node] = {}
    wires: list[Edge] = []
    entries: dict[str, str] = {}
    exits: dict[str, str] = {}
    inner: tuple[Edge, ...]
    for name, item in nodes.items():
        if isinstance(item, Node):
            parts, inner = {name: item}, ()
        else:
            sub = unfold(item[0], item[1], problems)
            parts = {f"{name}.{k}": _renamed(n, f"{name}.{k}") for k, n in sub.nodes.items()}
            inner = tuple((f"{name}.{a}", f"{name}.{b}") for a, b in sub.edges)
            for kind, ends in (("Input", entries), ("Output", exits)):
                found = [n.name for n in parts.values() if n.kind == kind and _own(n.name, name)]
                if len(found) == 1:
                    ends[name] = found[0]
                else:
                    cause = f"the sub-graph must have one {kind} node, not {len(found)}"
                    problems.append(Problem(name, cause))
        for key, node in parts.items():
            if key in out:
                problems.append(Problem(key, "two nodes have this name once sub-graphs unfold"))
            out[key] = node
        wires += inner
    seen = set()
    for a, b in edges:
        missing = [end for end in (a, b) if end not in nodes]
        for end in missing:
            names = ", ".join(sorted(nodes))
            cause = f"the edge {a} -> {b} names the node {end!r}, which is not there"
            problems.append(Problem(end, cause, f"the nodes are {names}"))
        if (a, b) in seen:
            problems.append(Problem(b, f"the edge {a} -> {b} is there twice"))
        elif not missing:
            wires.append((exits.get(a, a), entries.get(b, b)))
        seen.add((a, b))
    return Graph(out, tuple(wires))


def _own(name: str, sub: str) -> bool:
    """Whether ``name`` is a node of the sub-graph itself, not of one inside it."""
    return "." not in name.removeprefix(f"{sub}.")


def _renamed(node: Node, name: str) -> Node:
    return Node(name, node.kind, node.fields)

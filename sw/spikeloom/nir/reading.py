"""Reading of NIR files, which are HDF5, without trust in them.

Links to other files are not followed, no filter is loaded from outside, sizes are checked
before anything is read, a process of its own does the reading, and a damaged file is an error
that says so.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError, NetworkError
from .graph import Edge, Graph, Node, Problem, refuse, unfold
from .guard import DeathError, HangError, guarded

READ_SECONDS = 60.0
"""Time that reading a file may take."""

MAX_BYTES = 1 << 30
"""Greatest size of all parameters together."""

MAX_NODES = 4096
MAX_EDGES = 1 << 16
MAX_DEPTH = 8

_FILTERS = (1, 2, 3, 32000)  # gzip, shuffle, Fletcher's checksum, LZF: all inside h5py

REAL = (
    *("weight", "bias", "scale", "r", "tau", "tau_mem", "tau_syn", "v_leak", "v_threshold"),
    *("v_reset", "w_in", "threshold", "delay"),
)
"""Fields of real numbers."""

WHOLE = (
    *("shape", "input_shape", "stride", "padding", "dilation", "groups", "kernel_size"),
    *("start_dim", "end_dim"),
)
"""Fields of whole numbers."""

_LEAKY = ("tau", "r", "v_leak")
_CUBA = ("tau_syn", "tau_mem", "r", "v_leak")
_CONV = ("weight", "stride", "padding", "dilation", "groups")
_POOL = ("kernel_size", "stride", "padding")

FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Input": (("shape",), ()),
    "Output": (("shape",), ()),
    "Affine": (("weight", "bias"), ()),
    "Linear": (("weight",), ()),
    "Scale": (("scale",), ()),
    "Conv1d": (_CONV, ("bias", "input_shape")),
    "Conv2d": (_CONV, ("bias", "input_shape")),
    "SumPool2d": (_POOL, ()),
    "AvgPool2d": (_POOL, ()),
    "Flatten": (("start_dim", "end_dim"), ()),
    "I": (("r",), ()),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "LI": (_LEAKY, ()),
    "LIF": ((*_LEAKY, "v_threshold"), ("v_reset",)),
    "CubaLI": (_CUBA, ("w_in",)),
    "CubaLIF": ((*_CUBA, "v_threshold"), ("v_reset", "w_in")),
    "Threshold": (("threshold",), ()),
    "Delay": (("delay",), ()),
}
"""Fields that a node of a type must have, and may have."""

POSITIVE = ("tau", "tau_mem", "tau_syn")


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Return the graph in a NIR file.

    Raises
    ------
    DataError
        If the file is missing, no HDF5 file, damaged or without a graph.
    NetworkError
        With every node and edge that is wrong.
    """
    import h5py  # noqa: F401  before the fork, so that a missing package is said as such

    file = Path(path)
    if not file.is_file():
        raise DataError(f"NIR file {file} does not exist")
    try:
        answer = guarded(_packed, file, seconds=READ_SECONDS)
    except HangError:
        raise DataError(
            f"{file} cannot be read as a NIR file, which is HDF5: not done in {READ_SECONDS} s, "
            "damaged"
        ) from None
    except DeathError:
        raise DataError(
            f"{file} cannot be read as a NIR file, which is HDF5: the reader died, damaged"
        ) from None
    return _unpacked(answer)


def _packed(file: Path) -> bytes:
    """Return the graph in a file, or what is wrong with it, as bytes."""
    facts: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    try:
        graph = _read(file)
    except (DataError, NetworkError) as error:
        facts = {"error": type(error).__name__, "message": str(error)}
    else:
        nodes = []
        for node in graph.nodes.values():
            fields: dict[str, Any] = {}
            for name, value in node.fields.items():
                if isinstance(value, np.ndarray):
                    fields[name] = {"array": len(arrays)}
                    arrays[f"a{len(arrays)}"] = value
                else:
                    fields[name] = value
            nodes.append([node.name, node.kind, fields])
        facts = {"nodes": nodes, "edges": graph.edges}
    stream = io.BytesIO()
    np.savez(stream, facts=np.array(json.dumps(facts)), **arrays)
    return stream.getvalue()


def _unpacked(answer: bytes) -> Graph:
    with np.load(io.BytesIO(answer), allow_pickle=False) as archive:
        facts = json.loads(str(archive["facts"]))
        if "error" in facts:
            kinds = {"DataError": DataError, "NetworkError": NetworkError}
            raise kinds[facts["error"]](facts["message"])
        nodes = {}
        for name, kind, fields in facts["nodes"]:
            found = {}
            for key, value in fields.items():
                if isinstance(value, dict):
                    found[key] = archive[f"a{value['array']}"]
                else:
                    found[key] = value if isinstance(value, str) else tuple(value)
            nodes[name] = Node(name, kind, found)
    return Graph(nodes, tuple((a, b) for a, b in facts["edges"]))


def _read(file: Path) -> Graph:
    import h5py

    problems: list[Problem] = []
    try:
        with h5py.File(file, "r") as handle:
            reader = _Reader(problems)
            top = reader.member(handle, "node", "the file")
            if not isinstance(top, h5py.Group):
                raise DataError(f"{file} must hold a NIR graph in the group 'node'")
            if reader.text(top, "type", "the graph") != "NIRGraph":
                raise DataError(f"{file} must hold a node of the type NIRGraph at its top")
            nodes, edges = reader.graph(top, "the graph", 0)
    except DataError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(
            f"{file} cannot be read as a NIR file, which is HDF5: {str(error) or 'damaged'}"
        ) from None
    except (MemoryError, RecursionError):
        raise DataError(f"{file} is damaged: it asks for more memory than there is") from None
    graph = unfold(nodes, edges, problems)
    for kind in ("Input", "Output"):
        if not graph.of_kind(kind):
            problems.append(Problem("the graph", f"it has no {kind} node"))
    if problems:
        refuse(f"NIR file {file}", problems)
    return graph


class _Reader:
    """Reads groups and datasets; what is wrong with the graph goes to ``problems``."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self._left = MAX_BYTES
        self._n_nodes = 0

    def member(self, group: Any, name: str, where: str) -> Any:
        """Return a member of a group, or None; a link to another file is refused."""
        import h5py

        if name not in group.keys():  # noqa: SIM118  `in group` follows links
            return None
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise DataError(
                f"{where} has a link to another place instead of {name!r}; links are not "
                "followed, save the graph as one file"
            )
        item = group[name]
        if isinstance(item, h5py.Dataset):
            self._check(item, f"{name} of {where}")
        return item

    def _check(self, item: Any, what: str) -> None:
        if item.external or item.is_virtual:
            raise DataError(f"{what} lies in another file, which is not opened; save it as one")
        plist = item.id.get_create_plist()
        for index in range(plist.get_nfilters()):
            if plist.get_filter(index)[0] not in _FILTERS:
                raise DataError(f"{what} must be stored plainly or with gzip or lzf compression")
        self._left -= max(item.size or 0, 1) * max(item.dtype.itemsize, 1)
        if self._left < 0:
            raise DataError(f"the parameters must have at most {MAX_BYTES} bytes up to {what}")

    def value(self, group: Any, name: str, where: str) -> Any:
        """Return what the dataset ``name`` holds, or None if there is none."""
        import h5py

        item = self.member(group, name, where)
        if item is None:
            return None
        if not isinstance(item, h5py.Dataset):
            raise DataError(f"{name} of {where} must be a value, not a group")
        value = item[()]
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def text(self, group: Any, name: str, where: str) -> str | None:
        """Return a string, or None."""
        value = self.value(group, name, where)
        return value if isinstance(value, str) else None

    def graph(self, group: Any, where: str, depth: int) -> tuple[dict[str, Any], list[Edge]]:
        """Return the nodes, sub-graphs as pairs, and the edges of a graph."""
        import h5py

        if depth > MAX_DEPTH:
            raise DataError(f"sub-graphs must be nested at most {MAX_DEPTH} deep")
        members = self.member(group, "nodes", where)
        if not isinstance(members, h5py.Group):
            raise DataError(f"{where} has no nodes")
        nodes: dict[str, Any] = {}
        for name in members.keys():  # noqa: SIM118  items() would follow links
            self._n_nodes += 1
            if self._n_nodes > MAX_NODES:
                raise DataError(f"a graph must have at most {MAX_NODES} nodes")
            item = self.member(members, name, f"nodes of {where}")
            if not isinstance(item, h5py.Group):
                self._problems.append(Problem(name, "it is no node"))
                continue
            kind = self.text(item, "type", name)
            if kind == "NIRGraph":
                nodes[name] = self.graph(item, name, depth + 1)
            else:
                nodes[name] = self.node(item, name, kind)
        edges = self.value(group, "edges", where)
        pairs = np.asarray([] if edges is None else edges, dtype=object)
        if pairs.size and (pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) > MAX_EDGES):
            raise DataError(f"edges of {where} must be pairs of names, not {pairs.shape}")
        return nodes, [(_name(a), _name(b)) for a, b in pairs.reshape(-1, 2)]

    def node(self, group: Any, name: str, kind: str | None) -> Node:
        """Return a node; what is wrong with it is noted."""
        if kind not in FIELDS:
            known = ", ".join((*FIELDS, "NIRGraph"))
            cause = f"nodes of the type {kind!r} are not known"
            self._problems.append(Problem(name, cause, f"known are {known}"))
            return Node(name, "Input", {"shape": ()})
        needed, optional = FIELDS[kind]
        found: dict[str, Any] = {}
        for field in (*needed, *optional):
            value = self.value(group, field, name)
            if value is None:
                if field in needed:
                    self._problems.append(Problem(name, f"{kind} lacks its field {field}"))
                    found[field] = np.ones(())
                continue
            found[field] = self._field(name, field, value)
        return Node(name, kind, found)

    def _field(self, name: str, field: str, value: Any) -> Any:
        if field == "padding" and isinstance(value, str):
            if value not in ("same", "valid"):
                cause = f"padding must be numbers, 'same' or 'valid', not {value!r}"
                self._problems.append(Problem(name, cause))
            return value
        array = np.asarray(value)
        if array.dtype.kind not in "iufb":
            self._problems.append(Problem(name, f"{field} must be numbers, not {array.dtype}"))
            return np.ones(())
        real = array.astype(np.float64)
        if not np.isfinite(real).all():
            self._problems.append(Problem(name, f"{field} must be finite"))
        elif field in POSITIVE and real.size and real.min() <= 0:
            cause = f"{field} must be positive, not {real.min():g}"
            self._problems.append(Problem(name, cause))
        if field in WHOLE:
            if (real != np.round(real)).any() or np.abs(real).max(initial=0) > 1 << 30:
                self._problems.append(Problem(name, f"{field} must be whole numbers"))
                return (1,)
            return tuple(int(v) for v in real.reshape(-1))
        return real


def _name(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

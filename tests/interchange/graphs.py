"""NIR files for the tests, written by the nir package."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np

DT = 1e-4
EXACT = {
    "dt": DT, "reset": "subtract", "reset_order": "before-decay", "fires": "ge",
    "current_first": True, "decay": "euler", "bias_at_start": True,
}  # fmt: skip
"""Choices under which the graphs of these tests are exact in integers."""


def write(path: Path, nodes: dict, edges: list) -> Path:
    nir.write(path, nir.NIRGraph(nodes, edges, type_check=False))
    return path


def chain(path: Path, shape: tuple, *items: object, out: tuple = (1,)) -> Path:
    """Write a graph of nodes ``n0``, ``n1``, ... one behind the other."""
    nodes = {"input": nir.Input(np.array(shape))}
    nodes |= {f"n{i}": item for i, item in enumerate(items)}
    nodes["output"] = nir.Output(np.array(out))
    names = list(nodes)
    return write(path, nodes, list(pairwise(names)))


def if_node(shape: tuple, threshold: float = 5.0) -> nir.IF:
    return nir.IF(
        r=np.full(shape, 1 / DT), v_threshold=np.full(shape, threshold), v_reset=np.zeros(shape)
    )


def lif_node(shape: tuple, threshold: float = 1.0, tau: float = 1e-3, **other: float) -> nir.LIF:
    return nir.LIF(
        tau=np.full(shape, tau),
        r=np.full(shape, other.get("r", 1.0)),
        v_leak=np.full(shape, other.get("v_leak", 0.0)),
        v_threshold=np.full(shape, threshold),
        v_reset=np.full(shape, other.get("v_reset", 0.0)),
    )


def cuba_node(shape: tuple, threshold: float, tau_syn: float, tau_mem: float) -> nir.CubaLIF:
    """A current and a leak that take their input as it is."""
    return nir.CubaLIF(
        tau_syn=np.full(shape, tau_syn),
        tau_mem=np.full(shape, tau_mem),
        r=np.full(shape, tau_mem / DT),
        v_leak=np.zeros(shape),
        v_threshold=np.full(shape, threshold),
        v_reset=np.zeros(shape),
        w_in=np.full(shape, tau_syn / DT),
    )


def whole(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random whole weights, so that nothing is left to rounding."""
    return rng.integers(-6, 8, shape).astype(np.float64)

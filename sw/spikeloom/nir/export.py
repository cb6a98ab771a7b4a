"""A network as a NIR graph, in units that other frameworks read back as the same network.

The tick is 1e-4 s, which snnTorch takes for granted.  A LIF has r = 1, as Norse does not
read r, and its weights carry 1 / (1 - decay) instead; a CubaLIF has r = tau_mem / dt and
w_in = tau_syn / dt, which both read.  An IF is a LIF whose tau is 2^40 ticks, as snnTorch
reads the node IF with a leak.  Thresholds are one for a population, with the weights of each
neuron scaled to it, as snnTorch wants them.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..spec.kinds import Dense, Kind, OneToOne, Uniform
from ..spec.network import Network, Population, Projection, Reset, ResetOrder
from ..spec.numfmt import DECAY_ONE, POTENTIAL_MIN
from ..spec.sparse import Sparse
from ..spec.windows import Conv2d, Pool
from .graph import Array, Problem, Shape, refuse
from .lower import RealNetwork, RealPopulation, RealProjection
from .synapses import order

DT = 1e-4
"""Seconds of a tick in exported graphs."""

IF_TICKS = 2.0**40
"""Time constant of an IF, in ticks; 1 - 2^-40 is 1 in single precision."""

BELOW_SUBTRACT = 2.0**-6
MATRIX_MAX = 1 << 26


@dataclass(frozen=True)
class Exported:
    """What is written: a NIR file's bytes.

    ``options`` are those of ``spikeloom import`` that read it back, ``notes`` say what NIR has
    no words for.
    """

    data: bytes
    options: dict[str, str]
    notes: tuple[str, ...]


def nir_shape(shape: Shape) -> Shape:
    """Return NIR's shape, channels first, of a population of the contract."""
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape


def real_network(network: Network) -> RealNetwork:
    """Return a network of integers as one of real numbers that fires at the same potentials.

    Thresholds lie a little lower, between two potentials, so that they mean the same under >
    and >= and in single precision; under the reset ``subtract``, which takes that little less
    away, by :data:`BELOW_SUBTRACT`, else by a half.
    """
    source = network.inputs[0]
    return RealNetwork(
        source.name,
        source.name,
        nir_shape(source.shape),
        tuple(_real_population(p) for p in network.order()),
        tuple(_real_projection(p) for p in network.projections),
        (),
        network.outputs,
    )


def _real_population(p: Population) -> RealPopulation:
    def real(name: str) -> Array:
        return p.per_neuron(name).astype(np.float64)

    below = BELOW_SUBTRACT if p.reset is Reset.SUBTRACT else 0.5
    return RealPopulation(
        name=p.name,
        node=p.name,
        shape=p.shape,
        order=order(nir_shape(p.shape)),
        decay=real("decay") / DECAY_ONE,
        threshold=None if p.reset is Reset.NONE else real("threshold") - below,
        bias=real("bias"),
        current_decay=None if p.current_decay is None else real("current_decay") / DECAY_ONE,
        reset=p.reset,
        reset_order=p.reset_order,
        reset_value=float(p.reset_value),
        initial=float(p.initial),
        clamp=p.floor > POTENTIAL_MIN,
        above=False,
        multi_spike=p.multi_spike,
        refractory=p.refractory,
    )


def _real_projection(p: Projection) -> RealProjection:
    weights = p.weights.astype(np.float64) * 2.0**p.shift
    return RealProjection(p.source, p.destination, p.kind, weights, p.delay)


def export_graph(network: RealNetwork) -> Exported:
    """Return ``network`` as a NIR file.

    Raises :class:`NetworkError` with every reason why NIR cannot hold it.
    """
    import nir

    problems: list[Problem] = []
    shape = (math.prod(network.input_shape),) if _flat_input(network) else network.input_shape
    nodes: dict[str, Any] = {"input": nir.Input(np.array(shape))}
    edges: list[tuple[str, str]] = []
    names = {network.input_name: "input"}
    for p in network.populations:
        names[p.name] = p.name if p.name not in ("input", "output") else f"{p.name}_neurons"
    for p in network.populations:
        arriving = [q for q in network.projections if q.destination == p.name]
        if not arriving:
            problems.append(Problem(p.name, "nothing leads to it, which NIR has no place for"))
            continue
        scale, node, bias = _neuron(p, problems)
        nodes[names[p.name]] = node
        for q in arriving:
            chain = _chain(network, q, scale, bias, problems)
            if q.kind.tag.value in ("dense", "conv2d", "sparse", "uniform"):
                bias = np.zeros_like(bias)
            last = names[q.source]
            for name, item in chain:
                key = f"{name}_{names[q.source]}_{names[p.name]}"
                nodes[key] = item
                edges.append((last, key))
                last = key
            edges.append((last, names[p.name]))
        if bias.any():
            cause = "its bias needs a dense or convolutional input to be written"
            problems.append(Problem(p.name, cause))
    for i, name in enumerate(network.outputs):
        key = "output" if i == 0 else f"output_{i}"
        nodes[key] = nir.Output(np.array(nir_shape(network.population(name).shape)))
        edges.append((names[name], key))
    if problems:
        refuse("the network", problems)
    data = _bytes(nir.NIRGraph(nodes, edges, type_check=False))
    return Exported(data, _options(network), tuple(_notes(network)))


def _flat_input(network: RealNetwork) -> bool:
    """Whether the input is written flat, channels first, as only matrices read it.

    Readers do not agree whether the dimensions of a Flatten count the batch.
    """
    kinds = [q.kind for q in network.projections if q.source == network.input_name]
    late = any(q.delay for q in network.projections if q.source == network.input_name)
    return not late and all(isinstance(k, (Dense, Sparse, Uniform)) for k in kinds)


def _bytes(graph: Any) -> bytes:
    import nir

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.nir"
        nir.write(path, graph)
        return path.read_bytes()


def _neuron(p: RealPopulation, problems: list[Problem]) -> tuple[Array, Any, Array]:
    """Return what weights are multiplied by per neuron, the node, and its scaled bias."""
    import nir

    shape = nir_shape(p.shape)

    def laid(values: Array | float) -> Array:
        flat = np.zeros(p.n_neurons)
        flat[p.order] = values
        return flat.reshape(shape)

    scale = np.ones(p.n_neurons)
    theta = 1.0
    if p.threshold is not None:
        theta = float(p.threshold.max())
        if p.threshold.min() != theta:
            if p.reset_value or p.initial or p.clamp:
                cause = "thresholds that differ cannot be made one with this reset or start"
                problems.append(Problem(p.name, cause))
            scale = theta / p.threshold
    ticks = np.where(p.decay < 1, 1 / np.maximum(1 - p.decay, 1 / IF_TICKS), IF_TICKS)
    bias = p.bias * scale
    fields: dict[str, Array] = {"v_leak": laid(0.0)}
    if p.threshold is not None:
        fields |= {"v_threshold": laid(theta), "v_reset": laid(p.reset_value)}
    if p.current_decay is None:
        fields |= {"tau": laid(ticks * DT), "r": laid(1.0)}
        node = (nir.LI if p.threshold is None else nir.LIF)(**fields)
        return scale * ticks, node, bias * ticks
    if bias.any():
        problems.append(Problem(p.name, "a bias beside a synaptic current has no place in NIR"))
    inner = np.where(p.current_decay < 1, 1 / np.maximum(1 - p.current_decay, 1 / IF_TICKS), 0)
    inner = np.where(inner > 0, inner, IF_TICKS)
    fields |= {
        "tau_mem": laid(ticks * DT), "tau_syn": laid(inner * DT),
        "r": laid(ticks), "w_in": laid(inner),
    }  # fmt: skip
    node = (nir.CubaLI if p.threshold is None else nir.CubaLIF)(**fields)
    return scale, node, np.zeros(p.n_neurons)


def _chain(
    network: RealNetwork, q: RealProjection, scale: Array, bias: Array, problems: list[Problem]
) -> list[tuple[str, Any]]:
    """Return the nodes of a projection, by the beginnings of their names."""
    import nir

    source, destination = network.shape(q.source), network.shape(q.destination)
    size = nir_shape(source)
    chain: list[tuple[str, Any]] = []
    ticks = q.delay - (q.source == q.destination)
    if q.delay and q.source != q.destination and _leads_to(network, q.destination, q.source):
        cause = "only a population's own spikes may come back to it"
        problems.append(Problem(q.destination, cause))
    if ticks:
        chain.append(("delay", nir.Delay(np.full(size, ticks * DT))))
    if isinstance(q.kind, Conv2d):
        weights, constant = _per_channel(q.kind, q.weights, scale, bias, destination, problems)
        conv = nir.Conv2d(
            input_shape=size[1:],
            weight=np.ascontiguousarray(np.moveaxis(weights, -1, 1)),
            stride=q.kind.stride,
            padding=q.kind.padding,
            dilation=q.kind.dilation,
            groups=q.kind.groups,
            bias=constant,
        )
        return [*chain, ("conv", conv)]
    if isinstance(q.kind, Pool):
        pair = {k: np.array(getattr(q.kind, k)) for k in ("stride", "padding")}
        pool = nir.SumPool2d(kernel_size=np.array(q.kind.kernel), **pair)
        flat = np.zeros(len(scale))
        flat[order(nir_shape(destination))] = scale * float(q.weights)
        factor = nir.Scale(flat.reshape(nir_shape(destination)))
        return [*chain, ("pool", pool), ("scale", factor)]
    if isinstance(q.kind, OneToOne):
        flat = np.zeros(len(scale))
        flat[order(nir_shape(destination))] = scale * q.weights
        return [*chain, ("scale", nir.Scale(flat.reshape(nir_shape(destination))))]
    if len(destination) > 1:
        cause = f"its input from {q.source} would need a reshape, which NIR has not"
        problems.append(Problem(q.destination, cause))
        return chain
    matrix = _matrix(network, q, problems)
    if len(source) > 1:
        if q.source != network.input_name or not _flat_input(network):
            flatten = nir.Flatten({"input": np.array(size)}, start_dim=0, end_dim=-1)
            chain.append(("flatten", flatten))
        columns = np.zeros_like(matrix)
        columns[:, order(size)] = matrix
        matrix = columns
    matrix = matrix * scale[:, None]
    linear = nir.Affine(matrix, bias) if bias.any() else nir.Linear(matrix)
    return [*chain, ("w", linear)]


def _per_channel(
    kind: Kind,
    weights: Array,
    scale: Array,
    bias: Array,
    destination: Shape,
    problems: list[Problem],
) -> tuple[Array, Array]:
    """Return the filters and the bias of a convolution, whose scales are one per channel."""
    tables = [values.reshape(-1, destination[-1]) for values in (scale, bias)]
    if any((table != table[0]).any() for table in tables):
        cause = "thresholds, decays and biases behind a convolution must be one per channel"
        problems.append(Problem(kind.tag.value, cause))
    return weights * tables[0][0][:, None, None, None], tables[1][0]


def _matrix(network: RealNetwork, q: RealProjection, problems: list[Problem]) -> Array:
    ends = network.ends(q)
    if ends.n_source * ends.n_destination > MATRIX_MAX:
        cause = f"its input from {q.source} is too large for a matrix, which NIR needs"
        problems.append(Problem(q.destination, cause))
        return np.zeros((ends.n_destination, 1))
    if isinstance(q.kind, Dense):
        return q.weights
    assert isinstance(q.kind, (Sparse, Uniform))
    unit = np.eye(ends.n_source)
    return np.asarray(q.kind.sums(unit, ends, q.weights).T, np.float64)


def _leads_to(network: RealNetwork, start: str, end: str) -> bool:
    found, waiting = {start}, [start]
    while waiting:
        name = waiting.pop()
        for q in network.projections:
            if q.source == name and q.destination not in found:
                found.add(q.destination)
                waiting.append(q.destination)
    return end in found


def _options(network: RealNetwork) -> dict[str, str]:
    """Return the options of an import that mean this network."""
    firing = [p for p in network.populations if p.threshold is not None]
    options = {"dt": f"{DT:g}", "decay": "euler", "fires": "ge"}
    if firing:
        subtract = firing[0].reset is Reset.SUBTRACT
        after = firing[0].reset_order is ResetOrder.AFTER_DECAY
        options["reset"] = "subtract" if subtract else "zero"
        options["reset-order"] = "after-decay" if after else "before-decay"
    if any(p.current_decay is not None for p in network.populations):
        options["current-first"] = "yes"
    if any(q.source == q.destination for q in network.projections):
        options["bias-at-start"] = "yes"
    if any(p.multi_spike for p in firing):
        options["multi-spike"] = "yes"
    return options


def _notes(network: RealNetwork) -> list[str]:
    firing = [p for p in network.populations if p.threshold is not None]
    out = []
    for what, values in (
        ("reset", {p.reset.value.replace("value", "zero") for p in firing}),
        ("reset order", {p.reset_order.value for p in firing}),
    ):
        if len(values) > 1:
            listed = " and ".join(sorted(values))
            out.append(f"populations differ in their {what}, {listed}: readers know only one")
    for p in network.populations:
        for fact, given in (
            ("a floor of its potential", p.clamp),
            (f"{p.refractory} refractory ticks", p.refractory),
            (f"the initial potential {p.initial:g}", p.initial),
            ("several spikes in a tick", p.multi_spike),
        ):
            if given:
                out.append(f"NIR cannot say that {p.name} has {fact}")
    return out

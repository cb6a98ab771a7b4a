"""The float interpreter: a NIR graph in float64, tick by tick, node by node.

It knows nothing of integers or of the accelerator, so that what quantisation does can be
told from a graph that was misread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError
from .dynamics import Neuron, discrete, on_cycles
from .graph import FIRING, NEURONS, SILENT, Array, Graph, Problem, Shape, evaluation_order, refuse
from .linear import apply_linear
from .meaning import Meaning
from .shapes import infer_shapes, spread

CHUNK = 128
"""Samples that are run together."""


@dataclass(frozen=True)
class FloatTrace:
    """What a run of S samples of T ticks did; sizes n are products of the node's shape.

    Attributes
    ----------
    spikes
        Per firing node, int32 of shape (S, T, n), in NIR's order of elements.
    outputs
        Per Output node, float64 of shape (S, T, n): spikes, or potentials of a leak.
    potentials
        Per node that never fires, float64 of shape (S, T, n): its potential.
    final
        Per neuron node, float64 of shape (S, n): the potential after the last tick, with its
        reset and decay, in the file's units.
    margin
        Per firing node, the smallest distance of a potential from its threshold, relative to
        the threshold: how far the run is from a tie.
    """

    spikes: dict[str, NDArray[np.int32]]
    outputs: dict[str, Array]
    potentials: dict[str, Array]
    final: dict[str, Array]
    margin: dict[str, float]


@dataclass
class _State:
    v: Array
    c: Array
    resting: NDArray[np.bool_]


class Interpreter:
    """Runs ``graph`` under ``meaning``.

    Raises :class:`NetworkError` with every reason why it cannot.
    """

    def __init__(self, graph: Graph, meaning: Meaning) -> None:
        self.graph, self.meaning = graph, meaning
        problems: list[Problem] = []
        self.order = evaluation_order(graph)
        self.shapes = infer_shapes(graph, self.order, problems)
        if problems:
            refuse("the graph", problems)
        cycles = on_cycles(graph, self.order)
        self.neurons: dict[str, Neuron] = {
            node.name: discrete(
                node, meaning, self.shapes[node.name], node.name in cycles, problems
            )
            for node in graph.of_kind(*NEURONS)
        }
        self.delays = {
            node.name: self._ticks(node.name, problems) for node in graph.of_kind("Delay")
        }
        if problems:
            refuse("the graph", problems)

    def _ticks(self, name: str, problems: list[Problem]) -> NDArray[np.int64]:
        node = self.graph.nodes[name]
        real = spread(node, "delay", self.shapes[name]) / self.meaning.dt
        ticks = np.round(real).astype(np.int64)
        if real.size and real.min() < 0:
            problems.append(Problem(name, "its delay must not be negative"))
        elif np.abs(real - ticks).max(initial=0) > 1e-3:
            cause = f"its delay must be a whole number of ticks, not {real.max():g}"
            problems.append(Problem(name, cause, "choose another dt"))
        return ticks

    @property
    def inputs(self) -> dict[str, Shape]:
        """Shapes of the Input nodes that nothing leads to."""
        nodes = self.graph.of_kind("Input")
        return {n.name: self.shapes[n.name] for n in nodes if not self.graph.before(n.name)}

    @property
    def outputs(self) -> list[str]:
        """Output nodes that lead to nothing."""
        return [n.name for n in self.graph.of_kind("Output") if not self.graph.after(n.name)]

    def run(self, inputs: NDArray[Any]) -> FloatTrace:
        """Run samples from the initial state.

        Parameters
        ----------
        inputs
            Numbers of shape (S, T, *shape of the one input), or with that shape flattened.
        """
        if len(self.inputs) != 1:
            raise DataError(f"the graph must have one input, not {len(self.inputs)}")
        name, shape = next(iter(self.inputs.items()))
        size = int(np.prod(shape))
        if inputs.ndim < 3 or int(np.prod(inputs.shape[2:])) != size:
            raise DataError(
                f"input must have the shape (samples, ticks, *{shape}), not {inputs.shape}"
            )
        if inputs.dtype.kind not in "iufb" or not np.isfinite(inputs).all():
            raise DataError("input must be finite numbers")
        parts = [
            self._run(name, inputs[start : start + CHUNK])
            for start in range(0, max(len(inputs), 1), CHUNK)
        ]
        return FloatTrace(
            {k: np.concatenate([p.spikes[k] for p in parts]) for k in parts[0].spikes},
            {k: np.concatenate([p.outputs[k] for p in parts]) for k in parts[0].outputs},
            {k: np.concatenate([p.potentials[k] for p in parts]) for k in parts[0].potentials},
            {k: np.concatenate([p.final[k] for p in parts]) for k in parts[0].final},
            {k: min(p.margin[k] for p in parts) for k in parts[0].margin},
        )

    def _run(self, source: str, inputs: NDArray[Any]) -> FloatTrace:
        samples, ticks = inputs.shape[:2]
        inputs = inputs.reshape(samples, ticks, *self.shapes[source])

        def empty(names: list[str], dtype: Any) -> dict[str, NDArray[Any]]:
            return {
                k: np.zeros((samples, ticks, int(np.prod(self.shapes[k]))), dtype) for k in names
            }

        spikes = empty([n.name for n in self.graph.of_kind(*FIRING)], np.int32)
        outputs = empty(self.outputs, np.float64)
        potentials = empty([n.name for n in self.graph.of_kind(*SILENT)], np.float64)
        margin = dict.fromkeys(spikes, np.inf)
        states = {k: self._start(n, samples) for k, n in self.neurons.items()}
        history = {
            k: np.zeros((int(d.max(initial=0)) + 1, samples, *self.shapes[k]))
            for k, d in self.delays.items()
        }
        last = self._rest(samples)
        for tick in range(ticks):
            now: dict[str, Array] = {}
            for name in self.order.names:
                before = self.graph.before(name)
                x = sum(
                    (last if (b, name) in self.order.feedback else now)[b] for b in before
                ) if before else inputs[:, tick].astype(np.float64)  # fmt: skip
                node = self.graph.nodes[name]
                if name in self.neurons:
                    fired, near = advance(self.neurons[name], states[name], np.asarray(x))
                    now[name] = fired
                    if name in spikes:
                        spikes[name][:, tick] = fired.reshape(samples, -1)
                        margin[name] = min(margin[name], near)
                elif name in history:
                    now[name] = self._delayed(name, history[name], tick, np.asarray(x))
                else:
                    now[name] = apply_linear(node, np.asarray(x))
            for record in (outputs, potentials):
                for name, array in record.items():
                    array[:, tick] = now[name].reshape(samples, -1)
            last = now
        final = {k: state.v.reshape(samples, -1) for k, state in states.items()}
        return FloatTrace(spikes, outputs, potentials, final, margin)

    def _start(self, neuron: Neuron, samples: int) -> _State:
        shape = (samples, *neuron.decay.shape)
        v = np.broadcast_to(neuron.initial, shape).copy()
        return _State(v, np.zeros(shape), np.zeros(shape, bool))

    def _rest(self, samples: int) -> dict[str, Array]:
        """Return what the edges that close a cycle hand on to the first tick."""
        rest: dict[str, Array] = {}
        for name in self.order.names:
            zero = np.zeros((samples, *self.shapes[name]))
            node, before = self.graph.nodes[name], self.graph.before(name)
            still = name in self.neurons or name in self.delays or not before
            if still or not self.meaning.bias_at_start:
                rest[name] = zero
                continue
            x = sum(
                rest[b] if (b, name) not in self.order.feedback
                else np.zeros((samples, *self.shapes[b]))
                for b in before
            )  # fmt: skip
            rest[name] = apply_linear(node, np.asarray(x))
        return rest

    def _delayed(self, name: str, history: Array, tick: int, x: Array) -> Array:
        length, ticks = len(history), self.delays[name]
        history[tick % length] = x
        out = np.zeros_like(x)
        for delay in np.unique(ticks):
            if tick >= delay:
                chosen = ticks == delay
                out[:, chosen] = history[(tick - delay) % length][:, chosen]
        return out


def advance(neuron: Neuron, state: _State, x: Array) -> tuple[Array, float]:
    """Advance ``state`` by a tick with the input ``x``.

    Returns what leaves the neurons, spikes or the potential of those that never fire, and
    the smallest distance of a potential from its threshold.  ``state.v`` is the potential
    with which the next tick begins: reset and decay are behind it.
    """
    drive = x
    if neuron.current_decay is not None and neuron.current_gain is not None:
        old = state.c
        state.c = neuron.current_decay * old + neuron.current_gain * x
        drive = state.c if neuron.current_first else old
    h = state.v + neuron.gain * drive + neuron.constant
    if neuron.threshold is None:
        state.v = neuron.decay * h
        return h, np.inf
    return _fire(neuron, neuron.threshold, state, h)


def _fire(neuron: Neuron, threshold: Array, state: _State, h: Array) -> tuple[Array, float]:
    if neuron.refractory:
        h = np.where(state.resting, neuron.reset_value, h)
    over = h > threshold if neuron.above else h >= threshold
    over &= ~state.resting
    spikes = over.astype(np.float64)
    if neuron.multi_spike:
        spikes = np.where(over, np.maximum(np.floor(h / threshold), 1), 0)
    scale = np.maximum(np.abs(threshold), np.finfo(float).tiny)
    near = float(np.min(np.abs(h - threshold) / scale))

    def reset(v: Array) -> Array:
        if neuron.reset == "subtract":
            v = v - threshold * spikes
        else:
            v = np.where(over, neuron.reset_value, v)
        return np.maximum(v, -threshold) if neuron.clamp else v

    v = reset(neuron.decay * h) if neuron.after_decay else neuron.decay * reset(h)
    if neuron.refractory:
        v = np.where(state.resting, neuron.reset_value, v)
        state.resting = over
    state.v = v
    return spikes, near

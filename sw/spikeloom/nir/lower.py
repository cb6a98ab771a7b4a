"""From a graph to populations and projections in real numbers: the contract's twin.

Chains of linear nodes become one projection each, constants become biases.  What does not
fit is collected, and refused with all the reasons at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.kinds import Ends, Kind
from ..spec.network import Reset, ResetOrder
from ..spec.numfmt import DELAY_MAX
from .dynamics import Neuron
from .graph import FIRING, SILENT, Array, Problem, Shape, refuse
from .interpret import FloatTrace, Interpreter
from .linear import apply_linear
from .synapses import Index, TooLargeError, order, place, synapses


@dataclass(frozen=True)
class RealPopulation:
    """A population in the file's units.  Arrays are float64 of shape (n,), contract order.

    ``node`` is NIR's name and ``order`` the NIR element of every neuron.  ``clamp`` is a
    floor at minus the threshold; ``above`` fires at H > threshold.
    """

    name: str
    node: str
    shape: Shape
    order: Index
    decay: Array
    threshold: Array | None
    bias: Array
    current_decay: Array | None
    reset: Reset
    reset_order: ResetOrder
    reset_value: float
    initial: float
    clamp: bool
    above: bool
    multi_spike: bool
    refractory: int

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return len(self.decay)

    def target(self, trace: FloatTrace) -> NDArray[Any]:
        """Return what the population does in a run in real numbers, (S, T, n) in its order.

        These are spikes, or the potentials of a population that never fires.
        """
        if self.reset is not Reset.NONE:
            found: NDArray[Any] = trace.spikes[self.node]
        elif self.node in trace.potentials:
            found = trace.potentials[self.node]
        else:
            found = trace.outputs[self.node]
        return found[:, :, self.order]


@dataclass(frozen=True)
class RealProjection:
    """A projection with real weights, in the destination's units per event."""

    source: str
    destination: str
    kind: Kind
    weights: Array
    delay: int


@dataclass(frozen=True)
class RealConstant:
    """What arrives at a population at every tick from ``start`` on, float64 (n,)."""

    destination: str
    start: int
    values: Array


@dataclass(frozen=True)
class RealNetwork:
    """A network in real numbers; ``input_shape`` is NIR's, ``outputs`` name populations."""

    input_name: str
    input_node: str
    input_shape: Shape
    populations: tuple[RealPopulation, ...]
    projections: tuple[RealProjection, ...]
    constants: tuple[RealConstant, ...]
    outputs: tuple[str, ...]

    def population(self, name: str) -> RealPopulation:
        """Return the population of that name."""
        return next(p for p in self.populations if p.name == name)

    def shape(self, name: str) -> Shape:
        """Return the contract's shape of the input or a population."""
        return place(self.input_shape) if name == self.input_name else self.population(name).shape

    def ends(self, projection: RealProjection) -> Ends:
        """Return the shapes that a projection joins."""
        return Ends(self.shape(projection.source), self.shape(projection.destination))


def lower(interpreter: Interpreter) -> RealNetwork:
    """Return the graph of ``interpreter`` as populations and projections.

    Raises :class:`NetworkError` with every reason why the contract cannot hold it.
    """
    return _Lowering(interpreter).network()


class _Lowering:
    def __init__(self, interpreter: Interpreter) -> None:
        self.graph = interpreter.graph
        self.shapes = interpreter.shapes
        self.feedback = interpreter.order.feedback
        self.neurons = interpreter.neurons
        self.delays = interpreter.delays
        self.bias_at_start = interpreter.meaning.bias_at_start
        self.ends = interpreter.outputs
        self.order = [n for n in interpreter.order.names if n in self.neurons]
        self.inputs = list(interpreter.inputs)
        self.problems: list[Problem] = []
        self.names: dict[str, str] = {}

    def network(self) -> RealNetwork:
        if len(self.inputs) != 1:
            cause = f"it must have one input, not {len(self.inputs)}"
            self.problems.append(Problem("the graph", cause, "join the inputs to one"))
        outputs, readouts = self._outputs()
        for name in (*self.inputs, *self.order, *readouts):
            self._name(name)
        populations, projections, constants = [], [], []
        for node in (*self.order, *readouts):
            neuron = self.neurons.get(node) or _readout(self.shapes[node])
            shape = self.shapes[node]
            gain = neuron.gain if neuron.current_gain is None else neuron.gain * neuron.current_gain
            late = 0 if neuron.current_first or neuron.current_decay is None else 1
            projections += self._projections(node, gain, late)
            bias = neuron.constant
            for start, values in sorted(self._constants(node, frozenset()).items()):
                values = values * gain
                if start + late == 0 and neuron.current_decay is None:
                    bias = bias + values
                elif values.any():
                    arriving = values.reshape(-1)[order(shape)]
                    constants.append(RealConstant(self.names[node], start + late, arriving))
            populations.append(self._population(node, neuron, bias))
        for projection in projections:
            if projection.delay > DELAY_MAX:
                cause = f"its input from {projection.source} must come at most {DELAY_MAX} ticks "
                cause += f"late, not {projection.delay}"
                self.problems.append(Problem(projection.destination, cause, "use a larger dt"))
        if not populations:
            self.problems.append(Problem("the graph", "it has no neurons"))
        if self.problems:
            refuse("the graph", self.problems)
        return RealNetwork(
            self.names[self.inputs[0]],
            self.inputs[0],
            self.shapes[self.inputs[0]],
            tuple(populations),
            tuple(projections),
            tuple(constants),
            tuple(dict.fromkeys(self.names[name] for name in outputs)),
        )

    def _name(self, node: str) -> None:
        """Give a node a name that the contract takes, unlike all others."""
        text = re.sub(r"\W", "_", node, flags=re.ASCII)
        text = (text if re.match(r"[A-Za-z_]", text) else f"n{text}")[:56]
        name, number = text, 1
        while name in self.names.values():
            number += 1
            name = f"{text}_{number}"
        self.names[node] = name

    def _outputs(self) -> tuple[list[str], list[str]]:
        """Return the nodes that are outputs and those that become potentials to read."""
        outputs, readouts = [], []
        for end in self.ends:
            node = end
            while node not in self.neurons:
                before = self.graph.before(node)
                plain = self.graph.nodes[node].kind in ("Input", "Output", "Flatten")
                if not plain or len(before) != 1 or (before[0], node) in self.feedback:
                    break
                node = before[0]
            if node in self.neurons:
                outputs.append(node)
            elif node in self.inputs:
                self.problems.append(Problem(end, "no neurons lie between the input and it"))
            else:
                outputs.append(end)
                readouts.append(end)
        return outputs, readouts

    def _chains(
        self, name: str, seen: frozenset[str], ticks: int
    ) -> Iterator[tuple[str, list[str], int]]:
        """Yield (source, linear nodes between, delay) of everything that leads to ``name``."""
        for before in self.graph.before(name):
            late = ticks + ((before, name) in self.feedback)
            if before in self.neurons or before in self.inputs:
                yield before, [], late
            elif before in seen:
                self.problems.append(Problem(before, "it lies on a cycle without a neuron"))
            else:
                delay = self._delay(before)
                for source, nodes, total in self._chains(before, seen | {before}, late + delay):
                    yield source, [*nodes, before], total

    def _delay(self, name: str) -> int:
        ticks = self.delays.get(name)
        if ticks is None:
            return 0
        if ticks.min() != ticks.max():
            cause = "its delay must be one for all elements"
            self.problems.append(Problem(name, cause, "split the population by delay"))
        return int(ticks.flat[0])

    def _projections(self, node: str, gain: Array, late: int) -> list[RealProjection]:
        found: dict[tuple[str, int], RealProjection] = {}
        sources: dict[str, int] = {}
        for source, nodes, ticks in self._chains(node, frozenset(), late):
            if source in self.neurons and self.graph.nodes[source].kind in SILENT:
                if node in self.neurons:
                    cause = f"it takes the potential of {source}, but only spikes can be sent on"
                    help_ = f"let {source} be an output, or make it a LIF"
                    self.problems.append(Problem(node, cause, help_))
                    continue
                cause = f"{source} must lead to it directly to be read as a potential"
                self.problems.append(Problem(node, cause, "read the potential, scale it outside"))
                continue
            chain = [self.graph.nodes[n] for n in nodes]
            try:
                kind, weights = synapses(chain, self.shapes[source], self.shapes[node], gain)
            except TooLargeError as error:
                cause = f"its input from {source} is a matrix of {error} neurons"
                self.problems.append(Problem(node, cause, "use a convolution alone"))
                continue
            earlier = found.get((source, ticks))
            if sources.setdefault(source, ticks) != ticks:
                cause = f"{source} reaches it twice, after {sources[source]} and {ticks} ticks"
                help_ = "put a neuron between, or make the delays equal"
                self.problems.append(Problem(node, cause, help_))
            elif earlier is not None and (earlier.kind != kind or weights.ndim < 1):
                cause = f"{source} reaches it twice by different kinds of synapses"
                self.problems.append(Problem(node, cause, "merge them into one node"))
            else:
                total = weights if earlier is None else earlier.weights + weights
                found[source, ticks] = RealProjection(
                    self.names[source], self.names[node], kind, total, ticks
                )
        return list(found.values())

    def _constants(self, name: str, seen: frozenset[str]) -> dict[int, Array]:
        """Return what arrives at a node without any spike, by the tick at which it begins."""
        found: dict[int, Array] = {}
        for before in self.graph.before(name):
            if before in self.neurons or before in self.inputs or before in seen:
                continue
            node = self.graph.nodes[before]
            closes = (before, name) in self.feedback and not self.bias_at_start
            late = self._delay(before) + closes
            inner = self._constants(before, seen | {before})
            parts = {start: apply_linear(node, v[None], False)[0] for start, v in inner.items()}
            if "bias" in node.fields:
                at_rest = np.zeros((1, *self._incoming(before)))
                constant = apply_linear(node, at_rest)[0]
                parts[0] = parts.get(0, 0) + constant
            for start, value in parts.items():
                found[start + late] = found.get(start + late, 0) + value
        return found

    def _incoming(self, name: str) -> Shape:
        return self.shapes[self.graph.before(name)[0]]

    def _population(self, node: str, neuron: Neuron, bias: Array) -> RealPopulation:
        index = order(self.shapes[node])

        def flat(values: Array) -> Array:
            return np.broadcast_to(values, self.shapes[node]).reshape(-1)[index]

        fires = node in self.neurons and self.graph.nodes[node].kind in FIRING
        reset = Reset.NONE if not fires else Reset(neuron.reset)
        value = self._one(node, "v_reset", flat(neuron.reset_value)) if fires else 0.0
        if reset is Reset.ZERO and value:
            reset = Reset.VALUE
        if neuron.threshold is not None and neuron.threshold.min() <= 0:
            cause = f"its threshold must be positive, not {neuron.threshold.min():g}"
            help_ = "shift v_threshold, v_leak and v_reset by the same amount"
            self.problems.append(Problem(node, cause, help_))
        return RealPopulation(
            name=self.names[node],
            node=node,
            shape=place(self.shapes[node]),
            order=index,
            decay=flat(neuron.decay),
            threshold=None if neuron.threshold is None else flat(neuron.threshold),
            bias=flat(bias),
            current_decay=None if neuron.current_decay is None else flat(neuron.current_decay),
            reset=reset,
            reset_order=(ResetOrder.AFTER_DECAY if neuron.after_decay else ResetOrder.BEFORE_DECAY),
            reset_value=value,
            initial=self._one(node, "the potential at the start", flat(neuron.initial)),
            clamp=neuron.clamp,
            above=neuron.above,
            multi_spike=neuron.multi_spike,
            refractory=int(neuron.refractory),
        )

    def _one(self, node: str, what: str, values: Array) -> float:
        if values.min() != values.max():
            cause = f"{what} must be the same for all its neurons"
            self.problems.append(Problem(node, cause, "split the population"))
        return float(values[0])


def _readout(shape: Shape) -> Neuron:
    """Return neurons whose potential is the input of the tick."""
    zero = np.zeros(shape)
    return Neuron(
        decay=zero, gain=np.ones(shape), constant=zero, threshold=None, reset_value=zero,
        initial=zero, current_decay=None, current_gain=None, reset="zero", after_decay=False,
        above=False, multi_spike=False, clamp=False, refractory=False, current_first=True,
    )  # fmt: skip

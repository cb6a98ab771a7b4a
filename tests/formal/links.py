"""Proofs of the components between the cores of a cluster."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module

from spikeloom.spec.config import BuildConfig

from .prover import Proof, past, stable, stream_rule

LINKED = BuildConfig(
    "unit", lanes=4, state_rows=4, weight_rows=16, populations=4, projections=4, cores=2,
    link_beats=16,
)  # fmt: skip


def _same(m: Module, value: Any, name: str) -> Any:
    """Return ``value`` of the cycle before, and assume that it never changes."""
    stable(m, value, name)
    return past(m, value, f"{name}_before")


def router(m: Module, dut: Any) -> None:
    """A beat goes to all that it is for in one cycle, and to links that are ready alone.

    A link that is ready stays so until it is used; the table keeps the row that was read.
    """
    _same(m, dut.linked, "linked")
    _same(m, dut.others, "others")
    stable(m, dut.route_row, "row", ~past(m, dut.route_read, "read"))
    stream_rule(m, dut.i, "i", Assume)
    stream_rule(m, dut.host, "host", Assert)
    used = dut.store | dut.close
    left = past(m, dut.ready & ~used, "left")
    moved = (dut.host.valid & dut.host.ready) | used.any()
    m.d.comb += [
        Assume((left & ~dut.ready) == 0),
        Assert((used & ~dut.ready) == 0),
        Assert((dut.store & dut.close) == 0),
        Assert(dut.linked | ~used.any()),
        Assert(~dut.host.valid | dut.host.ready | ~used.any()),
        Assert(~moved | dut.i.ready),
        Cover(dut.host.valid & dut.host.ready & dut.store.any()),
        Cover(past(m, dut.host.valid & ~dut.host.ready, "waited") & dut.close.any()),
        Cover(used.any() & ~dut.host.valid),
    ]


def merge(m: Module, dut: Any) -> None:
    """What a core is offered stands still; the links go on with each TICK and END, once.

    Links that may advance stay so until they do; the tables keep the row that was read.
    """
    _same(m, dut.linked, "linked")
    stable(m, dut.target_row, "target", ~past(m, dut.target_read, "read"))
    for name in ("host", "i"):
        stream_rule(m, getattr(dut, name), name, Assume)
    stream_rule(m, dut.o, "o", Assert)
    held = past(m, dut.may_advance & ~dut.advance, "held")
    marker = dut.host.payload.tick | dut.host.payload.end
    taken = dut.host.valid & dut.host.ready
    m.d.comb += [
        Assume(~held | dut.may_advance),
        Assume(~(dut.host.payload.tick & dut.host.payload.end)),
        Assert(~dut.advance | (dut.may_advance & taken)),
        Assert(~(dut.linked & taken & marker) | dut.advance),
        Assert(~(dut.linked & dut.advance) | marker),
        Assert(~(dut.linked & dut.advance) | (dut.ending == dut.host.payload.end)),
        Assert(~taken | (dut.o.valid & dut.o.ready)),
        Assert(dut.idle | (dut.linked & dut.host.valid & dut.host.payload.tick)),
        Cover(dut.linked & taken & dut.host.payload.tick & past(m, ~dut.o.ready, "waited")),
        Cover(dut.linked & taken & dut.host.payload.end),
    ]


PROOFS = (
    Proof(
        "router_atomic", "router", lambda module: module.Router(LINKED), router,
        ("self.host.valid.eq(full & to_host & (~to_cores | self.ready).all())",
         "self.host.valid.eq(full & to_host)"),
        depth=4, unbounded=True, reach=6,
    ),
    Proof(
        "merge_ticks", "merge", lambda module: module.Merge(LINKED), merge,
        ("allowed = ~advances | self.may_advance", "allowed = 1"),
        depth=4, unbounded=True, reach=14,
    ),
)  # fmt: skip

"""From a group of sources to runs of state rows."""

from __future__ import annotations

from amaranth.hdl import Module, ShapeLike, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import GROUPS, RUNS

from .layouts import SHIFT_BITS, row_bits, table_row
from .layouts import lane_count_bits as count_bits
from .layouts import weight_address_bits as address_bits


def _visit_members(config: BuildConfig) -> dict[str, ShapeLike]:
    """Return the members that say which events go to a row, and from which weight rows."""
    return {
        "even_valid": unsigned(1),
        "odd_valid": unsigned(1),
        "even": address_bits(config),
        "odd": address_bits(config),
        "stride": address_bits(config),
        "shift": unsigned(SHIFT_BITS),
        "magnitude": signed(aer.MAGNITUDE_BITS),
    }


def group_request_layout(config: BuildConfig) -> data.StructLayout:
    """Return the layout of events of one group on their way to its runs.

    ``even`` and ``odd`` count the sources of the group in pairs.
    """
    return data.StructLayout({"group": unsigned(16), **_visit_members(config)})


def run_layout(config: BuildConfig) -> data.StructLayout:
    """Return the layout of a run with the events that visit it."""
    return data.StructLayout(
        {
            "row": row_bits(config),
            "left": row_bits(config),
            "lanes": count_bits(config),
            "lanes_last": count_bits(config),
            **_visit_members(config),
        }
    )


class FanOut(wiring.Component):
    """Look up the runs of a group: first the group's row, then each of its runs.

    Members
    -------
    i : stream of requests, in
    o : stream of runs, out
        ``left`` is the number of rows behind the first.
    group_index, group_row, run_index, run_row
        Read access to the two memories, one cycle; ``group_read`` and ``run_read`` enable it.
    idle : Out(1)

    Timing: five cycles from a request to its first run, one run per cycle, and no gap between
    one request and the next, unless a group has no runs: that one takes one cycle.
    """

    LATENCY_CYCLES = 5

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(group_request_layout(config))),
                "o": Out(stream.Signature(run_layout(config))),
                "group_index": Out(range(max(config.groups, 2))),
                "group_read": Out(1),
                "group_row": In(table_row(GROUPS)),
                "run_index": Out(range(max(config.runs, 2))),
                "run_read": Out(1),
                "run_row": In(table_row(RUNS)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # stage 0: a request, whose group took a while to work out; stage 1: the group's row is
        # being read; stage 2: its runs are; stage 3: the run is here; stage 4: it is in a
        # register, for the memory's own delay is long
        request, asks = Signal(self.i.payload.shape(), reset_less=True), Signal()
        waiting = Signal(request.shape(), reset_less=True)
        walking = Signal(request.shape(), reset_less=True)
        shown = Signal(request.shape(), reset_less=True)
        waits, walks, shows = Signal(), Signal(), Signal()
        run = Signal.like(self.run_index, reset_less=True)
        left = Signal(range(self.config.runs + 1), reset_less=True)
        take, begin, step = Signal(), Signal(), Signal()
        last = Signal()
        free = Signal()  # stage 3 takes another run
        held, holds = Signal(request.shape(), reset_less=True), Signal()
        found = Signal(table_row(RUNS), reset_less=True)
        m.d.comb += [
            free.eq(~shows | ~holds | self.o.ready),
            last.eq(left == 1),
            step.eq(walks & free),
            begin.eq(waits & (~walks | (step & last))),
            take.eq(asks & (~waits | begin)),
            self.i.ready.eq(~asks | take),
            self.group_index.eq(request.group),
            self.group_read.eq(take),
            self.run_index.eq(run),
            self.run_read.eq(step),
            self.idle.eq(~asks & ~waits & ~walks & ~shows & ~holds),
        ]
        n_runs = self.group_row.n_runs[: len(left)]  # as many bits as a table of runs can need
        with m.If(~holds | self.o.ready):
            m.d.sync += [holds.eq(shows), held.eq(shown), found.eq(self.run_row)]
        with m.If(free):
            m.d.sync += [shows.eq(walks), shown.eq(walking)]
        with m.If(step):
            m.d.sync += [walks.eq(~last), run.eq(run + 1), left.eq(left - 1)]
        with m.If(begin):
            m.d.sync += [
                walks.eq(n_runs.any()),
                walking.eq(waiting),
                run.eq(self.group_row.first_run),
                left.eq(n_runs),
                waits.eq(0),
            ]
        with m.If(take):
            m.d.sync += [waits.eq(1), waiting.eq(request)]
        with m.If(self.i.ready):
            m.d.sync += [asks.eq(self.i.valid), request.eq(self.i.payload)]
        out = self.o.payload
        m.d.comb += [
            self.o.valid.eq(holds),
            out.row.eq(found.row_base),
            out.left.eq(found.n_rows - 1),
            out.lanes.eq(found.lanes),
            out.lanes_last.eq(found.lanes_last),
            out.even_valid.eq(held.even_valid),
            out.odd_valid.eq(held.odd_valid),
            out.even.eq(found.weight_base + held.even),
            out.odd.eq(found.weight_base + held.odd),
            out.stride.eq(held.stride),
            out.shift.eq(held.shift),
            out.magnitude.eq(held.magnitude),
        ]
        return m

"""Closing of ticks and samples, population by population."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer, numfmt
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import POPULATIONS, FireSelect

from .activity import below
from .control import POTENTIAL, Parameters
from .encoder import SpikeEncoder
from .layouts import (
    TABLE_BITS,
    Beat,
    Item,
    OpKind,
    ReadoutRequest,
    Token,
    lane_count_bits,
    op_layout,
    parameter_row_bits,
    row_bits,
    table_row,
)
from .rows import RowList


class Sequencer(wiring.Component):
    """At each TICK or END sweep the populations in order and pass the token on.

    A tick begins with the replays: spikes of earlier ticks go to the delayed projections.
    A population is swept when every spike of the one before it has been issued, so that
    spikes of zero-delay projections count in the same tick.  Multi-spike populations are visited
    row by row: PEEK, division digit by digit, SWEEP.  Input of the next tick is let in
    as soon as the last population that the input feeds is swept.  A tick in which no row is
    active passes without a look at the table.

    Members
    -------
    run : In(1)
        Rising: read the table, put every potential to its initial value, then work.
        Low: stopped (the enclosing core is reset when it falls).
    n_populations : In(9)
        Rows of the population table in use, the input included.
    ready : Out(1)
        Initialised and running.
    idle : Out(1)
        No token is in work.
    token : stream of Item, in
        TICK and END items; offered only when all pairs before it have been issued.
    table_index, table_row
        Read access to the population table, one cycle.
    n_replays : In(9)
        Rows of the replay table in use.
    n_inputs, restart_input, restart_spikes, first_projection, n_projections : Out
        Facts of the input population; commands to the two walkers.
    population, emit_spikes, row_base, tail, parameters : Out
        Facts of the population in work; ``tail`` has a bit per lane of its last row.
    parameter_base, parameter_mask, records, divides : Out
        More facts of it; ``divides``: its spikes come from the division.
    ending : Out(1)
        The token is END (or the first clearing).
    biased : Out(1)
        PEEK and SWEEP add the bias.
    o : stream of operations, out
        SWEEP and PEEK.
    input_open, hold : Out(1)
        Operations of the input may be issued; no ADD at all may be issued (probing).
    active : In(state_rows)
        The activity map.
    sweeping : In(1)
        A SWEEP is between issue and the end of its write-back.
    unwritten : In(1)
        A SWEEP in the pipeline would be overtaken by an ADD to its row issued next.
    spikes_idle : In(1)
        No spike mask, pair or operation of the population in work is left.
    masks_taken : In(2)
        Places given back by the spike encoder.
    divide : Out(1), dividing, digit_formed : In(1)
        A row that is divided is peeked at; its division goes on; a mask of digits comes of it.
    begins, ends : Out(1)
        A TICK is taken; an END is.
    replay : Out(1), replaying : In(1), history_quiet : In(1)
        The replays of a tick begin; they go on; there are none.
    room : Out(1), history_valid : In(1)
        The history may give out a mask; it does.
    readout : stream of ReadoutRequest, out
    beats : stream of Beat, out
        TICK, CYCLES with SOPS, and END.
    sample_cycles, sample_sops : In(28), sample_settled : In(1)
        Counters for the sample that ends, and that they are complete.
    sample_sent, tick_sent : Out(1)
        Pulses.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self.op_layout = op_layout(config)
        super().__init__(
            {
                "run": In(1),
                "n_populations": In(9),
                "ready": Out(1),
                "idle": Out(1),
                "token": In(stream.Signature(Item)),
                "table_index": Out(8),
                "table_row": In(table_row(POPULATIONS)),
                "n_replays": In(TABLE_BITS + 1),
                "parameter_base": Out(parameter_row_bits(config)),
                "parameter_mask": Out(parameter_row_bits(config)),
                "records": Out(1),
                "divides": Out(1),
                "divide": Out(1),
                "dividing": In(1),
                "digit_formed": In(1),
                "begins": Out(1),
                "ends": Out(1),
                "replay": Out(1),
                "replaying": In(1),
                "history_quiet": In(1, init=1),
                "room": Out(1),
                "history_valid": In(1),
                "n_inputs": Out(aer.NEURON_BITS),
                "restart_input": Out(1),
                "restart_spikes": Out(1),
                "first_projection": Out(8),
                "n_projections": Out(8),
                "population": Out(8),
                "emit_spikes": Out(1),
                "row_base": Out(row_bits(config)),
                "tail": Out(config.lanes),
                "parameters": Out(Parameters),
                "ending": Out(1, init=1),
                "biased": Out(1),
                "o": Out(stream.Signature(self.op_layout)),
                "input_open": Out(1),
                "hold": Out(1),
                "active": In(config.state_rows),
                "sweeping": In(1),
                "unwritten": In(1),
                "spikes_idle": In(1),
                "masks_taken": In(2),
                "readout": Out(stream.Signature(ReadoutRequest)),
                "beats": Out(stream.Signature(Beat)),
                "sample_cycles": In(aer.PAYLOAD_BITS),
                "sample_sops": In(aer.PAYLOAD_BITS),
                "sample_settled": In(1),
                "sample_sent": Out(1),
                "tick_sent": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._index = Signal(8)
        self._fetch = Signal(8)
        self._is_last = Signal()
        self._clearing = Signal(init=1)
        self._last = Signal()
        self._payload = Signal(aer.PAYLOAD_BITS)
        self._entry = Signal(table_row(POPULATIONS), reset_less=True)
        m.submodules.rows = self._rows = rows = RowList(self.config)
        self._last_row = Signal(row_bits(self.config), reset_less=True)
        self._any_visit = Signal()
        self._any_clear = Signal()
        self._credits = Signal(range(SpikeEncoder.DEPTH + 1), init=SpikeEncoder.DEPTH)
        m.d.comb += [
            self.table_index.eq(self._fetch),
            self.population.eq(self._index),
            self.biased.eq(~self.ending),
            self.room.eq(self._credits != 0),
            rows.active.eq(self.active),
        ]
        self._publish(m)
        self._fetched(m)
        with m.FSM():
            self._load_states(m)
            self._probe_states(m)
            self._sweep_states(m)
            self._token_states(m)
            if self.config.history_rows:
                self._replay_state(m)
            if self.config.multi_spike:
                self._multi_spike_states(m)
        sweeps = self.o.valid & self.o.ready & (self.o.payload.kind == OpKind.SWEEP)
        m.d.sync += self._credits.eq(
            self._credits
            - ((sweeps & ~self.divides) | self.digit_formed | self.history_valid)
            + self.masks_taken
        )
        return m

    def _publish(self, m: Module) -> None:
        """Drive the facts of the population in work from its table row."""
        entry = self._entry
        constant, minus_threshold = (
            Signal(POTENTIAL, name=name, reset_less=True)
            for name in ("constant", "minus_threshold")
        )
        top = Mux(entry.fire_select == FireSelect.VALUE, entry.fire_constant, numfmt.POTENTIAL_MAX)
        formed = {"constant": constant, "minus_threshold": minus_threshold, "top": top}
        formed["floor_some"] = entry.floor.any()
        for name in Parameters.members:
            m.d.comb += self.parameters[name].eq(formed.get(name, getattr(entry, name, 0)))
        m.d.sync += [minus_threshold.eq(-entry.threshold), constant.eq(entry.fire_constant)]
        with m.If(entry.fire_select == FireSelect.H):
            m.d.sync += constant.eq(minus_threshold)
        with m.If(self.ending):
            m.d.sync += constant.eq(entry.initial)
        m.d.comb += [
            self.emit_spikes.eq(entry.emit_spikes),
            self.row_base.eq(entry.row_base),
            self.first_projection.eq(entry.first_projection),
            self.n_projections.eq(entry.n_projections),
            self.parameter_base.eq(entry.parameter_base),
            self.parameter_mask.eq(entry.parameter_mask),
            self.records.eq(entry.records),
        ]
        if self.config.multi_spike:
            m.d.comb += self.divides.eq(entry.multi_spike & ~self.ending)

    def _fetched(self, m: Module) -> None:
        """With ``_latch`` make the fetched row the population in work and fetch the next one.

        The row of the population to come is read while the present one is in work.  With
        ``_again`` take the state rows of that in work once more.
        """
        row, rows, entry = self.table_row, self._rows, self._entry
        self._latch, self._again, last = Signal(), Signal(), Signal()
        here, fetched = (Signal.like(rows.end, name=f"end_{name}") for name in ("here", "fetched"))
        m.d.comb += [
            last.eq(self._fetch + 1 == self.n_populations),
            rows.load.eq(self._latch | self._again),
            rows.first.eq(Mux(self._again, entry.row_base, row.row_base)),
            # that it is again is known late
            fetched.eq(row.row_base + row.n_rows),
            rows.end.eq(Mux(self._again, here, fetched)),
        ]
        tail = below(m, row.lanes_last, self.config.lanes, "tail_lanes")
        with m.If(self._latch):
            m.d.sync += [
                self._entry.eq(row),
                here.eq(fetched),
                self._last_row.eq(fetched - 1),
                self.tail.eq(tail),
                self._index.eq(self._fetch),
                self._is_last.eq(last),
                self._fetch.eq(Mux(last, 1, self._fetch + 1)),
            ]

    def _choose(self, m: Module, end: Value) -> None:
        """Choose the state rows of the population in work that are to be visited."""
        entry = self._entry
        probe = ~self._clearing & Mux(end, entry.probe_end, entry.probe_ticks)
        m.d.comb += self.restart_spikes.eq(1)
        self._narrow(m, end)
        self._sweep_next(m, Mux(end, 0, entry.multi_spike))
        with m.If(probe):
            m.next = "PROBE"

    def _narrow(self, m: Module, end: Value) -> None:
        """Leave out the rows at rest, unless all are to be visited."""
        entry = self._entry
        everything = self._clearing | Mux(end, entry.always_clear, entry.always_visit)
        m.d.comb += self._rows.narrow.eq(~everything)

    def _sweep_next(self, m: Module, divides: Value) -> None:
        """Go on with the state that sweeps the population."""
        m.next = "SWEEP"
        if self.config.multi_spike:
            with m.If(divides):
                m.next = "DIVIDE"

    def _load_states(self, m: Module) -> None:
        """Read the table and choose the state rows to visit."""
        entry = self._entry
        with m.State("LOAD"), m.If(self.run):
            m.next = "LATCH"
        with m.State("LATCH"):
            m.d.comb += self._latch.eq(1)
            m.next = "CHOOSE"
        with m.State("CHOOSE"):
            with m.If(self._index == 0):
                m.d.sync += self.n_inputs.eq(entry.n_neurons)
                m.d.comb += self.restart_input.eq(1)
                m.next = "LATCH"
            with m.Else():
                self._choose(m, self.ending)
                m.d.sync += [
                    self._any_visit.eq(self._any_visit | entry.always_visit),
                    self._any_clear.eq(self._any_clear | entry.always_clear),
                ]

    def _row(self, m: Module, kind: OpKind, when: Value) -> None:
        """Offer an operation on the lowest row that is left; drop the row when it is taken.

        Where none is left there is none to drop: whether one is, is known late.
        """
        self._facts(m, kind)
        m.d.comb += [
            self.o.valid.eq(self._rows.some & when),
            self._rows.drop.eq(self.o.ready & when),
        ]

    def _facts(self, m: Module, kind: OpKind) -> None:
        """Fill in the operation of kind ``kind`` on the lowest row that is left."""
        op, row = self.o.payload, self._rows.row
        last_row = row == self._last_row
        m.d.comb += [
            op.kind.eq(kind),
            op.row.eq(row),
            op.last_row.eq(last_row),
            op.lanes.eq(
                Mux(last_row, self._entry.lanes_last, self.config.lanes)[
                    : lane_count_bits(self.config)
                ]
            ),
        ]

    def _probe_states(self, m: Module) -> None:
        """Send the value of every visited row before it is swept."""
        op, request = self.o.payload, self.readout.payload
        with m.State("PROBE"):
            m.d.comb += self.hold.eq(1)
            self._row(m, OpKind.PEEK, self.readout.ready)
            m.d.comb += [
                self.readout.valid.eq(self.o.valid & self.o.ready),
                request.population.eq(self._index),
                request.row.eq(op.row),
                request.row_base.eq(self._entry.row_base),
                request.lanes.eq(op.lanes),
            ]
            with m.If(~self._rows.some & self.readout.ready):
                m.d.comb += self._again.eq(1)
                m.next = "AGAIN"
        with m.State("AGAIN"):
            self._narrow(m, self.ending)
            self._sweep_next(m, self.divides)

    def _sweep_states(self, m: Module) -> None:
        """Sweep the rows of a population and wait until its spikes are issued."""
        with m.State("SWEEP"):
            self._row(m, OpKind.SWEEP, self.room)
            with m.If(~self._rows.some):
                m.next = "DRAIN"
        with m.State("DRAIN"):
            with m.If(~self.unwritten & self._entry.opens_input & ~self._clearing):
                m.d.sync += self.input_open.eq(1)
            with m.If(~self.sweeping & self.spikes_idle):
                m.d.comb += self._latch.eq(1)
                m.next = "CHOOSE"
                with m.If(self._is_last):
                    m.next = "EMIT"
                    with m.If(self._clearing):
                        m.d.sync += [
                            self._clearing.eq(0),
                            self.ready.eq(1),
                            self.input_open.eq(1),
                        ]
                        m.next = "IDLE"

    def _replay_state(self, m: Module) -> None:
        """Wait for the replays, then sweep as without them."""
        begun = Signal()
        m.d.sync += begun.eq(self.replaying)
        with m.State("REPLAY"), m.If(begun & ~self.replaying):
            m.next = "EMIT"
            with m.If(self._any_visit | self.active.any()):
                self._choose(m, Const(0))
            with m.Else():
                m.d.sync += self.input_open.eq(1)

    def _multi_spike_states(self, m: Module) -> None:
        """Let the lanes divide H of one row after the other by the threshold, then sweep it."""
        with m.State("DIVIDE"):
            with m.If(~self._rows.some):
                m.next = "DRAIN"
            with m.Elif(self._credits == SpikeEncoder.DEPTH):
                m.d.comb += [self.o.valid.eq(1), self.hold.eq(1), self.divide.eq(1)]
                self._facts(m, OpKind.PEEK)
                m.next = "DIVIDING"
        with m.State("DIVIDING"):
            m.d.comb += self.hold.eq(1)
            self._row(m, OpKind.SWEEP, ~self.dividing)
            with m.If(~self.dividing):
                m.next = "DIVIDE"

    def _token_states(self, m: Module) -> None:
        """Take a token; when all populations are done, send it on."""
        with m.State("IDLE"):
            item = self.token.payload
            end = item.token == Token.END
            visit = Mux(end, self._any_clear, self._any_visit) | self.active.any()
            replays: Value = Const(0)
            if self.config.history_rows:
                replays = ~end & ~self.history_quiet & (self.n_replays != 0)
            m.d.comb += [
                self.idle.eq(~self.token.valid),
                self.token.ready.eq(1),
            ]
            m.d.sync += [
                self._payload.eq(item.payload),
                self._last.eq(item.last),
                self.ending.eq(end),
            ]
            with m.If(self.token.valid):
                m.d.comb += [self.begins.eq(~end), self.ends.eq(end)]
                m.next = "EMIT"
                with m.If(visit | replays):
                    m.d.sync += self.input_open.eq(0)
                with m.If(visit & ~replays):
                    self._choose(m, end)
                if self.config.history_rows:  # replays make more rows active, chosen afterwards
                    with m.If(replays):
                        m.d.comb += self.replay.eq(1)
                        m.next = "REPLAY"
        with m.State("EMIT"):
            low = Mux(
                self.ending,
                Cat(self.sample_cycles, Const(Kind.CYCLES, 4)),
                Cat(self._payload, Const(Kind.TICK, 4)),
            )
            high = Mux(self.ending, Cat(self.sample_sops, Const(Kind.SOPS, 4)), 0)
            m.d.comb += [
                self.beats.valid.eq(~self.ending | self.sample_settled),
                self.beats.payload.data.eq(Cat(low, high[: aer.WORD_BITS])),
            ]
            with m.If(self.beats.valid & self.beats.ready):
                m.d.comb += self.tick_sent.eq(~self.ending)
                m.next = "IDLE"
                with m.If(self.ending):
                    m.next = "EMIT_END"
        with m.State("EMIT_END"):
            m.d.comb += [
                self.beats.valid.eq(1),
                self.beats.payload.data.eq(Cat(self._payload, Const(Kind.END, 4))),
                self.beats.payload.last.eq(self._last),
            ]
            with m.If(self.beats.ready):
                m.d.comb += self.sample_sent.eq(1)
                m.next = "IDLE"

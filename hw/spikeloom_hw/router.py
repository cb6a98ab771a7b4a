"""The output of a core of a cluster: to the host, to other cores, or to both."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import core_memories
from spikeloom.spec.tables import ROUTES

from .layouts import Beat, table_row
from .merge import population_of
from .words import kind_of


class Router(wiring.Component):
    """Send each beat where the routes table wants it, with the network's population index.

    TICK and END go to the host and close a slot of every link.  A beat leaves when all that it
    goes to are ready.

    Members
    -------
    i : stream of Beat, in
    host : stream of Beat, out
    linked : In(1)
        Without it everything goes to the host as it is.
    route_index, route_read, route_row
        Read access to the routes table, one cycle.
    others : In
        The other cores in use, a bit each.
    data : Out(64), store, close : Out, ready : In
        To the links, a bit for each core.
    idle : Out(1)

    Timing: one cycle, one beat per cycle.
    """

    LATENCY_CYCLES = 1

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(Beat)),
                "host": Out(stream.Signature(Beat)),
                "linked": In(1),
                "route_index": Out(range(core_memories(config)["routes"].rows)),
                "route_read": Out(1),
                "route_row": In(table_row(ROUTES)),
                "others": In(config.cores),
                "data": Out(aer.BEAT_BITS),
                "store": Out(config.cores),
                "close": Out(config.cores),
                "ready": In(config.cores),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat, full = Signal(Beat), Signal()
        low, high = (beat.data.word_select(i, aer.WORD_BITS) for i in range(aer.BEAT_WORDS))
        is_spike, is_marker = Signal(), Signal()
        to_host, to_cores = Signal(), Signal(self.config.cores)
        leaves = Signal()
        row = self.route_row
        marker = (kind_of(low) == Kind.TICK) | (kind_of(low) == Kind.END)
        m.d.comb += [
            self.route_index.eq(population_of(self.i.payload.data)),
            self.route_read.eq(self.i.ready),
            is_spike.eq((kind_of(low) == Kind.SPIKE) | (kind_of(high) == Kind.SPIKE)),
            is_marker.eq(marker),
            to_host.eq(~self.linked | ~is_spike | row.host),
            to_cores.eq(
                Mux(is_spike, row.cores, Mux(is_marker, self.others, 0))
                & self.linked.replicate(self.config.cores)
            ),
            leaves.eq((~to_host | self.host.ready) & (~to_cores | self.ready).all()),
            self.host.valid.eq(full & to_host & (~to_cores | self.ready).all()),
            self.host.payload.last.eq(beat.last),
            self.host.payload.data.eq(Cat(self._renamed(low), self._renamed(high))),
            self.data.eq(beat.data),
            self.i.ready.eq(~full | leaves),
            self.idle.eq(~full),
        ]
        go = (full & leaves).replicate(self.config.cores)
        m.d.comb += [
            self.store.eq(to_cores & go & ~is_marker.replicate(self.config.cores)),
            self.close.eq(to_cores & go & is_marker.replicate(self.config.cores)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [beat.eq(self.i.payload), full.eq(self.i.valid)]
        return m

    def _renamed(self, word: Value) -> Value:
        """Return the word with the network's index of its population."""
        kind = kind_of(word)
        named = self.linked & ((kind == Kind.SPIKE) | (kind == Kind.READOUT))
        index = Mux(named, self.route_row.population, word[aer.POPULATION_SHIFT : aer.KIND_SHIFT])
        return Cat(word[: aer.NEURON_BITS], index, kind)

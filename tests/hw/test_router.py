"""The router: every beat to whom the routes table names, once, in order."""

import random

import pytest
from amaranth.hdl import Elaboratable, Module

from hw.bench import PATTERNS, as_int, send, simulate, stalls
from hw.link_bench import LINKED, beat, fill, kind, neuron, population, random_spikes, words
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.tables import ROUTES
from spikeloom_hw.router import Router
from spikeloom_hw.table import TableMemory

CORES = range(LINKED.cores)
ROWS = [
    {},
    {"population": 9, "host": 1, "cores": 0b000},
    {"population": 200, "host": 0, "cores": 0b101},
    {"population": 5, "host": 1, "cores": 0b100},
]
"""Routes of three populations: to the host, to two cores, to both."""


class RoutedDesign(Elaboratable):
    """A router and its table of routes."""

    def __init__(self):
        self.router = Router(LINKED)
        self.table = TableMemory(ROUTES, LINKED.populations)

    def elaborate(self, platform):
        m = Module()
        m.submodules.router, m.submodules.table = router, table = self.router, self.table
        m.d.comb += [
            table.index0.eq(router.route_index),
            table.read0.eq(router.route_read),
            router.route_row.eq(table.row0),
        ]
        return m


def random_beats(rng, n):
    """Return beats of (data, last) as a core sends them."""
    readout = beat(aer.addressed(Kind.READOUT, 1, 3), aer.word(Kind.VALUE, 77))
    counters = beat(aer.word(Kind.CYCLES, 12), aer.word(Kind.SOPS, 34))
    beats = []
    for _ in range(n):
        which = rng.random()
        if which < 0.7:
            beats.append((random_spikes(rng, rng.randint(1, 3), graded=True), 0))
        elif which < 0.8:
            beats.append((rng.choice([readout, counters]), 0))
        elif which < 0.95:
            beats.append((aer.word(Kind.TICK, rng.getrandbits(28)), 0))
        else:
            beats.append((aer.word(Kind.END, rng.getrandbits(28)), rng.randint(0, 1)))
    return beats


def renamed(word):
    """Return a word with the network's index of its population."""
    if kind(word) not in (Kind.SPIKE, Kind.READOUT):
        return word
    return aer.addressed(Kind(kind(word)), ROWS[population(word)]["population"], neuron(word))


def deliveries(beats, others, linked):
    """Return (for the host, mask of stores, mask of closes) of each beat, as the table says."""
    out = []
    for data, last in beats:
        low, high = words(data)
        if not linked:
            out.append(((data, last), 0, 0))
        elif Kind.SPIKE in (kind(low), kind(high)):
            row = ROWS[population(high if kind(high) == Kind.SPIKE else low)]
            host = (beat(renamed(low), renamed(high)), last) if row["host"] else None
            out.append((host, row["cores"], 0))
        else:
            is_marker = kind(low) in (Kind.TICK, Kind.END)
            out.append(((beat(renamed(low), renamed(high)), last), 0, others * is_marker))
    return out


def run(beats, others, linked, seed, stall_in=0.0, stall_out=0.0):
    """Return (beat for the host or None, stores, closes, data for cores) per beat that left."""
    design = RoutedDesign()
    dut = design.router
    rng = random.Random(seed)
    found = []

    async def source(ctx):
        ctx.set(dut.linked, linked)
        ctx.set(dut.others, others)
        await fill(ctx, design.table, ROUTES, ROWS)
        payloads = [{"data": data, "last": last} for data, last in beats]
        await send(ctx, dut.i, payloads, rng, stall_in)

    async def sink(ctx):
        pauses = [stalls(random.Random(seed + c), stall_out) for c in range(LINKED.cores + 1)]
        ready, waiting = 0, None
        while len(found) < len(beats):
            # a link that is ready stays so until it is used
            for core in CORES:
                ready |= (not next(pauses[core])) << core
            ctx.set(dut.ready, ready)
            take = not next(pauses[-1])
            ctx.set(dut.host.ready, take)
            values = (dut.host.valid, dut.host.payload, dut.store, dut.close, dut.data)
            _, _, valid, payload, store, close, data = await ctx.tick().sample(*values)
            assert not (store | close) & ~ready, "nothing goes to a link that is not ready"
            assert waiting is None or (valid, as_int(payload)) == (1, waiting), "withdrawn"
            waiting = as_int(payload) if valid and not take else None
            host = (payload.data, payload.last) if valid and take else None
            if host or store or close:
                found.append((host, store, close, data))
                ready &= ~(store | close)

    simulate(design, source, sink, cycles=20_000)
    return found


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
@pytest.mark.parametrize("linked", [1, 0])
def test_each_beat_goes_where_the_table_says(linked, stall_in, stall_out):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    others = rng.choice([0b001, 0b100, 0b101])
    beats = random_beats(rng, 120)
    found = run(beats, others, linked, seed, stall_in, stall_out)
    wanted = deliveries(beats, others, linked)
    # all that a beat goes to get it in the same cycle; cores see the core's own index
    for (data, _), (host, store, close), got in zip(beats, wanted, found, strict=True):
        assert got[:3] == (host, store, close), f"seed {seed}"
        if store:
            assert got[3] == data, f"seed {seed}"


def test_one_beat_per_cycle_and_one_cycle_of_latency():
    design = RoutedDesign()
    dut = design.router
    taken, left = [], []

    async def source(ctx):
        ctx.set(dut.linked, 1)
        ctx.set(dut.ready, 0b111)
        ctx.set(dut.host.ready, 1)
        await fill(ctx, design.table, ROUTES, ROWS)
        ctx.set(dut.i.valid, 1)
        for cycle in range(20):
            ctx.set(dut.i.payload, {"data": beat(aer.addressed(Kind.SPIKE, 3, cycle)), "last": 0})
            _, _, ready, store, data = await ctx.tick().sample(dut.i.ready, dut.store, dut.data)
            assert ready
            taken.append(cycle)
            if store:
                left.append((cycle, neuron(words(data)[0])))

    simulate(design, source, cycles=100)
    assert left == [(cycle + dut.LATENCY_CYCLES, cycle) for cycle in taken[:-1]]

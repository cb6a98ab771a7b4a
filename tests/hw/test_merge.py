"""The merge with real links: the host's words, then the spikes of other cores, then TICK."""

import random
from itertools import product

import pytest
from amaranth.hdl import Cat, Elaboratable, Module

from hw.bench import PATTERNS, receive, send, simulate
from hw.link_bench import (
    LINKED,
    beat,
    fill,
    kind,
    neuron,
    population,
    random_spikes,
    spike,
    words,
    write_slot,
)
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import FEEDS, TARGETS
from spikeloom_hw.link import Link
from spikeloom_hw.merge import Merge
from spikeloom_hw.table import TableMemory

GRADED = BuildConfig(**{**LINKED.to_dict(), "name": "linked-graded", "graded": True})
SOURCES = (0, 2)
"""The core in the middle of three: an earlier and a later one."""

DELAYS = {0: (0, 2), 2: (3, 1)}
"""Delays of the feeds from each source, in the order of the table."""

ADDRESSES = {
    (0, 0): {1: 100, 2: None, 3: 260},
    (0, 2): {1: None, 2: 500, 3: None},
    (2, 3): {1: 700, 2: 700, 3: 900},
    (2, 1): {1: None, 2: None, 3: None},
}
"""Input address of each population of a source, by (source, delay); None: not wanted."""


def tables():
    """Return the rows of the feeds and of the targets."""
    feeds, targets = [], []
    for (source, delay), addresses in ADDRESSES.items():
        keep = max(DELAYS[source])
        facts = {"valid": 1, "source": source, "delay": delay, "keep": keep}
        feeds.append({**facts, "first_target": len(targets)})
        targets.append({})
        for address in addresses.values():
            targets.append({"address": address or 0, "wanted": int(address is not None)})
    return [*feeds, {}], targets


class MergedDesign(Elaboratable):
    """A merge, its tables, and a link from each source, joined as a cluster joins them."""

    def __init__(self, config):
        self.merge = Merge(config)
        self.links = {source: Link(config.link_beats) for source in SOURCES}
        self.feeds = TableMemory(FEEDS, config.projections)
        self.targets = TableMemory(TARGETS, 64)

    def elaborate(self, platform):
        m = Module()
        merge = self.merge
        m.submodules += [merge, self.feeds, self.targets, *self.links.values()]
        merge.read(m, self.feeds, self.targets, self.links)
        advance = Cat(link.may_advance for link in self.links.values()).all()
        m.d.comb += merge.may_advance.eq(advance)
        return m


def host_beat(data, tick=0, end=0, last=0):
    """Return a beat as the gate makes them."""
    return {"data": data, "tick": tick, "end": end, "last": last}


def random_case(rng, samples, graded):
    """Return the host's beats, and the slots of each source: its beats tick by tick, and END's."""
    host, slots = [], {source: [] for source in SOURCES}
    for number, ticks in enumerate(samples):
        for tick in range(ticks):
            for _ in range(rng.randint(0, 3)):
                host.append(host_beat(random_spikes(rng, 0, graded)))
            host.append(host_beat(aer.word(Kind.TICK, tick), tick=1))
            for found in slots.values():
                n = rng.randint(0, 4)
                found.append([random_spikes(rng, rng.randint(1, 3), graded) for _ in range(n)])
        last = number == len(samples) - 1
        host.append(host_beat(aer.word(Kind.END, number), end=1, last=last))
        for found in slots.values():
            found.append([])
    return host, slots


def addressed(data, addresses):
    """Return the beat of a feed with input addresses, or None if it is not wanted."""
    low, high = words(data)
    address = addresses[population(high if kind(high) == Kind.SPIKE else low)]
    if address is None:
        return None
    return beat(*(
        spike(0, address + neuron(word)) if kind(word) == Kind.SPIKE else word
        for word in (low, high)
    ))  # fmt: skip


def expected(host, slots, graded):
    """Return the (data, last) that the core is to get."""
    out = []
    slot = tick = 0
    for one in host:
        if one["tick"]:
            if graded:
                out.append((aer.word(Kind.GRADED, 1), 0))
            for (source, delay), addresses in ADDRESSES.items():
                for data in slots[source][slot - delay] if tick >= delay else ():
                    found = addressed(data, addresses)
                    if found is not None:
                        out.append((found, 0))
            tick, slot = tick + 1, slot + 1
        if one["end"]:
            tick, slot = 0, slot + 1
        out.append((one["data"], one["last"]))
    return out


def run(config, host, slots, n_wanted, seed, stalls=(0.0, 0.0, 0.0), linked=1):
    """Return (cycle, data, last) of what the core gets; stalls of host, sources and core."""
    design = MergedDesign(config)
    dut = design.merge
    filled = []
    taken = []

    async def core(ctx):
        feeds, targets = tables()
        ctx.set(dut.linked, linked)
        await fill(ctx, design.feeds, FEEDS, feeds)
        await fill(ctx, design.targets, TARGETS, targets)
        filled.append(1)
        rng = random.Random(seed)
        for cycle, payload in await receive(ctx, dut.o, n_wanted, rng, stalls[2]):
            taken.append((cycle, payload.data, payload.last))
        ctx.set(dut.o.ready, 1)
        for _ in range(20):  # nothing more comes
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert not valid, f"seed {seed}"

    async def hosts(ctx):
        while not filled:
            await ctx.tick()
        await send(ctx, dut.host, host, random.Random(seed + 1), stalls[0])

    def writer(source):
        async def bench(ctx):
            link = design.links[source]
            rng = random.Random(seed + 2 + source)
            for slot in slots[source]:
                await write_slot(ctx, link, slot, rng, stalls[1])

        bench.__name__ = f"core{source}"
        return bench

    benches = [writer(source) for source in SOURCES] if linked else []
    simulate(design, core, hosts, *benches, cycles=50_000)
    return taken


ALIKE = [(False, stall, stall, stall) for stall in PATTERNS]
EACH = [(True, *stalls) for stalls in product(PATTERNS, repeat=3)]


@pytest.mark.parametrize(("graded", "stall_in", "stall_links", "stall_out"), [*ALIKE, *EACH])
def test_each_tick_gets_the_spikes_of_its_feeds(graded, stall_in, stall_links, stall_out):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    host, slots = random_case(random.Random(seed), (5, 1, 7), graded)
    wanted = expected(host, slots, graded)
    stalls = (stall_in, stall_links, stall_out)
    found = run(GRADED if graded else LINKED, host, slots, len(wanted), seed, stalls)
    assert [(data, last) for _, data, last in found] == wanted, f"seed {seed}"


@pytest.mark.parametrize("stall", PATTERNS)
def test_without_links_the_words_of_the_host_pass_as_they_are(stall):
    host, slots = random_case(random.Random(5), (4, 2), graded=True)
    found = run(GRADED, host, slots, len(host), 7, (stall, 0.0, stall), linked=0)
    assert [(data, last) for _, data, last in found] == [(b["data"], b["last"]) for b in host]


def test_words_pass_in_the_same_cycle_and_without_links_ticks_as_well():
    host = [host_beat(spike(0, n)) for n in range(10)] + [host_beat(aer.word(Kind.TICK), tick=1)]
    found = run(LINKED, host, {}, len(host), 1, linked=0)
    cycles = [cycle for cycle, _, _ in found]
    assert cycles == list(range(cycles[0], cycles[0] + len(host)))


@pytest.mark.parametrize("which", ["tick", "end"])
def test_the_end_of_a_tick_or_sample_waits_until_every_link_may_advance(which):
    dut = Merge(LINKED)  # its tables show no feed

    async def core(ctx):
        ctx.set(dut.linked, 1)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.host.payload, host_beat(spike(0, 3), **{which: 1}))
        ctx.set(dut.host.valid, 1)
        for _ in range(30):
            _, _, *moved = await ctx.tick().sample(dut.o.valid, dut.host.ready, dut.advance)
            assert not any(moved)
        ctx.set(dut.may_advance, 1)
        _, _, *moved, ending = await ctx.tick().sample(
            dut.o.valid, dut.host.ready, dut.advance, dut.ending
        )
        assert all(moved)
        assert ending == (which == "end")

    simulate(dut, core, cycles=100)

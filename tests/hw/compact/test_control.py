"""The order in which the compact core does things, with everything around its control scripted."""

import random
from dataclasses import replace

import pytest
from amaranth.hdl import Array, Const, Elaboratable, Module

from hw.bench import COMPACT, PATTERNS, simulate, stalls
from spikeloom.spec.tables import POPULATIONS, pack_row
from spikeloom_hw.compact.control import Control
from spikeloom_hw.layouts import Token

CONFIG = replace(COMPACT, state_rows=64)
LANES, BLOCK = CONFIG.lanes, 32
SPIKE, TICK, END, READOUT, VALUE, CYCLES, SOPS = 1, 3, 4, 5, 6, 7, 8
SAMPLE_CYCLES, SAMPLE_SOPS = 0x1234567, 0x89ABCDE


class WithTable(Elaboratable):
    """The control and the population table, which answers one cycle later."""

    def __init__(self, populations):
        self.words = [[int(word) for word in pack_row(POPULATIONS, p)] for p in populations]
        self.control = Control(CONFIG)

    def elaborate(self, platform):
        m = Module()
        m.submodules.control = control = self.control
        table = Array(Array(Const(word, 32) for word in words) for words in self.words)
        m.d.sync += control.value.eq(table[control.population][control.word])
        return m


def source(n_neurons=9, first_projection=3, n_projections=2):
    values = locals()
    return {**values, "row_base": 0xFFFF, "lanes_last": 511}


def population(row_base, n_rows, lanes_last=LANES, **more):
    values = {"row_base": row_base, "n_rows": n_rows, "lanes_last": lanes_last, "decay": 0xFFFF}
    return {**values, "n_neurons": (n_rows - 1) * LANES + lanes_last, "fires": 1, **more}


def pair(even=None, odd=None):
    """Half the index of each; None for no spike."""
    valid = {"even_valid": even is not None, "odd_valid": odd is not None}
    return {"token": Token.PAIR, "pair": {**valid, "even": even or 0, "odd": odd or 0}}


def mark(token, payload=0, last=0):
    return {"token": token, "payload": payload, "last": last}


class Script:
    """What each neuron does: fires or not, and is what afterwards; which rows a pair reaches.

    The same question has the same answer, whoever asks.
    """

    def __init__(self, seed, rows, quiet=0.4, fires=0.4):
        self.seed, self.rows, self.quiet, self.fires = seed, rows, quiet, fires

    def neuron(self, number, row, lane):
        """Return (fired, result) for the item ``number``."""
        rng = random.Random(f"{self.seed} {number} {row} {lane}")
        # a row at rest needs all of its neurons at 0
        still = random.Random(f"{self.seed} {number} {row}").random() < self.quiet
        zero = rng.random() < 0.6 or still
        return rng.random() < self.fires, 0 if zero else rng.randint(-(1 << 17), (1 << 17) - 1)

    def reached(self, number):
        rng = random.Random(f"{self.seed} reached {number}")
        return {rng.choice(self.rows)} if self.rows and rng.random() < 0.7 else set()


def sweep(log, populations, script, number, active, ending, probes):
    """Every population in its order: the neurons of active rows, and what they send."""
    for index, p in enumerate(populations[1:], 1):
        always = p.get("always_clear" if ending else "always_visit", 0) or number < 0
        probe = probes and p.get("probe_end" if ending else "probe_ticks", 0)
        for at in range(p["n_rows"]):
            row = p["row_base"] + at
            if not always and row not in active:
                continue
            lanes = p["lanes_last"] if at == p["n_rows"] - 1 else LANES
            mask, some = [0] * LANES, False
            for lane in range(lanes):
                fired, result = script.neuron(number, row, lane)
                neuron = index << 20 | at * LANES + lane
                if probe:
                    value = VALUE << 28 | result & 0xFFFFFFF
                    log.append(("beat", READOUT << 28 | neuron, value, 0))
                mask[lane] = fired and not ending
                some |= result != 0
                kind = (p["fires"], p.get("clip_before", 0), p.get("fire_select", 0))
                log.append(("neuron", row, lane, int(ending), int(bool(probe)), kind))
            log.append(("swept", row, int(some)))
            (active.add if some else active.discard)(row)
            for lane in range(0, LANES, 2):
                spikes = mask[lane : lane + 2]
                if not any(spikes):
                    continue
                neuron = index << 20 | at * LANES + lane
                if p.get("emit_spikes", 0):
                    words = [(SPIKE << 28 | neuron + k) * spikes[k] for k in range(2)]
                    log.append(("beat", *words, 0))
                if p.get("n_projections", 0):
                    half = (at * LANES + lane) // 2
                    table = p["first_projection"], p["n_projections"]
                    log.append(("walk", tuple(spikes), half, half, *table))
    log.append(("closes",))


def expected(populations, items, script):
    """Everything that happens, in its order."""
    log: list[tuple] = []
    active: set[int] = set()
    sweep(log, populations, script, -1, active, ending=True, probes=False)
    for number, item in enumerate(items):
        if item["token"] == Token.PAIR:
            if populations[0]["n_projections"]:
                one, p = item["pair"], populations[0]
                valid = one["even_valid"], one["odd_valid"]
                table = p["first_projection"], p["n_projections"]
                log.append(("walk", valid, one["even"], one["odd"], *table))
                active |= script.reached(number)
            continue
        ending = item["token"] == Token.END
        always = "always_clear" if ending else "always_visit"
        if active or any(p.get(always, 0) for p in populations[1:]):
            sweep(log, populations, script, number, active, ending, probes=True)
        if ending:
            log.append(("beat", CYCLES << 28 | SAMPLE_CYCLES, SOPS << 28 | SAMPLE_SOPS, 0))
        kind = END if ending else TICK
        log.append(("beat", kind << 28 | item["payload"], 0, item["last"]))
    return log


class World:
    """What is around the control: rows, the arithmetic unit, the walk, both streams."""

    def __init__(self, dut, items, script, seed=None, stall=0.0):
        self.d, self.items, self.script = dut, list(items), script
        self.rng = random.Random(seed or 0)
        self.slow = seed is not None
        self.pauses = [stalls(self.rng, stall) for _ in range(2)]
        self.log: list[tuple] = []
        self.active: set[int] = set()
        self.number, self.offered = 0, False
        self.neuron = self.walk = None
        self.spikes = 0
        self.looked = 0
        """Cycles since the beginning."""

    def _time(self):
        return self.rng.randint(1, 4) if self.slow else 1

    def set(self, ctx, **values):
        for name, value in values.items():
            ctx.set(getattr(self.d, name), value)

    def before(self, ctx):
        """Set what the control sees in this cycle."""
        d = self.d
        row = ctx.get(d.row)
        block = row // BLOCK
        blocks = {r // BLOCK for r in self.active}
        self.set(ctx, active=row in self.active, block=block in blocks, some=bool(blocks))
        self.set(ctx, skipped=(block + 1) * BLOCK)
        self.offered = self.number < len(self.items) and (self.offered or not next(self.pauses[0]))
        ctx.set(d.i.valid, self.offered)
        if self.offered:
            ctx.set(d.i.payload, self.items[self.number])
        ctx.set(d.beats.ready, not next(self.pauses[1]))
        if ctx.get(d.neuron):
            if self.neuron is None:
                self.neuron = [self._time(), ctx.get(d.probe)]
            left, offers = self.neuron
            number = self.number if ctx.get(d.ready) else -1
            fired, result = self.script.neuron(number, row, ctx.get(d.lane))
            fired = fired and not ctx.get(d.ending)
            self.set(ctx, offers=left == 0 and offers, written=left == 0 and not offers)
            self.set(ctx, fired=fired if left == 0 else self.rng.random() < 0.5, result=result)
        else:
            assert self.neuron is None
            rubbish = self.rng.random() < 0.5
            self.set(ctx, offers=0, written=0, fired=rubbish, result=self.rng.randint(-9, 9))
        ctx.set(d.walked, self.walk is not None and self.walk[0] == 0)

    def _pair(self, ctx):
        d = self.d
        names = ("even", "odd", "first_projection", "n_projections")
        valid = ctx.get(d.pair_valid)
        return (valid & 1, valid >> 1), *(ctx.get(getattr(d, name)) for name in names)

    def after(self, ctx):
        """Write down what happens in this cycle."""
        d, row = self.d, ctx.get(self.d.row)
        beat = ctx.get(d.beats.valid) and ctx.get(d.beats.ready)
        data, last = (ctx.get(d.beats.payload.data), ctx.get(d.beats.payload.last))
        sent = 0
        if beat:
            low, high = data & 0xFFFFFFFF, data >> 32
            self.log.append(("beat", low, high, last))
            sent = sum(word >> 28 == SPIKE for word in (low, high))
            assert ctx.get(d.tick_sent) == (low >> 28 == TICK)
            assert ctx.get(d.sample_sent) == (low >> 28 == END)
        else:
            assert not ctx.get(d.tick_sent) | ctx.get(d.sample_sent)
        assert ctx.get(d.spikes_sent) == sent
        if ctx.get(d.neuron):
            left, offers = self.neuron
            if left:
                self.neuron = [left - 1, offers]
            elif offers:
                assert ctx.get(d.taken) == beat
                if beat:
                    self.neuron = [self._time(), 0]
            else:
                kind = tuple(
                    ctx.get(getattr(d, n)) for n in ("fires", "clip_before", "fire_select")
                )
                facts = ctx.get(d.lane), ctx.get(d.ending), ctx.get(d.probe), kind
                self.log.append(("neuron", row, *facts))
                self.neuron = None
        if ctx.get(d.swept):
            self.log.append(("swept", row, ctx.get(d.nonzero)))
            (self.active.add if ctx.get(d.nonzero) else self.active.discard)(row)
        if self.walk is not None:
            left, wanted = self.walk
            assert self._pair(ctx) == wanted, "the pair must stand still"
            self.walk = [left - 1, wanted]
            if left == 0:
                self.log.append(("walk", *wanted))
                if ctx.get(d.idle):
                    self.active |= self.script.reached(self.number)
                self.walk = None
        elif ctx.get(d.walk):
            self.walk = [self._time() - 1, self._pair(ctx)]
        if ctx.get(d.closes):
            self.log.append(("closes",))
        if self.offered and ctx.get(d.i.ready):
            self.number, self.offered = self.number + 1, False

    async def cycle(self, ctx):
        self.before(ctx)
        self.after(ctx)
        await ctx.tick()
        self.looked += 1


def run(populations, items, script, seed=None, stall=0.0):
    """Run and compare; return the cycles of the items."""
    dut = WithTable(populations)
    control = dut.control
    world = World(control, items, script, seed, stall)
    wanted = expected(populations, items, script)
    took = []

    async def bench(ctx):
        ctx.set(control.n_populations, len(populations))
        ctx.set(control.sample_cycles, SAMPLE_CYCLES)
        ctx.set(control.sample_sops, SAMPLE_SOPS)
        for _ in range(3):
            assert not ctx.get(control.ready) | ctx.get(control.neuron) | ctx.get(control.walk)
            await ctx.tick()
        ctx.set(control.run, 1)
        # nothing is offered before the control is ready
        world.number = len(items)
        while not ctx.get(control.ready):
            await world.cycle(ctx)
        world.number = 0
        assert ctx.get(control.n_inputs) == populations[0]["n_neurons"]
        begun = world.looked
        while world.number < len(items) or not ctx.get(control.idle):
            before = world.number
            await world.cycle(ctx)
            if world.number != before:
                took.append(world.looked - begun)
                begun = world.looked

    simulate(dut, bench, cycles=100_000)
    first = next(
        (pair for pair in zip(world.log, wanted, strict=False) if pair[0] != pair[1]), None
    )
    assert first is None, f"seed {seed}: (found, expected) {first}"
    assert len(world.log) == len(wanted), f"seed {seed}"
    return took


def test_a_tick_without_a_potential_takes_two_cycles():
    network = [source(), population(0, 2), population(2, 3)]
    took = run(network, [mark(Token.TICK, k) for k in range(5)], Script(0, [], quiet=1.0))
    assert took == [2] * 5


def test_an_end_without_a_potential_takes_three_cycles():
    """Counters, and the mark itself."""
    network = [source(), population(0, 2)]
    assert run(network, [mark(Token.END, 7, 1)] * 3, Script(0, [], quiet=1.0)) == [3] * 3


@pytest.mark.parametrize(("n_rows", "blocks"), [(63, 2), (33, 2), (32, 1), (10, 1)])
def test_rows_at_rest_are_passed_by_32_in_a_cycle(n_rows, blocks):
    """A population with a bias has the table looked at in every tick."""
    network = [source(), population(0, n_rows), population(63, 1, 1, always_visit=1)]
    took = run(network, [mark(Token.TICK)] * 3, Script(0, [], quiet=1.0, fires=0))
    header, neuron, others = 5, 2, 5
    assert took == [2 * header + blocks + neuron + others] * 3


def test_a_pair_that_goes_nowhere_is_taken_at_once():
    network = [source(n_projections=0), population(0, 1)]
    took = run(network, [pair(even=4), pair(3, 3), mark(Token.TICK)], Script(0, [], quiet=1.0))
    assert took == [1, 1, 2]


@pytest.mark.parametrize("stall", PATTERNS)
@pytest.mark.parametrize("seed", range(3))
def test_random_networks(seed, stall):
    rng = random.Random(seed)
    network = [source(rng.randint(1, 1 << 19), rng.randrange(256), rng.randint(0, 3))]
    base = rng.randrange(8)
    for _ in range(rng.randint(1, 3)):
        n_rows = rng.randint(1, 6)
        flags = ("fires", "clip_before", "always_visit", "always_clear", "emit_spikes")
        more = {name: int(rng.random() < 0.4) for name in (*flags, "probe_ticks", "probe_end")}
        more |= {"fire_select": rng.randrange(3), "n_projections": rng.choice([0, 0, 1, 255])}
        more["first_projection"] = rng.randrange(256)
        network.append(population(base, n_rows, rng.randint(1, LANES), **more))
        base += n_rows + rng.choice([0, 3, 18])
    rows = [p["row_base"] + at for p in network[1:] for at in range(p["n_rows"])]
    assert max(rows) < CONFIG.state_rows
    items = []
    for _ in range(20):
        token = rng.choice([Token.PAIR] * 3 + [Token.TICK] * 2 + [Token.END])
        if token == Token.PAIR:
            even = rng.choice([None, rng.randrange(1 << 19)])
            odd = rng.randrange(1 << 19) if even is None else rng.choice([None, 5])
            items.append(pair(even, odd))
        else:
            items.append(mark(token, rng.getrandbits(28), token == Token.END and rng.randrange(2)))
    run(network, items, Script(seed, rows), seed, stall)

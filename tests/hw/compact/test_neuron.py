"""The arithmetic unit against rules D1 to D4 in plain integers."""

import itertools
import random

import pytest
from amaranth.hdl import Array, Elaboratable, Module, Mux, Signal, signed

from hw.bench import edge_biased, simulate
from spikeloom.spec.tables import POPULATIONS, FireSelect, pack_row
from spikeloom_hw.compact.neuron import NeuronUnit

LEAST, MOST = -(1 << 15), (1 << 15) - 1
ACC_LEAST, ACC_MOST = -(1 << 17), (1 << 17) - 1
ONE = 1 << 15
RESETS = ("subtract", "zero", "value", "none")
ORDERS = ("before_decay", "after_decay")
TICK_CYCLES, END_CYCLES, PROBE_CYCLES = 11, 4, 4


class WithTable(Elaboratable):
    """The unit and the population's row, read and cut in halves as in the core."""

    def __init__(self):
        self.unit = NeuronUnit()
        self.words = [Signal(32, name=f"word{i}") for i in range(POPULATIONS.words)]

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        read, operand = Signal(32), Signal(signed(16))
        m.d.sync += [
            read.eq(Array(self.words)[unit.word]),
            operand.eq(Mux(unit.high, read[16:], read[:16])),
        ]
        m.d.comb += unit.operand.eq(operand)
        return m


def trunc0(product):
    """product / 2^15 without its fraction."""
    return product // ONE if product >= 0 else -(-product // ONE)


def population(reset="subtract", order="before_decay", **values):
    default = {"threshold": 10, "decay": ONE, "bias": 0, "floor": LEAST, "initial": 0, "value": 0}
    return {"reset": reset, "order": order, **default, **values}


def ticked(potential, p):
    """Return (H, S, V) of a tick: rules D1 to D4."""
    h = potential + p["bias"]
    spike = p["reset"] != "none" and h >= p["threshold"]

    def reset(x):
        return {"subtract": x - p["threshold"], "zero": 0, "value": p["value"]}[p["reset"]]

    def clip(x):
        return min(max(x, p["floor"]), MOST)

    if p["order"] == "before_decay":
        return h, int(spike), trunc0(clip(reset(h) if spike else h) * p["decay"])
    x = trunc0(h * p["decay"])
    return h, int(spike), clip(reset(x) if spike else x)


def table_row(p):
    """The population's row, by the table of FireSelect; fields of other builds hold rubbish."""
    before, held = p["order"] == "before_decay", max(p["value"], p["floor"])
    select, constant = {
        ("subtract", True): (FireSelect.H_MINUS_THETA, 0),
        ("subtract", False): (FireSelect.H, 0x5A5A),  # of no effect
        ("zero", True): (FireSelect.ZERO, 0),
        ("zero", False): (FireSelect.ZERO, 0),
        ("value", True): (FireSelect.ZERO, trunc0(held * p["decay"])),
        ("value", False): (FireSelect.ZERO, held),
        ("none", True): (FireSelect.H_MINUS_THETA, 0),
        ("none", False): (FireSelect.H, 0),
    }[p["reset"], before]
    names = ("threshold", "decay", "bias", "floor", "initial")
    return {
        **{name: p[name] for name in names},
        **{"fire_select": int(select), "fire_constant": constant},
        **{"fires": int(p["reset"] != "none"), "clip_before": int(before)},
        **{"row_base": 0xABCD, "n_rows": 0x1234, "held": -1, "current_decay": 0xFFFF},
    }


async def choose(ctx, dut, p):
    """Make ``p`` the population."""
    row = table_row(p)
    for signal, word in zip(dut.words, pack_row(POPULATIONS, row), strict=True):
        ctx.set(signal, int(word))
    for name in ("fires", "clip_before", "fire_select"):
        ctx.set(getattr(dut.unit, name), row[name])


async def worked(ctx, dut, potential, ending=0, probe=0, wait=0, rng=None):
    """Return (what was offered, fired, result, cycles); ``value`` is there when it is due only.

    Neurons may follow one another at once: ``start`` stays 1.
    """
    unit = dut.unit
    rng = rng or random.Random(0)
    for name, value in {"start": 1, "ending": ending, "probe": probe, "taken": 0}.items():
        ctx.set(getattr(unit, name), value)
    offered, shown, waited = [], None, 0
    for cycle in range(100):
        due = shown is not None and cycle == shown + 2
        ctx.set(unit.value, potential if due else rng.randint(ACC_LEAST, ACC_MOST))
        if ctx.get(unit.show):
            assert not ctx.get(unit.write)
            shown = cycle
        ctx.set(unit.taken, 0)
        if ctx.get(unit.offers):
            offered.append(ctx.get(unit.result))
            ctx.set(unit.taken, waited == wait)
            waited += 1
        if ctx.get(unit.write):
            found = ctx.get(unit.fired), ctx.get(unit.result), cycle + 1
            await ctx.tick()
            return offered, *found
        await ctx.tick()
    raise AssertionError("a neuron must be written")


def run(cases):
    """Work on each (population, potentials) in turn."""
    dut = WithTable()
    rng = random.Random(1)
    cases = list(cases)

    async def bench(ctx):
        for p, potentials in cases:
            await choose(ctx, dut, p)
            for potential in potentials:
                h, spike, v = ticked(potential, p)
                if not ACC_LEAST <= h <= ACC_MOST:
                    continue  # rule G4
                got = await worked(ctx, dut, potential, rng=rng)
                assert got == ([], spike, v, TICK_CYCLES), f"{potential} in {p}"

    n = sum(len(potentials) for _, potentials in cases)
    simulate(dut, bench, cycles=(TICK_CYCLES + 1) * n + 100)


def near(*values):
    """The values and their neighbours, in the range of the accumulator."""
    found = {v + d for v in values for d in (-1, 0, 1)}
    return sorted(v for v in found if ACC_LEAST <= v <= ACC_MOST)


def test_rules_written_out_by_hand():
    subtract = population(threshold=10, decay=ONE // 2)
    assert ticked(21, subtract) == (21, 1, 5)
    assert ticked(-3, subtract) == (-3, 0, -1)
    assert ticked(21, {**subtract, "order": "after_decay"}) == (21, 1, 0)
    assert ticked(100_000, population(reset="none", decay=1)) == (100_000, 0, 0)
    assert ticked(100_000, population("none", "after_decay", decay=1)) == (100_000, 0, 3)
    assert ticked(-1, population(bias=-4, floor=-3)) == (-5, 0, -3)
    run([(subtract, [21, -3]), (population(bias=-4, floor=-3), [-1])])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reset", RESETS)
def test_edges_of_every_parameter(reset, order):
    thresholds, decays = (1, 1000, MOST), (0, 1, 1 << 14, ONE - 1, ONE)
    floors = (LEAST, -300, 0)
    values = (-500, 0, MOST) if reset == "value" else (0,)
    cases = []
    for threshold, decay, floor, value in itertools.product(thresholds, decays, floors, values):
        p = population(reset, order, threshold=threshold, decay=decay, floor=floor, value=value)
        some = [threshold - 1, threshold, floor - 1, floor, -7, 0, MOST + 1, ACC_LEAST, ACC_MOST]
        some += [40_000, -40_000, threshold + MOST, threshold + MOST + 1]
        cases.append((p, sorted({v for v in some if ACC_LEAST <= v <= ACC_MOST})))
    run(cases)


@pytest.mark.parametrize("order", ORDERS)
def test_negative_potentials_are_truncated_towards_zero(order):
    potentials = [*range(-9, 0), *near(-ONE, -2 * ONE, LEAST // 2), ACC_LEAST]
    decays = (1, 2, 3, 10923, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, 29491, ONE - 1, ONE)
    run((population("none", order, decay=decay), potentials) for decay in decays)


@pytest.mark.parametrize("bias", [LEAST, -1, 1, MOST])
@pytest.mark.parametrize("order", ORDERS)
def test_the_bias_counts_before_the_threshold(bias, order):
    p = population(order=order, threshold=100, decay=ONE - 5, bias=bias, floor=-200)
    run([(p, near(100 - bias, -200 - bias, 0, ACC_MOST - bias, ACC_LEAST - bias))])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reset", RESETS)
def test_random_neurons(reset, order):
    seed = 10 * RESETS.index(reset) + ORDERS.index(order)
    rng = random.Random(seed)
    dut = WithTable()

    async def bench(ctx):
        for number in range(60):
            floor = edge_biased(rng, LEAST, 0)
            p = population(
                reset,
                order,
                threshold=edge_biased(rng, 1, MOST),
                decay=edge_biased(rng, 0, ONE, (ONE // 2,)),
                bias=edge_biased(rng, LEAST, MOST),
                floor=floor,
                initial=edge_biased(rng, floor, MOST),
                value=edge_biased(rng, LEAST, MOST) if reset == "value" else 0,
            )
            await choose(ctx, dut, p)
            for _ in range(4):
                low = max(ACC_LEAST, ACC_LEAST - p["bias"])
                high = min(ACC_MOST, ACC_MOST - p["bias"])
                edges = [p["threshold"] - p["bias"], p["threshold"] - p["bias"] - 1, p["floor"]]
                potential = edge_biased(rng, low, high, edges)
                ending, probe = rng.random() < 0.2, rng.random() < 0.2
                wait = rng.choice([0, 0, 1, 7])
                h, spike, v = ticked(potential, p)
                got = await worked(ctx, dut, potential, ending, probe, wait, rng)
                cycles = END_CYCLES if ending else TICK_CYCLES
                wanted = (
                    [potential if ending else h] * (1 + wait) * probe,
                    0 if ending else spike,
                    p["initial"] if ending else v,
                    cycles + probe * (PROBE_CYCLES + wait),
                )
                assert got == wanted, f"seed {seed}, neuron {number}: {potential} in {p}"

    simulate(dut, bench, cycles=20_000)


@pytest.mark.parametrize("probe", [0, 1])
@pytest.mark.parametrize("initial", [LEAST, -1, 0, 5, MOST])
def test_the_end_writes_the_initial_potential(initial, probe):
    """Bias, threshold and decay have no say in it."""
    dut = WithTable()
    p = population(threshold=1, decay=3, bias=77, initial=initial)

    async def bench(ctx):
        await choose(ctx, dut, p)
        for potential in (LEAST, -1, 0, 1, MOST):
            got = await worked(ctx, dut, potential, ending=1, probe=probe)
            assert got == ([potential] * probe, 0, initial, END_CYCLES + PROBE_CYCLES * probe)

    simulate(dut, bench, cycles=100)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("ending", [0, 1])
def test_a_probe_waits_as_long_as_it_must(ending, order):
    dut = WithTable()
    p = population(order=order, threshold=30, decay=ONE // 2, bias=9, initial=-4)

    async def bench(ctx):
        await choose(ctx, dut, p)
        for wait in (0, 1, 2, 30):
            for potential in (-5, 20, 21, 22):
                h, spike, v = ticked(potential, p)
                offered, *rest = await worked(ctx, dut, potential, ending, 1, wait)
                assert offered == [potential if ending else h] * (wait + 1)
                cycles = PROBE_CYCLES + wait + (END_CYCLES if ending else TICK_CYCLES)
                assert rest == ([0, -4, cycles] if ending else [spike, v, cycles])

    simulate(dut, bench, cycles=2000)


def test_nothing_begins_without_start():
    dut = WithTable()

    async def bench(ctx):
        await choose(ctx, dut, population())
        for _ in range(30):
            assert not ctx.get(dut.unit.show) | ctx.get(dut.unit.write) | ctx.get(dut.unit.offers)
            await ctx.tick()
        assert await worked(ctx, dut, 25) == ([], 1, 15, TICK_CYCLES)

    simulate(dut, bench, cycles=100)

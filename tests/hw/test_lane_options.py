"""What a lane does in builds that take more, against the rules of a neuron in plain integers."""

import random
from dataclasses import replace

import pytest

from hw.bench import edge_biased, simulate
from hw.lane_bench import (
    ACC_MAX,
    ACC_MIN,
    LANE_CONFIG,
    V_MAX,
    V_MIN,
    LaneBench,
    Op,
    clip,
    division,
    share,
    wrap,
)
from spikeloom.spec import numfmt
from spikeloom.spec.tables import FireSelect
from spikeloom_hw.control import DIGITS

ROWS = 16
PARAMETER_ROWS = 8
BASE = replace(LANE_CONFIG, state_rows=ROWS)
OPTIONS = {
    "graded": {"graded": True},
    "multi-spike": {"graded": True, "multi_spike": True},
    "refractory": {"refractory": True},
    "current": {"current": True},
    "parameters": {"parameter_rows": PARAMETER_ROWS},
}
BUILDS = {"plain": BASE}
"""Every mixture of the options: what each is right with can go wrong with another one missing."""
for _option, _values in OPTIONS.items():
    BUILDS |= {
        _option if name == "plain" else f"{name}, {_option}": replace(build, **_values)
        for name, build in BUILDS.items()
        if name != "graded" or _option != "multi-spike"
    }
ALL = "multi-spike, refractory, current, parameters"
RESETS = ("subtract", "zero", "value", "none")


def reset_of(x, spikes, p):
    """Rules D3 and D10."""
    if not spikes:
        return x
    return {"subtract": x - p["threshold"] * spikes, "zero": 0, "value": p["value"]}[p["reset"]]


def expected_tick(state, p, exists):
    """Return (H, spikes, V, C, rest) for (V with its input, C with its input, rest)."""
    v, c, rest = state
    if rest:
        held = clip(p["value"] if p["reset"] == "value" else 0, p["floor"])
        h, spikes, v = held, 0, held
        rest -= 1
    else:
        h, spikes = v + c + p["bias"], 0
        if exists and p["reset"] != "none" and h >= p["threshold"]:
            spikes = min(h // p["threshold"], 127) if p["multi"] else 1
            rest = p["refractory"]
        if p["before"]:
            v = share(clip(reset_of(h, spikes, p), p["floor"]), p["decay"])
        else:
            v = clip(reset_of(share(h, p["decay"]), spikes, p), p["floor"])
    return h, spikes, v, share(min(max(c, V_MIN), V_MAX), p["current_decay"]), rest


def as_parameters(p, config, ending):
    """Encode the reset and its order as :class:`FireSelect` says."""
    value = max(p["value"], p["floor"])
    select, constant = {
        ("subtract", True): (FireSelect.H_MINUS_THETA, 0),
        ("subtract", False): (FireSelect.H, -p["threshold"]),
        ("zero", True): (FireSelect.ZERO, 0),
        ("zero", False): (FireSelect.ZERO, 0),
        ("value", True): (FireSelect.VALUE, value),
        ("value", False): (FireSelect.ZERO, value),
        ("none", True): (FireSelect.H, 999),
        ("none", False): (FireSelect.H, 999),
    }[p["reset"], p["before"]]
    if select == FireSelect.VALUE and not config.parameter_rows:
        select, constant = FireSelect.ZERO, share(value, p["decay"])
    if select == FireSelect.H and config.parameter_rows:
        constant = 777  # of no effect: each neuron has its own threshold
    out = {
        "floor": p["floor"],
        "constant": p["initial"] if ending else constant,
        "fire_select": select,
        "fires": p["reset"] != "none",
        "clip_before": p["before"],
        "multi_spike": p["multi"],
        "refractory": p["refractory"],
        "held": clip(p["value"] if p["reset"] == "value" else 0, p["floor"]),
    }
    if config.parameter_rows:  # those of the population do not count
        return {**out, "threshold": 1, "decay": 1, "bias": -1, "current_decay": 1}
    return {**out, **{n: p[n] for n in ("threshold", "decay", "bias", "current_decay")}}


def random_neuron(rng):
    decays = [0, 1, 16384, 32767, 32768]
    return {
        "threshold": edge_biased(rng, 1, numfmt.THRESHOLD_MAX, (2, 100)),
        "decay": rng.choice([*decays, rng.randint(0, 32768)]),
        "current_decay": rng.choice([*decays, rng.randint(0, 32768)]),
        "bias": rng.choice([0, 0, 1, -1, V_MIN, V_MAX, rng.randint(-500, 500)]),
    }


def random_population(rng, config, reset, before):
    floor = edge_biased(rng, V_MIN, 0)
    multi = config.multi_spike and reset == "subtract" and rng.random() < 0.7
    return {
        "floor": floor,
        "initial": edge_biased(rng, floor, V_MAX),
        "reset": reset,
        "before": before,
        "value": edge_biased(rng, V_MIN, V_MAX, (floor, floor - 1, floor + 1)),
        "multi": multi,
        "refractory": rng.randint(0, 15) if config.refractory else 0,
        **random_neuron(rng),
    }


def random_state(rng, config, p):
    """Return (V, C, rest) such that H stays in the accumulator, often near a threshold."""
    theta, bias = p["threshold"], p["bias"]
    h = rng.choice(
        [
            edge_biased(rng, ACC_MIN, ACC_MAX),
            rng.randint(-600, 600),
            *(theta * n + rng.randint(-2, 1) for n in (1, 2, 3, 126, 127, 128)),
        ]
    )
    h = min(max(h, ACC_MIN), ACC_MAX)
    rest = rng.choice([0, 0, 1, 2, 15]) if config.refractory else 0
    if not config.current:
        return (min(max(h - bias, ACC_MIN), ACC_MAX - max(bias, 0)) if h else 0), 0, rest
    v = min(max(edge_biased(rng, p["floor"], V_MAX), h - bias - ACC_MAX), h - bias - ACC_MIN)
    v = min(max(v, V_MIN), V_MAX)
    return v, min(max(h - bias - v, ACC_MIN), ACC_MAX), rest


def in_range(state, p):
    return ACC_MIN <= state[0] + state[1] + p["bias"] <= ACC_MAX


def visits(bench, divides, exists, rng):
    """Return the operations and divisions that sweep every row, and each sweep's cycle."""
    config = bench.lane.config
    history, divisions, sweeps, loads = {}, {}, [], []
    cycle = 0
    for row in range(ROWS):
        facts = {"bias": True, "exists": exists[row]}
        facts["parameter_row"] = parameter_row(config, row)
        if divides:
            history[cycle] = Op("peek", row, **facts)
            loads.append(cycle + bench.settled + rng.randrange(3))
            divisions |= division(loads[-1])
            cycle = loads[-1] + DIGITS + 1
        history[cycle] = Op("sweep", row, **facts)
        sweeps.append(cycle)
        cycle += 1
    return history, divisions, sweeps, loads


def parameter_row(config, row):
    return 3 * row % config.parameter_rows if config.parameter_rows else 0


def check_ticks(name, seed, resets=RESETS, n=3, ending=False):
    """Sweep all rows under random populations; compare everything a lane says and keeps."""
    config = BUILDS[name]
    bench = LaneBench(config)
    rng = random.Random(f"{name}{seed}")
    fired = 0

    async def tick(ctx, p):
        nonlocal fired
        neurons = [random_neuron(rng) for _ in range(config.parameter_rows)]
        for row, neuron in enumerate(neurons):
            await bench.write_parameters(ctx, row, neuron)
        mine = [p] * ROWS
        if neurons:
            mine = [{**p, **neurons[parameter_row(config, row)]} for row in range(ROWS)]
        states = []
        for row in range(ROWS):
            state = random_state(rng, config, mine[row])
            while not in_range(state, mine[row]):
                state = random_state(rng, config, mine[row])
            states.append(state)
            v, c, rest = state
            bench.write(ctx, row, c if config.current else v)
            if config.current:
                bench.write(ctx, row, v, "potential")
            if config.refractory:
                bench.write(ctx, row, rest, "rest")
        exists = [row % 7 != 4 for row in range(ROWS)]
        divides = p["multi"] and not ending
        history, divisions, sweeps, loads = visits(bench, divides, exists, rng)
        if ending:
            history = {c: replace(op, bias=False) for c, op in history.items()}
        parameters = as_parameters(p, config, ending)
        outputs = await bench.run(ctx, history, parameters, ending, divisions)
        for row, cycle in enumerate(sweeps):
            where = f"seed {seed}, row {row}, state {states[row]}, ending {ending}, {mine[row]}"
            h, spikes, v, c, rest = expected_tick(states[row], mine[row], exists[row])
            if ending:
                h, v, c, rest = states[row][0], p["initial"], 0, 0
            else:
                assert outputs["spike6", cycle] == (spikes > 0), where
            if divides:
                steps = range(loads[row] + 1, loads[row] + 1 + DIGITS)
                digits = "".join(str(outputs["digit", k]) for k in steps)
                assert int(digits, 2) == spikes, where
            fired += spikes
            assert outputs["value5", cycle] == h, where
            assert outputs["overflow5", cycle] == 0, where
            got = bench.read(ctx, row, "potential" if config.current else "acc")
            # without a neuron it never fires: above the potentials it may take the reset value
            assert got == v or (not exists[row] and h > V_MAX), where
            if config.current:
                assert bench.read(ctx, row) == c, where
            if config.refractory:
                assert bench.read(ctx, row, "rest") == rest, where
            left = v != 0 or (config.current and c != 0) or rest != 0
            assert outputs["nonzero11", cycle] == (exists[row] and left), where

    async def run(ctx):
        for reset in resets:
            for before in (True, False):
                for _ in range(n):
                    await tick(ctx, random_population(rng, config, reset, before))

    simulate(bench.lane, run, cycles=20000)
    return fired


@pytest.mark.parametrize("name", BUILDS)
def test_ticks_of_every_reset_and_order(name):
    assert check_ticks(name, 0) > 20


@pytest.mark.parametrize("name", BUILDS)
def test_end_restores_potential_current_and_rest(name):
    check_ticks(name, 1, resets=("subtract", "value"), n=2, ending=True)


@pytest.mark.parametrize("name", ["multi-spike", ALL])
def test_divisions(name):
    assert check_ticks(name, 2, resets=("subtract",), n=6) > 1000


def test_a_division_written_out_by_hand():
    """H = 731, threshold 100: seven spikes; and as many as 127 where more would fit."""
    bench = LaneBench(BUILDS["multi-spike"])
    parameters = {
        "threshold": 100, "decay": 32768, "floor": V_MIN, "fires": 1, "multi_spike": 1,
        "fire_select": FireSelect.H_MINUS_THETA, "clip_before": 1,
    }  # fmt: skip
    table = [(731, 7, 31), (99, 0, 99), (100, 1, 0), (-5, 0, -5), (12799, 127, 99)]
    table += [(12800, 127, 100), (ACC_MAX, 127, V_MAX)]

    async def run(ctx):
        for h, spikes, v in table:
            bench.write(ctx, 2, h)
            load = bench.settled
            history = {0: Op("peek", 2), load + DIGITS + 1: Op("sweep", 2)}
            outputs = await bench.run(ctx, history, parameters, divisions=division(load))
            digits = [outputs["digit", load + 1 + k] for k in range(DIGITS)]
            assert digits == [int(d) for d in f"{spikes:07b}"], h
            assert bench.read(ctx, 2) == v, h

    simulate(bench.lane, run, cycles=500)


def test_a_refractory_neuron_written_out_by_hand():
    """It fires, rests for two ticks with its input discarded, and fires again."""
    bench = LaneBench(BUILDS["refractory"])
    parameters = {
        "threshold": 10, "decay": 32768, "floor": -100, "fires": 1, "refractory": 2,
        "fire_select": FireSelect.ZERO, "constant": -7, "held": -7,
    }  # fmt: skip
    table = [  # input, H, spike, V, rest
        (12, 12, 1, -7, 2), (50, -7, 0, -7, 1), (50, -7, 0, -7, 0), (16, 9, 0, 9, 0),
        (1, 10, 1, -7, 2),
    ]  # fmt: skip

    async def run(ctx):
        for tick, (taken, h, spike, v, rest) in enumerate(table):
            history = {0: Op("add", 3, taken, 0), 4: Op("sweep", 3)}
            outputs = await bench.run(ctx, history, parameters)
            got = (outputs["value5", 4], outputs["spike6", 4], bench.read(ctx, 3))
            assert (*got, bench.read(ctx, 3, "rest")) == (h, spike, v, rest), f"tick {tick}"

    simulate(bench.lane, run, cycles=500)


def test_a_current_written_out_by_hand():
    """A current of 100 that halves drives a potential that keeps all."""
    bench = LaneBench(BUILDS["current"])
    parameters = {
        "threshold": 170, "decay": 32768, "current_decay": 16384, "bias": 3, "floor": V_MIN,
        "fires": 1, "fire_select": FireSelect.H_MINUS_THETA, "clip_before": 1,
    }  # fmt: skip
    table = [  # input, H, spike, V, C
        (100, 103, 0, 103, 50), (0, 156, 0, 156, 25), (-40, 144, 0, 144, -7),
        (32, 172, 1, 2, 12), (0, 17, 0, 17, 6),
    ]  # fmt: skip

    async def run(ctx):
        for tick, (taken, h, spike, v, c) in enumerate(table):
            history = {0: Op("add", 3, taken, 0), 4: Op("sweep", 3)}
            outputs = await bench.run(ctx, history, parameters)
            got = (outputs["value5", 4], outputs["spike6", 4], bench.read(ctx, 3, "potential"))
            assert (*got, bench.read(ctx, 3)) == (h, spike, v, c), f"tick {tick}"

    simulate(bench.lane, run, cycles=500)


@pytest.mark.parametrize("name", ["graded", "current", ALL])
@pytest.mark.parametrize("seed", range(2))
def test_random_adds_with_scales(name, seed):
    """Sums at every distance, each times its event's scale, with the flag at the rails."""
    config = BUILDS[name]
    bench = LaneBench(config)
    rng = random.Random(f"{name}{seed}")
    room = 2000 if config.graded else 300
    start = {0: ACC_MIN + room, 1: ACC_MAX - room, 2: 0}
    history = {}
    for cycle in range(300):
        if rng.random() < 0.8:
            even, odd = (rng.choice([-128, 127, 0, 1, rng.randint(-128, 127)]) for _ in "eo")
            scale = rng.choice([1, -1, 127, -127, 3 << 7]) if config.graded else 1
            history[cycle] = Op("add", rng.randrange(3), even, odd, scale=scale)

    async def run(ctx):
        for row, value in start.items():
            bench.write(ctx, row, value)
        outputs = await bench.run(ctx, history, {"bias": 4321})
        sums = dict(start)
        overflows = 0
        for cycle, op in history.items():
            exact = sums[op.row] + wrap((op.even + op.odd) * op.scale)
            sums[op.row] = wrap(exact)
            overflows += exact != sums[op.row]
            got = outputs["overflow5", cycle]
            assert got == (exact != sums[op.row]), f"seed {seed}, cycle {cycle}, {op}"
        for row, value in sums.items():
            assert bench.read(ctx, row) == value, f"seed {seed}"
        assert overflows

    simulate(bench.lane, run, cycles=500)


def test_widest_products_of_a_graded_event():
    """One weight and one event at their edges, with every shift."""
    bench = LaneBench(BUILDS["graded"])
    cases = [(w, m, s) for w in (-128, 127) for m in (-127, 127) for s in range(4)]
    cases += [(w, m, s) for w in (-8, 7) for m in (-127, 127) for s in (6, 7)]

    async def run(ctx):
        for weight, magnitude, shift in cases:
            exact = (weight * magnitude) << shift
            assert ACC_MIN <= exact <= ACC_MAX
            bench.write(ctx, 0, 0)
            await bench.run(ctx, {0: Op("add", 0, weight, 0, scale=magnitude << shift)}, {})
            assert bench.read(ctx, 0) == exact

    simulate(bench.lane, run, cycles=1000)


@pytest.mark.parametrize(
    ("v", "c", "bias", "overflows"),
    [
        (0, ACC_MAX, 0, 0),
        (1, ACC_MAX, 0, 1),
        (1, ACC_MAX, -1, 0),
        (V_MAX, ACC_MAX - V_MAX, 1, 1),
        (-1, ACC_MIN, 0, 1),
        (-1, ACC_MIN, 1, 0),
        (V_MIN, ACC_MIN - V_MIN, -1, 1),
    ],
)
def test_overflow_flag_of_current_and_potential(v, c, bias, overflows):
    """A SWEEP raises it where H would not fit; an ADD looks at the current alone."""
    bench = LaneBench(BUILDS["current"])

    async def run(ctx):
        for kind in ("sweep", "add"):
            bench.write(ctx, 0, c)
            bench.write(ctx, 0, v, "potential")
            outputs = await bench.run(ctx, {0: Op(kind, 0)}, {"bias": bias, "fires": 0})
            assert outputs["overflow5", 0] == (overflows and kind == "sweep")

    simulate(bench.lane, run, cycles=100)

import random

import pytest
from amaranth.hdl import Signal

from hw.bench import edge_biased, simulate
from hw.lane_bench import ACC_MAX, ACC_MIN, ROWS, V_MAX, V_MIN, LaneBench, Op, clip, share, wrap
from spikeloom.spec import numfmt
from spikeloom_hw.control import Parameters

SELECT = {"h": 0, "h_minus_theta": 1, "zero": 2}


def expected_sweep(h, p, ending, exists=True):
    """Return (spike, V) as the rules of the neuron say, in plain integers."""
    fires = bool(p["fires"] and exists and h >= p["threshold"])
    kept, added = h, 0
    if ending:
        kept, added = 0, p["initial"]
    elif fires:
        kept = {0: h, 1: h - p["threshold"], 2: 0}[p["fire_select"]]
        added = p["fire_constant"]
    if p["clip_before"]:
        kept = clip(kept, p["floor"])
    return fires, clip(share(kept, p["decay"]) + added, p["floor"])


def as_parameters(p, ending):
    """Return what drives the lane: one constant stands for both."""
    out = {name: value for name, value in p.items() if name not in ("initial", "fire_constant")}
    return {**out, "constant": p["initial" if ending else "fire_constant"]}


def random_parameters(rng, **fixed):
    floor = edge_biased(rng, V_MIN, 0)
    out = {
        "threshold": edge_biased(rng, 1, numfmt.THRESHOLD_MAX),
        "decay": rng.choice([0, 1, 2, 16384, 32767, 32768, rng.randint(0, 32768)]),
        "bias": edge_biased(rng, V_MIN, V_MAX),
        "floor": floor,
        "initial": edge_biased(rng, floor, V_MAX),
        "fire_constant": edge_biased(rng, V_MIN, V_MAX),
        "fire_select": rng.choice([0, 1, 2]),
        "fires": rng.random() < 0.9,
        "clip_before": rng.random() < 0.5,
    }
    out |= fixed
    if out["clip_before"]:  # what is added then is in the range of the clip
        out["fire_select"] = out["fire_select"] or rng.choice([1, 2])
        zero = {**out, "fire_constant": edge_biased(rng, out["floor"], V_MAX)}
        return zero if out["fire_select"] == SELECT["zero"] else {**out, "fire_constant": 0}
    return out


def interesting_h(rng, p):
    """Return values of H near every comparison, and random ones, as many as there are rows."""
    near = [ACC_MIN, ACC_MAX, V_MIN, V_MAX, 0, p["threshold"], p["floor"], -p["threshold"]]
    near += [p["threshold"] + V_MAX, p["threshold"] + p["floor"]]
    values = [v + d for v in near for d in (-1, 0, 1)]
    values += [rng.randint(ACC_MIN, ACC_MAX) for _ in range(10)]
    values += [rng.randint(-300, 300) for _ in range(ROWS)]
    return [min(max(v, ACC_MIN), ACC_MAX) for v in values[:ROWS]]


def check_sweeps(cases):
    """Sweep all rows back to back for each (parameters, ending, H of every row)."""
    bench = LaneBench()

    async def run(ctx):
        for p, ending, values in cases:
            for row, value in enumerate(values):
                bench.write(ctx, row, value)
            ops = [Op("sweep", row, exists=row % 9 != 4) for row in range(len(values))]
            history = dict(enumerate(ops))
            outputs = await bench.run(ctx, history, as_parameters(p, ending), ending)
            for row, h in enumerate(values):
                exists = ops[row].exists
                spike, v = expected_sweep(h, p, ending, exists)
                got = (outputs["spike6", row], bench.read(ctx, row), outputs["nonzero11", row])
                where = f"H {h}, exists {exists}, ending {ending}, {p}"
                assert got == (spike, v, exists and v != 0), where
                assert outputs["value5", row] == h, where
                assert outputs["overflow5", row] == 0, where

    simulate(bench.lane, run, cycles=len(cases) * (ROWS + 20))


@pytest.mark.parametrize(
    ("select", "clip_before"), [(s, c) for s in SELECT for c in (0, 1) if (s, c) != ("h", 1)]
)
def test_fire_reset_and_decay(select, clip_before):
    rng = random.Random(f"{select}{clip_before}")
    cases = []
    for decay in (0, 1, 16384, 32767, 32768, None):
        fixed = {"fire_select": SELECT[select], "clip_before": clip_before, "fires": 1}
        if decay is not None:
            fixed["decay"] = decay
        for _ in range(3):
            p = random_parameters(rng, **fixed)
            cases.append((p, False, interesting_h(rng, p)))
    check_sweeps(cases)


def test_end_restores_the_initial_potential():
    rng = random.Random(1)
    cases = [(p, True, interesting_h(rng, p)) for p in (random_parameters(rng) for _ in range(12))]
    cases += [
        ({**cases[0][0], "initial": initial, "floor": floor}, True, [ACC_MAX, ACC_MIN, 0, 5])
        for initial, floor in ((0, 0), (V_MAX, V_MIN), (V_MIN, V_MIN), (1, 0), (-1, -1))
    ]
    check_sweeps(cases)


def test_a_population_that_does_not_fire():
    rng = random.Random(2)
    cases = []
    for _ in range(6):
        p = random_parameters(rng, fires=0)
        cases.append((p, False, interesting_h(rng, p)))
    check_sweeps(cases)


@pytest.mark.parametrize("decay", [1, 16384, 32767])
def test_negative_potentials_are_truncated_towards_zero(decay):
    p = random_parameters(random.Random(3), decay=decay, floor=V_MIN, fires=0, clip_before=0)
    check_sweeps([(p, False, [-1, -2, -3, -32767, -32768, 1, 2, 3, ACC_MIN, ACC_MAX])])


def test_values_written_out_by_hand():
    p = {
        "threshold": 100, "decay": 16384, "bias": 0, "floor": -40, "initial": 7,
        "fire_constant": -100, "fire_select": SELECT["h"], "fires": 1, "clip_before": 0,
    }  # fmt: skip
    table = [
        # H, spike, V: half of H truncated towards zero, minus 100 with a spike, clipped at -40
        (0, 0, 0), (99, 0, 49), (100, 1, -40), (301, 1, 50), (-1, 0, 0), (-3, 0, -1),
        (-79, 0, -39), (-80, 0, -40), (-83, 0, -40), (65736, 1, 32767), (ACC_MAX, 1, 32767),
        (ACC_MIN, 0, -40),
    ]  # fmt: skip
    for h, spike, v in table:
        assert expected_sweep(h, p, ending=False) == (spike, v)
    check_sweeps([(p, False, [h for h, _, _ in table])])
    before = {**p, "fire_select": SELECT["h_minus_theta"], "clip_before": 1, "fire_constant": 0}
    for h, spike, v in ((100, 1, 0), (131, 1, 15), (-81, 0, -20), (ACC_MAX, 1, 16383)):
        assert expected_sweep(h, before, ending=False) == (spike, v)


@pytest.mark.parametrize("seed", range(6))
def test_random_sweeps(seed):
    rng = random.Random(seed)
    cases = []
    for _ in range(10):
        p = random_parameters(rng)
        cases.append((p, rng.random() < 0.2, interesting_h(rng, p)))
    check_sweeps(cases)


def test_bias_is_added_by_a_sweep_and_kept_out_of_the_memory_by_a_peek():
    bench = LaneBench()
    p = random_parameters(random.Random(4), bias=-32768, decay=32768, floor=V_MIN, fires=0)

    async def run(ctx):
        bench.write(ctx, 3, 40000)
        outputs = await bench.run(ctx, {0: Op("peek", 3, bias=True)}, as_parameters(p, False))
        assert outputs["value5", 0] == 40000 - 32768
        assert bench.read(ctx, 3) == 40000
        outputs = await bench.run(ctx, {0: Op("sweep", 3, bias=True)}, as_parameters(p, False))
        assert outputs["value5", 0] == 40000 - 32768
        assert bench.read(ctx, 3) == 40000 - 32768

    simulate(bench.lane, run, cycles=100)


@pytest.mark.parametrize("distance", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("between", ["nothing", "other row"])
def test_forwarding_between_two_adds(distance, between):
    bench = LaneBench()

    async def run(ctx):
        bench.write(ctx, 5, 1000)
        bench.write(ctx, 6, -7)
        history = {0: Op("add", 5, 127, -1), distance: Op("add", 5, -128, -128)}
        if between == "other row":
            history |= {c: Op("add", 6, 1, 1) for c in range(1, distance)}
        outputs = await bench.run(ctx, history, {})
        assert outputs["value5", 0] == 1126
        assert outputs["value5", distance] == 870
        assert bench.read(ctx, 5) == 870
        others = distance - 1 if between == "other row" else 0
        assert bench.read(ctx, 6) == -7 + 2 * others

    simulate(bench.lane, run, cycles=60)


@pytest.mark.parametrize("distance", [1, 2, 3, 4])
def test_a_sweep_sees_the_adds_before_it(distance):
    bench = LaneBench()
    p = random_parameters(random.Random(5), decay=32768, floor=V_MIN, fires=0, clip_before=0)

    async def run(ctx):
        bench.write(ctx, 5, 50)
        history = {0: Op("add", 5, 3, 4), distance: Op("sweep", 5)}
        outputs = await bench.run(ctx, history, as_parameters(p, False))
        assert outputs["value5", distance] == 57
        assert bench.read(ctx, 5) == 57

    simulate(bench.lane, run, cycles=60)


@pytest.mark.parametrize("seed", range(4))
def test_random_adds_on_few_rows(seed):
    """Sums at every distance, with the overflow flag at the accumulator's rails."""
    rng = random.Random(seed)
    bench = LaneBench()
    near = [ACC_MIN + 200, ACC_MAX - 200, 0, 5000]
    start = {row: rng.choice(near) for row in range(3)}
    history = {}
    for cycle in range(400):
        if rng.random() < 0.8:
            weights = [rng.choice([-128, 127, 0, 1, -1, rng.randint(-128, 127)]) for _ in "eo"]
            history[cycle] = Op("add", rng.randrange(3), *weights)

    async def run(ctx):
        for row, value in start.items():
            bench.write(ctx, row, value)
        outputs = await bench.run(ctx, history, {})
        sums = dict(start)
        overflows = 0
        for cycle, op in history.items():
            exact = sums[op.row] + op.even + op.odd
            sums[op.row] = wrap(exact)
            flag = exact != sums[op.row]
            overflows += flag
            got = (outputs["value5", cycle], outputs["overflow5", cycle])
            assert got == (sums[op.row], flag), f"seed {seed}, cycle {cycle}, {op}"
        for row, value in sums.items():
            assert bench.read(ctx, row) == value, f"seed {seed}"
        if seed == 0:
            assert overflows

    simulate(bench.lane, run, cycles=500)


@pytest.mark.parametrize(
    ("h", "bias", "overflows"),
    [
        (ACC_MAX, 0, 0),
        (ACC_MAX, 1, 1),
        (ACC_MAX, -1, 0),
        (ACC_MIN, 0, 0),
        (ACC_MIN, -1, 1),
        (ACC_MIN, 1, 0),
        (ACC_MAX - V_MAX, V_MAX, 0),
        (ACC_MAX - V_MAX + 1, V_MAX, 1),
        (ACC_MIN - V_MIN, V_MIN, 0),
        (ACC_MIN - V_MIN - 1, V_MIN, 1),
    ],
)
def test_overflow_flag_at_the_rails(h, bias, overflows):
    bench = LaneBench()
    p = random_parameters(random.Random(6), bias=bias)

    async def run(ctx):
        bench.write(ctx, 0, h)
        outputs = await bench.run(ctx, {0: Op("sweep", 0, bias=True)}, as_parameters(p, False))
        assert outputs["overflow5", 0] == overflows

    simulate(bench.lane, run, cycles=60)


def test_the_parameters_hold_every_field():
    signal = Signal(Parameters)
    names = {"minus_threshold", "decay", "bias", "current_decay", "floor", "constant", "held"}
    choices = {
        "top",
        "floor_some",
        "fire_select",
        "fires",
        "clip_before",
        "multi_spike",
        "refractory",
    }
    assert set(signal.shape().members) == names | choices

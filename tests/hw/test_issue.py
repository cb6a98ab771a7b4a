import random
from dataclasses import replace

import pytest
from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal

from hw.bench import CONFIG, simulate
from hw.issue_bench import GRADED, PEEK, SLOT, SWEEP, IssueBench, Op, add
from spikeloom_hw.issue import Issue
from spikeloom_hw.lane import Lane
from spikeloom_hw.layouts import OpKind


@pytest.mark.parametrize(
    ("offered", "add", "order"),
    [
        ({"inputs": add(1)}, "inputs", [add(1)]),
        ({"spikes": add(1)}, "spikes", [add(1)]),
        ({"sweep": SWEEP}, None, [SWEEP]),
        ({"inputs": add(1), "spikes": add(2)}, "spikes", [add(2)]),
        ({"inputs": add(1), "sweep": SWEEP}, "inputs", [SWEEP, add(1)]),
        ({"spikes": add(1), "sweep": SWEEP}, "spikes", [SWEEP, add(1)]),
        ({"inputs": add(1), "spikes": add(2), "sweep": PEEK}, "spikes", [PEEK, add(2)]),
        ({"inputs": add(1), "input_open": 0}, None, []),
        ({"inputs": add(1), "spikes": add(2), "input_open": 0}, "spikes", [add(2)]),
        ({"inputs": add(1), "hold": 1}, None, []),
        ({"spikes": add(1), "hold": 1}, None, []),
        ({"spikes": add(1), "sweep": PEEK, "hold": 1}, None, [PEEK]),
    ],
)
def test_who_is_taken_and_in_which_order(offered, add, order):
    bench = IssueBench()

    async def run(ctx):
        await bench.cycle(ctx, **offered)
        for _ in range(12):
            await bench.cycle(ctx, input_open=0)
        assert bench.granted.get(0, (None,))[0] == add
        assert list(bench.taken.values()) == order
        bench.check()

    simulate(bench.dut, run, cycles=30)


def test_an_add_waits_in_stage_0_as_long_as_nothing_may_follow_a_peek():
    bench = IssueBench()

    async def run(ctx):
        await bench.cycle(ctx, sweep=SWEEP)
        for cycle in range(1, SLOT + 1):
            await bench.cycle(ctx, inputs=add(cycle))
        # the last one is in stage 0 when the slot of the write-back comes
        for sweep in (PEEK, *[None] * 10):
            await bench.cycle(ctx, sweep=sweep, hold=1, inputs=add(7))
        assert [op for cycle, op in bench.taken.items() if cycle > SLOT] == [PEEK]
        assert bench.waiting == add(SLOT)
        for _ in range(12):
            await bench.cycle(ctx)
        assert list(bench.taken.values())[-1] == add(SLOT)
        bench.check()

    simulate(bench.dut, run, cycles=50)


@pytest.mark.parametrize("config", [CONFIG, GRADED], ids=["plain", "graded"])
@pytest.mark.parametrize("port", ["spikes", "inputs"])
def test_the_slot_of_a_write_back_is_blocked_for_one_cycle(port, config):
    bench = IssueBench(config)

    async def run(ctx):
        await bench.cycle(ctx, sweep=SWEEP)
        for _ in range(20):
            await bench.cycle(ctx, **{port: add(2)})
        cycles = range(1, 21)
        blocked = [c for c in cycles if not bench.seen[c][f"{port}.ready"]]
        assert blocked == [SLOT + 1]
        bench.check()

    simulate(bench.dut, run, cycles=50)


def test_a_peek_and_an_add_block_nothing():
    for first in (PEEK, None):
        bench = IssueBench()

        async def run(ctx, bench=bench, first=first):
            await bench.cycle(ctx, sweep=first, spikes=None if first else add(3))
            for _ in range(15):
                await bench.cycle(ctx, inputs=add(2))
            assert all(seen["inputs.ready"] for seen in bench.seen[1:])

        simulate(bench.dut, run, cycles=50)


def test_biased_goes_to_sweeps_and_peeks_only():
    bench = IssueBench()
    history = [SWEEP, PEEK, None, SWEEP]

    async def run(ctx):
        for op in history:
            await bench.cycle(ctx, sweep=op, biased=1)
        await bench.cycle(ctx, inputs=add(1), biased=1)
        await bench.cycle(ctx, inputs=add(1), biased=1)
        for _ in range(6):
            await bench.cycle(ctx, biased=1)
        for at, op in bench.taken.items():
            assert bench.seen[at + 2]["bias2"] == (op.kind != OpKind.ADD)

    simulate(bench.dut, run, cycles=50)


def test_no_bias_while_ending():
    bench = IssueBench()

    async def run(ctx):
        await bench.cycle(ctx, sweep=SWEEP, biased=0, ending=1)
        for _ in range(8):
            await bench.cycle(ctx, biased=0, ending=1)
        assert not any(seen["bias2"] for seen in bench.seen)
        assert all(seen["ending"] for seen in bench.seen)

    simulate(bench.dut, run, cycles=50)


def test_the_row_of_a_peek_stays_at_the_memory():
    bench = IssueBench(replace(CONFIG, refractory=True))

    async def run(ctx):
        await bench.cycle(ctx, sweep=Op(OpKind.PEEK, 5), biased=1)
        for _ in range(20):
            await bench.cycle(ctx, biased=1, hold=1)
        # in stage 0 in cycle 1, in stage 2 from cycle 3 on
        assert [(s["row2"], s["bias2"]) for s in bench.seen[3:]] == [(5, 1)] * 18
        assert [s["row3"] for s in bench.seen[4:]] == [5] * 17

    simulate(bench.dut, run, cycles=50)


def test_a_peek_keeps_the_scale_of_one():
    """Behind events of other scales, H of a PEEK stands still with its bias as it is."""
    bench = IssueBench(GRADED)

    async def run(ctx):
        for _ in range(3):
            await bench.cycle(ctx, inputs=replace(add(2), magnitude=-127, shift=7))
        await bench.cycle(ctx, sweep=Op(OpKind.PEEK, 5), biased=1)
        for _ in range(20):
            await bench.cycle(ctx, biased=1, hold=1)
        assert [s["scale3"] for s in bench.seen[4:7]] == [-127 << 7] * 3
        assert [s["scale3"] for s in bench.seen[7:]] == [1] * 17
        assert [(s["row2"], s["bias2"]) for s in bench.seen[7:]] == [(5, 1)] * 17

    simulate(bench.dut, run, cycles=50)


@pytest.mark.parametrize("current", [False, True])
@pytest.mark.parametrize("graded", [False, True])
def test_the_row_of_parameters_follows_its_operation(graded, current):
    """(row & mask) + base, modulo the rows there are, in each stage that reads parameters."""
    config = replace(CONFIG, parameter_rows=4, graded=graded, current=current)
    bench = IssueBench(config)
    rng = random.Random(graded)
    cases = [(rng.randrange(4), rng.randrange(4)) for _ in range(6)]

    async def run(ctx):
        for base, mask in cases:
            drive = {"parameter_base": base, "parameter_mask": mask, "biased": 1}
            for _ in range(20):
                op = Op(OpKind.SWEEP, rng.randrange(8)) if rng.random() < 0.7 else None
                await bench.cycle(ctx, sweep=op, **drive)
            for _ in range(14):  # no other population before all is written back
                await bench.cycle(ctx, **drive)
        bench.check()
        for at, op in bench.taken.items():
            for stage in (2, 5, 6) if current else (1, 3, 6):
                cycle = at + stage + (bench.late if stage > 1 else 0)
                base, mask = cases[cycle // 34]
                got = bench.seen[cycle][f"parameters{stage}"]
                assert got == ((op.row & mask) + base) % 4, f"stage {stage}, {op}"

    simulate(bench.dut, run, cycles=400)


def test_divisions_are_passed_on():
    bench = IssueBench(replace(GRADED, multi_spike=True))

    async def run(ctx):
        for load, step in ((0, 0), (1, 0), (0, 1), (1, 1)):
            await bench.cycle(ctx, divide_load=load, divide_step=step)
            seen = bench.seen[-1]
            assert (seen["divide_load"], seen["divide_step"]) == (load, step)

    simulate(bench.dut, run, cycles=10)


def test_the_host_reads_a_row_of_both_banks():
    dut = Issue(CONFIG)

    async def run(ctx):
        for row in (0, 17, CONFIG.weight_rows - 1):
            ctx.set(dut.host_read, 1)
            ctx.set(dut.host_row, row)
            await ctx.tick()
            assert ctx.get(dut.even_address) == row
            assert ctx.get(dut.odd_address) == row
            assert not ctx.get(dut.even_valid)
            assert not ctx.get(dut.odd_valid)

    simulate(dut, run, cycles=20)


def test_sweeping_and_busy_end_after_the_write_back():
    bench = IssueBench()

    async def run(ctx):
        await bench.cycle(ctx, sweep=SWEEP)
        for _ in range(30):
            await bench.cycle(ctx)
        bench.check()
        assert not bench.seen[-1]["sweeping"]
        assert not bench.seen[-1]["busy"]

    simulate(bench.dut, run, cycles=60)


class IssueAndLane(Elaboratable):
    """The issue unit drives one lane; even weights are 5, odd ones 0."""

    def __init__(self, config):
        self.issue = Issue(config)
        self.lane = Lane(config)

    def elaborate(self, platform):
        m = Module()
        m.submodules.issue, m.submodules.lane = issue, lane = self.issue, self.lane
        valid = Signal(2)
        m.d.sync += valid.eq(Cat(issue.even_valid, valid))
        m.d.comb += [
            lane.control.eq(issue.controls[0]),
            lane.even.eq(Mux(valid[1], 5, 0)),
            lane.exists5.eq(1),
        ]
        return m


@pytest.mark.parametrize("config", [CONFIG, GRADED], ids=["plain", "graded"])
@pytest.mark.parametrize("later", range(1, 8))
def test_an_add_behind_unwritten_sees_what_the_sweep_wrote(later, config):
    dut = IssueAndLane(config)
    issue = dut.issue
    parameters = {
        "decay": 16384,
        "floor": -32768,
        "floor_some": 1,
        "top": 32767,
        "bias": 200,
        "minus_threshold": -1000,
    }

    async def offer(ctx, port, op):
        ctx.set(port.payload, op.payload(config.graded))
        ctx.set(port.valid, 1)
        ready = 0
        while not ready:
            _, _, ready = await ctx.tick().sample(port.ready)
        ctx.set(port.valid, 0)

    async def run(ctx):
        ctx.set(dut.lane.parameters, parameters)
        ctx.set(issue.input_open, 1)
        ctx.set(issue.biased, 1)
        await offer(ctx, issue.sweep, SWEEP)
        unwritten = 1
        while unwritten:
            _, _, unwritten = await ctx.tick().sample(issue.unwritten)
        for _ in range(later - 1):
            await ctx.tick()
        await offer(ctx, issue.inputs, add(SWEEP.row, odd=None))
        for _ in range(16):
            await ctx.tick()
        # half of the bias is left, and 5 is added
        ctx.set(issue.biased, 0)
        await offer(ctx, issue.sweep, Op(OpKind.PEEK, SWEEP.row))
        for _ in range(9):
            await ctx.tick()
        assert ctx.get(dut.lane.value5) == 105

    simulate(dut, run, cycles=80)


@pytest.mark.parametrize(
    "config", [CONFIG, GRADED, replace(CONFIG, lanes=8)], ids=["plain", "graded", "two-groups"]
)
@pytest.mark.parametrize("seed", range(4))
def test_random_operations(seed, config):
    rng = random.Random(seed)
    bench = IssueBench(config)

    def random_add():
        even, odd = (rng.randrange(CONFIG.weight_rows) for _ in "eo")
        which = rng.choice([(even, None), (None, odd), (even, odd)])
        scale = (rng.randint(-127, 127), rng.randrange(8)) if config.graded else (1, 0)
        return Op(OpKind.ADD, rng.randrange(3), *which, rng.randint(1, 4), 0, *scale)

    def random_sweep():
        kind = rng.choice([OpKind.SWEEP, OpKind.SWEEP, OpKind.PEEK])
        return Op(kind, rng.randrange(8), last=rng.randrange(2))

    async def run(ctx):
        offers = {"sweep": None, "spikes": None, "inputs": None}
        for _ in range(300):
            for name, op in offers.items():
                if op is None and rng.random() < (0.2 if name == "sweep" else 0.6):
                    offers[name] = random_sweep() if name == "sweep" else random_add()
            drive = {"input_open": rng.random() < 0.8, "hold": rng.random() < 0.1}
            ready = await bench.cycle(ctx, **offers, **drive)
            if drive["hold"]:
                assert ready == ["sweep"], f"seed {seed}"
            if not drive["input_open"]:
                assert "inputs" not in ready, f"seed {seed}"
            for name in ready:
                offers[name] = None
        bench.check()
        kinds = {op.kind for op in bench.taken.values()}
        assert kinds == set(OpKind)
        assert {port for port, _ in bench.granted.values()} == {"spikes", "inputs"}

    simulate(bench.dut, run, cycles=400)

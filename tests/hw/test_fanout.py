import random

import pytest
from amaranth.hdl import Elaboratable, Module, ResetInserter, Signal

from hw.bench import PATTERNS, receive, send, simulate
from hw.fanout_case import CONFIG_GROUPS, GROUPS, RUNS, add_memory, random_runs
from spikeloom_hw.fanout import FanOut


class WithMemories(Elaboratable):
    """A fan-out and its two memories, which answer one cycle after the index."""

    def __init__(self, groups, runs):
        self.groups, self.runs = groups, runs
        self.dut = FanOut(CONFIG_GROUPS)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        add_memory(m, GROUPS, self.groups, dut.group_index, dut.group_row, dut.group_read)
        add_memory(m, RUNS, self.runs, dut.run_index, dut.run_row, dut.run_read)
        return m


def request(rng, group):
    return {
        "group": group,
        "even_valid": rng.randrange(2),
        "odd_valid": rng.randrange(2),
        "even": rng.randrange(16),
        "odd": rng.randrange(16),
        "stride": rng.randrange(1, 20),
        "shift": rng.randrange(8),
        "magnitude": rng.randint(-127, 127),
    }


def expected_runs(requests, groups, runs):
    out = []
    for one in requests:
        first, n = (groups[one["group"]][name] for name in ("first_run", "n_runs"))
        for run in runs[first : first + n]:
            out.append(
                {
                    **{name: one[name] for name in one if name != "group"},
                    "row": run["row_base"],
                    "left": run["n_rows"] - 1,
                    "lanes": run["lanes"],
                    "lanes_last": run["lanes_last"],
                    "even": run["weight_base"] + one["even"],
                    "odd": run["weight_base"] + one["odd"],
                }
            )
    return out


def run_requests(groups, runs, requests, seed=0, stall_in=0.0, stall_out=0.0):
    """Return the cycle in which each run came; the first request is offered in cycle 0."""
    bench = WithMemories(groups, runs)
    dut = bench.dut
    wanted = expected_runs(requests, groups, runs)
    rng = random.Random(seed)
    taken = []

    async def source(ctx):
        await send(ctx, dut.i, requests, rng, stall_in)

    async def sink(ctx):
        taken.extend(await receive(ctx, dut.o, len(wanted), rng, stall_out))
        ctx.set(dut.o.ready, 1)
        while not ctx.get(dut.idle):
            await ctx.tick()
        for _ in range(5):
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert not valid, "a run too many"

    simulate(bench, source, sink, cycles=500 + 60 * (len(wanted) + len(requests)))
    got = [{name: int(payload[name]) for name in wanted[0]} for _, payload in taken]
    assert got == wanted, f"seed {seed}"
    return [cycle for cycle, _ in taken]


def test_latency_and_one_run_per_cycle():
    groups, runs = random_runs(random.Random(4), 12)
    rng = random.Random(0)
    full = [g for g, facts in enumerate(groups) if facts["n_runs"]]
    assert {groups[g]["n_runs"] for g in full} == {1, 2, 3}
    cycles = run_requests(groups, runs, [request(rng, g) for g in full * 2])
    assert cycles == list(range(FanOut.LATENCY_CYCLES, FanOut.LATENCY_CYCLES + len(cycles)))


def test_a_group_without_runs_takes_one_cycle():
    run = {"row_base": 3, "n_rows": 2, "lanes": 4, "weight_base": 9, "lanes_last": 1}
    groups = [{"first_run": 0, "n_runs": 1}, {"first_run": 1, "n_runs": 0}]
    rng = random.Random(1)
    for empty in range(4):
        order = [0] + [1] * empty + [0]
        cycles = run_requests(groups, [run], [request(rng, g) for g in order])
        assert cycles[1] - cycles[0] == 1 + empty


@pytest.mark.parametrize("n_runs", [4, CONFIG_GROUPS.runs - 1, CONFIG_GROUPS.runs])
def test_a_group_may_have_every_run_of_the_table(n_runs):
    runs = [
        {"row_base": k % 8, "n_rows": 1, "lanes": 4, "weight_base": k, "lanes_last": 1}
        for k in range(CONFIG_GROUPS.runs)
    ]
    groups = [{"first_run": CONFIG_GROUPS.runs - n_runs, "n_runs": n_runs}]
    cycles = run_requests(groups, runs, [request(random.Random(2), 0)] * 2)
    assert len(cycles) == 2 * n_runs


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
def test_random_groups_under_stalls(stall_in, stall_out):
    seed = 100 * PATTERNS.index(stall_in) + PATTERNS.index(stall_out)
    rng = random.Random(seed)
    groups, runs = random_runs(rng, 12)
    requests = [request(rng, rng.randrange(12)) for _ in range(25)]
    run_requests(groups, runs, requests, seed, stall_in, stall_out)


def test_a_reset_in_mid_run():
    groups, runs = random_runs(random.Random(4), 12)
    bench = WithMemories(groups, runs)
    dut = bench.dut
    rng = random.Random(2)
    before = [request(rng, g) for g in range(12)]
    after = [request(rng, 11 - g) for g in range(12)]
    wanted = expected_runs(after, groups, runs)
    assert wanted

    reset = Signal()
    top = ResetInserter({"sync": reset})(bench)

    async def run(ctx):
        for cycles in (1, 2, 3, 4, 7):
            ctx.set(dut.o.ready, cycles % 2)
            ctx.set(dut.i.valid, 1)
            for k in range(cycles):
                ctx.set(dut.i.payload, before[k])
                await ctx.tick()
            ctx.set(dut.i.valid, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert ctx.get(dut.idle)
            got = []
            ctx.set(dut.o.ready, 1)
            waiting = list(after)
            while len(got) < len(wanted):
                ctx.set(dut.i.valid, bool(waiting))
                if waiting:
                    ctx.set(dut.i.payload, waiting[0])
                _, _, taken, valid, payload = await ctx.tick().sample(
                    dut.i.ready, dut.o.valid, dut.o.payload
                )
                if taken and waiting:
                    waiting.pop(0)
                if valid:
                    got.append({name: int(payload[name]) for name in wanted[0]})
            assert got == wanted, f"reset after {cycles} cycles"
            ctx.set(dut.i.valid, 0)
            while not ctx.get(dut.idle):
                await ctx.tick()

    simulate(top, run, cycles=1000)

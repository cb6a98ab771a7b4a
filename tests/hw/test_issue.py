import random
from dataclasses import dataclass, replace

import pytest
from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal

from hw.bench import CONFIG, simulate
from spikeloom_hw.control import control_layout, late_stages
from spikeloom_hw.issue import WRITE_STAGE, Issue
from spikeloom_hw.lane import Lane
from spikeloom_hw.layouts import OpKind

GRADED = replace(CONFIG, graded=True)
ADD_STAGE = 4
SLOT = WRITE_STAGE - ADD_STAGE
"""An ADD this many cycles behind a SWEEP would write in the same cycle."""


@dataclass(frozen=True)
class Op:
    kind: OpKind
    row: int
    even: int | None = None
    odd: int | None = None
    lanes: int = 4
    last: int = 0
    magnitude: int = 1
    shift: int = 0

    def payload(self, graded=False):
        # the sequencer leaves the scale of its operations open
        magnitude = self.magnitude if self.kind == OpKind.ADD else 0
        scale = {"magnitude": magnitude, "shift": self.shift} if graded else {}
        return {
            **scale,
            "kind": self.kind,
            "row": self.row,
            "even_valid": self.even is not None,
            "odd_valid": self.odd is not None,
            "even": self.even or 0,
            "odd": self.odd or 0,
            "lanes": self.lanes,
            "last_row": self.last,
        }


class IssueBench:
    """Offers operations cycle by cycle and keeps what was taken and what came out."""

    OUTPUTS = (
        "even_address", "even_valid", "odd_address", "odd_valid", "last_row4", "sweep6", "row6",
        "sweep11", "row11", "add_taken", "add_row", "sweep_taken", "sweep_row", "input_sops",
        "spike_sops", "sweeping", "busy",
    )  # fmt: skip

    def __init__(self, config=CONFIG):
        self.dut = Issue(config)
        self.late = late_stages(config)
        self.control = list(control_layout(config).members)
        self.taken = {}
        self.source = {}
        self.seen = []

    async def cycle(self, ctx, sweep=None, spikes=None, inputs=None, **drive):
        """Offer up to one operation per port; return the names of the ports that were ready."""
        dut = self.dut
        offers = {"sweep": sweep, "spikes": spikes, "inputs": inputs}
        for name, op in offers.items():
            ctx.set(getattr(dut, name).valid, op is not None)
            if op is not None:
                ctx.set(getattr(dut, name).payload, op.payload(dut.config.graded))
        for name, value in {"input_open": 1, "hold": 0, **drive}.items():
            ctx.set(getattr(dut, name), value)
        names = [f"{name}.ready" for name in offers] + list(self.OUTPUTS) + self.control
        signals = [getattr(dut, name).ready for name in offers]
        signals += [getattr(dut, name) for name in self.OUTPUTS]
        signals += [dut.controls[0][name] for name in self.control]
        _, _, *values, controls = await ctx.tick().sample(*signals, dut.controls)
        assert all(control == controls[0] for control in controls)
        seen = {name: int(v) for name, v in zip(names, values, strict=True)}
        ready = [name for name in offers if seen[f"{name}.ready"]]
        now = len(self.seen)
        taken = [name for name in ready if offers[name] is not None]
        assert len(taken) <= 1, f"two operations taken in cycle {now}"
        if taken:
            # what is taken in this cycle is in stage 0 in the next
            self.taken[now + 1] = offers[taken[0]]
            self.source[now + 1] = taken[0]
        self.seen.append({**seen, **drive})
        return ready

    def check(self):
        """Compare every output of every cycle with what the operations taken so far say."""
        for cycle, seen in enumerate(self.seen):
            for name, value in self._expected(cycle).items():
                assert seen[name] == value, f"{name} in cycle {cycle}"

    def _expected(self, cycle):
        def at(stage):
            return self.taken.get(cycle - stage)

        late = self.late

        def is_kind(stage, kind):
            return int(at(stage) is not None and at(stage).kind == kind)

        def same_row(stage, other):
            return int(bool(at(stage) and at(other) and at(stage).row == at(other).row))

        out = {
            "even_valid": int(is_kind(0, OpKind.ADD) and at(0).even is not None),
            "odd_valid": int(is_kind(0, OpKind.ADD) and at(0).odd is not None),
            "forward3": same_row(3 + late, 4 + late),
            "forward_older3": same_row(3 + late, 5 + late),
            "write4": is_kind(4 + late, OpKind.ADD),
            "valid4": int(at(4 + late) is not None),
            "write10": is_kind(10 + late, OpKind.SWEEP),
            "sweep6": is_kind(6 + late, OpKind.SWEEP),
            "sweep11": is_kind(11 + late, OpKind.SWEEP),
        }
        for side in ("even", "odd"):
            if out[f"{side}_valid"]:
                out[f"{side}_address"] = getattr(at(0), side)
        for name, stage in (("row2", 2), ("row3", 3), ("row4", 4)):
            if at(stage + late) and name in self.control:
                out[name] = at(stage + late).row
        if "sweep5" in self.control:
            out["sweep5"] = is_kind(5 + late, OpKind.SWEEP)
        for name, stage in (("row6", 6), ("row10", 10), ("row11", 11)):
            if is_kind(stage + late, OpKind.SWEEP):
                out[name] = at(stage + late).row
        if is_kind(4 + late, OpKind.SWEEP):
            out["last_row4"] = at(4 + late).last
        if late and at(3):
            out["scale3"] = at(3).magnitude << at(3).shift if is_kind(3, OpKind.ADD) else 1
        next_op = self.taken.get(cycle + 1)
        out["add_taken"] = int(next_op is not None and next_op.kind == OpKind.ADD)
        out["sweep_taken"] = int(next_op is not None and next_op.kind == OpKind.SWEEP)
        if out["add_taken"]:
            out["add_row"] = next_op.row
        if out["sweep_taken"]:
            out["sweep_row"] = next_op.row
        for port, counter in (("inputs", "input_sops"), ("spikes", "spike_sops")):
            op = at(1) if self.source.get(cycle - 1) == port else None
            events = 0 if op is None else (op.even is not None) + (op.odd is not None)
            out[counter] = 0 if op is None else op.lanes * events
        # SWEEPs count from stage 0 to the end of their write-back at least
        if any(is_kind(stage, OpKind.SWEEP) for stage in range(WRITE_STAGE + 2 + late)):
            out["sweeping"] = 1
        if any(at(stage) for stage in range(WRITE_STAGE + 2 + late)):
            out["busy"] = 1
        return out


def add(row, even=1, odd=2, lanes=4):
    return Op(OpKind.ADD, row, even, odd, lanes)


SWEEP = Op(OpKind.SWEEP, 1)
PEEK = Op(OpKind.PEEK, 1)


@pytest.mark.parametrize(
    ("offered", "ready"),
    [
        ({"inputs": add(1)}, "inputs"),
        ({"spikes": add(1)}, "spikes"),
        ({"sweep": SWEEP}, "sweep"),
        ({"inputs": add(1), "spikes": add(2)}, "spikes"),
        ({"inputs": add(1), "sweep": SWEEP}, "sweep"),
        ({"spikes": add(1), "sweep": SWEEP}, "sweep"),
        ({"inputs": add(1), "spikes": add(2), "sweep": PEEK}, "sweep"),
        ({"inputs": add(1), "input_open": 0}, None),
        ({"inputs": add(1), "spikes": add(2), "input_open": 0}, "spikes"),
        ({"inputs": add(1), "hold": 1}, None),
        ({"spikes": add(1), "hold": 1}, None),
        ({"spikes": add(1), "sweep": PEEK, "hold": 1}, "sweep"),
    ],
)
def test_who_is_taken(offered, ready):
    bench = IssueBench()

    async def run(ctx):
        await bench.cycle(ctx, **offered)
        await bench.cycle(ctx, input_open=0)
        assert bench.source.get(1) == ready

    simulate(bench.dut, run, cycles=10)


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
        assert blocked == [SLOT]
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
        for cycle, seen in enumerate(bench.seen):
            assert not (seen["write4"] and seen["write10"]), f"seed {seed}, cycle {cycle}"
        bench.check()
        kinds = {op.kind for op in bench.taken.values()}
        assert kinds == set(OpKind)
        assert {"spikes", "inputs"} <= set(bench.source.values())

    simulate(bench.dut, run, cycles=400)

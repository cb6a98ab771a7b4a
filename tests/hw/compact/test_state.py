import random
from dataclasses import replace

import pytest

from hw.bench import COMPACT, edge_biased, simulate
from spikeloom_hw.compact.state import StateRows

LEAST, MOST = -(1 << 17), (1 << 17) - 1
LATENCY = StateRows.LATENCY_CYCLES
SUMMED_CYCLES = LATENCY + 1
"""From an addition to the first cycle in which its row may be asked for."""


class Schedule:
    """What happens in which cycle, and what is to be seen then, from sums of plain integers."""

    def __init__(self, rng, lanes=COMPACT.lanes, rows=COMPACT.state_rows):
        self.rng, self.lanes = rng, lanes
        self.values = [[0] * lanes for _ in range(rows)]
        self.now = 0
        self.drives: dict[int, dict] = {}
        self.shown: dict[int, int] = {}
        self.over: dict[int, int] = {}
        self.free = [0] * rows  # the cycle from which a row may be asked for
        self.quiet = 0  # the cycle from which something may be written

    def _drive(self, cycle, **values):
        self.drives.setdefault(cycle, {}).update(values)

    def wait(self, cycles):
        self.now += cycles

    def add(self, row, even, odd):
        """One row per cycle."""
        self.now = max(self.now, self.free[row])
        self._drive(self.now, row=row, add=1)
        self._drive(self.now + LATENCY, even=even, odd=odd)
        sums = [sum(s) for s in zip(self.values[row], even, odd, strict=True)]
        self.over[self.now + LATENCY] = any(not LEAST <= s <= MOST for s in sums)
        self.values[row] = [(s - LEAST) % (1 << 18) + LEAST for s in sums]
        self.free[row] = self.now + SUMMED_CYCLES
        self.quiet = self.now + 3
        self.now += 1

    def show(self, row, lane):
        self.now = max(self.now, self.free[row])
        self._drive(self.now, row=row, show=1)
        self._drive(self.now + LATENCY, lane=lane)
        self.shown[self.now + LATENCY] = self.values[row][lane]
        self.quiet = self.now + 3
        self.now += 1

    def write(self, row, lane, result):
        """The row stands still for two cycles before."""
        self.now = max(self.now, self.quiet - 2)
        for cycle in range(self.now, self.now + 3):
            self._drive(cycle, row=row)
        self.now = max(self.now + 2, self.quiet)
        self._drive(self.now, row=row, lane=lane, write=1, result=result)
        self.values[row][lane] = result
        self.now += 1

    def show_all(self):
        for row in self.rng.sample(range(len(self.values)), len(self.values)):
            for lane in range(self.lanes):
                self.show(row, lane)
        self.wait(LATENCY)

    def run(self, dut, what=""):
        """Drive everything, rubbish where nothing is asked for, and look in every cycle."""
        rng = self.rng

        def weights():
            return [rng.randint(-128, 127) for _ in range(self.lanes)]

        async def bench(ctx):
            for cycle in range(self.now + LATENCY + 1):
                drive = {
                    "row": rng.randrange(len(self.values)),
                    "lane": rng.randrange(self.lanes),
                    "result": rng.randint(LEAST, MOST),
                    **{"even": weights(), "odd": weights()},
                    **{"add": 0, "show": 0, "write": 0},
                    **self.drives.get(cycle, {}),
                }
                for name, value in drive.items():
                    ctx.set(getattr(dut, name), value)
                if cycle in self.shown:
                    assert ctx.get(dut.value) == self.shown[cycle], f"{what}, cycle {cycle}"
                assert ctx.get(dut.overflow) == self.over.get(cycle, 0), f"{what}, cycle {cycle}"
                await ctx.tick()

        simulate(dut, bench, cycles=self.now + 10)


def random_weights(rng, lanes):
    return [edge_biased(rng, -128, 127) for _ in range(lanes)]


def test_a_potential_is_shown_two_cycles_later_and_written_back():
    plan = Schedule(random.Random(0))
    plan.show(5, 1)
    plan.write(5, 1, -77)
    plan.show(5, 1)
    plan.write(5, 1, MOST)
    plan.show(5, 0)
    plan.show(5, 1)
    assert plan.shown == {2: 0, 6: -77, 10: 0, 11: MOST}
    plan.run(StateRows(COMPACT))


def test_the_sum_of_a_row_may_be_asked_for_three_cycles_later():
    plan = Schedule(random.Random(0))
    plan.add(3, [1, 2, 3, 4], [10, 20, 30, 40])
    plan.add(3, [-128] * 4, [-128] * 4)
    plan.show(3, 2)
    assert plan.shown == {8: 33 - 256}
    plan.run(StateRows(COMPACT))


def test_a_row_in_every_cycle():
    plan = Schedule(random.Random(1))
    rows = COMPACT.state_rows
    for index in range(5 * rows):
        plan.add(index % rows, *(random_weights(plan.rng, COMPACT.lanes) for _ in range(2)))
    assert plan.now == 5 * rows
    plan.show_all()
    plan.run(StateRows(COMPACT))


@pytest.mark.parametrize("lane", range(COMPACT.lanes))
def test_a_write_leaves_the_other_lanes_alone(lane):
    """And an addition leaves the other rows alone."""
    plan = Schedule(random.Random(2))
    for row in range(COMPACT.state_rows):
        for other in range(COMPACT.lanes):
            plan.write(row, other, 100 * row + other - 300)
    plan.write(6, lane, LEAST)
    plan.add(2, [1] * 4, [127] * 4)
    plan.show_all()
    plan.run(StateRows(COMPACT), f"lane {lane}")


def test_overflow_at_the_rails():
    """A sum of the greatest and of the least value is none; the next one is, in its cycle only."""
    plan = Schedule(random.Random(3))
    rails = [
        (MOST - 254, 127, 0),
        (MOST - 253, 127, 1),
        (LEAST + 256, -128, 0),
        (LEAST + 255, -128, 1),
    ]
    for lane in range(COMPACT.lanes):
        for start, weight, over in rails:
            plan.write(1, lane, start)
            weights = [weight if i == lane else 0 for i in range(COMPACT.lanes)]
            plan.add(1, weights, weights)
            assert plan.over[plan.now - 1 + LATENCY] == over
            plan.add(4, [127] * 4, [-128] * 4)
            plan.show(1, lane)
            plan.write(1, lane, 0)
    plan.run(StateRows(COMPACT))


@pytest.mark.parametrize("lanes", [4, 8])
@pytest.mark.parametrize("seed", range(3))
def test_random_operations(seed, lanes):
    rng = random.Random(100 * lanes + seed)
    config = replace(COMPACT, lanes=lanes, state_rows=(4, 8, 64)[seed])
    plan = Schedule(rng, lanes, config.state_rows)
    for _ in range(400):
        row, lane = rng.randrange(config.state_rows), rng.randrange(lanes)
        match rng.choice(["wait", "add", "add", "add", "show", "write"]):
            case "add":
                plan.add(row, random_weights(rng, lanes), random_weights(rng, lanes))
            case "show":
                plan.show(row, lane)
            case "write":
                plan.write(row, lane, edge_biased(rng, LEAST, MOST))
            case _:
                plan.wait(rng.randint(1, 4))
    plan.show_all()
    plan.run(StateRows(config), f"seed {100 * lanes + seed}")

import random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hw.bench import PATTERNS, edge_biased, simulate
from hw.sequencer_bench import SEQUENCER_CONFIG, Given, SequencerBench, expected_records
from spikeloom.spec.numfmt import POTENTIAL_MAX
from spikeloom.spec.tables import POPULATIONS, FireSelect
from spikeloom_hw.divider import Divider
from spikeloom_hw.layouts import Token

LANES, STATE_ROWS = SEQUENCER_CONFIG.lanes, SEQUENCER_CONFIG.state_rows
SILENT_CYCLES = 2
TICK_CYCLES = 15
"""Of a tick beside its active rows, where the pipeline takes 12 cycles and there are no spikes."""
FURTHER_CYCLES = 14
"""Of each further population beside its active rows."""


def population(row_base, n_rows, **facts):
    plain = dict.fromkeys(("probe_ticks", "probe_end", "multi_spike"), 0)
    plain |= {"always_visit": 0, "always_clear": 0, "opens_input": 0, "lanes_last": LANES}
    return {**plain, "row_base": row_base, "n_rows": n_rows, **facts}


INPUT = {"n_neurons": 99, "n_rows": 0, "first_projection": 3, "n_projections": 2}


def random_table(rng):
    rows, free = [INPUT], 0
    n = rng.randint(1, 3)
    opens = rng.randint(1, n)
    for index in range(1, n + 1):
        n_rows = rng.randint(1, 3 if free < 4 else 2 if free < 6 else 1)
        choices = ("probe_ticks", "probe_end", "multi_spike", "always_visit", "always_clear")
        facts = {name: int(rng.random() < 0.3) for name in choices}
        facts |= {"lanes_last": rng.randint(1, LANES), "opens_input": int(index == opens)}
        for field in POPULATIONS.fields:  # what is only passed on
            if field.name in ("threshold", "floor", "initial", "fire_constant", "decay", "bias"):
                low = -(1 << field.bits - 1) if field.signed else 0
                facts[field.name] = edge_biased(rng, low, (1 << field.bits - field.signed) - 1)
        facts["fire_select"] = rng.randrange(4)
        facts["threshold"] = max(facts["threshold"] & 0x7FFF, 1)
        rows.append(population(free, n_rows, **facts))
        free += n_rows
    return rows


def random_tokens(rng, n):
    out = []
    for k in range(n):
        kind = rng.choice([Token.TICK, Token.TICK, Token.END])
        active = rng.choice([0, 0, (1 << STATE_ROWS) - 1, rng.getrandbits(STATE_ROWS)])
        replays, late = rng.choice([0, 0, 1, 9]), rng.getrandbits(STATE_ROWS)
        last = k % 2 if kind == Token.END else 0
        out.append(Given(kind, rng.getrandbits(28), last, active, replays, late))
    return out


def run(rows, tokens, **options):
    """Give the tokens and compare what is done; return the bench and the cycles of each."""
    bench = SequencerBench(rows, random.Random(1), **options)
    cycles = []

    async def act(ctx):
        ctx.set(bench.dut.sample_cycles, 1234)
        ctx.set(bench.dut.sample_sops, 567)
        ctx.set(bench.dut.sample_settled, 1)
        await bench.clear(ctx)
        assert ctx.get(bench.dut.n_inputs) == rows[0]["n_neurons"]
        sweeps = [r for r in bench.records if r[0] != "inputs"]
        assert [r[:3] for r in sweeps] == [
            ("SWEEP", index, row)
            for index, facts in enumerate(rows[1:], start=1)
            for row in range(facts["row_base"], facts["row_base"] + facts["n_rows"])
        ]
        for given in tokens:
            begun = bench.cycle
            found = await bench.give(ctx, given)
            wanted, _ = expected_records(rows, given, LANES, bench.n_replays > 0)
            assert found == wanted, f"{given} of {rows}"
            cycles.append(bench.cycle - begun)

    simulate(bench, act, cycles=20000)
    return bench, cycles


def test_a_silent_tick():
    rows = [INPUT, population(0, 3, opens_input=1)]
    _, cycles = run(rows, [Given(Token.TICK, k) for k in range(4)])
    assert cycles == [SILENT_CYCLES] * 4


@pytest.mark.parametrize("further", [0, 1, 2])
def test_cycles_of_active_rows_and_populations(further):
    rows = [INPUT, population(0, 4, opens_input=1)]
    rows += [population(4 + 2 * k, 2) for k in range(further)]
    actives = [(1 << k) - 1 for k in range(1, 5 + 2 * further)]
    _, cycles = run(rows, [Given(Token.TICK, 1, active=a) for a in actives], encoder_cycles=1)
    idle = TICK_CYCLES + further * FURTHER_CYCLES
    # a population without active rows is passed without a wait for the pipeline
    passed = [sum(not a >> 4 + 2 * k & 3 for k in range(further)) for a in actives]
    spent = [c - a.bit_count() for c, a in zip(cycles, actives, strict=True)]
    assert spent == [idle - n * (FURTHER_CYCLES - 3) for n in passed]


def test_input_opens_seven_cycles_behind_the_last_row_that_it_feeds():
    rows = [INPUT, population(0, 2), population(2, 3, opens_input=1), population(5, 2)]
    bench, _ = run(rows, [Given(Token.TICK, 1, active=0b1111111)], encoder_cycles=1)
    sweeps = list(bench.sweeps)[-7:]
    closed = [c for c in range(sweeps[0], bench.cycle) if not bench.opened[c]]
    assert closed == list(range(sweeps[0], closed[-1] + 1))
    # it is looked at in the cycle behind the last young one, and is a register
    assert closed[-1] == sweeps[4] + 8
    assert closed[-1] < sweeps[5]


def test_the_facts_of_a_population_stand_when_the_lanes_look_at_them():
    """They are looked at from stage 1 on, two cycles behind the operation; constants from 6."""
    rng = random.Random(3)
    rows = random_table(rng)
    while len(rows) < 4 or {facts["fire_select"] for facts in rows[1:]} < {0, 2}:
        rows = random_table(rng)
    bench = SequencerBench(rows, rng)
    checked = []

    async def act(ctx):
        ctx.set(bench.dut.sample_settled, 1)
        await bench.clear(ctx)
        for kind in (Token.TICK, Token.END, Token.TICK):
            for offset in (2, 12):
                token = Given(kind, 1, active=(1 << STATE_ROWS) - 1)
                taken = False
                sent = len(bench.records)
                while not {("tick_sent",), ("sample_sent",)} & set(bench.records[sent:]):
                    taken |= await bench.step(ctx, None if taken else token, True)
                    due = [f for at, f in bench.facts if at == bench.cycle - offset]
                    if not due:
                        continue
                    facts = rows[due[0]["population"]]
                    select = facts["fire_select"]
                    constant = facts["fire_constant"]
                    if select == FireSelect.H:
                        constant = -facts["threshold"]
                    if kind == Token.END:
                        constant = facts["initial"]
                    par = bench.dut.parameters
                    top = facts["fire_constant"] if select == FireSelect.VALUE else POTENTIAL_MAX
                    assert ctx.get(par.minus_threshold) == -facts["threshold"]
                    assert ctx.get(par.floor_some) == (facts["floor"] != 0)
                    assert ctx.get(par.top) == top
                    for name in ("decay", "bias", "floor", "fire_select"):
                        assert ctx.get(getattr(par, name)) == facts[name]
                    assert ctx.get(par.constant) == constant
                    assert ctx.get(bench.dut.tail) == (1 << facts["lanes_last"]) - 1
                    assert ctx.get(bench.dut.row_base) == facts["row_base"]
                    checked.append(kind)

    simulate(bench, act, cycles=5000)
    assert len(checked) > 20


def test_a_division_holds_the_pipeline_from_peek_to_sweep():
    rows = [INPUT, population(0, 3, multi_spike=1, opens_input=1)]
    bench, _ = run(rows, [Given(Token.TICK, 1, active=0b101)], encoder_cycles=1)
    ops = [at for at, _ in bench.facts][-4:]
    assert ops[1] - ops[0] == 1 + Divider.BUSY_CYCLES
    assert ops[3] - ops[2] == 1 + Divider.BUSY_CYCLES


@pytest.mark.parametrize("replays", [1, 2, 9])
def test_a_tick_begins_with_its_replays(replays):
    rows = [INPUT, population(0, 3, opens_input=1)]
    tokens = [Given(Token.TICK, 1, active=0b11, replays=replays), Given(Token.END, 2, active=1)]
    tokens += [Given(Token.TICK, 3, replays=replays), Given(Token.END, 4, replays=replays)]
    run(rows, tokens)
    run(rows, tokens, n_replays=0)


@pytest.mark.parametrize("stall", PATTERNS)
@pytest.mark.parametrize("seed", range(4))
def test_random_tables_and_tokens(seed, stall):
    rng = random.Random(f"{seed}{stall}")
    run(
        random_table(rng),
        random_tokens(rng, 12),
        stall=stall,
        encoder_cycles=rng.choice([1, 6, 40]),
    )


def test_a_reset_in_mid_run():
    rows = [INPUT, population(0, 2, probe_ticks=1), population(2, 2, multi_spike=1, opens_input=1)]
    bench = SequencerBench(rows, random.Random(0), encoder_cycles=2)
    reset = Signal()
    top = ResetInserter({"sync": reset})(bench)

    async def act(ctx):
        ctx.set(bench.dut.sample_settled, 1)
        for cycles in (1, 3, 8, 20, 45):
            await bench.clear(ctx)
            token = Given(Token.TICK, 1, active=0b1111)
            for cycle in range(cycles):
                await bench.step(ctx, token if cycle == 0 else None, True)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            bench.masks.clear()
            bench.sweeps.clear()
            bench.records.clear()
            assert not ctx.get(bench.dut.ready)
            await bench.clear(ctx)
            found = await bench.give(ctx, token)
            assert found == expected_records(rows, token, LANES, False)[0]
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            bench.masks.clear()
            bench.sweeps.clear()

    simulate(top, act, cycles=5000)

import random

import pytest
from amaranth.lib import data

from hw.bench import PATTERNS, receive, send, simulate
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom_hw.decode import Decoder
from spikeloom_hw.layouts import Token

N = 6


def spike(neuron, population=0):
    return int(aer.addressed(Kind.SPIKE, population, neuron))


TICK, END = aer.word(Kind.TICK, 5), aer.word(Kind.END, 9)
NULL = 0


def beat(low, high=0, last=0):
    return {"data": low | high << 32, "last": last}


def item_facts(item: data.Const):
    """What an item says, without the fields that its token leaves open."""
    if item.token == Token.PAIR:
        pair = item.pair
        return (
            "pair",
            2 * pair.even if pair.even_valid else None,
            2 * pair.odd + 1 if pair.odd_valid else None,
            item.last,
        )
    return (item.token.name, item.payload, item.last)


def expected_items(beats, n_neurons):
    """The rules of the word format, stated word by word."""
    items, counts = [], {"accepted": 0, "dropped": 0, "kind": 0, "address": 0, "frame": 0}
    for one in beats:
        words, ends = [], False
        bad_kind = bad_address = False
        for word in (one["data"] & 0xFFFFFFFF, one["data"] >> 32):
            kind, payload = word >> 28, word & 0xFFFFFFF
            if kind == 1:
                if payload < n_neurons:
                    words.append(("spike", payload))
                    counts["accepted"] += 1
                else:
                    bad_address = True
                    counts["dropped"] += 1
            elif kind in (3, 4):
                words.append(({3: "TICK", 4: "END"}[kind], payload))
                ends |= kind == 4
            elif kind != 0:
                bad_kind = True
                counts["dropped"] += 1
        counts["kind"] += bad_kind
        counts["address"] += bad_address
        counts["frame"] += bool(one["last"] and not ends)
        both = [payload for name, payload in words if name == "spike"]
        if len(both) == 2 and both[0] % 2 != both[1] % 2:
            even, odd = sorted(both, key=lambda neuron: neuron % 2)
            items.append(("pair", even, odd, 0))
            continue
        last_end = max((i for i, (name, _) in enumerate(words) if name == "END"), default=None)
        for index, (name, payload) in enumerate(words):
            if name == "spike":
                pair = (None, payload) if payload % 2 else (payload, None)
                items.append(("pair", *pair, 0))
            else:
                items.append((name, payload, one["last"] if index == last_end else 0))
    return items, counts


def run(beats, n_neurons=N, seed=0, stall_in=0.0, stall_out=0.0):
    """Return the items, the cycles in which they came and the counts of the pulses."""
    dut = Decoder()
    expected, _ = expected_items(beats, n_neurons)
    rng = random.Random(seed)
    counts = dict.fromkeys(("accepted", "dropped", "kind", "address", "frame"), 0)
    got, cycles, ended = [], [], []

    async def source(ctx):
        ctx.set(dut.n_neurons, n_neurons)
        watch = [dut.accepted, dut.dropped, dut.bad_kind, dut.bad_address, dut.bad_frame]
        for values in await send(ctx, dut.i, beats, rng, stall_in, watch):
            for name, value in zip(counts, values, strict=True):
                counts[name] += value
        ended.append(True)

    async def sink(ctx):
        for cycle, item in await receive(ctx, dut.o, len(expected), rng, stall_out):
            cycles.append(cycle)
            got.append(item_facts(item))
        ctx.set(dut.o.ready, 1)
        left = 5
        while left:
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert not valid, "an item too many"
            left -= bool(ended)
        assert ctx.get(dut.idle)

    simulate(dut, source, sink, cycles=200 + 40 * len(beats))
    return got, cycles, counts


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ((spike(2), spike(3)), [("pair", 2, 3, 0)]),
        ((spike(3), spike(2)), [("pair", 2, 3, 0)]),
        ((spike(1), spike(4)), [("pair", 4, 1, 0)]),
        ((spike(2), spike(4)), [("pair", 2, None, 0), ("pair", 4, None, 0)]),
        ((spike(5), spike(1)), [("pair", None, 5, 0), ("pair", None, 1, 0)]),
        ((spike(2), spike(2)), [("pair", 2, None, 0), ("pair", 2, None, 0)]),
        ((spike(0), NULL), [("pair", 0, None, 0)]),
        ((NULL, spike(1)), [("pair", None, 1, 0)]),
        ((NULL, NULL), []),
        ((spike(4), TICK), [("pair", 4, None, 0), ("TICK", 5, 0)]),
        ((TICK, spike(4)), [("TICK", 5, 0), ("pair", 4, None, 0)]),
        ((TICK, END), [("TICK", 5, 0), ("END", 9, 0)]),
        ((TICK, TICK), [("TICK", 5, 0), ("TICK", 5, 0)]),
        ((spike(N - 1), spike(N)), [("pair", None, 5, 0)]),
        ((spike(N), spike(N - 1)), [("pair", None, 5, 0)]),
        ((spike(2, population=1), spike(3)), [("pair", None, 3, 0)]),
        ((spike(2), spike(3, population=255)), [("pair", 2, None, 0)]),
        ((aer.word(Kind.SPIKE, 0xFFFFFFF), END), [("END", 9, 0)]),
    ],
)
def test_items_of_one_beat(words, items):
    got, _, _ = run([beat(*words)])
    assert got == items


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("words", [(END, NULL), (NULL, END), (TICK, END), (END, TICK)])
def test_last_goes_with_the_end_of_its_beat(words, last):
    got, _, counts = run([beat(*words, last)])
    assert [(item[0], item[-1]) for item in got] == [
        ({3: "TICK", 4: "END"}[word >> 28], last * (word == END)) for word in words if word
    ]
    assert counts["frame"] == 0


def test_last_closes_one_packet_of_two_ends():
    got, _, _ = run([beat(END, END, 1)])
    assert [(item[0], item[-1]) for item in got] == [("END", 0), ("END", 1)]


@pytest.mark.parametrize("words", [(NULL, NULL), (spike(1), spike(2)), (TICK, NULL), (TICK, TICK)])
def test_last_without_an_end_is_a_frame_fault(words):
    got, _, counts = run([beat(*words, 1), beat(END, 0, 1)])
    assert counts["frame"] == 1
    assert all(item[-1] == 0 for item in got[:-1])
    assert got[-1] == ("END", 9, 1)


@pytest.mark.parametrize("kind", range(16))
@pytest.mark.parametrize("at", [0, 1])
def test_every_kind_at_either_place(kind, at):
    word = kind << 28 | 3
    words = [spike(2), spike(2)]
    words[at] = word
    got, _, counts = run([beat(*words)])
    assert (got, counts) == expected_items([beat(*words)], N)
    unknown = kind not in (Kind.NULL, Kind.SPIKE, Kind.TICK, Kind.END)
    assert (counts["kind"], counts["dropped"]) == (unknown, unknown)


@pytest.mark.parametrize("n_neurons", [0, 1, 2, 5, 6, (1 << 20) - 1])
def test_only_neurons_below_n_pass(n_neurons):
    neurons = {max(n_neurons - 1, 0), n_neurons, n_neurons + 1, (1 << 20) - 1}
    beats = [beat(spike(k & 0xFFFFF)) for k in sorted(neurons)]
    got, _, counts = run(beats, n_neurons)
    assert (got, counts) == expected_items(beats, n_neurons)
    assert counts["dropped"] == counts["address"] > 0


def test_two_faults_in_one_beat_count_twice_and_pulse_both_flags():
    _, _, counts = run([beat(spike(N), 0xF0000000), beat(spike(N), spike(7)), beat(END, 0, 1)])
    assert counts == {"accepted": 0, "dropped": 4, "kind": 1, "address": 2, "frame": 0}


def test_latency_from_beat_to_item():
    dut = Decoder()

    async def bench(ctx):
        ctx.set(dut.n_neurons, N)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, beat(spike(1)))
        for cycle in range(1, 10):
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            ctx.set(dut.i.valid, 0)
            if valid:
                # the beat is on offer in cycle 1, the item is taken at the end of `cycle`
                assert cycle == Decoder.LATENCY_CYCLES
                return
        pytest.fail("no item")

    simulate(dut, bench, cycles=20)


def test_one_beat_per_cycle_where_each_makes_one_item():
    beats = [beat(spike(k % 6), spike((k + 1) % 6)) for k in range(20)]
    beats += [beat(TICK), beat(spike(3)), beat(END, 0, 1)]
    got, cycles, _ = run(beats)
    assert got == expected_items(beats, N)[0]
    assert cycles == list(range(cycles[0], cycles[0] + len(beats)))


def test_two_items_of_a_beat_take_two_cycles():
    beats = [beat(spike(0), spike(2))] * 5
    _, cycles, _ = run(beats)
    assert cycles == list(range(cycles[0], cycles[0] + 10))


@pytest.mark.parametrize("stall_in", PATTERNS)
@pytest.mark.parametrize("stall_out", PATTERNS)
def test_random_beats_under_stalls(stall_in, stall_out):
    seed = 100 * PATTERNS.index(stall_in) + PATTERNS.index(stall_out)
    rng = random.Random(seed)
    choices = [
        lambda: spike(rng.randrange(N + 2)),
        lambda: spike(rng.randrange(N)),
        lambda: spike(rng.randrange(N), rng.choice([0, 1, 16, 255])),
        lambda: NULL,
        lambda: aer.word(Kind.TICK, rng.getrandbits(28)),
        lambda: aer.word(Kind.END, rng.getrandbits(28)),
        lambda: rng.getrandbits(32),
    ]
    beats = [
        beat(rng.choice(choices)(), rng.choice(choices)(), rng.random() < 0.2) for _ in range(80)
    ]
    got, _, counts = run(beats, N, seed, stall_in, stall_out)
    assert (got, counts) == expected_items(beats, N), f"seed {seed}"

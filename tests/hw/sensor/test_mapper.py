"""Address mapping against its NumPy twin and against hand-worked cases."""

import itertools
import random

import numpy as np
import pytest

from hw.bench import STALLS, receive, send, simulate
from hw.sensor.pins import MHZ, apply, fields, setup
from spikeloom.events.sensor import AddressField
from spikeloom_hw.sensor.mapper import AddressMapper


def mapped(values, addresses, stalls=(0.0, 0.0), n=None, seed=0):
    """Return (neurons, cycles of taking, cycles of leaving, events outside)."""
    dut = AddressMapper()
    out, taken, counts = [], [], {"outside": 0, "ended": False}
    rngs = [random.Random(f"{seed} {k}") for k in range(2)]

    async def drive(ctx):
        apply(ctx, dut.settings, values)
        await send(ctx, dut.i, addresses, rngs[0], stalls[0])
        for _ in range(40):
            await ctx.tick()
        counts["ended"] = True

    async def take(ctx):
        out.extend(await receive(ctx, dut.o, n, rngs[1], stalls[1]))

    async def watch(ctx):
        cycle = 0
        while not counts["ended"]:
            _, _, valid, ready, outside = await ctx.tick().sample(
                dut.i.valid, dut.i.ready, dut.outside
            )
            counts["outside"] += outside
            if valid and ready:
                taken.append(cycle)
            cycle += 1

    simulate(dut, drive, take, watch, cycles=30000)
    return [v for _, v in out], taken, [c for c, _ in out], counts["outside"]


def field(rng, bits):
    return AddressField(rng.randint(0, 24 - bits), bits, rng.random() < 0.5)


def random_setup(rng):
    """Return a setup with edges: fields of 0 and 12 lines, crops of one pixel and of all."""
    wide, high = rng.choice([0, 1, 5, 7, 12]), rng.choice([0, 1, 6, 9, 12])
    sides = [rng.choice([1, 1 << bits, rng.randint(1, 1 << bits)]) for bits in (high, wide)]
    corner = [
        rng.choice([0, (1 << bits) - side]) if rng.random() < 0.5 else
        rng.randint(0, (1 << bits) - side)
        for bits, side in zip((high, wide), sides, strict=True)
    ]  # fmt: skip
    facts = {
        "x": field(rng, wide),
        "y": field(rng, high),
        "polarity": field(rng, 1),
        "crop": (*corner, *sides),
        "polarities": rng.choice(["keep", "merge", "on", "off"]),
        "limit": 0,
    }
    downscale = 1
    while (sides[0] // downscale + 1) * (sides[1] // downscale + 1) > 1 << 18:
        downscale *= 2
    return setup(downscale=min(2048, downscale * rng.choice([1, 2, 4])), **facts)


def targets(rng, chosen, n):
    """Return addresses of which about half hit the crop, some at its edges."""
    top, left, rows, columns = chosen.crop
    out = []
    for _ in range(n):
        address = rng.getrandbits(24)
        if rng.random() < 0.6:
            x = left + rng.choice([-1, 0, columns - 1, columns, rng.randrange(columns)])
            y = top + rng.choice([-1, 0, rows - 1, rows, rng.randrange(rows)])
            for axis, value in ((chosen.x, x), (chosen.y, y)):
                put = int(axis.put(np.array([value & axis.mask]))[0])
                address = address & ~(axis.mask << axis.shift) | put
        out.append(address)
    return out


@pytest.mark.parametrize("seed", range(12))
def test_random_settings_equal_the_twin(seed):
    rng = random.Random(seed)
    chosen = random_setup(rng)
    addresses = targets(rng, chosen, 60)
    neurons = chosen.neurons(np.array(addresses))
    expected = neurons[neurons >= 0].tolist()
    stalls = (0.0, STALLS[seed % 3])
    got, _, _, outside = mapped(chosen.registers(MHZ), addresses, stalls, len(expected), seed)
    assert got == expected, f"seed {seed}: {chosen}"
    assert outside == len(addresses) - len(expected)


def test_the_index_is_row_major_with_channels_last():
    """x in lines 1 to 4, y in lines 5 to 8, polarity in line 0; crop of 6 x 4 from (3, 2)."""
    chosen = setup(x=AddressField(1, 4), y=AddressField(5, 4), polarity=AddressField(0, 1),
                   crop=(2, 3, 4, 6), downscale=2)  # fmt: skip
    assert chosen.shape == (2, 3, 2)

    def address(x, y, p):
        return y << 5 | x << 1 | p

    cases = {
        address(3, 2, 0): 0, address(4, 3, 0): 0, address(3, 2, 1): 1, address(5, 2, 0): 2,
        address(8, 3, 1): 5, address(3, 4, 0): 6, address(8, 5, 1): 11,
        address(2, 2, 0): -1, address(9, 2, 0): -1, address(3, 1, 1): -1, address(3, 6, 1): -1,
    }  # fmt: skip
    assert chosen.neurons(np.array(list(cases))).tolist() == list(cases.values())
    expected = [v for v in cases.values() if v >= 0]
    got, *_, outside = mapped(chosen.registers(MHZ), list(cases), n=len(expected))
    assert got == expected
    assert outside == 4


def test_latency_is_the_same_for_every_address_and_so_is_the_rate():
    chosen = setup(crop=(0, 0, 128, 128), limit=0)
    rng = random.Random(1)
    addresses = [rng.getrandbits(15) for _ in range(20)] + [0, 0x7FFF]
    got, taken, left, _ = mapped(chosen.registers(MHZ), addresses, n=len(addresses))
    assert got == chosen.neurons(np.array(addresses)).tolist()
    assert {b - a for a, b in zip(taken, left, strict=True)} == {AddressMapper.LATENCY_CYCLES}
    assert {b - a for a, b in itertools.pairwise(taken)} == {AddressMapper.LATENCY_CYCLES}


def test_an_index_of_more_than_20_bits_never_leaves():
    values = {
        **fields("X", SHIFT=0, WIDTH=12),
        **fields("Y", SHIFT=12, WIDTH=12),
        **fields("SIZE", WIDTH=4096, HEIGHT=4096),
        **fields("SCALE", STRIDE=(1 << 14) - 1),
        **fields("POLARITY", MODE=1),
    }
    stride = (1 << 14) - 1
    cases = [(0, 0), (63, 4095), (64, 0), (64, 64), (64, 63), (65, 0), (4095, 4095)]
    expected = [y * stride + x for y, x in cases if y * stride + x < 1 << 20]
    got, *_, outside = mapped(values, [y << 12 | x for y, x in cases], n=len(expected))
    assert got == expected
    assert (len(got), outside) == (4, 3)


def test_a_crop_that_leaves_the_coordinates_does_not_begin_again_at_0():
    values = {
        **fields("X", SHIFT=0, WIDTH=12),
        **fields("Y", SHIFT=12, WIDTH=12),
        **fields("ORIGIN", X=4000, Y=4090),
        **fields("SIZE", WIDTH=4096, HEIGHT=4096),
        **fields("SCALE", STRIDE=96),
        **fields("POLARITY", MODE=1),
    }
    cases = [(4090, 4000), (4095, 4095), (4095, 0), (4095, 3999), (0, 4000), (4089, 4000)]
    got, *_, outside = mapped(values, [y << 12 | x for y, x in cases], n=2)
    assert (got, outside) == ([0, 5 * 96 + 95], 4)

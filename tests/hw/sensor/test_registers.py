"""The sensor's registers: reset values, write masks, locks, flags, counters."""

import random

import pytest

from hw.bench import simulate
from spikeloom.spec import regmap
from spikeloom.spec.regmap import SENSOR_BY_NAME, SENSOR_REGISTERS, Access
from spikeloom_hw.sensor.layouts import SETTINGS, short
from spikeloom_hw.sensor.registers import SensorRegisters

ONES = 0xFFFFFFFF
CONTROL, ERRORS, STATUS = (
    SENSOR_BY_NAME[f"SENSOR_{name}"] for name in ("CONTROL", "ERRORS", "STATUS")
)


def register_test(run, cycles=3000):
    dut = SensorRegisters()

    async def bench(ctx):
        await run(ctx, dut)

    simulate(dut, bench, cycles=cycles)


async def read(ctx, dut, offset):
    ctx.set(dut.offset, offset)
    _, _, data, error = await ctx.tick().sample(dut.read_data, dut.read_error)
    return data, error


async def write(ctx, dut, offset, data, strobe=0xF):
    """Return the error."""
    for name, value in {"offset": offset, "write_data": data, "write_strobe": strobe}.items():
        ctx.set(getattr(dut, name), value)
    ctx.set(dut.write, 1)
    _, _, error = await ctx.tick().sample(dut.write_error)
    ctx.set(dut.write, 0)
    return error


def mask(register, access):
    return sum(register.mask(f.name) for f in register.fields if f.access is access)


def writable(register):
    return any(f.access is not Access.READ for f in register.fields)


def test_every_register_takes_its_fields_and_nothing_else():
    async def run(ctx, dut):
        for register in SENSOR_REGISTERS:
            assert await read(ctx, dut, register.offset) == (0, 0), register.name
        for register in (r for r in SENSOR_REGISTERS if r is not CONTROL):
            assert await write(ctx, dut, register.offset, ONES) == (not writable(register))
            kept = mask(register, Access.READ_WRITE)
            assert await read(ctx, dut, register.offset) == (kept, 0), register.name
            if writable(register):
                for strobe in range(15):
                    assert await write(ctx, dut, register.offset, 0, strobe)
                assert await read(ctx, dut, register.offset) == (kept, 0)
        for register in SETTINGS:
            if register is not CONTROL:
                value = ctx.get(dut.settings[short(register.name)].as_value())
                assert value == mask(register, Access.READ_WRITE), register.name

    register_test(run)


def test_offsets_of_the_group_that_hold_nothing_are_refused():
    known = {r.offset for r in SENSOR_REGISTERS}

    async def run(ctx, dut):
        for offset in range(0, 0x1000, 4):
            _, error = await read(ctx, dut, offset)
            assert ctx.get(dut.hit) == (0x200 <= offset < 0x300)
            assert error == (offset not in known), hex(offset)
            if offset not in known:
                assert await write(ctx, dut, offset, ONES), hex(offset)
        for register in SENSOR_REGISTERS:
            assert await read(ctx, dut, register.offset) == (0, 0)

    register_test(run)


@pytest.mark.parametrize("why", ["source", "selected"])
def test_settings_are_locked_while_the_sensor_feeds_the_core(why):
    async def run(ctx, dut):
        if why == "source":
            assert not await write(ctx, dut, CONTROL.offset, CONTROL.mask("SOURCE"))
        else:
            ctx.set(dut.selected, 1)
        for register in SENSOR_REGISTERS:
            free = register.name in regmap.SENSOR_FREE
            if writable(register) and register is not CONTROL:
                assert await write(ctx, dut, register.offset, ONES) == (not free), register.name
                assert await read(ctx, dut, register.offset) == (0, 0)
        assert not await write(ctx, dut, CONTROL.offset, 0)
        ctx.set(dut.selected, 0)
        for register in SETTINGS:
            assert not await write(ctx, dut, register.offset, ONES & ~2)

    register_test(run)


def test_control_keeps_its_switches_and_its_pulse_is_none():
    async def run(ctx, dut):
        assert not await write(ctx, dut, CONTROL.offset, ONES)
        assert await read(ctx, dut, CONTROL.offset) == (0b11111, 0)

    register_test(run)


@pytest.mark.parametrize("name", [f.name for f in STATUS.fields])
def test_status(name):
    async def run(ctx, dut):
        for level in (1, 0, 1):
            ctx.set(getattr(dut, name.lower()), level)
            expected = STATUS.mask(name) if level else 0
            assert await read(ctx, dut, STATUS.offset) == (expected, 0)

    register_test(run)


@pytest.mark.parametrize("name", [f.name for f in ERRORS.fields])
def test_errors_stick_until_a_one_is_written(name):
    bit = ERRORS.mask(name)

    async def run(ctx, dut):
        ctx.set(dut.errors, {name.lower(): 1})
        await ctx.tick()
        ctx.set(dut.errors, {})
        assert not await write(ctx, dut, ERRORS.offset, ONES & ~bit)
        assert await read(ctx, dut, ERRORS.offset) == (bit, 0)
        ctx.set(dut.errors, {name.lower(): 1})
        await write(ctx, dut, ERRORS.offset, bit)
        ctx.set(dut.errors, {})
        assert await read(ctx, dut, ERRORS.offset) == (bit, 0), "a fault in the cycle of the write"
        await write(ctx, dut, ERRORS.offset, bit)
        assert await read(ctx, dut, ERRORS.offset) == (0, 0)

    register_test(run)


class OpenRegisters(SensorRegisters):
    """Registers whose counters the test can set."""

    def _counters(self, m, clear):
        self.open = super()._counters(m, clear)
        return dict(self.open)


@pytest.mark.parametrize("name", [name for name, _ in regmap.SENSOR_COUNTERS])
def test_a_counter_adds_its_own_event_and_stops_at_all_ones(name):
    dut = OpenRegisters()
    rng = random.Random(name)
    register = SENSOR_BY_NAME[f"SENSOR_{name}"]

    async def bench(ctx):
        high = ctx.get(dut.counts.as_value()) or (1 << len(dut.counts[name.lower()])) - 1
        amounts = [rng.randint(0, high) for _ in range(30)] + [high]
        for amount in amounts:
            ctx.set(dut.counts, {name.lower(): amount})
            await ctx.tick()
        ctx.set(dut.counts, {})
        await ctx.tick()
        for other, _ in regmap.SENSOR_COUNTERS:
            expected = sum(amounts) if other == name else 0
            assert await read(ctx, dut, SENSOR_BY_NAME[f"SENSOR_{other}"].offset) == (expected, 0)
        ctx.set(dut.open[register.name], ONES - high)
        ctx.set(dut.counts, {name.lower(): high})
        for _ in range(4):
            await ctx.tick()
        assert await read(ctx, dut, register.offset) == (ONES, 0)
        ctx.set(dut.counts, {})
        await ctx.tick()
        await write(ctx, dut, CONTROL.offset, CONTROL.mask("CLEAR_COUNTERS"))
        assert await read(ctx, dut, register.offset) == (0, 0)

    simulate(dut, bench)

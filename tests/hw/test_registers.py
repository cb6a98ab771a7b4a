import random

import pytest

from hw.bench import CONFIG, simulate
from spikeloom.spec import regmap
from spikeloom.spec.build import build_id
from spikeloom.spec.regmap import BY_NAME, REGISTERS, Access
from spikeloom_hw.axi_lite import AxiLiteSlave
from spikeloom_hw.counters import SHOWN_CYCLES, TURN_CYCLES
from spikeloom_hw.registers import Registers

ONES = 0xFFFFFFFF

RESET_VALUES = {
    "ID": 0x534C4F4D,
    "MAP_VERSION": 1,
    "BUILD_ID_LO": int(build_id(CONFIG), 16) & ONES,
    "BUILD_ID_HI": int(build_id(CONFIG), 16) >> 32,
    "LANES": 4,
    "STATE_ROWS": 8,
    "WEIGHT_ROWS": 64,
}
"""What registers read at first; 0 for all others while the core reports nothing."""

EVENT_OF = {
    "CYCLES": ("busy", 1), "SOPS": ("sops", 3), "EVENTS_IN": ("spikes_in", 2),
    "EVENTS_OUT": ("spikes_out", 2), "TICKS": ("tick", 1), "SAMPLES": ("sample", 1),
    "DROPPED": ("dropped", 2), "STALL_IN": ("stall_in", 1), "STALL_OUT": ("stall_out", 1),
}  # fmt: skip
"""The field of ``events`` that each counter adds up, and its width."""

COUNTER_OFFSETS = {
    BY_NAME[f"{name}_{half}"].offset for name, _ in regmap.COUNTERS for half in ("LO", "HI")
}
SETTLE = TURN_CYCLES * len(regmap.COUNTERS) + SHOWN_CYCLES
"""Cycles in which a clearing is done and all counters are up to date."""

FAULT_OF = {
    "KIND": ("faults", "kind"), "ADDRESS": ("faults", "address"), "FRAME": ("faults", "frame"),
    "BUSY": ("window_busy", None), "OVERFLOW": ("faults", "overflow"),
}  # fmt: skip


def register_test(run, cycles=2000):
    dut = Registers(CONFIG)

    async def bench(ctx):
        await run(ctx, dut)

    simulate(dut, bench, cycles=cycles)


async def read(ctx, dut, offset):
    """Return (data, error); the bus lets the offset stand still as long."""
    ctx.set(dut.offset, offset)
    for _ in range(SHOWN_CYCLES if offset in COUNTER_OFFSETS else 0):
        await ctx.tick()
    ctx.set(dut.read_done, 1)
    _, _, data, error = await ctx.tick().sample(dut.read_data, dut.read_error)
    ctx.set(dut.read_done, 0)
    return data, error


async def write(ctx, dut, offset, data, strobe=0xF):
    """Return the error."""
    ctx.set(dut.offset, offset)
    ctx.set(dut.write_data, data)
    ctx.set(dut.write_strobe, strobe)
    ctx.set(dut.write, 1)
    _, _, error = await ctx.tick().sample(dut.write_error)
    ctx.set(dut.write, 0)
    return error


async def settled(ctx):
    for _ in range(SETTLE):
        await ctx.tick()


async def value(ctx, dut, name):
    data, error = await read(ctx, dut, BY_NAME[name].offset)
    assert error == 0
    return data


def access_mask(register, *accesses):
    return sum(register.mask(f.name) for f in register.fields if f.access in accesses)


def writable(register):
    return any(f.access is not Access.READ for f in register.fields)


@pytest.mark.parametrize("register", REGISTERS, ids=lambda r: r.name)
def test_reset_value(register):
    async def run(ctx, dut):
        assert await value(ctx, dut, register.name) == RESET_VALUES.get(register.name, 0)

    register_test(run)


@pytest.mark.parametrize("register", REGISTERS, ids=lambda r: r.name)
def test_what_a_write_of_ones_changes(register):
    """Fields of every access, each with the others of its register at 1 and at 0."""
    kept = access_mask(register, Access.READ_WRITE)

    async def run(ctx, dut):
        before = await value(ctx, dut, register.name)
        values = [ONES, 0] + [register.mask(f.name) for f in register.fields]
        for data in values:
            if register.name == "CONTROL":
                # RESET, a pulse, forces RUN to 0
                expected = data & kept if not data & register.mask("RESET") else 0
            else:
                expected = data & kept
            error = await write(ctx, dut, register.offset, data)
            assert error == (not writable(register))
            got = await value(ctx, dut, register.name)
            assert got == (expected if writable(register) else before), hex(data)

    register_test(run)


@pytest.mark.parametrize("register", [r for r in REGISTERS if writable(r)], ids=lambda r: r.name)
@pytest.mark.parametrize("strobe", range(15))
def test_partial_strobes_are_refused(register, strobe):
    async def run(ctx, dut):
        assert await write(ctx, dut, register.offset, ONES, strobe)
        assert await value(ctx, dut, register.name) == 0
        assert not ctx.get(dut.run)

    register_test(run)


def test_offsets_that_hold_nothing_are_refused():
    known = {register.offset for register in REGISTERS}

    async def run(ctx, dut):
        for offset in range(0, 0x1000, 4):
            _, error = await read(ctx, dut, offset)
            assert error == (offset not in known), hex(offset)
        values = {name: await value(ctx, dut, name) for name in BY_NAME}
        for offset in sorted(set(range(0, 0x200, 4)) - known):
            assert await write(ctx, dut, offset, ONES), hex(offset)
        assert {name: await value(ctx, dut, name) for name in BY_NAME} == values

    register_test(run, cycles=3000)


def test_network_may_be_written_while_stopped_only():
    async def run(ctx, dut):
        network, control = BY_NAME["NETWORK"].offset, BY_NAME["CONTROL"].offset
        assert not await write(ctx, dut, network, 256)
        assert ctx.get(dut.n_populations) == 256
        await write(ctx, dut, control, 1)
        assert await write(ctx, dut, network, 3)
        assert await value(ctx, dut, "NETWORK") == 256
        await write(ctx, dut, control, 0)
        assert not await write(ctx, dut, network, 3)
        assert await value(ctx, dut, "NETWORK") == 3

    register_test(run)


def test_network_holds_populations_and_replays():
    register = BY_NAME["NETWORK"]

    async def run(ctx, dut):
        for populations, replays in ((256, 0), (0, 256), (3, 5), (511, 511)):
            word = populations | replays << 16
            assert not await write(ctx, dut, register.offset, word | 0xFE00FE00)
            got = (ctx.get(dut.n_populations), ctx.get(dut.n_replays))
            assert got == (populations, replays)
            assert await value(ctx, dut, "NETWORK") == word

    register_test(run)


def test_run_and_the_pulses_of_control():
    async def run(ctx, dut):
        control = BY_NAME["CONTROL"]

        async def pulse_of(data):
            """Return reset_core in the cycle of the write and in the next."""
            ctx.set(dut.offset, control.offset)
            ctx.set(dut.write_data, data)
            ctx.set(dut.write_strobe, 0xF)
            ctx.set(dut.write, 1)
            _, _, now = await ctx.tick().sample(dut.reset_core)
            ctx.set(dut.write, 0)
            _, _, later = await ctx.tick().sample(dut.reset_core)
            return now, later

        assert await pulse_of(control.mask("RUN")) == (0, 0)
        assert ctx.get(dut.run)
        assert await pulse_of(control.mask("RUN") | control.mask("CLEAR_COUNTERS")) == (0, 0)
        assert ctx.get(dut.run)
        assert await pulse_of(control.mask("RUN") | control.mask("RESET")) == (1, 0)
        assert not ctx.get(dut.run)
        assert await value(ctx, dut, "CONTROL") == 0

    register_test(run)


@pytest.mark.parametrize(("name", "bit"), [("idle", 0), ("ready", 1)])
def test_status_shows_the_core(name, bit):
    async def run(ctx, dut):
        for level in (1, 0, 1):
            ctx.set(getattr(dut, name), level)
            assert await value(ctx, dut, "STATUS") == level << bit

    register_test(run)


@pytest.mark.parametrize("name", [f.name for f in BY_NAME["ERRORS"].fields])
def test_errors_stick_until_a_one_is_written(name):
    errors = BY_NAME["ERRORS"]
    bit = errors.mask(name)
    others = access_mask(errors, Access.STICKY) & ~bit

    async def run(ctx, dut):
        port, field = FAULT_OF[name]

        def fault(level):
            ctx.set(getattr(dut, port), {field: level} if field else level)

        fault(1)
        await ctx.tick()
        fault(0)
        for _ in range(5):
            assert await value(ctx, dut, "ERRORS") == bit
        assert not await write(ctx, dut, errors.offset, others)
        assert not await write(ctx, dut, errors.offset, 0)
        assert await value(ctx, dut, "ERRORS") == bit
        assert not await write(ctx, dut, errors.offset, bit)
        assert await value(ctx, dut, "ERRORS") == 0
        # a fault in the cycle of the write that clears it is not lost
        fault(1)
        await write(ctx, dut, errors.offset, bit)
        fault(0)
        assert await value(ctx, dut, "ERRORS") == bit

    register_test(run)


def test_clearing_one_error_keeps_the_others():
    async def run(ctx, dut):
        every = access_mask(BY_NAME["ERRORS"], Access.STICKY)
        for field in BY_NAME["ERRORS"].fields:
            ctx.set(dut.faults, {"kind": 1, "address": 1, "frame": 1, "overflow": 1})
            ctx.set(dut.window_busy, 1)
            await ctx.tick()
            ctx.set(dut.faults, {})
            ctx.set(dut.window_busy, 0)
            bit = BY_NAME["ERRORS"].mask(field.name)
            await write(ctx, dut, BY_NAME["ERRORS"].offset, bit)
            assert await value(ctx, dut, "ERRORS") == every & ~bit

    register_test(run)


@pytest.mark.parametrize("name", [name for name, _ in regmap.COUNTERS])
def test_a_counter_adds_its_own_event_only(name):
    field, bits = EVENT_OF[name]
    rng = random.Random(name)
    amounts = [rng.getrandbits(bits) for _ in range(30)] + [(1 << bits) - 1, 0]

    async def run(ctx, dut):
        for amount in amounts:
            ctx.set(dut.events, {field: amount})
            await ctx.tick()
        ctx.set(dut.events, {})
        await ctx.tick()
        for other, _ in regmap.COUNTERS:
            low = await value(ctx, dut, f"{other}_LO")
            assert low == (sum(amounts) if other == name else 0), other
            assert await value(ctx, dut, f"{other}_HI") == 0
        await write(ctx, dut, BY_NAME["CONTROL"].offset, 1)
        assert await value(ctx, dut, f"{name}_LO") == sum(amounts)
        await write(ctx, dut, BY_NAME["CONTROL"].offset, BY_NAME["CONTROL"].mask("CLEAR_COUNTERS"))
        assert await value(ctx, dut, f"{name}_LO") == 0

    register_test(run)


class OpenRegisters(Registers):
    """Registers whose counters the test can set."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        self.counters = self._counters
        return m

    def set(self, ctx, name, value):
        ctx.set(self.counters._totals.data[list(self.counters.most).index(name)], value)

    def get(self, ctx, name):
        return ctx.get(self.counters._totals.data[list(self.counters.most).index(name)])


def test_the_bus_waits_as_long_as_a_counter_needs():
    assert AxiLiteSlave.READ_CYCLES >= SHOWN_CYCLES


@pytest.mark.parametrize("name", [name for name, _ in regmap.COUNTERS])
def test_reading_the_low_half_latches_the_high_half(name):
    dut = OpenRegisters(CONFIG)
    field, _ = EVENT_OF[name]

    async def bench(ctx):
        await settled(ctx)
        dut.set(ctx, name, 0x12_FFFFFFFF)
        assert await value(ctx, dut, f"{name}_LO") == 0xFFFFFFFF
        ctx.set(dut.events, {field: 1})
        await ctx.tick()
        ctx.set(dut.events, {})
        await settled(ctx)
        # the counter has carried over since; the latched half has not
        assert dut.get(ctx, name) == 0x13_00000000
        assert await value(ctx, dut, f"{name}_HI") == 0x12
        assert await value(ctx, dut, f"{name}_HI") == 0x12
        assert await value(ctx, dut, f"{name}_LO") == 0
        assert await value(ctx, dut, f"{name}_HI") == 0x13
        dut.set(ctx, name, (1 << 64) - 1)
        assert await value(ctx, dut, f"{name}_LO") == ONES
        assert await value(ctx, dut, f"{name}_HI") == ONES

    simulate(dut, bench, cycles=400)


def test_a_write_of_the_low_half_latches_nothing():
    dut = OpenRegisters(CONFIG)

    async def bench(ctx):
        await settled(ctx)
        dut.set(ctx, "SOPS", 7 << 32)
        assert await write(ctx, dut, BY_NAME["SOPS_LO"].offset, 0)
        assert await value(ctx, dut, "SOPS_HI") == 0
        assert dut.get(ctx, "SOPS") == 7 << 32

    simulate(dut, bench, cycles=200)

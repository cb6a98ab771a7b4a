"""The 4-phase port: latency, stalls, glitches, timeouts, levels, reset."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hw.bench import STALLS, simulate, stalled
from hw.sensor.pins import Sender, apply, fields
from spikeloom_hw.sensor.receiver import AerReceiver

PULSES = ("received", "glitch", "timeout", "unstable")


def settings(filter=2, timeout=0, **control):
    return {
        **fields("CONTROL", ENABLE=1, **control),
        **fields("HANDSHAKE", FILTER=filter, TIMEOUT=timeout),
    }


def run(bench, values, stall=0.0, seed=0, cycles=20000, dut=None):
    """Run ``bench(ctx, sender)``; return events as (cycle, address), pulses and acknowledges."""
    dut = dut or AerReceiver()
    inner = getattr(dut, "inner", dut)
    control = values["SENSOR_CONTROL"]
    low = (bool(control & 8), bool(control & 16))
    sender = Sender(inner, low=low)
    done = Signal()
    events, rng = [], random.Random(seed)
    pulses = dict.fromkeys(PULSES, 0)

    async def drive(ctx):
        # levels first, then the port is enabled
        apply(ctx, inner.settings, {**values, "SENSOR_CONTROL": control & ~1})
        sender.request(ctx, 0)
        await sender.idle(ctx, 4)
        apply(ctx, inner.settings, values)
        await bench(ctx, sender)
        await sender.idle(ctx, 40)
        ctx.set(done, 1)

    async def watch(ctx):
        cycle = 0
        while not ctx.get(done):
            ready = not stalled(rng, stall)
            ctx.set(inner.o.ready, ready)
            signals = [getattr(inner, name) for name in PULSES]
            _, _, valid, address, *seen = await ctx.tick().sample(
                inner.o.valid, inner.o.payload, *signals
            )
            for name, value in zip(PULSES, seen, strict=True):
                pulses[name] += value
            if valid and ready:
                events.append((cycle, address))
            cycle += 1

    simulate(dut, drive, watch, cycles=cycles)
    return events, pulses, sender


@pytest.mark.parametrize("filter", [0, 1, 2, 3, 7, 15])
def test_latency_and_rate(filter):
    addresses = [0, 0xFFFFFF, 0x123456, 0xABCDEF, 1]

    async def bench(ctx, sender):
        await sender.send(ctx, addresses)

    events, pulses, sender = run(bench, settings(filter))
    least = max(filter, 2)
    assert [a for _, a in events] == addresses
    assert [c for c, _ in events] == [c + AerReceiver.LATENCY_CYCLES + least
                                      for c in sender.requests]  # fmt: skip
    steps = [b - a for a, b in zip(sender.requests, sender.requests[1:], strict=False)]
    assert set(steps) == {2 * least + 5}
    assert pulses == {"received": len(addresses), "glitch": 0, "timeout": 0, "unstable": 0}


@pytest.mark.parametrize(
    ("stall", "slow", "low"), [(STALLS[k % 3], 9 * (k % 2), k % 4) for k in range(6)]
)
def test_every_event_arrives_once_and_in_order(stall, slow, low):
    rng = random.Random(f"{stall} {slow} {low}")
    addresses = [rng.getrandbits(24) for _ in range(40)]

    async def bench(ctx, sender):
        await sender.send(ctx, addresses, rng=rng, slow=slow)

    values = settings(3, 500, REQUEST_LOW=low & 1, ACKNOWLEDGE_LOW=low >> 1)
    events, pulses, _ = run(bench, values, stall)
    assert [a for _, a in events] == addresses
    assert pulses == {"received": 40, "glitch": 0, "timeout": 0, "unstable": 0}


@pytest.mark.parametrize("filter", [2, 3, 8, 15])
def test_a_shorter_request_is_a_glitch_and_the_first_long_one_an_event(filter):
    async def bench(ctx, sender):
        ctx.set(sender.dut.address, 0x55)
        for length in range(1, filter + 1):
            sender.request(ctx, 1)
            await sender.idle(ctx, length)
            sender.request(ctx, 0)
            await sender.idle(ctx, 3 * filter + 9)

    events, pulses, _ = run(bench, settings(filter))
    assert [a for _, a in events] == [0x55]
    assert pulses == {"received": 1, "glitch": filter - 1, "timeout": 0, "unstable": 0}


@pytest.mark.parametrize("filter", [2, 5, 15])
def test_a_break_in_a_request_makes_no_second_event(filter):
    async def bench(ctx, sender):
        ctx.set(sender.dut.address, 7)
        sender.request(ctx, 1)
        await sender.until(ctx, True)
        for length in range(1, filter):
            sender.request(ctx, 0)
            await sender.idle(ctx, length)
            sender.request(ctx, 1)
            await sender.idle(ctx, filter + 3)
            assert sender.acknowledged(ctx)
        sender.request(ctx, 0)
        await sender.until(ctx, False)
        await sender.send(ctx, [8])

    events, pulses, _ = run(bench, settings(filter))
    assert [a for _, a in events] == [7, 8]
    assert pulses["glitch"] == filter - 1


def test_an_address_that_still_moves_is_waited_for():
    async def bench(ctx, sender):
        sender.request(ctx, 1)
        for address in (1, 2, 3, 4, 5, 6, 7, 8):
            ctx.set(sender.dut.address, address)
            await sender.idle(ctx)
        await sender.until(ctx, True)
        sender.request(ctx, 0)
        await sender.until(ctx, False)

    events, pulses, _ = run(bench, settings(2, 100))
    assert [a for _, a in events] == [8]
    assert pulses == {"received": 1, "glitch": 0, "timeout": 0, "unstable": 0}


def test_an_address_that_never_stands_still_is_acknowledged_without_an_event():
    async def bench(ctx, sender):
        sender.request(ctx, 1)
        for address in range(200):
            ctx.set(sender.dut.address, address)
            await sender.idle(ctx)
            if sender.acknowledged(ctx):
                break
        assert 20 < address < 40
        sender.request(ctx, 0)
        await sender.until(ctx, False)
        await sender.send(ctx, [9])

    events, pulses, _ = run(bench, settings(2, 20))
    assert [a for _, a in events] == [9]
    assert pulses == {"received": 1, "glitch": 0, "timeout": 0, "unstable": 1}


@pytest.mark.parametrize("held", [1, 50, 500])
def test_a_request_that_stays_times_out_and_the_next_handshake_works(held):
    async def bench(ctx, sender):
        for address in (1, 2):
            ctx.set(sender.dut.address, address)
            sender.request(ctx, 1)
            await sender.until(ctx, True)
            start = sender.cycle
            await sender.until(ctx, False)
            assert sender.cycle - start == 31
            await sender.idle(ctx, held)
            assert ctx.get(sender.dut.stuck)
            assert not sender.acknowledged(ctx)
            # a short break does not make it well again
            sender.request(ctx, 0)
            await sender.idle(ctx, 3)
            sender.request(ctx, 1)
            await sender.idle(ctx, 20)
            assert ctx.get(sender.dut.stuck)
            sender.request(ctx, 0)
            await sender.idle(ctx, 12)
            assert not ctx.get(sender.dut.stuck)
        await sender.send(ctx, [3, 4])

    events, pulses, _ = run(bench, settings(4, 30))
    assert [a for _, a in events] == [1, 2, 3, 4]
    assert pulses == {"received": 4, "glitch": 0, "timeout": 2, "unstable": 0}


def test_without_a_timeout_a_request_may_stay():
    async def bench(ctx, sender):
        sender.request(ctx, 1)
        await sender.idle(ctx, 3000)
        assert sender.acknowledged(ctx)
        sender.request(ctx, 0)
        await sender.until(ctx, False)

    _, pulses, _ = run(bench, settings(2, 0))
    assert pulses == {"received": 1, "glitch": 0, "timeout": 0, "unstable": 0}


def test_waiting_for_the_stream_is_no_timeout():
    dut = AerReceiver()

    async def bench(ctx):
        apply(ctx, dut.settings, settings(2, 10))
        sender = Sender(dut)
        ctx.set(dut.address, 5)
        sender.request(ctx, 1)
        for _ in range(200):
            await ctx.tick()
            assert not ctx.get(dut.acknowledge)
        assert ctx.get(dut.o.valid)
        ctx.set(dut.o.ready, 1)
        await sender.until(ctx, True)

    simulate(dut, bench)


def test_a_port_that_is_not_enabled_answers_nothing():
    async def bench(ctx, sender):
        sender.request(ctx, 1)
        await sender.idle(ctx, 100)
        assert not sender.acknowledged(ctx)

    values = {**settings(), **fields("CONTROL", ACKNOWLEDGE_LOW=1)}
    events, pulses, _ = run(bench, values)
    assert not events
    assert not any(pulses.values())


@pytest.mark.parametrize("delay", range(0, 24, 2))
def test_a_reset_at_any_point_of_a_handshake(delay):
    """The event may come once more, since the sender asks until it is answered; none is wrong."""

    class Resettable(AerReceiver):
        def __init__(self):
            super().__init__()
            self.reset = Signal()

        def elaborate(self, platform):
            return ResetInserter({"sync": self.reset})(super().elaborate(platform))

    dut = Resettable()

    async def bench(ctx, sender):
        ctx.set(dut.address, 3)
        sender.request(ctx, 1)
        for _cycle in range(delay):
            if sender.acknowledged(ctx):
                sender.request(ctx, 0)
            await sender.idle(ctx)
        ctx.set(dut.reset, 1)
        await sender.idle(ctx, 2)
        ctx.set(dut.reset, 0)
        for _ in range(40):
            if sender.acknowledged(ctx):
                sender.request(ctx, 0)
            await sender.idle(ctx)
        await sender.send(ctx, [4, 5])

    events, pulses, _ = run(bench, settings(3, 200), dut=dut)
    addresses = [a for _, a in events]
    assert addresses[-2:] == [4, 5]
    assert addresses[:-2] in ([3], [3, 3])
    assert pulses["timeout"] == 0

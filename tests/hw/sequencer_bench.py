"""A sequencer with its table; the rest of the core is played by the bench."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from amaranth.hdl import Elaboratable, Module

from hw.bench import CONFIG, Stall, stalls
from hw.fanout_case import add_memory
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import POPULATIONS
from spikeloom_hw.divider import Divider
from spikeloom_hw.encoder import SpikeEncoder
from spikeloom_hw.layouts import OpKind, Token
from spikeloom_hw.sequencer import Sequencer

SEQUENCER_CONFIG = replace(CONFIG, graded=True, multi_spike=True, history_rows=16)
WRITE_CYCLES, UNWRITTEN_CYCLES = 12, 7

Facts = dict[str, int]
Record = tuple[Any, ...]


@dataclass(frozen=True)
class Given:
    """A token, the activity map under it, and the cycles that its replays take (0: quiet).

    Of the map the rows ``late`` become active by the replays only.
    """

    kind: Token
    payload: int
    last: int = 0
    active: int = 0
    replays: int = 0
    late: int = 0


@dataclass(eq=False)
class SequencerBench(Elaboratable):
    """Plays pipeline, encoder, history and output; keeps what the sequencer does."""

    rows: Sequence[Facts]
    rng: random.Random
    config: BuildConfig = SEQUENCER_CONFIG
    stall: Stall = 0.0
    encoder_cycles: int = 6
    n_replays: int = 1
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dut = Sequencer(self.config)
        self.cycle = 0
        self.sweeps: deque[int] = deque(maxlen=64)
        self.masks: list[int] = []
        self.replaying = 0
        self.active = 0
        self.facts: list[tuple[int, Facts]] = []
        self.opened: list[int] = []

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.dut = dut = self.dut
        m.submodules.divider = divider = Divider()
        add_memory(m, POPULATIONS, self.rows, dut.table_index, dut.table_row)
        m.d.comb += [
            divider.start.eq(dut.divide),
            dut.dividing.eq(divider.busy),
            dut.digit_formed.eq(divider.step),
        ]
        self.divider = divider
        return m

    def _young(self, cycles: int) -> bool:
        return any(self.cycle - at <= cycles for at in self.sweeps)

    async def step(self, ctx: Any, given: Given | None, ready: bool) -> bool:
        """Play a cycle; return whether the token was taken."""
        d = self.dut
        returned = [at for at in self.masks if at <= self.cycle][:2]
        for at in returned:
            self.masks.remove(at)
        ctx.set(d.token.valid, given is not None)
        if given is not None:
            item = {"token": given.kind, "payload": given.payload, "last": given.last}
            ctx.set(d.token.payload, item)
            replayed = given.kind == Token.TICK and given.replays and self.n_replays
            ctx.set(d.active, given.active & ~(given.late if replayed else 0))
            ctx.set(d.history_quiet, given.replays == 0)
            self.active = given.active
        elif not self.replaying:
            ctx.set(d.active, self.active)
        driven = {
            "n_populations": len(self.rows),
            "n_replays": self.n_replays,
            "sweeping": self._young(WRITE_CYCLES),
            "unwritten": self._young(UNWRITTEN_CYCLES),
            "spikes_idle": not self.masks and not returned,
            "masks_taken": len(returned),
            "replaying": self.replaying > 0,
        }
        for name, value in driven.items():
            ctx.set(getattr(d, name), value)
        ctx.set(d.o.ready, 1)
        ctx.set(d.beats.ready, ready)
        ctx.set(d.readout.ready, ready)
        names = (
            "token.ready", "o.valid", "o.payload", "readout.valid", "readout.payload",
            "beats.valid", "beats.payload", "restart_input", "restart_spikes", "population",
            "hold", "input_open", "replay", "begins", "ends", "tick_sent",
            "sample_sent", "digit_formed", "dividing", "ending", "biased", "divides",
            "ready", "idle",
        )  # fmt: skip
        signals = []
        for name in names:
            signal: Any = d
            for part in name.split("."):
                signal = getattr(signal, part)
            signals.append(signal)
        _, _, *values = await ctx.tick().sample(*signals)
        seen = dict(zip(names, values, strict=True))
        self._note(seen, ready)
        self.cycle += 1
        return bool(given is not None and seen["token.ready"])

    def _note(self, seen: dict[str, Any], ready: bool) -> None:
        add = self.records.append
        if self.replaying:
            self.replaying -= 1
            assert not seen["o.valid"], "no operation during replays"
        if seen["restart_spikes"] or seen["beats.valid"]:
            assert not self.masks, "spikes of the population before are left"
        if seen["restart_input"]:
            add(("inputs",))
        if seen["o.valid"]:
            op, kind = seen["o.payload"], seen["o.payload"].kind
            add((kind.name, seen["population"], op.row, int(op.last_row), op.lanes))
            self.facts.append((self.cycle, {"population": seen["population"]}))
            if kind == OpKind.SWEEP:
                self.sweeps.append(self.cycle)
                assert not seen["dividing"], "a SWEEP amid a division"
                if not seen["divides"]:
                    self._mask()
            else:
                assert seen["hold"], "an ADD would push a PEEK on"
        if seen["dividing"]:
            assert seen["hold"], "an ADD would disturb a division"
        if seen["digit_formed"]:
            self._mask()
        if seen["readout.valid"]:
            request = seen["readout.payload"]
            first = (request.row - request.row_base) * self.config.lanes
            add(("readout", request.population, first, request.lanes))
        if seen["beats.valid"] and ready:
            beat = seen["beats.payload"]
            add(("beat", f"{beat.data:#x}", beat.last))
        assert seen["biased"] == (not seen["ending"])
        for name in ("begins", "ends", "replay", "tick_sent", "sample_sent"):
            if seen[name]:
                add((name,))
        self.opened.append(seen["input_open"])

    def _mask(self) -> None:
        """A mask of spikes goes to the encoder."""
        assert len(self.masks) < SpikeEncoder.DEPTH, "the encoder has no room"
        self.masks.append(self.cycle + self.rng.randint(1, self.encoder_cycles))

    async def clear(self, ctx: Any) -> None:
        """Run until the first clearing is done."""
        ctx.set(self.dut.run, 1)
        for _ in range(1000):
            if ctx.get(self.dut.ready):
                return
            await self.step(ctx, None, True)
        raise AssertionError("the sequencer must get ready")

    async def give(self, ctx: Any, given: Given) -> list[Record]:
        """Give a token and return what it makes the sequencer do."""
        pauses = stalls(self.rng, self.stall)
        first = len(self.records)
        taken = False
        for _ in range(3000):
            took = await self.step(ctx, None if taken else given, not next(pauses))
            if took:
                taken = True
                if ("replay",) in self.records[first:]:
                    self.replaying = given.replays
            done = {("tick_sent",), ("sample_sent",)} & set(self.records[first:])
            if done:
                return self.records[first:]
        raise AssertionError(f"{given} must be answered")


def expected_records(
    rows: Sequence[Facts], given: Given, lanes: int, replays: bool
) -> tuple[list[Record], int]:
    """Return what a token makes the sequencer do, and how many rows are visited."""
    end = given.kind == Token.END
    out: list[Record] = [("ends",) if end else ("begins",)]
    if replays and not end and given.replays:
        out.append(("replay",))
    visited = 0
    always = "always_clear" if end else "always_visit"
    visit = given.active or any(facts[always] for facts in rows[1:])
    for index, facts in enumerate(rows[1:], start=1):
        mine = range(facts["row_base"], facts["row_base"] + facts["n_rows"])
        some = [row for row in mine if visit and (facts[always] or given.active >> row & 1)]
        ops = []
        for row in some:
            last = int(row == mine[-1])
            ops.append((index, row, last, facts["lanes_last"] if last else lanes))
        if facts["probe_end" if end else "probe_ticks"]:
            for _, row, last, n in ops:
                out.append(("PEEK", index, row, last, n))
                out.append(("readout", index, (row - mine[0]) * lanes, n))
        for op in ops:
            if facts["multi_spike"] and not end:
                out.append(("PEEK", *op))
            out.append(("SWEEP", *op))
        visited += len(ops)
    if end:
        out.append(("beat", f"{7 << 28 | 1234 | (8 << 28 | 567) << 32:#x}", 0))
        out.append(("beat", f"{4 << 28 | given.payload:#x}", given.last))
        out.append(("sample_sent",))
    else:
        out.append(("beat", f"{3 << 28 | given.payload:#x}", 0))
        out.append(("tick_sent",))
    return out, visited


__all__ = ["SEQUENCER_CONFIG", "Facts", "Given", "Record", "SequencerBench", "expected_records"]

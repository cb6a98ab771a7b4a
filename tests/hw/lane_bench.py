"""A lane driven by operations on given cycles, as the issue unit would drive it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from amaranth.hdl import Module

from hw.bench import CONFIG
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import PARAMETERS, FireSelect, pack_row
from spikeloom_hw.control import DIGITS, late_stages
from spikeloom_hw.lane import Lane

ROWS = 64
LANE_CONFIG = replace(CONFIG, state_rows=ROWS)
ACC_MIN, ACC_MAX = -(1 << 17), (1 << 17) - 1
V_MIN, V_MAX = -(1 << 15), (1 << 15) - 1

STAGES = {"spike6": 6, "nonzero11": 11, "overflow5": 5, "value5": 5}
"""The stage that each output of a lane belongs to."""

Outputs = dict[tuple[str, int], int]


@dataclass(frozen=True)
class Op:
    """An operation as the lane sees it, by what the stages of the pipeline are told."""

    kind: str
    row: int
    even: int = 0
    odd: int = 0
    bias: bool = False
    exists: bool = True
    scale: int = 1
    parameter_row: int = 0


History = dict[int, Op]
"""Operations by the cycle in which they are in stage 0."""


def wrap(value: int, bits: int = 18) -> int:
    """Return ``value`` in two's complement of that many bits."""
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def clip(value: int, floor: int) -> int:
    """Return ``value`` between ``floor`` and the greatest potential."""
    return min(max(value, floor), V_MAX)


def share(value: int, decay: int) -> int:
    """Return value * decay / 2^15, truncated towards zero."""
    product = value * decay
    return product // 32768 if product >= 0 else -(-product // 32768)


def control_of(history: History, cycle: int, late: int) -> dict[str, Any]:
    """Return what drives the lane in ``cycle``; ``history[c]`` is in stage s in cycle c + s.

    Rows, bias and scale of the last operation stay where no other follows.
    """

    def at(stage: int) -> Op | None:
        return history.get(cycle - stage)

    def last(stage: int) -> Op:
        before = [c for c in range(cycle - stage, max(cycle - stage - 40, -1), -1) if c in history]
        return history[before[0]] if before else Op("none", 0)

    def same_row(stage: int, other: int) -> bool:
        first, second = at(stage), at(other)
        return first is not None and second is not None and first.row == second.row

    def is_kind(stage: int, kind: str) -> bool:
        op = at(stage)
        return op is not None and op.kind == kind

    sweeps = is_kind(10 + late, "sweep")
    return {
        "row2": last(2 + late).row,
        "row3": last(3 + late).row,
        "parameters1": last(1).parameter_row,
        **{f"parameters{s}": last(s + late).parameter_row for s in (2, 3, 5, 6)},
        "bias2": last(2).bias,
        "scale3": last(3).scale,
        "forward3": same_row(3 + late, 4 + late),
        "forward_older3": same_row(3 + late, 5 + late),
        "valid4": at(4 + late) is not None,
        "sweep5": is_kind(5 + late, "sweep"),
        "write": is_kind(4 + late, "add") or sweeps,
        "write_row": last((10 if sweeps else 4) + late).row,
        "write10": sweeps,
    }


class OpenLane(Lane):
    """A lane whose memories the test can see."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        self.memories = {"acc": m.submodules.potentials.data}
        if self.config.current:
            self.memories["potential"] = m.submodules.own_potentials.data
        if self.config.refractory:
            self.memories["rest"] = m.submodules.rests.data
        return m


class LaneBench:
    """A lane and its way into the memories."""

    def __init__(self, config: BuildConfig = LANE_CONFIG) -> None:
        self.lane = OpenLane(config)
        self.late = late_stages(config)
        self.settled = 5 + self.late
        """Stage from which H of a PEEK stands still."""

    def write(self, ctx: Any, row: int, value: int, memory: str = "acc") -> None:
        """Set a row: of ``acc`` (potentials, or currents), ``potential`` or ``rest``."""
        ctx.set(self.lane.memories[memory][row], value)

    def read(self, ctx: Any, row: int, memory: str = "acc") -> int:
        """Return a row of a memory."""
        return int(ctx.get(self.lane.memories[memory][row]))

    async def write_parameters(self, ctx: Any, row: int, values: Mapping[str, int]) -> None:
        """Write a row of the parameter memory, word by word."""
        lane = self.lane
        negated = {**values, "threshold": -values["threshold"] & 0xFFFF}
        for word, data in enumerate(pack_row(PARAMETERS, negated)):
            ctx.set(lane.parameter_write, 1 << word)
            ctx.set(lane.parameter_row, row)
            ctx.set(lane.parameter_data[word], int(data))
            await ctx.tick()
        ctx.set(lane.parameter_write, 0)
        ctx.set(lane.parameter_data, [0xA5A5A5A5] * PARAMETERS.words)
        await ctx.tick()

    async def run(
        self,
        ctx: Any,
        history: History,
        parameters: Mapping[str, Any],
        ending: bool = False,
        divisions: Mapping[int, str] | None = None,
    ) -> Outputs:
        """Run the operations; return the outputs by (name, cycle of the operation in stage 0).

        ``divisions`` says in which cycles the lane is told to ``load`` or ``step``; the digits
        are returned as ("digit", cycle).
        """
        lane = self.lane
        divisions = divisions or {}
        values = dict(parameters)
        if "threshold" in values:
            values["minus_threshold"] = -values.pop("threshold")
        select, floor = values.get("fire_select"), values.get("floor", 0)
        values["top"] = values["constant"] if select == FireSelect.VALUE else V_MAX
        values["floor_some"] = floor != 0
        ctx.set(lane.parameters, values)
        outputs: Outputs = {}
        signals = [getattr(lane, name) for name in (*STAGES, "digit")]
        for cycle in range(max(history) + 14 + self.late):
            told = divisions.get(cycle)
            control = control_of(history, cycle, self.late)
            command = {"divide_load": told == "load", "divide_step": told == "step"}
            control |= command | {"ending": ending}
            looked_at = lane.control.shape().members
            ctx.set(lane.control, {n: v for n, v in control.items() if n in looked_at})
            at2 = history.get(cycle - 2)
            ctx.set(lane.even, at2.even if at2 else 0)
            ctx.set(lane.odd, at2.odd if at2 else 0)
            before = [c for c in history if c <= cycle - 5 - self.late]
            ctx.set(lane.exists5, history[max(before)].exists if before else 0)
            _, _, *values, digit = await ctx.tick().sample(*signals)
            for (name, stage), value in zip(STAGES.items(), values, strict=True):
                if cycle - stage - self.late in history:
                    outputs[name, cycle - stage - self.late] = int(value)
            outputs["digit", cycle] = int(digit)
        return outputs


def division(first: int) -> dict[int, str]:
    """Return the commands of a division that begins in cycle ``first``."""
    return {first: "load", **{first + 1 + k: "step" for k in range(DIGITS)}}


__all__ = [
    "ACC_MAX",
    "ACC_MIN",
    "LANE_CONFIG",
    "ROWS",
    "V_MAX",
    "V_MIN",
    "History",
    "LaneBench",
    "Op",
    "clip",
    "division",
    "share",
    "wrap",
]

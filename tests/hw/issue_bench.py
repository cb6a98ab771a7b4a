"""Offers operations to the issue unit, and says what must come of them."""

from dataclasses import dataclass, replace

from hw.bench import CONFIG
from spikeloom_hw.control import control_layout, late_stages
from spikeloom_hw.issue import UNWRITTEN_STAGES, WRITE_STAGE, Issue
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
        "spike_sops", "sweeping", "unwritten", "busy",
    )  # fmt: skip

    def __init__(self, config=CONFIG):
        self.dut = Issue(config)
        self.late = late_stages(config)
        self.control = list(control_layout(config).members)
        self.taken = {}
        """Operations by the cycle in which they go on from stage 0."""
        self.granted = {}
        """ADDs, with their port, by the cycle in which they are taken."""
        self.first = self.waiting = None
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
        self._leave(now, held=now > 0 and self.seen[-1].get("hold", 0))
        self.first = sweep
        adds = [name for name in ready if name != "sweep" and offers[name] is not None]
        may_add = self.waiting is None and not drive.get("hold", 0)
        assert ("spikes" in ready) == may_add, f"cycle {now}"
        assert len(adds) <= 1, f"two ADDs taken in cycle {now}"
        if adds:
            self.waiting = offers[adds[0]]
            self.granted[now] = (adds[0], self.waiting)
        self.seen.append({**seen, **drive})
        return ready

    def _leave(self, now, held):
        """Note what goes on from stage 0: the sequencer's operation, else an ADD that may."""
        slot = self.taken.get(now - SLOT)
        if self.first is not None:
            self.taken[now] = self.first
        elif not held and (slot is None or slot.kind != OpKind.SWEEP) and self.waiting is not None:
            self.taken[now], self.waiting = self.waiting, None

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

        adds, sweeps = is_kind(4 + late, OpKind.ADD), is_kind(10 + late, OpKind.SWEEP)
        assert not (adds and sweeps), f"two write-backs in cycle {cycle}"
        out = {
            "even_valid": int(is_kind(0, OpKind.ADD) and at(0).even is not None),
            "odd_valid": int(is_kind(0, OpKind.ADD) and at(0).odd is not None),
            "forward3": same_row(3 + late, 4 + late),
            "forward_older3": same_row(3 + late, 5 + late),
            "valid4": int(at(4 + late) is not None),
            "write": adds | sweeps,
            "write10": sweeps,
            "sweep6": is_kind(6 + late, OpKind.SWEEP),
            "sweep11": is_kind(11 + late, OpKind.SWEEP),
        }
        for side in ("even", "odd"):
            if out[f"{side}_valid"]:
                out[f"{side}_address"] = getattr(at(0), side)
        for name, stage in (("row2", 2), ("row3", 3)):
            if at(stage + late) and name in self.control:
                out[name] = at(stage + late).row
        if "sweep5" in self.control:
            out["sweep5"] = is_kind(5 + late, OpKind.SWEEP)
        if adds or sweeps:
            out["write_row"] = at((4 if adds else 10) + late).row
        for name, stage in (("row6", 6), ("row11", 11)):
            if is_kind(stage + late, OpKind.SWEEP):
                out[name] = at(stage + late).row
        if is_kind(4 + late, OpKind.SWEEP):
            out["last_row4"] = at(4 + late).last
        if late and at(3):
            out["scale3"] = at(3).magnitude << at(3).shift if is_kind(3, OpKind.ADD) else 1
        out["add_taken"] = int(cycle in self.granted)
        out["sweep_taken"] = is_kind(0, OpKind.SWEEP)
        if out["add_taken"]:
            out["add_row"] = self.granted[cycle][1].row
        if out["sweep_taken"]:
            out["sweep_row"] = at(0).row
        for port, counter in (("inputs", "input_sops"), ("spikes", "spike_sops")):
            source, op = self.granted.get(cycle - 2, (None, None))
            op = op if source == port else None
            events = 0 if op is None else (op.even is not None) + (op.odd is not None)
            out[counter] = 0 if op is None else op.lanes * events
        # SWEEPs count from stage 0 to the end of their write-back
        for name, stages in (
            ("sweeping", WRITE_STAGE + 2 + late),
            ("unwritten", UNWRITTEN_STAGES),
        ):
            out[name] = int(any(is_kind(stage, OpKind.SWEEP) for stage in range(stages)))
        if any(at(stage) for stage in range(WRITE_STAGE + 2 + late)):
            out["busy"] = 1
        return out


def add(row, even=1, odd=2, lanes=4):
    return Op(OpKind.ADD, row, even, odd, lanes)


SWEEP = Op(OpKind.SWEEP, 1)
PEEK = Op(OpKind.PEEK, 1)

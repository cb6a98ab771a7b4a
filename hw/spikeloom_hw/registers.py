"""The register bank, generated from :mod:`spikeloom.spec.regmap`."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer, regmap
from spikeloom.spec.build import build_id
from spikeloom.spec.config import CORES_MAX, BuildConfig
from spikeloom.spec.regmap import Access

from .counters import Counters
from .ports import Events, Faults

COUNTER_PART = 8
"""Bits of an offset inside the part of the map that holds the counters."""

_STOPPED_ONLY = ("CLUSTER", "INPUTS", *map(regmap.network_register, range(CORES_MAX)))

_INCREMENTS = {
    "CYCLES": "busy",
    "SOPS": "sops",
    "EVENTS_IN": "spikes_in",
    "EVENTS_OUT": "spikes_out",
    "TICKS": "tick",
    "SAMPLES": "sample",
    "DROPPED": "dropped",
    "STALL_IN": "stall_in",
    "STALL_OUT": "stall_out",
}


class Registers(wiring.Component):
    """Identification, control, status, sticky errors and performance counters.

    Members
    -------
    offset : In(12)
        Byte offset of the request; to read a counter it stands still for
        :data:`~.counters.SHOWN_CYCLES` before ``read_done``.
    write, write_data, write_strobe : In; write_error : Out(1)
    read_done : In(1); read_data : Out(32), read_error : Out(1)
    events, faults, window_busy : In
        What the core and the memory window report.
    idle, ready : In(1)
    run : Out(1), reset_core : Out(1), n_populations, n_replays : Out(9)
        In builds with several cores ``n_populations0``, ``n_replays0`` and so on of each core.
    n_cores : Out(3), side_by_side : Out(1), takes_input : Out(4), n_inputs : Out(20)
        In builds with several cores only.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self._networks = [
            (regmap.network_register(k), str(k) if config.cores > 1 else "")
            for k in range(config.cores)
        ]
        facts: dict[str, wiring.Member] = {}
        for name in ("n_populations", "n_replays"):
            facts |= {name + number: Out(9) for _, number in self._networks}
        if config.cores > 1:
            facts |= {"n_cores": Out(3, init=1), "side_by_side": Out(1), "takes_input": Out(4)}
            facts |= {"n_inputs": Out(aer.NEURON_BITS)}
        self.facts = tuple(facts)
        super().__init__(
            {
                "offset": In(12),
                "write": In(1),
                "write_data": In(32),
                "write_strobe": In(4),
                "write_error": Out(1),
                "read_done": In(1),
                "read_data": Out(32),
                "read_error": Out(1),
                "events": In(Events),
                "faults": In(Faults),
                "window_busy": In(1),
                "idle": In(1),
                "ready": In(1),
                "run": Out(1),
                "reset_core": Out(1),
                **facts,
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values = self._values(m)
        hit = Signal()
        m.d.comb += [self.read_error.eq(1), self.write_error.eq(1)]
        with m.Switch(self.offset[2:]):
            for register in regmap.core_registers(self.config):
                with m.Case(register.offset >> 2):
                    m.d.comb += [self.read_data.eq(values[register.name]), self.read_error.eq(0)]
                    if any(f.access is not Access.READ for f in register.fields):
                        m.d.comb += self.write_error.eq(~self.write_strobe.all())
                        if register.name in _STOPPED_ONLY:
                            m.d.comb += self.write_error.eq(self.run | ~self.write_strobe.all())
        m.d.comb += hit.eq(self.write & ~self.write_error)
        self._writes(m, hit)
        return m

    def _values(self, m: Module) -> dict[str, Value]:
        """Return what each register reads."""
        identity = int(build_id(self.config), 16)
        self._errors = errors = Signal(5)
        self._tag = tag = Signal(32)
        values: dict[str, Value] = {
            "ID": Const(regmap.ID_VALUE, 32),
            "MAP_VERSION": Const(regmap.MAP_VERSION, 32),
            "BUILD_ID_LO": Const(identity & 0xFFFFFFFF, 32),
            "BUILD_ID_HI": Const(identity >> 32, 32),
            "LANES": Const(self.config.lanes, 32),
            "STATE_ROWS": Const(self.config.state_rows, 32),
            "WEIGHT_ROWS": Const(self.config.weight_rows, 32),
            "CONTROL": self.run,
            "STATUS": Cat(self.idle, self.ready),
            "ERRORS": errors,
            "TAG": tag,
        }
        for name, k in self._networks:
            sizes = (getattr(self, f"{fact}{k}") for fact in ("n_populations", "n_replays"))
            values[name] = Cat(next(sizes), Const(0, 7), next(sizes))
        if self.config.cores > 1:
            values |= {
                "CORES": Const(self.config.cores, 32),
                "CLUSTER": Cat(self.n_cores, self.side_by_side, self.takes_input),
                "INPUTS": self.n_inputs,
            }
        self._clear_counters = Signal()
        values |= self._count(m)
        return values

    def _count(self, m: Module) -> dict[str, Value]:
        """Return what the registers of the counters read."""
        fields = {name: _INCREMENTS[name] for name, _ in regmap.COUNTERS}
        most = {name: (1 << Events[field].width) - 1 for name, field in fields.items()}
        most["SOPS"] = min(most["SOPS"], 2 * self.config.lanes * self.config.cores)
        m.submodules.counters = self._counters = counters = Counters(most)
        happened = Signal.like(self.events.as_value())
        m.d.sync += happened.eq(self.events)
        for name, field in fields.items():
            m.d.comb += counters.happened[name].eq(Events(happened)[field])
        m.d.comb += [
            counters.clear.eq(self._clear_counters),
            counters.index.eq(self.offset[3:]),
        ]
        # no register but the counters lies in their part of the map
        high = Signal(32)
        here = self.offset[COUNTER_PART:] == regmap.COUNTER_BASE >> COUNTER_PART
        with m.If(self.read_done & here & ~self.offset[2]):
            m.d.sync += high.eq(counters.value[32:])
        return {
            **{f"{name}_LO": counters.value[:32] for name in fields},
            **{f"{name}_HI": high for name in fields},
        }

    def _writes(self, m: Module, hit: Signal) -> None:
        """Carry out writes and keep the sticky flags."""
        data = self.write_data
        at = {
            r.name: hit & (self.offset[2:] == r.offset >> 2)
            for r in regmap.core_registers(self.config)
        }
        control = regmap.BY_NAME["CONTROL"]
        reset = at["CONTROL"] & data[control.field("RESET").lsb]
        m.d.comb += [
            self.reset_core.eq(reset),
            self._clear_counters.eq(at["CONTROL"] & data[control.field("CLEAR_COUNTERS").lsb]),
        ]
        with m.If(at["CONTROL"]):
            m.d.sync += self.run.eq(data[control.field("RUN").lsb] & ~reset)
        for name, k in self._networks:
            with m.If(at[name]):
                m.d.sync += [
                    getattr(self, f"n_populations{k}").eq(data),
                    getattr(self, f"n_replays{k}").eq(data[16:]),
                ]
        if self.config.cores > 1:
            with m.If(at["CLUSTER"]):
                m.d.sync += Cat(self.n_cores, self.side_by_side, self.takes_input).eq(data)
            with m.If(at["INPUTS"]):
                m.d.sync += self.n_inputs.eq(data)
        with m.If(at["TAG"]):
            m.d.sync += self._tag.eq(data)
        flags = Cat(
            self.faults.kind,
            self.faults.address,
            self.faults.frame,
            self.window_busy,
            self.faults.overflow,
        )
        cleared = Mux(at["ERRORS"], data[: len(flags)], 0)
        m.d.sync += self._errors.eq((self._errors & ~cleared) | flags)

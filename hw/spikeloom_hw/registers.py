"""The register bank, generated from :mod:`spikeloom.spec.regmap`."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import regmap
from spikeloom.spec.build import build_id
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.regmap import Access

from .core import Events, Faults

COUNTER_BITS = 64

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
        Byte offset of the request.
    write, write_data, write_strobe : In; write_error : Out(1)
    read_done : In(1); read_data : Out(32), read_error : Out(1)
    events, faults, window_busy : In
        What the core and the memory window report.
    idle, ready : In(1)
    run : Out(1), reset_core : Out(1), n_populations, n_replays : Out(9)
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
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
                "n_populations": Out(9),
                "n_replays": Out(9),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        values = self._values(m)
        hit = Signal()
        m.d.comb += [self.read_error.eq(1), self.write_error.eq(1)]
        with m.Switch(self.offset[2:]):
            for register in regmap.REGISTERS:
                with m.Case(register.offset >> 2):
                    m.d.comb += [self.read_data.eq(values[register.name]), self.read_error.eq(0)]
                    if any(f.access is not Access.READ for f in register.fields):
                        m.d.comb += self.write_error.eq(~self.write_strobe.all())
                        if register.name == "NETWORK":
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
            "NETWORK": Cat(self.n_populations, Const(0, 7), self.n_replays),
            "TAG": tag,
        }
        self._clear_counters = Signal()
        high = Signal(32)
        events = Signal.like(self.events.as_value())
        m.d.sync += events.eq(self.events)
        seen = Events(events)
        for name, _ in regmap.COUNTERS:
            counter = Signal(COUNTER_BITS, name=name.lower())
            m.d.sync += counter.eq(Mux(self._clear_counters, 0, counter + seen[_INCREMENTS[name]]))
            low_register = regmap.BY_NAME[f"{name}_LO"]
            with m.If(self.read_done & (self.offset == low_register.offset)):
                m.d.sync += high.eq(counter[32:])
            values[f"{name}_LO"] = counter[:32]
            values[f"{name}_HI"] = high
        return values

    def _writes(self, m: Module, hit: Signal) -> None:
        """Carry out writes and keep the sticky flags."""
        data = self.write_data
        at = {name: hit & (self.offset[2:] == r.offset >> 2) for name, r in regmap.BY_NAME.items()}
        control = regmap.BY_NAME["CONTROL"]
        reset = at["CONTROL"] & data[control.field("RESET").lsb]
        m.d.comb += [
            self.reset_core.eq(reset),
            self._clear_counters.eq(at["CONTROL"] & data[control.field("CLEAR_COUNTERS").lsb]),
        ]
        with m.If(at["CONTROL"]):
            m.d.sync += self.run.eq(data[control.field("RUN").lsb] & ~reset)
        with m.If(at["NETWORK"]):
            m.d.sync += [self.n_populations.eq(data), self.n_replays.eq(data[16:])]
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

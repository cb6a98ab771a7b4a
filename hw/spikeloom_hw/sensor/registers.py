"""The sensor's registers, generated from :mod:`spikeloom.spec.regmap`."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import regmap
from spikeloom.spec.regmap import Access

from .layouts import Counts, Errors, Settings, short

COUNTER_BITS = 32


class SensorRegisters(wiring.Component):
    """Settings, status, sticky errors and counters of the sensor input.

    Members
    -------
    offset : In(12)
        Byte offset of the request.
    hit : Out(1)
        The offset lies in the group.
    write, write_data, write_strobe : In; write_error : Out(1)
    read_data : Out(32), read_error : Out(1)
    settings : Out
    counts, errors : In
        What happened in this cycle; counters show it two cycles later.
    selected, request, stuck : In(1)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "offset": In(12),
                "hit": Out(1),
                "write": In(1),
                "write_data": In(32),
                "write_strobe": In(4),
                "write_error": Out(1),
                "read_data": Out(32),
                "read_error": Out(1),
                "settings": Out(Settings),
                "counts": In(Counts),
                "errors": In(Errors),
                **{f.name.lower(): In(1) for f in _STATUS.fields},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        busy, taken = Signal(), Signal()
        clear, cleared = Signal(), Signal(Errors.size)
        m.d.comb += [
            self.hit.eq((self.offset >= regmap.SENSOR_BASE) & (self.offset < regmap.SENSOR_END)),
            busy.eq(self.selected | self.settings.control.source),
            self.read_error.eq(1),
            self.write_error.eq(1),
            taken.eq(self.write & ~self.write_error),
        ]
        values = self._counters(m, clear)
        flags = Signal(Errors)
        m.d.sync += flags.eq((flags.as_value() & ~cleared) | self.errors.as_value())
        values["SENSOR_ERRORS"] = flags.as_value()
        values["SENSOR_STATUS"] = sum(
            getattr(self, f.name.lower()) << f.lsb for f in _STATUS.fields
        )
        with m.Switch(self.offset[2:]):
            for register in regmap.SENSOR_REGISTERS:
                accesses = {f.access for f in register.fields}
                with m.Case(register.offset >> 2):
                    m.d.comb += self.read_error.eq(0)
                    if accesses != {Access.READ}:
                        locked = 0 if register.name in regmap.SENSOR_FREE else busy
                        m.d.comb += self.write_error.eq(locked | ~self.write_strobe.all())
                    if Access.READ_WRITE in accesses:
                        setting = self.settings[short(register.name)].as_value()
                        values[register.name] = setting
                        mask = sum(
                            register.mask(f.name)
                            for f in register.fields
                            if f.access is Access.READ_WRITE
                        )
                        with m.If(taken):
                            m.d.sync += setting.eq(self.write_data & mask)
                    if Access.PULSE in accesses:
                        lsb = register.field("CLEAR_COUNTERS").lsb
                        m.d.comb += clear.eq(taken & self.write_data[lsb])
                    if Access.STICKY in accesses:
                        m.d.comb += cleared.eq(Mux(taken, self.write_data, 0))
                    m.d.comb += self.read_data.eq(values[register.name])
        return m

    def _counters(self, m: Module, clear: Signal) -> dict[str, Value]:
        """Return the counters; they stop at all ones."""
        values: dict[str, Value] = {}
        seen = Signal(Counts)
        m.d.sync += seen.eq(self.counts)
        for name, _ in regmap.SENSOR_COUNTERS:
            counter = Signal(COUNTER_BITS, name=f"sensor_{name.lower()}")
            after = Signal(COUNTER_BITS + 1, name=f"sensor_{name.lower()}_after")
            m.d.comb += after.eq(counter + seen[name.lower()])
            m.d.sync += counter.eq(Mux(clear, 0, Mux(after[-1], -1, after)))
            values[f"SENSOR_{name}"] = counter
        return values


_STATUS = regmap.SENSOR_BY_NAME["SENSOR_STATUS"]

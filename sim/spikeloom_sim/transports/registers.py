"""The registers and the memory window of a core, as a host sees them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec import regmap
from spikeloom.spec.build import build_id
from spikeloom.spec.config import CORES_MAX, BuildConfig
from spikeloom.spec.errors import DeviceError
from spikeloom.spec.memmap import memory_map
from spikeloom.spec.regmap import Access

Words = NDArray[np.uint32]

_STOPPED_ONLY = {"CLUSTER", "INPUTS", *map(regmap.network_register, range(CORES_MAX))}
_CONTROL = regmap.BY_NAME["CONTROL"]
_NETWORK = regmap.BY_NAME["NETWORK"]


class RegisterFile:
    """Registers, counters and memories of a core of ``config`` that does nothing by itself."""

    def __init__(self, config: BuildConfig) -> None:
        identity = int(build_id(config), 16)
        self._by_offset = {r.offset: r for r in regmap.core_registers(config)}
        self._values = {register.name: 0 for register in self._by_offset.values()}
        self._values |= {
            "ID": regmap.ID_VALUE,
            "MAP_VERSION": regmap.MAP_VERSION,
            "BUILD_ID_LO": identity & 0xFFFFFFFF,
            "BUILD_ID_HI": identity >> 32,
            "LANES": config.lanes,
            "STATE_ROWS": config.state_rows,
            "WEIGHT_ROWS": config.weight_rows,
            "STATUS": regmap.BY_NAME["STATUS"].mask("IDLE"),
            "CORES": config.cores,
        }
        self.counters = {name: 0 for name, _ in regmap.COUNTERS}
        self._latched = 0
        self._memories = {
            name: (memory, np.zeros((memory.rows, memory.row_words), np.uint32))
            for name, memory in memory_map(config).items()
        }

    @property
    def running(self) -> bool:
        """Whether CONTROL.RUN is set."""
        return bool(self._values["CONTROL"] & _CONTROL.mask("RUN"))

    def n_populations(self, core: int = 0) -> int:
        """Return ``n_populations`` of a core."""
        return self._values[regmap.network_register(core)] & _NETWORK.mask("n_populations")

    @property
    def n_chained(self) -> int:
        """Cores in use of a chain, 1 if there is none."""
        cluster = regmap.CLUSTER_BY_NAME["CLUSTER"]
        value = self._values.get("CLUSTER", 1)
        return 1 if value & cluster.mask("side_by_side") else value & cluster.mask("n_cores")

    def value(self, name: str) -> int:
        """Return the register ``name`` without the effects of a bus read."""
        return self._values[name]

    def memory(self, name: str) -> Words:
        """Return a memory, uint32 of shape (rows, row_words)."""
        return self._memories[name][1]

    def flag(self, name: str) -> None:
        """Set the sticky error flag ``name``."""
        self._values["ERRORS"] |= regmap.BY_NAME["ERRORS"].mask(name)

    def read(self, address: int) -> int:
        """Answer a bus read; raises :class:`DeviceError` where the bus answers SLVERR."""
        address &= ~3
        register = self._by_offset.get(address)
        if register is None:
            return int(self._words(address, 1, "read")[0])
        for name, value in self.counters.items():
            if register.name == f"{name}_LO":
                self._latched = value >> 32
                return value & 0xFFFFFFFF
            if register.name == f"{name}_HI":
                return self._latched
        return self._values[register.name]

    def read_block(self, address: int, n_words: int) -> Words:
        """Answer consecutive bus reads."""
        if address & ~3 in self._by_offset:
            words = [self.read(address + 4 * i) for i in range(n_words)]
            return np.array(words, np.uint32)
        return self._words(address & ~3, n_words, "read").copy()

    def write_block(self, address: int, words: Words) -> None:
        """Carry out consecutive bus writes."""
        if address & ~3 in self._by_offset:
            for index, word in enumerate(words):
                self.write(address + 4 * index, int(word))
        else:
            self._words(address & ~3, len(words), "write")[:] = words

    def write(self, address: int, value: int) -> None:
        """Carry out a bus write; raises :class:`DeviceError` where the bus answers SLVERR."""
        address &= ~3
        register = self._by_offset.get(address)
        if register is None:
            self._words(address, 1, "write")[0] = value
        elif all(field.access is Access.READ for field in register.fields):
            raise DeviceError(f"write of {address:#x}: register {register.name} is read-only")
        elif register.name in _STOPPED_ONLY and self.running:
            raise DeviceError(
                f"write of {register.name}: it may be written while the core is stopped only"
            )
        elif register.name == "CONTROL":
            self._control(value)
        elif register.name == "ERRORS":
            self._values["ERRORS"] &= ~value
        else:
            fields = (register.mask(f.name) for f in register.fields)
            self._values[register.name] = value & sum(fields)

    def _control(self, value: int) -> None:
        if value & _CONTROL.mask("CLEAR_COUNTERS"):
            self.counters = dict.fromkeys(self.counters, 0)
        running = value & _CONTROL.mask("RUN") and not value & _CONTROL.mask("RESET")
        self._values["CONTROL"] = _CONTROL.mask("RUN") if running else 0
        status = regmap.BY_NAME["STATUS"]
        self._values["STATUS"] = status.mask("IDLE") | (status.mask("READY") if running else 0)

    def _words(self, address: int, n_words: int, verb: str) -> Words:
        """Return the window's words from ``address`` on, as a view."""
        for memory, rows in self._memories.values():
            first = (address - memory.base) // 4
            if first >= 0 and first + n_words <= rows.size:
                if self.running:
                    if verb == "write":
                        self.flag("BUSY")
                    raise DeviceError(
                        f"{verb} of {address:#x}: the memory window may be used while the core "
                        "is stopped only (CONTROL.RUN = 0)"
                    )
                return rows.reshape(-1)[first : first + n_words]
        raise DeviceError(f"{verb} of {address:#x}: no register or memory holds {n_words} words")

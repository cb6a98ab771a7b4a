"""A core in plain Python, one word at a time, driven by its own tables.

It shares no arithmetic with the golden model or the gateware; it is there to have
something behind the driver that can be told to misbehave.
"""

from collections.abc import Callable

import numpy as np

from spikeloom.spec import aer, regmap
from spikeloom.spec.aer import Kind
from spikeloom.spec.build import build_id
from spikeloom.spec.errors import DeviceError, DeviceTimeout
from spikeloom.spec.memmap import memory_map
from spikeloom.spec.tables import POPULATIONS, PROJECTIONS, FireSelect, unpack_row

CONTROL, ERRORS, STATUS = (regmap.BY_NAME[n] for n in ("CONTROL", "ERRORS", "STATUS"))
BY_OFFSET = {register.offset: register for register in regmap.REGISTERS}


class FakeCore:
    """A transport to a core of ``config``.

    ``overrides`` replaces what registers read; ``never_ready`` keeps READY at 0;
    ``flip`` is (address, mask) of a bad memory bit; ``answer`` replaces the next
    packet, and is called with the input beats.
    """

    name = "fake"

    def __init__(self, config):
        self.memories = memory_map(config)
        self.lanes = config.lanes
        self.memory = {n: np.zeros((m.rows, m.row_words), "<u4") for n, m in self.memories.items()}
        number = int(build_id(config), 16)
        self.registers = {register.name: 0 for register in regmap.REGISTERS} | {
            "ID": regmap.ID_VALUE,
            "MAP_VERSION": regmap.MAP_VERSION,
            "BUILD_ID_LO": number & 0xFFFF_FFFF,
            "BUILD_ID_HI": number >> 32,
            "LANES": config.lanes,
            "STATE_ROWS": config.state_rows,
            "WEIGHT_ROWS": config.weight_rows,
        }
        self.overrides: dict[str, int] = {}
        self.never_ready = False
        self.flip: tuple[int, int] | None = None
        self.answer: Callable | None = None
        self.closed = 0
        self.packets = []
        self.resets = 0

    # registers and memory

    def read32(self, address):
        if address in BY_OFFSET:
            return self._read_register(BY_OFFSET[address].name)
        return int(self._word(address)) ^ (self.flip[1] if self._flipped(address) else 0)

    def _flipped(self, address):
        return self.flip is not None and self.flip[0] == address

    def _read_register(self, name):
        if name in self.overrides:
            return self.overrides[name]
        if name == "STATUS":
            ready = bool(self.running and not self.never_ready)
            return STATUS.mask("IDLE") | STATUS.mask("READY") * ready
        return self.registers[name]

    @property
    def running(self):
        return self.registers["CONTROL"] & CONTROL.mask("RUN")

    def write32(self, address, value):
        register = BY_OFFSET.get(address)
        if register is None:
            self._write_word(address, value)
        elif register is CONTROL:
            self._control(value)
        elif register is ERRORS:
            self.registers["ERRORS"] &= ~value
        elif register.fields[0].access is regmap.Access.READ_WRITE:
            if register.name == "NETWORK" and self.running:
                raise DeviceError("SLVERR: NETWORK written while running")
            self.registers[register.name] = value
        else:
            raise DeviceError(f"SLVERR: register {register.name} is read-only")

    def _control(self, value):
        self.registers["CONTROL"] = value & CONTROL.mask("RUN")
        if value & CONTROL.mask("RESET"):
            self.registers["CONTROL"] = 0
            self.resets += 1
        if value & CONTROL.mask("CLEAR_COUNTERS"):
            for name in self.registers:
                if name.endswith(("_LO", "_HI")) and not name.startswith("BUILD"):
                    self.registers[name] = 0

    def _find(self, address):
        for name, memory in self.memories.items():
            if memory.base <= address < memory.base + memory.n_bytes:
                return name, (address - memory.base) // 4
        raise DeviceError(f"SLVERR: nothing at 0x{address:X}")

    def _word(self, address):
        name, index = self._find(address)
        return self.memory[name].reshape(-1)[index]

    def _write_word(self, address, value):
        name, index = self._find(address)
        if self.running:
            self.registers["ERRORS"] |= ERRORS.mask("BUSY")
            raise DeviceError(f"SLVERR: 0x{address:X} written while running")
        self.memory[name].reshape(-1)[index] = value

    def write_block(self, address, words):
        for index, word in enumerate(words):
            self.write32(address + 4 * index, int(word))

    def read_block(self, address, n_words):
        return np.array([self.read32(address + 4 * i) for i in range(n_words)], np.uint32)

    def describe(self):
        return {"engine": self.name}

    def close(self):
        self.closed += 1

    # packets

    def exchange(self, beats, capacity, budget_cycles):
        assert isinstance(capacity, int)
        assert isinstance(budget_cycles, int)
        self.packets.append(beats)
        if self.answer is not None:
            answer, self.answer = self.answer, None
            return answer(beats)
        if not self.running or self.never_ready:
            raise DeviceTimeout("the core does not run")
        out = aer_beats(self._network_words(aer.to_words(beats)))
        if len(out) > capacity:
            raise DeviceError(f"answer of {len(out)} beats is longer than {capacity}")
        return out

    def _count(self, name, by=1):
        total = (self.registers[f"{name}_HI"] << 32 | self.registers[f"{name}_LO"]) + by
        self.registers[f"{name}_LO"] = total & 0xFFFF_FFFF
        self.registers[f"{name}_HI"] = total >> 32

    def _network_words(self, words):
        n = self.registers["NETWORK"]
        self.rows = [unpack_row(POPULATIONS, r) for r in self.memory["populations"][:n]]
        self.weights = [
            self.memory[f"weights_{p}"].view(np.int8).reshape(-1, self.lanes)
            for p in ("even", "odd")
        ]
        self._start_sample()
        out = []
        for word in words.tolist():
            kind, payload = word >> 28, word & aer.PAYLOAD_MASK
            if kind == Kind.SPIKE:
                population, neuron = payload >> 20, payload & aer.NEURON_MASK
                if population or neuron >= self.rows[0]["n_neurons"]:
                    self._drop("ADDRESS")
                else:
                    self._count("EVENTS_IN")
                    self._project(0, neuron)
            elif kind == Kind.TICK:
                self._count("TICKS")
                out += [*self._tick(), (word, 0)]
            elif kind == Kind.END:
                self._count("SAMPLES")
                out += [*self._end(), (word, 0)]
                self._start_sample()
            elif kind != Kind.NULL:
                self._drop("KIND")
        return out

    def _drop(self, flag):
        self.registers["ERRORS"] |= ERRORS.mask(flag)
        self._count("DROPPED")

    def _start_sample(self):
        self.potential = [
            np.full(row["n_rows"] * self.lanes, row["initial"], np.int64) for row in self.rows
        ]
        n_rows = max(row["row_base"] + row["n_rows"] for row in self.rows)
        self.sums = np.zeros((n_rows, self.lanes), np.int64)
        self.sops = 0

    def _project(self, population, neuron):
        row = self.rows[population]
        first = row["first_projection"]
        for words in self.memory["projections"][first : first + row["n_projections"]]:
            p = unpack_row(PROJECTIONS, words)
            for r in range(p["n_rows"]):
                at = p["weight_base"] + r * p["stride"] + neuron // 2
                self.sums[p["row_base"] + r] += self.weights[neuron % 2][at]
            self.sops += (p["n_rows"] - 1) * self.lanes + p["lanes_last"]

    def _tick(self):
        out = []
        for index, row in enumerate(self.rows):
            if not row["n_rows"]:
                continue
            mine = slice(row["row_base"], row["row_base"] + row["n_rows"])
            h = self.potential[index] + self.sums[mine].reshape(-1) + row["bias"]
            self.sums[mine] = 0
            fired = (h >= row["threshold"]) & bool(row["fires"])
            fired[row["n_neurons"] :] = False
            self.potential[index] = _decayed(h, fired, row)
            if row["probe_ticks"]:
                out += [_value(index, n, h[n]) for n in range(row["n_neurons"]) if h[n]]
            for neuron in np.flatnonzero(fired).tolist():
                self._project(index, neuron)
                if row["emit_spikes"]:
                    self._count("EVENTS_OUT")
                    out.append((aer.addressed(Kind.SPIKE, index, neuron), 0))
        return out

    def _end(self):
        out = []
        for index, row in enumerate(self.rows):
            if row["probe_end"]:
                v = self.potential[index]
                out += [_value(index, n, v[n]) for n in range(row["n_neurons"]) if v[n]]
        return [*out, (aer.word(Kind.CYCLES, 100), aer.word(Kind.SOPS, self.sops))]


def _decayed(h, fired, row):
    chosen = {
        FireSelect.H: h,
        FireSelect.H_MINUS_THETA: h - row["threshold"],
        FireSelect.ZERO: 0 * h,
    }[FireSelect(row["fire_select"])]
    x = np.where(fired, chosen, h)
    if row["clip_before"]:
        x = x.clip(row["floor"], 32767)
    product = x * row["decay"]
    x = np.sign(product) * (abs(product) >> 15) + np.where(fired, row["fire_constant"], 0)
    return x if row["clip_before"] else x.clip(row["floor"], 32767)


def _value(population, neuron, value):
    return (
        aer.addressed(Kind.READOUT, population, neuron),
        aer.word(Kind.VALUE, int(value)),
    )


def aer_beats(pairs):
    """Return beats of (low, high) words."""
    return np.array([low | high << 32 for low, high in pairs], np.uint64)

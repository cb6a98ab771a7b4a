"""The register map of a core's AXI4-Lite port.

Registers are 32 bits wide at byte offsets below 0x1000; the memory window
(:mod:`.memmap`) lies above.  Reading or writing an address that holds nothing
answers SLVERR and changes nothing; so does writing a read-only register or
writing the memory window while the core runs.  Partial write strobes: a register
write needs all four, otherwise SLVERR.  The two low address bits are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .config import CORES_MAX, BuildConfig

ID_VALUE = 0x534C4F4D
"""ASCII ``SLOM``: what the ID register reads."""

MAP_VERSION = 1
"""Version of this map; a driver refuses another."""


class Access(str, Enum):
    """How the host may use a field."""

    READ = "R"
    READ_WRITE = "RW"
    PULSE = "W1P"
    STICKY = "W1C"


@dataclass(frozen=True)
class Field:
    """Bits ``lsb`` to ``lsb + bits - 1`` of a register."""

    name: str
    lsb: int
    bits: int
    access: Access
    doc: str


@dataclass(frozen=True)
class Register:
    """A 32-bit register at byte ``offset``."""

    name: str
    offset: int
    fields: tuple[Field, ...]
    doc: str

    def field(self, name: str) -> Field:
        """Return the field ``name``."""
        return next(f for f in self.fields if f.name == name)

    def mask(self, name: str) -> int:
        """Return the bit mask of field ``name``."""
        field = self.field(name)
        return ((1 << field.bits) - 1) << field.lsb


def _whole(name: str, offset: int, doc: str, access: Access = Access.READ) -> Register:
    return Register(name, offset, (Field("value", 0, 32, access, doc),), doc)


def _counter(name: str, offset: int, doc: str) -> tuple[Register, Register]:
    return (
        _whole(f"{name}_LO", offset, f"{doc}, bits 31 to 0; reading it latches bits 63 to 32"),
        _whole(f"{name}_HI", offset + 4, f"{doc}, bits 63 to 32, latched"),
    )


COUNTERS: tuple[tuple[str, str], ...] = (
    ("CYCLES", "cycles in which the core was busy"),
    ("SOPS", "synaptic operations: weights accumulated"),
    ("EVENTS_IN", "SPIKE words accepted"),
    ("EVENTS_OUT", "SPIKE words sent"),
    ("TICKS", "ticks closed"),
    ("SAMPLES", "samples closed"),
    ("DROPPED", "words dropped: unknown kind, population or address"),
    ("STALL_IN", "busy cycles in which the core waited for an input word"),
    ("STALL_OUT", "cycles in which an output beat waited for TREADY"),
)
"""Performance counters, 64 bits each, cleared by CONTROL.CLEAR_COUNTERS."""

COUNTER_BASE = 0x100

NETWORK_FIELDS = (
    Field("n_populations", 0, 9, Access.READ_WRITE, "population table rows in use"),
    Field("n_replays", 16, 9, Access.READ_WRITE, "replay table rows in use"),
)

REGISTERS: tuple[Register, ...] = (
    _whole("ID", 0x000, "0x534C4F4D, ASCII SLOM"),
    _whole("MAP_VERSION", 0x004, "version of the register map"),
    _whole("BUILD_ID_LO", 0x008, "build id, bits 31 to 0"),
    _whole("BUILD_ID_HI", 0x00C, "build id, bits 63 to 32"),
    _whole("LANES", 0x010, "neurons updated per cycle"),
    _whole("STATE_ROWS", 0x014, "rows of potentials"),
    _whole("WEIGHT_ROWS", 0x018, "rows of weights in each bank"),
    Register(
        "CONTROL",
        0x020,
        (
            Field("RUN", 0, 1, Access.READ_WRITE, "1 to run; setting it clears all potentials"),
            Field("RESET", 1, 1, Access.PULSE, "abandons all work, empties the core, clears RUN"),
            Field("CLEAR_COUNTERS", 2, 1, Access.PULSE, "sets every counter to 0"),
        ),
        "starts and stops the core",
    ),
    Register(
        "STATUS",
        0x024,
        (
            Field("IDLE", 0, 1, Access.READ, "no work in the core and no input waiting"),
            Field("READY", 1, 1, Access.READ, "running and initialised"),
        ),
        "what the core does",
    ),
    Register(
        "ERRORS",
        0x028,
        (
            Field("KIND", 0, 1, Access.STICKY, "a word of unknown kind was dropped"),
            Field("ADDRESS", 1, 1, Access.STICKY, "a spike out of range was dropped"),
            Field("FRAME", 2, 1, Access.STICKY, "TLAST came without END in its beat"),
            Field("BUSY", 3, 1, Access.STICKY, "the memory window was written while running"),
            Field("OVERFLOW", 4, 1, Access.STICKY, "an accumulator overflowed"),
        ),
        "sticky error flags, cleared by writing 1",
    ),
    Register(
        "NETWORK",
        0x02C,
        NETWORK_FIELDS,
        "size of the loaded network; may be written while stopped only",
    ),
    _whole("TAG", 0x030, "free for the host: which artefact is loaded", Access.READ_WRITE),
    *(
        register
        for index, (name, doc) in enumerate(COUNTERS)
        for register in _counter(name, COUNTER_BASE + 8 * index, doc)
    ),
)

CLUSTER_REGISTERS: tuple[Register, ...] = (
    _whole("CORES", 0x034, "cores of the build"),
    Register(
        "CLUSTER",
        0x038,
        (
            Field("n_cores", 0, 3, Access.READ_WRITE, "cores in use"),
            Field("side_by_side", 3, 1, Access.READ_WRITE, "1 to deal samples to the cores"),
            Field("takes_input", 4, 4, Access.READ_WRITE, "a bit per core that gets host spikes"),
        ),
        "how the cores work together; may be written while stopped only",
    ),
    _whole("INPUTS", 0x03C, "host input addresses must be below", Access.READ_WRITE),
    *(
        Register(
            f"NETWORK_{core}",
            0x03C + 4 * core,
            NETWORK_FIELDS,
            f"size of the network in core {core}; may be written while stopped only",
        )
        for core in range(1, CORES_MAX)
    ),
)
"""More registers of builds with several cores; there NETWORK is that of core 0."""

BY_NAME: dict[str, Register] = {register.name: register for register in REGISTERS}
CLUSTER_BY_NAME: dict[str, Register] = {register.name: register for register in CLUSTER_REGISTERS}


def registers_of(config: BuildConfig) -> tuple[Register, ...]:
    """Return the registers that a build has."""
    absent = {network_register(core) for core in range(config.cores, CORES_MAX)}
    more = CLUSTER_REGISTERS if config.cores > 1 else ()
    return (*REGISTERS, *(register for register in more if register.name not in absent))


def network_register(core: int) -> str:
    """Return the name of the register with the size of the network in core ``core``."""
    return f"NETWORK_{core}" if core else "NETWORK"

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


def network_register(core: int) -> str:
    """Return the name of the register with the size of the network in core ``core``."""
    return f"NETWORK_{core}" if core else "NETWORK"


def core_registers(config: BuildConfig) -> tuple[Register, ...]:
    """Return the registers of a build but for those of its sensor input."""
    absent = {network_register(core) for core in range(config.cores, CORES_MAX)}
    more = CLUSTER_REGISTERS if config.cores > 1 else ()
    return (*REGISTERS, *(register for register in more if register.name not in absent))


SENSOR_BASE = 0x200
"""The group of the sensor input, in builds with ``sensor`` only."""

SENSOR_END = 0x300

SENSOR_FREE = ("SENSOR_CONTROL", "SENSOR_ERRORS")
"""The sensor's registers that may be written at any time; the others while it is not the source."""

_RW = Access.READ_WRITE


def _axis(name: str, offset: int) -> Register:
    fields = (
        Field("SHIFT", 0, 5, _RW, "lowest address line of the coordinate"),
        Field("WIDTH", 8, 4, _RW, "its number of lines, at most 12"),
        Field("INVERT", 16, 1, _RW, "1: every line of it is inverted, x becomes 2^WIDTH - 1 - x"),
    )
    return Register(f"SENSOR_{name}", offset, fields, f"where {name.lower()} is in the address")


SENSOR_COUNTERS: tuple[tuple[str, str], ...] = (
    ("EVENTS", "events received from the pins"),
    ("SENT", "events sent to the core"),
    ("OUTSIDE", "events left out by crop, polarity or the size of the counting memory"),
    ("LIMITED", "events above SENSOR_OUTPUT.LIMIT in their tick, left out"),
    ("DROPPED", "events lost because the queue was full"),
    ("IGNORED", "events that came while the sensor did not feed the core"),
    ("GLITCHES", "requests, and breaks in a request, shorter than SENSOR_HANDSHAKE.FILTER"),
    ("TIMEOUTS", "requests that stayed longer than SENSOR_HANDSHAKE.TIMEOUT"),
)
"""Counters of the sensor input, 32 bits; they stop at all ones."""

SENSOR_REGISTERS: tuple[Register, ...] = (
    Register(
        "SENSOR_CONTROL",
        0x200,
        (
            Field("ENABLE", 0, 1, _RW, "1: requests are answered; 0: acknowledge stays inactive"),
            Field("SOURCE", 1, 1, _RW, "what feeds the core: 0 the host, 1 the sensor"),
            Field("WAIT", 2, 1, _RW, "1: the sensor waits while the queue is full; 0: events drop"),
            Field("REQUEST_LOW", 3, 1, _RW, "1: the request is active low"),
            Field("ACKNOWLEDGE_LOW", 4, 1, _RW, "1: the acknowledge is active low"),
            Field("CLEAR_COUNTERS", 5, 1, Access.PULSE, "sets every counter of the sensor to 0"),
        ),
        "switches of the sensor input; the levels are set while ENABLE is 0",
    ),
    Register(
        "SENSOR_STATUS",
        0x204,
        (
            Field("SELECTED", 0, 1, Access.READ, "the sensor feeds the core"),
            Field("REQUEST", 1, 1, Access.READ, "the request is active"),
            Field("STUCK", 2, 1, Access.READ, "a request has timed out and is active still"),
        ),
        "what the sensor input does",
    ),
    Register(
        "SENSOR_ERRORS",
        0x208,
        (
            Field("TIMEOUT", 0, 1, Access.STICKY, "a request stayed active too long"),
            Field("UNSTABLE", 1, 1, Access.STICKY, "an address never stood still; no event"),
            Field("DROPPED", 2, 1, Access.STICKY, "an event was lost because the queue was full"),
            Field(
                "TICKS", 3, 1, Access.STICKY, "2^31 ticks wait for the core; further ones are lost"
            ),
        ),
        "sticky error flags of the sensor, cleared by writing 1",
    ),
    Register(
        "SENSOR_HANDSHAKE",
        0x20C,
        (
            Field("FILTER", 0, 4, _RW, "cycles a request must hold to count; at least 2"),
            Field("TIMEOUT", 8, 24, _RW, "cycles a request may hold; 0: for ever"),
        ),
        "limits of the handshake",
    ),
    _axis("X", 0x210),
    _axis("Y", 0x214),
    Register(
        "SENSOR_POLARITY",
        0x218,
        (
            Field("SHIFT", 0, 5, _RW, "address line of the polarity, 1 for ON"),
            Field("INVERT", 8, 1, _RW, "1: the line is 0 for ON"),
            Field("MODE", 16, 2, _RW, "0 two channels, 1 merged, 2 ON only, 3 OFF only"),
        ),
        "where the polarity is in the address and what becomes of it",
    ),
    Register(
        "SENSOR_ORIGIN",
        0x21C,
        (
            Field("X", 0, 12, _RW, "first column"),
            Field("Y", 16, 12, _RW, "first row"),
        ),
        "corner of the crop",
    ),
    Register(
        "SENSOR_SIZE",
        0x220,
        (
            Field("WIDTH", 0, 13, _RW, "columns"),
            Field("HEIGHT", 16, 13, _RW, "rows"),
        ),
        "size of the crop, in pixels of the sensor",
    ),
    Register(
        "SENSOR_SCALE",
        0x224,
        (
            Field("X", 0, 4, _RW, "log2 of the columns that become one"),
            Field("Y", 8, 4, _RW, "log2 of the rows that become one"),
            Field("STRIDE", 16, 14, _RW, "neurons from a row to the next: columns * channels"),
        ),
        "downscaling",
    ),
    Register(
        "SENSOR_OUTPUT",
        0x228,
        (
            Field("LIMIT", 0, 4, _RW, "events of a neuron that count in a tick; 0: all"),
            Field("POPULATION", 20, 8, _RW, "population field of the SPIKE words"),
        ),
        "what is sent to the core",
    ),
    Register(
        "SENSOR_CLOCK",
        0x22C,
        (Field("CYCLES", 0, 10, _RW, "clock cycles in a microsecond; 0 means 1"),),
        "unit of the time",
    ),
    Register(
        "SENSOR_PERIOD",
        0x230,
        (Field("MICROSECONDS", 0, 24, _RW, "length of a tick; 0 means 1"),),
        "when ticks are closed",
    ),
    Register(
        "SENSOR_TICKS",
        0x234,
        (Field("TICKS", 0, 28, _RW, "ticks in a sample; 0: END comes when the source changes"),),
        "when samples are closed",
    ),
    *(
        _whole(f"SENSOR_{name}", 0x240 + 4 * index, doc)
        for index, (name, doc) in enumerate(SENSOR_COUNTERS)
    ),
)
"""Registers of the sensor input, a group of its own."""

SENSOR_BY_NAME: dict[str, Register] = {register.name: register for register in SENSOR_REGISTERS}


def registers(config: BuildConfig) -> tuple[Register, ...]:
    """Return the registers of a build."""
    return core_registers(config) + (SENSOR_REGISTERS if config.sensor else ())


def named(name: str) -> Register:
    """Return the register ``name`` of any group; raises KeyError for another name."""
    return {**SENSOR_BY_NAME, **CLUSTER_BY_NAME, **BY_NAME}[name]

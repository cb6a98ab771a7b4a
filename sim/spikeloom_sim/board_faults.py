"""Faults of a board, planted one by one under the real driver.

``python -m spikeloom_sim.board_faults`` prints what became of each.  A fault must end in the
error that it names, within a deadline, and the board must give the golden model's results
right after it.  The simulated board of :mod:`.pynq_sim` is used, with the golden model or a
simulated core behind it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.artefact import Artefact, write_artefact
from spikeloom.board.driver import Board
from spikeloom.compile import compile_network
from spikeloom.report import table
from spikeloom.spec import aer, regmap
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import (
    CompatError,
    DataError,
    DeviceError,
    DeviceTimeout,
    LinkError,
    SpikeLoomError,
)
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.memmap import memory_map
from spikeloom.spec.network import InputPopulation, Network, Population, Projection

from .golden import Trace
from .pynq_sim import PynqSimTransport, open_pynq_sim
from .run import golden_trace
from .transports import open_transport

CONFIG = BuildConfig("faults", lanes=4, state_rows=16, weight_rows=64)
INPUTS, HIDDEN, OUTPUTS, TICKS, SAMPLES = 12, 8, 4, 5, 6
PER_PACKET = 2
DEADLINE_S = 0.05
PATIENCE_S = 60.0
"""Time after which a fault counts as a hang."""

Beats = NDArray[np.uint64]
Words = NDArray[np.uint32]


@dataclass
class Bench:
    """A board with a network in it."""

    artefact: Artefact
    link: PynqSimTransport
    board: Board
    inputs: NDArray[np.uint8]
    expected: Trace

    def run(self) -> None:
        """Run the samples in packets."""
        self.board.run(self.inputs, PER_PACKET)

    def works(self) -> bool:
        """Return whether a run gives the golden model's spikes and potentials."""
        result = self.board.run(self.inputs, PER_PACKET)
        same = np.array_equal(result.spikes, self.expected.spikes["out"])
        return same and np.array_equal(result.potential, self.expected.final["out"])


@dataclass(frozen=True)
class Fault:
    """A fault: what is done, and the error that the user must get.

    ``act`` gets the bench and does what fails; what it planted heals by itself, or when it
    ends.
    """

    name: str
    error: type[BaseException]
    act: Callable[[Bench], None]


@dataclass(frozen=True)
class Outcome:
    """What became of a fault: the error that came, the seconds it took, and the board after."""

    fault: Fault
    found: str
    seconds: float
    works: bool

    @property
    def passed(self) -> bool:
        """Whether the error was the right one, in time, with a working board after it."""
        return self.found == self.fault.error.__name__ and self.works and self.seconds < PATIENCE_S


@contextlib.contextmanager
def open_bench(engine: str = "golden") -> Iterator[Bench]:
    """Open a simulated board with a small network; ``engine`` plays the core."""
    rng = np.random.default_rng(11)
    whole = partial(np.array, dtype=np.int32)
    network = Network(
        inputs=(InputPopulation("in", (INPUTS,)),),
        populations=(
            Population("hidden", (HIDDEN,), whole(40), whole(29000), bias=whole(2)),
            Population("out", (OUTPUTS,), whole(60), whole(31000)),
        ),
        projections=(
            Projection("in", "hidden", rng.integers(-30, 60, (HIDDEN, INPUTS), np.int8)),
            Projection("hidden", "out", rng.integers(-40, 80, (OUTPUTS, HIDDEN), np.int8)),
        ),
        outputs=("out",),
    )
    compiled = compile_network(network, CONFIG)
    inputs = (rng.random((SAMPLES, TICKS, INPUTS)) < 0.4).astype(np.uint8)
    with tempfile.TemporaryDirectory(prefix="spikeloom-") as folder:
        artefact = write_artefact(
            Path(folder) / "net", network, InputFacts((INPUTS,), TICKS),
            build=compiled.build, images=compiled.images,
        )  # fmt: skip
        core = open_transport(engine, artefact)
        link = open_pynq_sim(artefact, core, min_deadline_s=DEADLINE_S)
        with Board(link, ready_timeout_s=DEADLINE_S) as board:
            board.load(artefact)
            yield Bench(artefact, link, board, inputs, golden_trace(artefact, inputs))


def try_fault(bench: Bench, fault: Fault) -> Outcome:
    """Plant a fault and look at the board after it."""
    start = time.monotonic()
    found = "no error"
    try:
        fault.act(bench)
    except (SpikeLoomError, KeyboardInterrupt, ZeroDivisionError) as error:
        found = type(error).__name__
    seconds = time.monotonic() - start
    try:
        works = bench.works()
    except SpikeLoomError:
        works = False
    return Outcome(fault, found, seconds, works)


# What a fault does to the DMA, from packet ``after`` on.


def _dma(after: int, bench: Bench, **planted: Any) -> None:
    faults = bench.link.device.dma.faults
    faults.after = after
    for name, value in planted.items():
        setattr(faults, name, value)
    bench.run()


def _changed(change: Callable[[Words], Words], beats: Beats) -> Beats:
    words = aer.to_words(beats)
    return aer.to_beats(change(words[aer.kind_of(words) != int(Kind.NULL)].copy()))


def _at(kind: Kind, change: Callable[[Words, int], Words], words: Words) -> Words:
    """Change the words at the last one of a kind."""
    return change(words, int(np.flatnonzero(aer.kind_of(words) == int(kind))[-1]))


def _without(words: Words, at: int) -> Words:
    return np.delete(words, at)


def _twice(words: Words, at: int) -> Words:
    return np.insert(words, at, words[at])


def _with_bit(bit: int, words: Words, at: int) -> Words:
    words[at] ^= np.uint32(1 << bit)
    return words


def _with_kind(kind: int, words: Words, at: int) -> Words:
    words[at] = words[at] & np.uint32(aer.PAYLOAD_MASK) | np.uint32(kind << aer.KIND_SHIFT)
    return words


def _swapped(words: Words, at: int) -> Words:
    words[[at - 1, at]] = words[[at, at - 1]]
    return words


def _behind(words: Words, at: int) -> Words:
    return np.append(words, words[at])


CHANGES: dict[str, Callable[[Words], Words]] = {
    "the last TICK is lost": partial(_at, Kind.TICK, _without),
    "a TICK comes twice": partial(_at, Kind.TICK, _twice),
    "a TICK has another number": partial(_at, Kind.TICK, partial(_with_bit, 3)),
    "END is lost": partial(_at, Kind.END, _without),
    "END is of another sample": partial(_at, Kind.END, partial(_with_bit, 5)),
    "a word follows the last END": partial(_at, Kind.TICK, _behind),
    "CYCLES is lost": partial(_at, Kind.CYCLES, _without),
    "SOPS comes twice": partial(_at, Kind.SOPS, _twice),
    "READOUT lost its VALUE": partial(_at, Kind.VALUE, _without),
    "VALUE lost its READOUT": partial(_at, Kind.READOUT, _without),
    "READOUT and VALUE are swapped": partial(_at, Kind.VALUE, _swapped),
    "a spike comes twice": partial(_at, Kind.SPIKE, _twice),
    "a spike is of another population": partial(_at, Kind.SPIKE, partial(_with_bit, 27)),
    "a spike is of a neuron too far": partial(_at, Kind.SPIKE, partial(_with_bit, 19)),
    "a word is of an unknown kind": partial(_at, Kind.SPIKE, partial(_with_kind, 15)),
    "a spike comes behind the last TICK": lambda words: np.insert(
        _at(Kind.SPIKE, _without, words), len(words) - 4, words[aer.kind_of(words) == Kind.SPIKE][0]
    ),
}
"""Changes of an answer's words, each of which the driver must notice."""

STREAMS: dict[str, Callable[[Beats], Beats]] = {
    "the answer is empty": lambda beats: beats[:0],
    "the answer is the packet": lambda beats: beats,
    "the answer is all ones": lambda beats: np.full(20, (1 << 64) - 1, np.uint64),
    "the answer has no end": lambda beats: np.zeros(1 << 20, np.uint64),
}


def _hang(_beats: Beats) -> Beats:
    raise DeviceTimeout("the core took the packet and never answered")


def _patched(bench: Bench, name: str, replacement: Callable[..., Any]) -> Any:
    """Replace a method of what plays the core, until the context ends."""

    @contextlib.contextmanager
    def context() -> Iterator[None]:
        inner = bench.link.device.inner
        setattr(inner, name, partial(replacement, getattr(inner, name)))
        try:
            yield
        finally:
            delattr(inner, name)

    return context()


def _reads(register: str, value: int, bench: Bench, act: Callable[[Bench], None]) -> None:
    """Let a register read a value while ``act`` runs."""
    offset = regmap.BY_NAME[register].offset

    def read(real: Callable[[int], int], address: int) -> int:
        return value if address == offset else real(address)

    with _patched(bench, "read32", read):
        act(bench)


def _bus_error(bench: Bench) -> None:
    def refuse(_real: Any, address: int) -> int:
        raise DeviceError(f"read of {address:#x} was answered with a bus error (SLVERR)")

    with _patched(bench, "read32", refuse):
        bench.run()


def _flipped_memory(bench: Bench) -> None:
    base = memory_map(CONFIG)["weights_even"].base

    def read(real: Callable[[int], int], address: int) -> int:
        return real(address) ^ (address == base)

    try:
        with _patched(bench, "read32", read):
            bench.board.load(bench.artefact)
    finally:
        bench.board.load(bench.artefact)


def _connect(bench: Bench) -> None:
    bench.board.connect(bench.artefact.build)


def _without_cache(operation: str, bench: Bench) -> None:
    from .pynq_sim_device import SimBuffer

    real = getattr(SimBuffer, operation)
    setattr(SimBuffer, operation, lambda self: None)
    try:
        bench.run()
    finally:
        setattr(SimBuffer, operation, real)


def _no_memory(after: int, bench: Bench) -> None:
    memory = bench.link.device.memory
    limit = memory.limit
    memory.limit = after
    try:
        bench.run()
    finally:
        memory.limit = limit


def _interrupted(error: type[BaseException], bench: Bench) -> None:
    """Raise in the midst of a wait, as Ctrl-C does."""
    dma = bench.link.link.dma
    real = dma.received

    def interrupt() -> int:
        dma.received = real  # type: ignore[method-assign]
        raise error

    dma.received = interrupt  # type: ignore[method-assign]
    bench.run()


def _input(inputs: NDArray[Any], bench: Bench) -> None:
    bench.board.run(inputs, PER_PACKET)


def _stuck_and_deaf(bench: Bench) -> None:
    bench.link.device.dma.faults.deaf = True
    _dma(0, bench, stuck=True)


def faults() -> list[Fault]:
    """Return every fault; those of packets come at the first and at the second of a run."""
    out: list[Fault] = []
    for after in (0, 1):
        where = f"packet {after}: "
        plant = partial(_dma, after)
        for channel in ("mm2s", "s2mm"):
            for bits, name in ((0x10, "internal"), (0x20, "slave"), (0x40, "decode")):
                act = partial(plant, error={channel: bits})
                out.append(Fault(f"{where}DMA {channel} {name} error", DeviceError, act))
        out.append(Fault(f"{where}DMA never ends", DeviceTimeout, partial(plant, stuck=True)))
        out.append(Fault(f"{where}core never answers", DeviceTimeout, partial(plant, stream=_hang)))
        for length in (0, 12, 1 << 20, 8):
            act = partial(plant, length=length)
            out.append(Fault(f"{where}DMA claims {length} bytes", DeviceError, act))
        for name, stream in STREAMS.items():
            out.append(Fault(where + name, DeviceError, partial(plant, stream=stream)))
        for name, change in CHANGES.items():
            act = partial(plant, change=partial(_changed, change))
            out.append(Fault(where + name, DeviceError, act))
    for field in regmap.BY_NAME["ERRORS"].fields:
        act = partial(_reads, "ERRORS", 1 << field.lsb, act=Bench.run)
        out.append(Fault(f"ERRORS.{field.name} is set", DeviceError, act))
    out += [
        Fault("a DMA channel never starts", DeviceTimeout, lambda b: _restarted(b, halted=True)),
        Fault("DMA never ends, nor does its reset", DeviceTimeout, _stuck_and_deaf),
        Fault("the core never becomes ready", DeviceTimeout,
              partial(_reads, "STATUS", 0, act=lambda b: b.board.reset())),
        Fault("the bus answers with an error", DeviceError, _bus_error),
        Fault("another ID", LinkError, partial(_reads, "ID", 0xFFFF_FFFF, act=_connect)),
        Fault("another register map", LinkError, partial(_reads, "MAP_VERSION", 99, act=_connect)),
        Fault("another build", CompatError, partial(_reads, "BUILD_ID_LO", 1, act=_connect)),
        Fault("another number of lanes", CompatError, partial(_reads, "LANES", 8, act=_connect)),
        Fault("a memory reads back other words", DeviceError, _flipped_memory),
        Fault("a forgotten flush", DeviceTimeout, partial(_without_cache, "flush")),
        Fault("a forgotten invalidate", DeviceError, partial(_without_cache, "invalidate")),
        Fault("no memory for any buffer", DeviceError, partial(_no_memory, 0)),
        Fault("no memory for the second buffer", DeviceError, partial(_no_memory, 400)),
        Fault("Ctrl-C during a run", KeyboardInterrupt, partial(_interrupted, KeyboardInterrupt)),
        Fault("an exception during a run", ZeroDivisionError,
              partial(_interrupted, ZeroDivisionError)),
        Fault("input of floats", DataError, partial(_input, np.zeros((1, TICKS, INPUTS)))),
        Fault("input of another shape", DataError,
              partial(_input, np.zeros((1, TICKS, INPUTS + 1), np.uint8))),
        Fault("input out of range", DataError,
              partial(_input, np.full((1, TICKS, INPUTS), 2, np.uint8))),
        Fault("a run without samples", DataError,
              partial(_input, np.zeros((0, TICKS, INPUTS), np.uint8))),
    ]  # fmt: skip
    return out


def _restarted(bench: Bench, halted: bool) -> None:
    bench.link.link.dma.reset()
    bench.link.device.dma.faults.halted = halted
    bench.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every fault and print a table; exit code 1 if one did not end as it must."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="golden", help="what plays the core (golden)")
    args = parser.parse_args(arguments)
    try:
        with open_bench(args.engine) as bench:
            outcomes = [try_fault(bench, fault) for fault in faults()]
    except SpikeLoomError as error:
        print(f"board_faults: {error}", file=sys.stderr)
        return 2
    rows = [
        (o.fault.name, o.found, f"{o.seconds:.2f}", "works" if o.works else "DOES NOT WORK",
         "" if o.passed else f"must be {o.fault.error.__name__}")
        for o in outcomes
    ]  # fmt: skip
    print(table(rows, ("fault", "error", "s", "board after it", "")))
    n_passed = sum(o.passed for o in outcomes)
    print(f"{n_passed} of {len(outcomes)} faults ended in the right error and a working board")
    return 0 if n_passed == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

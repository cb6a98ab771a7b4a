"""The golden model behind a core's registers and streams.

The driver cannot tell it from a core, but for the clock cycles, which are 0.  It runs
the network of the artefact; of what the driver loads it obeys the registers and the
flags of the population table, and it refuses tables of another network.  It maps the addresses
of the combined input back to the input populations, of whose ranges that of the least delay
counts: the delays are the model's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.compile.inputs import place_inputs
from spikeloom.spec import aer, tables
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import DeviceError, DeviceTimeout, NetworkError, UsageError
from spikeloom.spec.manifest import PlacedInput
from spikeloom.spec.memmap import core_name
from spikeloom.spec.network import Network

from ..golden import Trace
from ..matrix import MatrixModel
from ..words import Shown, encode_answer
from .design import version
from .registers import RegisterFile

Words = NDArray[np.uint32]
Beats = NDArray[np.uint64]
Int64 = NDArray[np.int64]


class GoldenTransport:
    """A :class:`~spikeloom.board.transport.Transport` to the golden model of ``network``.

    ``inputs`` are its ranges of addresses, by default those that the compiler would choose.
    """

    name = "golden"

    def __init__(
        self, network: Network, config: BuildConfig, inputs: Sequence[PlacedInput] = ()
    ) -> None:
        self._network = network
        self._model = MatrixModel(network)
        self._file = RegisterFile(config)
        self._inputs = tuple(inputs) or place_inputs(network)
        self._n_addresses = max(p.stop for p in self._inputs)
        self._sizes = {p.name: p.n_neurons for p in network.order()}
        self._config = config
        self._left_over: Words = np.zeros(0, np.uint32)

    def read32(self, address: int) -> int:
        """Return the word at ``address``; raises :class:`DeviceError` as the bus would."""
        return self._file.read(address)

    def write32(self, address: int, value: int) -> None:
        """Write one word; raises :class:`DeviceError` as the bus would."""
        if not 0 <= value < 1 << 32:
            raise UsageError(f"a word must be from 0 to 2^32 - 1, not {value!r}")
        self._file.write(address, value)
        if not self._file.running:
            self._left_over = np.zeros(0, np.uint32)

    def write_block(self, address: int, words: Words) -> None:
        """Write consecutive words."""
        self._file.write_block(address, np.asarray(words, np.uint32))

    def read_block(self, address: int, n_words: int) -> Words:
        """Return consecutive words."""
        return self._file.read_block(address, n_words)

    def exchange(self, beats: Beats, capacity: int, budget_cycles: int) -> Beats:
        """Run the samples of a packet and return the answer; ``budget_cycles`` is never spent.

        Raises :class:`DeviceTimeout` where a core would wait for ever (stopped, or no END
        in the last beat), and :class:`DeviceError` for an answer longer than ``capacity``,
        for an accumulator overflow and for tables of another network.
        """
        if not len(beats):
            raise UsageError("a packet must have at least one beat, not 0")
        words = aer.to_words(np.asarray(beats, np.uint64))
        if not self._file.running:
            raise self._timeout("is stopped (CONTROL.RUN = 0)")
        if not (aer.kind_of(words[-2:]) == Kind.END).any():
            self._file.flag("FRAME")
            raise self._timeout("found no END in the packet's last beat")
        shown = self._shown()
        words = np.concatenate([self._left_over, words])
        end = int(np.flatnonzero(aer.kind_of(words) == Kind.END)[-1]) + 1
        self._left_over = words[end:].copy()
        answer = self._answer(self._accepted(words[:end]), shown)
        if len(answer) > capacity:
            raise DeviceError(
                f"the answer of {self.name} must have at most {capacity} beats, not {len(answer)}"
            )
        return answer

    def describe(self) -> dict[str, Any]:
        """Return engine, tool and version."""
        return {
            "engine": "golden",
            "tool": "numpy",
            "version": version("numpy"),
            "design": self._config.name,
            "cycles": 0,
            "clock_hz": None,
        }

    def close(self) -> None:
        """Do nothing: the model holds no resources."""

    def _timeout(self, why: str) -> DeviceTimeout:
        state = ", ".join(f"{n} {self._file.value(n):#x}" for n in ("STATUS", "ERRORS"))
        return DeviceTimeout(f"{self.name} must answer, but the core {why} ({state})")

    def _shown(self) -> Shown:
        """Return what the population table tells the core to show."""
        rows = self._table()
        found = [row["n_neurons"] for row in rows]
        expected = [self._n_addresses, *self._sizes.values()]
        if found != expected:
            raise DeviceError(
                "the population table must be that of the artefact, with populations of "
                f"{expected} neurons, not {found}"
            )
        named = list(zip(self._sizes, rows[1:], strict=False))
        return Shown.of(
            *(
                [name for name, row in named if row[flag]]
                for flag in ("emit_spikes", "probe_ticks", "probe_end")
            )
        )

    def _table(self) -> list[dict[str, int]]:
        """Return the rows of the population table, of a chain those of all cores."""
        rows: list[dict[str, int]] = []
        n_cores = self._file.n_chained
        for core in range(n_cores):
            table = self._file.memory(core_name("populations", core))
            n_rows = self._file.n_populations(core)
            own = [tables.unpack_row(tables.POPULATIONS, row) for row in table[:n_rows]]
            if n_cores > 1:
                routes = self._file.memory(core_name("routes", core))
                for row, words in zip(own, routes, strict=False):
                    row["emit_spikes"] &= tables.unpack_row(tables.ROUTES, words)["host"]
            rows += own[1:] if core else own
        if n_cores > 1:  # a core's first row has the addresses of other cores' neurons as well
            rows[0]["n_neurons"] = self._file.value("INPUTS")
        return rows

    def _accepted(self, words: Words) -> Words:
        """Drop what a core drops, count and flag it."""
        kinds = aer.kind_of(words)
        known = aer.GRADED_INPUT_KINDS if self._config.graded else aer.INPUT_KINDS
        strange = ~np.isin(kinds, known)
        limits = np.zeros(1 << aer.POPULATION_BITS, np.int64)
        limits[0] = self._n_addresses
        outside = (kinds == Kind.SPIKE) & (aer.neuron_of(words) >= limits[aer.population_of(words)])
        if strange.any():
            self._file.flag("KIND")
        if outside.any():
            self._file.flag("ADDRESS")
        counters = self._file.counters
        counters["DROPPED"] += int((strange | outside).sum())
        counters["EVENTS_IN"] += int((kinds == Kind.SPIKE).sum() - outside.sum())
        counters["TICKS"] += int((kinds == Kind.TICK).sum())
        counters["SAMPLES"] += int((kinds == Kind.END).sum())
        accepted: Words = words[~(strange | outside | (kinds == Kind.NULL))]
        return accepted

    def _answer(self, words: Words, shown: Shown) -> Beats:
        """Return the answer to whole samples."""
        kinds = aer.kind_of(words)
        ends = np.flatnonzero(kinds == Kind.END)
        n_ticks = np.diff(np.cumsum(kinds == Kind.TICK)[ends], prepend=0)
        parts: list[Beats] = [np.zeros(0, np.uint64)] * len(ends)
        for ticks in np.unique(n_ticks):
            # samples of equal length run together
            group = np.flatnonzero(n_ticks == ticks)
            member = np.isin(np.cumsum(kinds == Kind.END) - (kinds == Kind.END), group)
            beats, sizes = self._run_group(words[member], len(group), int(ticks), shown)
            for sample, part in zip(group, np.split(beats, np.cumsum(sizes)[:-1]), strict=True):
                parts[sample] = part
        return np.concatenate(parts)

    def _run_group(
        self, words: Words, n_samples: int, n_ticks: int, shown: Shown
    ) -> tuple[Beats, Int64]:
        """Run samples of ``n_ticks`` ticks; return their beats and the beats of each."""
        kinds = aer.kind_of(words)
        trace = self._run(self._arrays(words, kinds, n_samples, n_ticks))
        self._file.counters["SOPS"] += int(trace.sops.sum())
        for population in self._network.order():
            if population.name in shown.spikes:
                sent = population.events(trace.spikes[population.name])
                self._file.counters["EVENTS_OUT"] += int(sent.sum())
        beats, sizes = encode_answer(self._network, trace, shown)
        # TICK and END carry back what came
        for kind in (Kind.TICK, Kind.END):
            echoed = words[kinds == kind].astype(np.uint64)
            beats[aer.kind_of(aer.to_words(beats)[::2]) == kind] = echoed
        return beats, sizes

    def _arrays(self, words: Words, kinds: Words, n_samples: int, n_ticks: int) -> dict[str, Int64]:
        """Add the magnitudes of the SPIKE words; those behind a sample's last TICK are void."""
        sample = np.cumsum(kinds == Kind.END) - (kinds == Kind.END)
        tick = np.cumsum(kinds == Kind.TICK) - (kinds == Kind.TICK) - sample * n_ticks
        at = np.flatnonzero((kinds == Kind.SPIKE) & (tick < n_ticks))
        magnitudes = _magnitudes(words, kinds)[at]
        addresses = aer.neuron_of(words[at]).astype(np.int64)
        out: dict[str, Int64] = {}
        for placed in sorted(self._inputs, key=lambda p: p.delay):
            if placed.name in out:
                continue
            values = np.zeros((n_samples, n_ticks, placed.n_neurons), np.int64)
            mine = (addresses >= placed.address) & (addresses < placed.stop)
            mine &= tick[at] >= placed.delay
            where = (
                sample[at][mine],
                tick[at][mine] - placed.delay,
                addresses[mine] - placed.address,
            )
            np.add.at(values, where, magnitudes[mine])
            out[placed.name] = values
        return out

    def _run(self, arrays: dict[str, Int64]) -> Trace:
        try:
            return self._model.run_unchecked(arrays)
        except NetworkError as error:
            self._file.flag("OVERFLOW")
            raise DeviceError(f"an accumulator overflowed: {error}") from None


def _magnitudes(words: Words, kinds: Words) -> Int64:
    """Return the magnitude of each word taken for a SPIKE: that of the last GRADED, else 1.

    A SPIKE uses up the GRADED before it; so do TICK and END.
    """
    at = np.arange(len(words))
    graded = np.maximum.accumulate(np.where(kinds == Kind.GRADED, at, -1))
    ends = np.isin(kinds, (Kind.SPIKE, Kind.TICK, Kind.END))
    used = np.maximum.accumulate(np.append(-1, np.where(ends, at, -1)[:-1]))
    magnitudes = aer.payload_of(words).astype(np.uint8).view(np.int8).astype(np.int64)
    return np.where(graded > used, magnitudes[graded], np.int64(1))

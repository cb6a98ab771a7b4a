"""The driver: one class over every transport, so that all engines run the same code."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..artefact import Artefact
from ..spec import regmap
from ..spec.build import build_id
from ..spec.config import PRESETS, SENSOR_SUFFIX, preset
from ..spec.errors import (
    CompatError,
    DeviceError,
    LinkError,
    SpikeLoomError,
    UsageError,
)
from ..spec.manifest import BuildFacts
from ..spec.memmap import memory_map
from .answer import Answer, decode
from .camera import Camera
from .inputs import Inputs, InputWords
from .latency import Latency, measure
from .live import Stream
from .loaded import Loaded, prepare
from .registers import Registers, flags, pack_register
from .result import RunResult, result_of
from .transport import Packet, Transport, answers

if TYPE_CHECKING:
    from ..events import SensorSetup

PACKET_BEATS = 1 << 19
"""Beats of a packet, in either direction, above which a run is split (4 MiB)."""

READY_TIMEOUT_S = 5.0
"""Time that a core may take to initialise."""

_CONTROL = regmap.BY_NAME["CONTROL"]
_SIZES = ("LANES", "STATE_ROWS", "WEIGHT_ROWS")


class Board:
    """A core at the other end of ``transport``.

    >>> with Board(transport) as board:                         # doctest: +SKIP
    ...     board.load(read_artefact("model"))
    ...     result = board.run(spikes)

    Every wait has a deadline.  After any error the core is reset, so that the next
    :meth:`run` starts from a clean state.

    Parameters
    ----------
    transport
        The link; closing the board closes it.
    ready_timeout_s
        Seconds that the core may take to initialise.
    """

    def __init__(self, transport: Transport, *, ready_timeout_s: float = READY_TIMEOUT_S) -> None:
        self.transport = transport
        self._registers = Registers(transport)
        self._ready_timeout_s = ready_timeout_s
        self._loaded: Loaded | None = None
        self._running = False

    def __enter__(self) -> Board:
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self, build: BuildFacts | None = None) -> None:
        """Check that a core answers and, with ``build``, that it is of that build.

        Raises
        ------
        LinkError
            If no SpikeLoom core answers, or one with another register map.
        CompatError
            If the core is of another build; names both ids and the fix.
        """
        name = self.transport.name
        try:
            found = self._registers.read("ID")
        except DeviceError as error:
            raise LinkError(f"no SpikeLoom core answers at {name}: {error}") from error
        if found != regmap.ID_VALUE:
            raise LinkError(
                f"no SpikeLoom core answers at {name}: ID must be 0x{regmap.ID_VALUE:08X}, "
                f"not 0x{found:08X}; check the bitstream, its clock and its reset"
            )
        version = self._registers.read("MAP_VERSION")
        if version != regmap.MAP_VERSION:
            raise LinkError(
                f"the core at {name} must have register map version {regmap.MAP_VERSION}, "
                f"not {version}; use a matching SpikeLoom"
            )
        if build is not None:
            self._check_build(build)

    def _check_build(self, build: BuildFacts) -> None:
        found = f"{self._registers.read_pair('BUILD_ID'):016x}"
        sizes = {name: self._registers.read(name) for name in _SIZES}
        wanted = {name: getattr(build.config, name.lower()) for name in _SIZES}
        if found == build.id and sizes == wanted:
            return
        known = [preset(name + end) for name in PRESETS for end in ("", SENSOR_SUFFIX)]
        names = [f"--preset {config.name}" for config in known if build_id(config) == found]
        details = ", ".join(f"{name} {size}" for name, size in sizes.items())
        choice = names[0] if names else "--build FILE, the parameters of that build"
        raise CompatError(
            f"the artefact is compiled for build {build.id} ({build.config.name}), but the core "
            f"at {self.transport.name} is build {found} ({details}); load the bitstream of "
            f"{build.config.name} (spikeloom doctor --board says where it is), or compile for the "
            f"core: spikeloom compile {choice}"
        )

    def load(self, artefact: Artefact, probe: str | None = None, verify: bool = True) -> None:
        """Write ``artefact`` into the core and start it.

        Parameters
        ----------
        artefact
            A compiled artefact.
        probe
            None or ``"outputs"``: spikes and final potentials of the output populations.
            ``"all"``: spikes, H of each tick and final V of every population of neurons.
        verify
            Whether to read the memories back and compare.

        Raises
        ------
        ArtefactError, CompatError, LinkError, UsageError
            Before anything is written, also for what is no artefact at all.
        DeviceError
            If a memory reads back other words than were written.
        DeviceTimeout
            If the core does not become ready.
        """
        if not isinstance(artefact, Artefact):
            raise UsageError(
                f"load takes an artefact, not {artefact!r}; read one with read_artefact(folder)"
            )
        loaded = prepare(artefact, probe)
        self.connect(loaded.build)
        self._loaded, self._running = None, False
        self._registers.write("CONTROL", _CONTROL.mask("RESET"))
        memories = memory_map(loaded.build.config)
        for name, words in loaded.images.items():
            flat = np.ascontiguousarray(words, np.uint32).reshape(-1)
            if not flat.size:
                continue
            self.transport.write_block(memories[name].base, flat)
            if verify and memories[name].readable:
                self._verify(name, memories[name].base, flat, words.shape[1])
        self._loaded = loaded
        self._start()

    def _verify(self, name: str, base: int, words: NDArray[np.uint32], row_words: int) -> None:
        found = np.asarray(self.transport.read_block(base, len(words)))
        if found.shape != words.shape:
            raise DeviceError(f"memory {name} must read back {len(words)} words, not {found.shape}")
        wrong = found != words
        if wrong.any():
            at = int(wrong.argmax())
            raise DeviceError(
                f"memory {name} row {at // row_words} word {at % row_words} must read back "
                f"0x{int(words[at]):08X}, not 0x{int(found[at]):08X} "
                f"({int(wrong.sum())} of {len(words)} words differ); load again, then suspect "
                "the bitstream"
            )

    def run(self, inputs: Inputs, samples_per_packet: int | None = None) -> RunResult:
        """Run samples through the loaded network.

        Parameters
        ----------
        inputs
            Integers or booleans of shape ``(samples, ticks, *input shape)``; the value m is m
            events, or for a signed input one event of magnitude m.  The number of ticks is
            free.  For a network of several inputs a mapping from their names to such arrays.
        samples_per_packet
            Samples sent at a time; by default as many as :data:`PACKET_BEATS` allow.

        Raises
        ------
        UsageError
            If nothing is loaded.
        DataError
            If the input has another type, shape or range; nothing is sent then.
        DeviceTimeout, DeviceError
            If the core or the link fails; the core has been reset then.
        """
        loaded = self._require_loaded()
        words = InputWords(inputs, loaded.input, loaded.inputs)
        if samples_per_packet is None:
            samples_per_packet = _samples_per_packet(words, loaded)
        _check_count("samples_per_packet", samples_per_packet)
        if not self._running:
            self._recover()
        try:
            found = self._run_packets(loaded, words, samples_per_packet)
        except BaseException:
            self._running = False
            with contextlib.suppress(SpikeLoomError):
                self._recover()
            raise
        return result_of(found, loaded.populations, loaded.probes, loaded.fires)

    def _run_packets(
        self, loaded: Loaded, words: InputWords, samples_per_packet: int
    ) -> list[Answer]:
        """Encode, send, receive and decode; the next packet is encoded while one is away."""
        n, step = words.n_samples, samples_per_packet
        parts = [(at, min(at + step, n)) for at in range(0, n, step)]
        packets = (_packet(loaded, words, first, stop) for first, stop in parts)
        found = []
        for (first, stop), beats in zip(parts, answers(self.transport, packets), strict=True):
            self._check_errors()
            found.append(
                decode(beats, loaded.populations, loaded.probes, stop - first, words.n_ticks, first)
            )
        return found

    def _check_errors(self) -> None:
        """Raise :class:`DeviceError` naming the error flags that are set, if any."""
        value = self._registers.read("ERRORS")
        if value:
            register = regmap.BY_NAME["ERRORS"]
            names = flags("ERRORS", value)
            said = "; ".join(f"{name}: {register.field(name).doc}" for name in names)
            dropped = self._registers.read_pair("DROPPED")
            raise DeviceError(
                f"ERRORS of {self.transport.name} must be 0 after a packet, not 0x{value:X} "
                f"({said or 'unknown flags'}); {dropped} words dropped so far; the packet's "
                "results are void"
            )

    def stream(self, source: Any, *, window_us: int, **options: Any) -> Stream:
        """Return an iterator of :class:`~.live.Window` over recorded events.

        >>> for window in board.stream("hand.aedat4", window_us=50_000):  # doctest: +SKIP
        ...     print(window.prediction, window.cycles)

        ``options`` are those of :class:`~.live.Stream`: speed, back-pressure, crop, downscale.
        Raises :class:`UsageError` if nothing is loaded.
        """
        loaded = self._require_loaded()
        return Stream(self.run, loaded.input, source, window_us=window_us, **options)

    def camera(self, setup: SensorSetup, clock_hz: float | None = None) -> Camera:
        """Let an event camera at the core's pins feed the network; a build with ``sensor``.

        >>> with board.camera(setup) as camera:  # doctest: +SKIP
        ...     for result in camera:
        ...         print(result.prediction[0], camera.counters()["EVENTS"])

        Each ``result`` is a :class:`RunResult` of one sample.  ``clock_hz`` is for engines that
        know no clock.  Raises what :class:`~.camera.Camera` does, and :class:`UsageError` if
        nothing is loaded.
        """
        loaded = self._require_loaded()
        if not self._running:
            self._recover()
        return Camera(self.transport, loaded, setup, clock_hz, self._check_errors, self.reset)

    def latency(self, inputs: Inputs, repeats: int = 20) -> Latency:
        """Return how long ``inputs``, as one packet, take in core, link and Python.

        Errors are those of :meth:`run`.
        """
        loaded = self._require_loaded()
        words = InputWords(inputs, loaded.input, loaded.inputs)
        _check_count("repeats", repeats)
        n = words.n_samples
        self.run(inputs, n)  # brings the core into its running state
        packet = _packet(loaded, words, 0, n)
        return measure(lambda: self.run(inputs, n), packet, self.transport, repeats)

    def reset(self) -> None:
        """Abandon all work, empty the core and, if a network is loaded, start it again."""
        self._running = False
        self._recover()

    def counters(self) -> dict[str, int]:
        """Return the core's performance counters, 64 bits each."""
        return {name: self._registers.read_pair(name) for name, _ in regmap.COUNTERS}

    def clear_counters(self) -> None:
        """Set the performance counters to 0; the core goes on as it was."""
        run = self._registers.read("CONTROL") & _CONTROL.mask("RUN")
        self._registers.write("CONTROL", run | _CONTROL.mask("CLEAR_COUNTERS"))

    def close(self) -> None:
        """Stop the core as far as it answers and close the transport."""
        if self._running:
            self._running = False
            with contextlib.suppress(SpikeLoomError):
                self._registers.write("CONTROL", _CONTROL.mask("RESET"))
        self._loaded = None
        self.transport.close()

    def _require_loaded(self) -> Loaded:
        if self._loaded is None:
            raise UsageError("no artefact is loaded; call load(artefact) first")
        return self._loaded

    def _recover(self) -> None:
        """Bring the core from any state back to where :meth:`load` left it."""
        self._registers.write("CONTROL", _CONTROL.mask("RESET"))
        if self._loaded is not None:
            self._start()

    def _start(self) -> None:
        loaded = self._require_loaded()
        self._registers.clear_errors()
        for core, sizes in enumerate(loaded.sizes):
            network = pack_register("NETWORK", n_populations=sizes[0], n_replays=sizes[1])
            self._registers.write(regmap.network_register(core), network)
        if loaded.build.config.cores > 1:
            takes = loaded.build.takes_input
            cluster = pack_register(
                "CLUSTER",
                n_cores=loaded.build.n_cores,
                side_by_side=loaded.build.side_by_side,
                takes_input=sum(take << core for core, take in enumerate(takes)),
            )
            self._registers.write("CLUSTER", cluster)
            self._registers.write("INPUTS", loaded.n_addresses)
        self._registers.write("TAG", loaded.tag)
        self._registers.write("CONTROL", _CONTROL.mask("RUN"))
        self._registers.wait("STATUS", "READY", self._ready_timeout_s)
        self._running = True


def _check_count(name: str, value: int) -> None:
    if not isinstance(value, int | np.integer) or value < 1:
        raise UsageError(f"{name} must be an integer of at least 1, not {value!r}")


def _packet(loaded: Loaded, words: InputWords, first: int, stop: int) -> Packet:
    n_samples, n_ticks = stop - first, words.n_ticks
    n_spikes = int(words.n_events(first, stop).sum())
    return Packet(
        words.encode(first, stop),
        loaded.bounds.capacity(n_samples, n_ticks),
        loaded.bounds.budget_cycles(n_samples, n_ticks, n_spikes),
    )


def _samples_per_packet(words: InputWords, loaded: Loaded) -> int:
    """Return how many samples fit a packet in the worst case, at least 1."""
    events = int(words.n_events().max())
    beats = max(loaded.bounds.capacity(1, words.n_ticks), events + 2 * words.n_ticks + 1)
    return min(words.n_samples, max(1, PACKET_BEATS // beats))

"""A model of the AXI DMA 7.1 in direct register mode (PG021), both channels.

Written from the product guide, apart from the driver that uses it: RS clears Halted,
writing LENGTH starts a transfer if the channel runs, Idle comes at its end, errors
halt the channel, Reset resets both channels, LENGTH of the receiving channel reads
back the bytes received.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spikeloom.spec.errors import DeviceError, DeviceTimeout

from .pynq_sim_memory import BufferMemory

Stream = Callable[[NDArray[np.uint64], int], NDArray[np.uint64]]
"""Takes a packet's beats and the beats that the answer may have; returns the answer."""

HALTED, IDLE, INTERNAL, SLAVE, DECODE = 0x1, 0x2, 0x10, 0x20, 0x40
DONE_INTERRUPT, ERROR_INTERRUPT = 0x1000, 0x4000
SEND, RECEIVE = "mm2s", "s2mm"


@dataclass
class Channel:
    """Registers of one channel."""

    control: int = 0
    status: int = HALTED
    address: int = 0
    length: int = 0
    started: bool = False

    def fail(self, bits: int) -> None:
        """Stop with error bits; only a reset revives the channel."""
        self.status = HALTED | bits | ERROR_INTERRUPT
        self.started = False

    def finish(self) -> None:
        """End a transfer well."""
        self.status |= IDLE | DONE_INTERRUPT
        self.started = False


@dataclass
class Faults:
    """What shall go wrong with the next packet; taken back once it happened.

    ``error`` maps a channel to error bits of its status register; ``stuck`` lets
    the transfer never end; ``stream`` replaces the core and ``change`` changes its answer;
    ``length`` is what LENGTH claims to have received; ``deaf`` lets a reset never end and
    ``halted`` a channel never start.  The first ``after`` packets pass.
    """

    after: int = 0
    error: dict[str, int] = field(default_factory=dict)
    stuck: bool = False
    stream: Callable[[NDArray[np.uint64]], NDArray[np.uint64]] | None = None
    change: Callable[[NDArray[np.uint64]], NDArray[np.uint64]] | None = None
    length: int | None = None
    deaf: bool = False
    halted: bool = False


class AxiDma:
    """The DMA between ``memory`` and ``stream``."""

    def __init__(self, memory: BufferMemory, stream: Stream, length_bits: int) -> None:
        self._memory = memory
        self._stream = stream
        self._length_mask = (1 << length_bits) - 1
        self.channels = {SEND: Channel(), RECEIVE: Channel()}
        self.faults = Faults()
        self.resets = 0
        self.unasked: Callable[[int], NDArray[np.uint64] | None] = lambda capacity: None
        """Returns a packet that the core sends by itself, of at most so many beats, or None."""
        self.latency = 0
        """Readings of the status after which an answer is there."""
        self._answer: NDArray[np.uint64] | None = None
        self._polls = 0

    def read(self, offset: int) -> int:
        """Return the register at ``offset``."""
        channel, register = self._locate(offset)
        if register == 0x04 and channel is self.channels[RECEIVE] and self._answer is None:
            self._listen()
        if register == 0x04 and self._answer is not None:
            self._polls -= 1
            if self._polls <= 0:
                self._deliver()
                self._begin()
        return {
            0x00: channel.control,
            0x04: channel.status,
            0x18: channel.address & 0xFFFF_FFFF,
            0x1C: channel.address >> 32,
            0x28: channel.length,
        }.get(register, 0)

    def write(self, offset: int, value: int) -> None:
        """Write the register at ``offset``, with what it sets going."""
        channel, register = self._locate(offset)
        if register == 0x00:
            self._control(channel, value)
        elif register == 0x04:
            channel.status &= ~(value & (DONE_INTERRUPT | ERROR_INTERRUPT | 0x2000))
        elif register == 0x18:
            channel.address = channel.address & ~0xFFFF_FFFF | value
        elif register == 0x1C:
            channel.address = channel.address & 0xFFFF_FFFF | value << 32
        elif register == 0x28:
            self._start(channel, value & self._length_mask)

    def _locate(self, offset: int) -> tuple[Channel, int]:
        name = RECEIVE if offset >= 0x30 else SEND
        return self.channels[name], offset - 0x30 if name == RECEIVE else offset

    def _control(self, channel: Channel, value: int) -> None:
        if value & 0x4 and self.faults.deaf:
            self.faults.deaf = False
            channel.control = value
            return
        if value & 0x4:
            self._answer = None
            self.channels = {SEND: Channel(), RECEIVE: Channel()}
            self.resets += 1
            return
        channel.control = value & 0x1
        if value & 0x1:
            if self.faults.halted:
                self.faults.halted = False
            elif not channel.status & (INTERNAL | SLAVE | DECODE):
                channel.status &= ~HALTED
        else:
            channel.status |= HALTED
            channel.started = False

    def _start(self, channel: Channel, length: int) -> None:
        if channel.status & HALTED:
            return
        channel.length = length
        channel.status &= ~IDLE
        channel.started = True
        if length == 0:
            channel.fail(INTERNAL)
        self._begin()

    def _begin(self) -> None:
        """Let the core take what is to be sent, if there is a buffer for its answer."""
        send, receive = self.channels[SEND], self.channels[RECEIVE]
        if not (send.started and receive.started) or self._answer is not None:
            return
        planted = self.faults
        if planted.after:
            planted.after -= 1
            self.faults = Faults()
        try:
            self._carry(send, receive)
        finally:
            self.faults = planted

    def _listen(self) -> None:
        """Take a packet that the core sends by itself, if only the receiving channel waits."""
        receive = self.channels[RECEIVE]
        if not receive.started or self.channels[SEND].started:
            return
        try:
            self._answer = self.unasked(receive.length // 8)
        except DeviceTimeout:
            return
        except DeviceError:
            receive.fail(INTERNAL)
        self._polls = self.latency + 1

    def _carry(self, send: Channel, receive: Channel) -> None:
        views = {}
        for name, channel in self.channels.items():
            view = self._memory.device_view(channel.address, channel.length)
            bits = self.faults.error.pop(name, 0) or (0 if view is not None else DECODE)
            if bits or view is None:
                channel.fail(bits)
                return
            views[name] = view
        if self.faults.stuck:
            self.faults.stuck = False
            return
        beats = np.frombuffer(views[SEND].tobytes(), "<u8")
        try:
            answer = self._core(beats, receive.length // 8)
        except DeviceTimeout:
            return
        except DeviceError:
            send.finish()
            receive.fail(INTERNAL)
            return
        send.finish()
        self._answer, self._polls = answer, self.latency
        if not self._polls:
            self._deliver()

    def _deliver(self) -> None:
        """Write the answer into its buffer."""
        receive = self.channels[RECEIVE]
        answer, self._answer = self._answer, None
        if answer is None:
            return
        view = self._memory.device_view(receive.address, receive.length)
        if view is None or len(answer) * 8 > receive.length:
            receive.fail(INTERNAL if view is not None else DECODE)
            return
        data = np.frombuffer(np.ascontiguousarray(answer, "<u8").tobytes(), np.uint8)
        view[: len(data)] = data
        receive.length = len(data) if self.faults.length is None else self.faults.length
        self.faults.length = None
        receive.finish()

    def _core(self, beats: NDArray[np.uint64], capacity: int) -> NDArray[np.uint64]:
        if self.faults.stream is not None:
            stream, self.faults.stream = self.faults.stream, None
            return stream(beats)
        answer = self._stream(beats, capacity)
        if self.faults.change is not None:
            change, self.faults.change = self.faults.change, None
            answer = change(answer)
        return answer

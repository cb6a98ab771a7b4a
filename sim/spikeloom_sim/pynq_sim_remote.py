"""The far end of PYNQ.remote over a simulated board: ``pynq``'s own gRPC services.

A client with ``PYNQ_REMOTE_DEVICES`` set to this machine's address uses the board with nothing
patched.  Importing this module imports ``pynq`` 4 and ``grpc``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
from pynq.remote import (
    buffer_pb2,
    buffer_pb2_grpc,
    mmio_pb2,
    mmio_pb2_grpc,
    remote_device_pb2,
    remote_device_pb2_grpc,
)

from spikeloom.spec.errors import SpikeLoomError

from .pynq_sim_device import SimDevice

PORT = 7967
"""The port that a client of pynq 4 asks; it cannot be changed there."""

FILES = {
    "/proc/version": b"Linux version 6.6.0 (simulated) armv7l\n",
    "/proc/device-tree/chosen/pynq_board": b"Simulated\x00",
    "/sys/class/fpga_manager/fpga0/state": b"operating\n",
    "/sys/class/fpga_manager/fpga0/flags": b"0\n",
}
"""What the client reads of the board's files."""


class Files(remote_device_pb2_grpc.RemoteDeviceServicer):  # type: ignore[misc]
    """Files of the board; what is written is kept."""

    def __init__(self) -> None:
        self.files = dict(FILES)

    def existsfile(self, request: Any, context: Any) -> Any:
        """Say whether a file is there."""
        return remote_device_pb2.ExistsFileResponse(exists=request.file_path in self.files)

    def readfile(self, request: Any, context: Any) -> Iterator[Any]:
        """Send a file."""
        yield remote_device_pb2.ReadFileResponse(data=self.files.get(request.file_path, b""))

    def writefile(self, request_iterator: Any, context: Any) -> Any:
        """Take a file."""
        path, data = "", b""
        for part in request_iterator:
            path, data = part.file_path, data + part.data
        self.files[path] = data
        return remote_device_pb2.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any, context: Any) -> Any:
        """Take the name of a bitstream."""
        return remote_device_pb2.SetBitstreamAttrsResponse(status=True)


class Registers(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
    """Register windows of the device."""

    def __init__(self, device: SimDevice) -> None:
        self.device = device

    def get_mmio(self, request: Any, context: Any) -> Any:
        """Open a window; its id is its base address."""
        return mmio_pb2.GetMmioResponse(status=True, mmio_id=str(request.base_addr))

    def read(self, request: Any, context: Any) -> Any:
        """Read a register."""
        try:
            data = self.device.read_registers(int(request.mmio_id) + request.offset, request.length)
        except (SpikeLoomError, RuntimeError) as error:
            return mmio_pb2.ReadResponse(msg=str(error))
        return mmio_pb2.ReadResponse(status=True, data=int.from_bytes(data, "little"))

    def write(self, request: Any, context: Any) -> Any:
        """Write a register."""
        try:
            self.device.write_registers(int(request.mmio_id) + request.offset, request.data)
        except (SpikeLoomError, RuntimeError) as error:
            return mmio_pb2.WriteResponse(msg=str(error))
        return mmio_pb2.WriteResponse(status=True)


class Buffers(buffer_pb2_grpc.RemoteBufferServicer):  # type: ignore[misc]
    """Buffers of the device, with the board's caches between them and the client."""

    def __init__(self, device: SimDevice) -> None:
        self.device = device
        self.blocks: dict[str, Any] = {}

    def allocate(self, request: Any, context: Any) -> Any:
        """Make a buffer; its id is its address."""
        block = self.device.memory.allocate(request.size)
        self.blocks[str(block.address)] = block
        return buffer_pb2.AllocateResponse(buffer_id=str(block.address))

    def write(self, request_iterator: Any, context: Any) -> Any:
        """Fill a buffer from its beginning, as the processor sees it."""
        at = 0
        for part in request_iterator:
            data = np.frombuffer(part.data, np.uint8)
            self.blocks[part.buffer_id].host[at : at + len(data)] = data
            at += len(data)
        return buffer_pb2.BufferWriteResponse()

    def read(self, request: Any, context: Any) -> Iterator[Any]:
        """Send a buffer as the processor sees it."""
        yield buffer_pb2.BufferReadResponse(data=self.blocks[request.buffer_id].host.tobytes())

    def flush(self, request: Any, context: Any) -> Any:
        """Write the cache back."""
        block = self.blocks[request.buffer_id]
        block.flush(0, len(block.host))
        return buffer_pb2.FlushResponse()

    def invalidate(self, request: Any, context: Any) -> Any:
        """Drop the cache."""
        block = self.blocks[request.buffer_id]
        block.invalidate(0, len(block.host))
        return buffer_pb2.InvalidateResponse()

    def freebuffer(self, request: Any, context: Any) -> Any:
        """Take a buffer back."""
        self.device.memory.free(self.blocks.pop(request.buffer_id))
        return buffer_pb2.FreeBufferResponse()

    def physical_address(self, request: Any, context: Any) -> Any:
        """Return where the device sees a buffer."""
        return buffer_pb2.AddressResponse(address=int(request.buffer_id))


@contextlib.contextmanager
def serve(device: SimDevice, port: int = PORT) -> Iterator[Files]:
    """Serve ``device`` on this machine's loop-back address until the context ends."""
    server = grpc.server(ThreadPoolExecutor(max_workers=1))  # the device is not thread-safe
    files = Files()
    remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(files, server)
    mmio_pb2_grpc.add_MmioServicer_to_server(Registers(device), server)
    buffer_pb2_grpc.add_RemoteBufferServicer_to_server(Buffers(device), server)
    if not server.add_insecure_port(f"127.0.0.1:{port}"):
        raise OSError(f"port {port} must be free")
    server.start()
    try:
        yield files
    finally:
        server.stop(None).wait(5)

"""A serial port of the host as a :class:`.serial_transport.ByteLine`, by pyserial."""

from __future__ import annotations

import time

from ..spec.errors import DeviceError, LinkError

BITS_PER_BYTE = 10


class SerialLine:
    """The port ``port`` at ``baud`` bits per second, for this process alone.

    Raises :class:`LinkError` if pyserial is missing, or the port is missing or in use.
    """

    def __init__(self, port: str, baud: int) -> None:
        try:
            import serial
        except ModuleNotFoundError:
            raise LinkError(
                "a board on a serial port needs the Python package pyserial, which is not "
                "installed; run: pip install 'spikeloom[serial]'"
            ) from None
        self.bytes_per_s = baud / BITS_PER_BYTE
        self._failed = (serial.SerialException, OSError)
        self._port = port
        try:
            self._serial = serial.Serial(port, baud, timeout=0, write_timeout=5, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise LinkError(f"the serial port {port} cannot be opened: {error}") from error

    def write(self, data: bytes) -> None:
        """Send bytes."""
        try:
            self._serial.write(data)
        except self._failed as error:
            raise DeviceError(f"the serial port {self._port} failed: {error}") from error

    def read(self, n_bytes: int, timeout_s: float) -> bytes:
        """Return ``n_bytes``, or fewer if they do not come in time."""
        try:
            self._serial.timeout = timeout_s
            return bytes(self._serial.read(n_bytes))
        except self._failed as error:
            raise DeviceError(f"the serial port {self._port} failed: {error}") from error

    def rest(self, seconds: float) -> None:
        """Be quiet for a time, then forget every byte that came."""
        time.sleep(seconds)
        try:
            self._serial.reset_input_buffer()
        except self._failed as error:
            raise DeviceError(f"the serial port {self._port} failed: {error}") from error

    def now(self) -> float:
        """Return seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Release the port."""
        self._serial.close()

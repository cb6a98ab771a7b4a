"""NumPy's own files of events: npz with t, x, y, p, and npy of a structured array.

The files are parsed with checks in place of ``numpy.load``: nothing is unpickled, and no
array is made before its bytes are there.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import DataError
from .array import Block, check_size, whole_numbers
from .source import Source, Stream

NPY_MARK = b"\x93NUMPY"
ARRAY_BYTES = 1 << 31
MEMBERS = 64
HEADER_BYTES = 10_000
"""Longest header that is read: NumPy's own limit since 1.24, which older ones do not have."""


def read_array(data: bytes, name: str) -> NDArray[Any]:
    """Return the array of the bytes of an npy file; objects are refused.

    Raises
    ------
    DataError
        Naming the array, what was found and what was expected.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version} is not read")
        field = stream.getbuffer()[stream.tell() :][: 2 * version[0]]
        if int.from_bytes(field, "little") > HEADER_BYTES:
            raise ValueError(f"the header is longer than {HEADER_BYTES} bytes")
        read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        shape, fortran, dtype = read(stream)
    except Exception as error:  # the header is a literal that NumPy evaluates
        text = str(error).partition("\n")[0][:200]
        raise DataError(f"{name} must be an array in NumPy's format: {text}") from None
    if dtype.hasobject:
        raise DataError(f"{name} must hold plain values, not Python objects")
    size = dtype.itemsize
    for side in shape:
        size *= side
    start = stream.tell()
    if min(shape, default=1) < 0 or size != len(data) - start:
        raise DataError(
            f"{name} must have {size} bytes of data from offset {start} for the shape {shape} of "
            f"{dtype}, not {len(data) - start}"
        )
    array = np.frombuffer(data, np.uint8, size, start).view(dtype) if size else np.zeros(0, dtype)
    return array.reshape(shape, order="F" if fortran else "C")


class Archive:
    """An npz file, opened; ``archive[name]`` reads one array.  Use it with ``with``."""

    def __init__(self, source: Source) -> None:
        self.path = source.path
        try:
            self._zip = zipfile.ZipFile(source.path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
            raise DataError(f"{self.path} must be an npz file: {error}") from None
        names = self._zip.namelist()[: MEMBERS + 1]
        self.names = [n.removesuffix(".npy") for n in names if n.endswith(".npy")]
        if len(names) > MEMBERS or len(set(names)) != len(names):
            self._zip.close()
            raise DataError(f"{self.path} must hold at most {MEMBERS} arrays, each name once")

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the array ``name``."""
        if name not in self.names:
            raise DataError(
                f"{self.path} must hold the array {name}; it holds "
                f"{', '.join(self.names[:12]) or 'nothing'}"
            )
        info = self._zip.getinfo(f"{name}.npy")
        if info.file_size > ARRAY_BYTES:
            raise DataError(
                f"{self.path}: {name} must have at most {ARRAY_BYTES} bytes, not {info.file_size}"
            )
        try:
            with self._zip.open(info) as member:
                data = member.read(info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
            raise DataError(f"{self.path}: {name} must be readable: {error}") from None
        except (NotImplementedError, RuntimeError) as error:  # other compression, encrypted
            raise DataError(f"{self.path}: {name} must be plain or deflated: {error}") from None
        return read_array(data, f"{self.path}: {name}")


def _number(array: NDArray[Any], name: str) -> int:
    if array.dtype.kind not in "ui" or array.size != 1:
        raise DataError(f"{name} must be one integer, not {array.dtype} of shape {array.shape}")
    return int(array.reshape(-1)[0])


def npz(source: Source, size: tuple[int, int] | None = None) -> Stream:
    """Open an npz file with the arrays t (us), x, y, p, width and height."""
    with Archive(source) as archive:
        if "offsets" in archive:
            source.fail(
                "holds many samples (offsets); read it with spikeloom.datasets.EventSamples"
            )
        if size is None and not ("width" in archive and "height" in archive):
            source.fail("must hold width and height; or give them")
        width, height = size or (_number(archive[n], n) for n in ("width", "height"))
        check_size(width, height)
        block = Block(*(whole_numbers(n, archive[n]) for n in "txyp"))
    return Stream(width, height, _one(block))


def npy(source: Source, size: tuple[int, int] | None = None) -> Stream:
    """Open an npy file of a structured array with the fields t, x, y and p."""
    if size is None:
        source.fail("an npy file does not tell the sensor's size; give width and height")
    if source.size > ARRAY_BYTES:
        source.fail(f"must have at most {ARRAY_BYTES} bytes, not {source.size}")
    array = read_array(source.read(0, source.size), str(source.path))
    names = array.dtype.names or ()
    if not set("txyp") <= set(names):
        source.fail(f"must have the fields t, x, y and p, not {', '.join(names) or 'none'}")
    return Stream(*size, _one(Block(*(whole_numbers(n, array[n]) for n in "txyp"))))


def _one(block: Block) -> Iterator[Block]:
    lengths = [len(array) for array in block]
    if len(set(lengths)) > 1:
        raise DataError(f"t, x, y and p must have one length, not {lengths}")
    yield block

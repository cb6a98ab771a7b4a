"""AEDAT 4.0: FlatBuffers in packets, plain or compressed with LZ4 or Zstandard.

The file is a text line, a size-prefixed IOHeader (compression, position of the table at the
end, XML about the streams), then packets: int32 stream, int32 size, and that many bytes,
which hold one size-prefixed EventPacket, a vector of 16-byte events (iniVation's "AEDAT 4.0"
file format description).  Only the structure is read here; decompression is that of the
packages lz4 and zstandard (extra ``events``).
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..spec.errors import DataError
from .array import Block, check_size
from .flatbuffer import root
from .source import Source, Stream

MARK = b"#!AER-DAT4.0\r\n"
INFO_BYTES = 1 << 22
PACKET_BYTES = 1 << 27
"""Greatest packet, decompressed."""

PIECE = 1 << 20
WINDOW_BYTES = 1 << 27
EVENT = np.dtype(
    {
        "names": ["t", "x", "y", "p"],
        "formats": ["<i8", "<i2", "<i2", "u1"],
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)


class Head(NamedTuple):
    """What the IOHeader says."""

    start: int
    stop: int
    compression: int
    stream: int
    width: int
    height: int


def aedat4(source: Source) -> Stream:
    """Open an AEDAT 4.0 file; of several event streams, the one with the lowest number."""
    if source.read(0, len(MARK)) != MARK:
        source.fail(f"must start with {MARK.decode().strip()} to be AEDAT 4.0")
    try:
        head = _head(source)
        decompress = _decompressor(head.compression)
    except DataError as error:
        source.fail(f"the header is not as expected: {error}")
    return Stream(head.width, head.height, _blocks(source, head, decompress))


def _head(source: Source) -> Head:
    at = len(MARK)
    size = int.from_bytes(source.read(at, 4), "little")
    if size > INFO_BYTES or at + 4 + size > source.size:
        raise DataError(
            f"its {size} bytes at offset {at} must be at most {INFO_BYTES} and end in the file"
        )
    table = root(source.read(at, 4 + size), b"IOHE")
    start, count = table.vector(2, 1)
    stream, width, height = _stream(table.data[start : start + count])
    stop = table.integer(1, 8, -1)
    stop = stop if at + 4 + size <= stop <= source.size else source.size
    return Head(at + 4 + size, stop, table.integer(0, 4, 0), stream, width, height)


def _stream(xml: bytes) -> tuple[int, int, int]:
    """Return number, width and height of the first event stream of the XML text."""
    if b"<!" in xml or b"<?" in xml:
        raise DataError("the description of the streams must have no declarations")
    try:
        tree = ET.fromstring(xml)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise DataError(f"the description of the streams must be XML: {error}") from None
    found = []
    for node in tree.iterfind("./node[@name='outInfo']/node"):
        attributes = {a.get("key"): a.text or "" for a in node.iter("attr")}
        texts = [node.get("name", ""), attributes.get("sizeX", ""), attributes.get("sizeY", "")]
        if attributes.get("typeIdentifier") == "EVTS" and all(_is_number(s) for s in texts):
            found.append((int(texts[0]), int(texts[1]), int(texts[2])))
    if not found:
        raise DataError("a stream of events (EVTS) with its sizeX and sizeY must be described")
    check_size(*min(found)[1:])
    return min(found)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 8


def _decompressor(compression: int) -> Callable[[bytes], bytes]:
    names = {0: _plain, 1: _lz4, 2: _lz4, 3: _zstd, 4: _zstd}
    if compression not in names:
        raise DataError(f"the compression must be from 0 to 4, not {compression}")
    package = {1: "lz4", 2: "lz4", 3: "zstandard", 4: "zstandard"}.get(compression)
    if package:
        import importlib.util

        if importlib.util.find_spec(package) is None:
            raise DataError(
                f"this file is compressed and needs the package {package}; "
                f"run: pip install {package}"
            )
    return names[compression]


def _plain(data: bytes) -> bytes:
    return data


def _lz4(data: bytes) -> bytes:
    import lz4.frame

    decompressor = lz4.frame.LZ4FrameDecompressor()
    pieces, total, given = [], 0, data
    try:
        while not decompressor.eof:
            piece = decompressor.decompress(given, PIECE)
            if not piece and decompressor.needs_input:
                raise DataError("the LZ4 frame must be whole, but breaks off")
            given = b""
            pieces.append(piece)
            total = _within(total + len(piece))
    except (RuntimeError, ValueError, EOFError) as error:
        raise DataError(f"the LZ4 frame must be whole: {error}") from None
    return b"".join(pieces)


def _zstd(data: bytes) -> bytes:
    import zstandard

    pieces, total = [], 0
    try:
        decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
        with decompressor.stream_reader(io.BytesIO(data)) as reader:
            while piece := reader.read(PIECE):
                pieces.append(piece)
                total = _within(total + len(piece))
    except zstandard.ZstdError as error:
        raise DataError(f"the Zstandard frame must be whole: {error}") from None
    return b"".join(pieces)


def _within(total: int) -> int:
    if total > PACKET_BYTES:
        raise DataError(f"a packet must have at most {PACKET_BYTES} bytes, not more")
    return total


def _blocks(source: Source, head: Head, decompress: Callable[[bytes], bytes]) -> Iterator[Block]:
    at = head.start
    while at < head.stop:
        numbers = source.read(at, 8)
        stream = int.from_bytes(numbers[:4], "little", signed=True)
        size = int.from_bytes(numbers[4:], "little", signed=True)
        if size < 0 or size > PACKET_BYTES:
            source.fail(
                f"the packet at offset {at} must have 0 to {PACKET_BYTES} bytes, not {size}"
            )
        if len(numbers) < 8 or at + 8 + size > head.stop:
            source.truncated(at, "packet")
            return
        if stream == head.stream:
            try:
                yield _packet(decompress(source.read(at + 8, size)))
            except DataError as error:
                source.fail(f"the packet at offset {at} is damaged: {error}")
        at += 8 + size


def _packet(data: bytes) -> Block:
    start, count = root(data, b"EVTS").vector(0, EVENT.itemsize)
    events = np.frombuffer(data, EVENT, count, start)
    return Block(events["t"], events["x"], events["y"], events["p"])

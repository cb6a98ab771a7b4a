"""Writers of every event format, one event at a time: what the readers are tested with.

An event is (t, x, y, p) with whole microseconds.  The writers follow the descriptions of the
formats, not the readers.
"""

import importlib.util
import io
import struct

import numpy as np

HAS_LZ4 = importlib.util.find_spec("lz4") is not None
HAS_ZSTD = importlib.util.find_spec("zstandard") is not None


def nmnist(events):
    return b"".join(
        bytes([x, y]) + (p << 23 | t % (1 << 23)).to_bytes(3, "big") for t, x, y, p in events
    )


def dat(events, kind=12, header=b"% Version 2\n% Width 128\n% Height 128\n"):
    words = (struct.pack("<II", t % (1 << 32), p << 28 | y << 14 | x) for t, x, y, p in events)
    return header + bytes([kind, 8]) + b"".join(words)


def aedat2_dvs128(events, bits=32, chip=b"DVS128"):
    header = b"#!AER-DAT2.0\r\n# AEChip: a.b." + chip + b"\r\n"
    words = (
        struct.pack(">II", y << 8 | (127 - x) << 1 | (1 - p), t % (1 << bits))
        for t, x, y, p in events
    )
    return header + b"".join(words)


def aedat2_davis(events):
    out = [b"#!AER-DAT2.0\r\n# AEChip: a.b.DAVIS240C\r\n"]
    for index, (t, x, y, p) in enumerate(events):
        if index % 3 == 0:  # words of frames and of the motion sensor
            out.append(struct.pack(">II", 0x80000000 | index, t % (1 << 32)))
        out.append(struct.pack(">II", y << 22 | (239 - x) << 12 | p << 11, t % (1 << 32)))
    return b"".join(out)


def evt2(events, header=b"% evt 2.0\n% geometry 128x128\n"):
    words, last = [5 << 22], None  # an event before any time, which is left out
    for t, x, y, p in events:
        if t >> 6 != last:
            last = t >> 6
            words.append(8 << 28 | last % (1 << 28))
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
        words.append(0xA << 28)
    return header + struct.pack(f"<{len(words)}I", *words)


def evt3(events, header=b"% evt 3.0\n% geometry 128x128\n% end\n", rng=None):
    """Single events, or vectors of 12 and 8 where neighbours share row, time and polarity."""
    rng = rng or np.random.default_rng(0)
    words = [2 << 12 | 7, 4 << 12 | 3]  # an event and a vector before any time or row
    state = [None, None, None]
    index = 0
    while index < len(events):
        t, x, y, p = events[index]
        for i, (kind, now) in enumerate(((8, t >> 12 & 4095), (6, t & 4095), (0, y))):
            if state[i] != now:
                words.append(kind << 12 | now)
                state[i] = now
        run = 1
        while index + run < len(events) and events[index + run][:1] == (t,):
            _, x1, y1, p1 = events[index + run]
            if (y1, p1) != (y, p) or x1 <= events[index + run - 1][1]:
                break
            run += 1
        if run == 1:
            words.append(2 << 12 | p << 11 | x)
        else:
            words += vectors([e[1] for e in events[index : index + run]], p, rng)
        words.append(0xE << 12 | int(rng.integers(4096)))
        index += run
    return header + struct.pack(f"<{len(words)}H", *words)


def vectors(columns, p, rng):
    """Vectors for rising columns, of both lengths, with empty ones in between."""
    words, base = [3 << 12 | p << 11 | columns[0]], columns[0]
    left = list(columns)
    while left:
        kind, length = [(4, 12), (5, 8)][rng.integers(2)]
        mine = [x for x in left if x < base + length]
        words.append(kind << 12 | sum(1 << (x - base) for x in mine))
        left, base = left[len(mine) :], base + length
    return words


def es(events, width=128, height=128):
    out, last = [b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", width, height)], 0
    for t, x, y, p in events:
        marks, step = divmod(t - last, 127)
        out.append(b"\xff" * marks + b"\xfe" * (marks > 2))
        out.append(struct.pack("<BHH", step << 1 | p, x, height - 1 - y))
        last = t
    return b"".join(out)


XML = """<dv version="2.0"><node name="outInfo" path="/"><node name="1" path="/1/">
<attr key="typeIdentifier" type="string">TRIG</attr></node><node name="0" path="/0/">
<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="/0/info/">
<attr key="sizeX" type="int">128</attr><attr key="sizeY" type="int">128</attr></node></node>
</node></dv>"""


def flatbuffer(identifier, fields):
    """A size-prefixed buffer with one table; a field is (struct code, value) or bytes."""
    vtable_size = 4 + 2 * len(fields)
    vtable_size += -vtable_size % 4
    table, vectors = bytearray(struct.pack("<i", vtable_size)), []
    offsets = []
    for field in fields:
        offsets.append(len(table))
        if isinstance(field, tuple) and field[0] == "vector":
            vectors.append((len(table), field))
            table += bytes(4)
        else:
            table += struct.pack("<" + field[0], field[1])
    for place, (_, data, count) in vectors:
        table += bytes(-len(table) % 8)
        struct.pack_into("<I", table, place, len(table) - place)
        table += struct.pack("<I", count) + data
    vtable = struct.pack(f"<HH{len(offsets)}H", vtable_size, len(table), *offsets)
    vtable = vtable.ljust(vtable_size, b"\0")
    body = struct.pack("<I", 8 + vtable_size) + identifier + vtable + bytes(table)
    return struct.pack("<I", len(body)) + body


def compress(data, compression):
    if compression in (1, 2):
        import lz4.frame

        return lz4.frame.compress(data)
    if compression in (3, 4):
        import zstandard

        return zstandard.ZstdCompressor().compress(data)
    return data


def aedat4(events, compression=0, packet=7, xml=XML):
    xml = xml.encode()
    head = flatbuffer(b"IOHE", [("i", compression), ("q", -1), ("vector", xml + b"\0", len(xml))])
    out = [b"#!AER-DAT4.0\r\n", head]
    for start in range(0, len(events), packet):
        part = events[start : start + packet]
        data = b"".join(struct.pack("<qhhB3x", t, x, y, p) for t, x, y, p in part)
        body = compress(flatbuffer(b"EVTS", [("vector", data, len(part))]), compression)
        out += [struct.pack("<ii", 1, 5), b"other", struct.pack("<ii", 0, len(body)), body]
    return b"".join(out)


def columns(events):
    table = np.array(events, np.int64).reshape(-1, 4)
    return {name: table[:, i] for i, name in enumerate("txyp")}


def npz(events):
    stream = io.BytesIO()
    np.savez_compressed(stream, width=128, height=128, **columns(events))
    return stream.getvalue()


def npy(events):
    array = np.zeros(len(events), [("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "?")])
    for name, values in columns(events).items():
        array[name] = values
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


# Format: (writer, suffix, bits of the file's time, or None for all 64)
def aedat3(events, packet=7, source=b"DVS128"):
    """Packets of polarity events, one of them not valid, and packets of another type between."""
    out = [b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: " + source + b"\r\n#!END-HEADER\r\n"]
    groups = []
    for t, x, y, p in events:
        if not groups or groups[-1][0] != t >> 31 or len(groups[-1][1]) == packet:
            groups.append((t >> 31, []))
        groups[-1][1].append(struct.pack("<II", x << 17 | y << 2 | p << 1 | 1, t % (1 << 31)))
    for overflow, words in groups:
        words = [*words, struct.pack("<II", 99 << 17, 5)]
        count = len(words)
        out.append(struct.pack("<HHIIIIII", 0, 1, 12, 8, 0, 1, 1, 1) + bytes(12))
        out.append(struct.pack("<HHIIIIII", 1, 1, 8, 4, overflow, count, count, count - 1))
        out += words
    return b"".join(out)


WRITERS = {
    "nmnist": (nmnist, ".bin", 23),
    "bs2": (nmnist, ".bs2", 23),
    "dat": (dat, ".dat", 32),
    "aedat2": (aedat2_dvs128, ".aedat", 32),
    "aedat3": (aedat3, ".aedat", 31),
    "evt2": (evt2, ".raw", 34),
    "evt3": (evt3, ".raw", 24),
    "es": (es, ".es", None),
    "aedat4": (aedat4, ".aedat4", None),
    "npz": (npz, ".npz", None),
    "npy": (npy, ".npy", None),
}

"""Damaged event files: a reader gives events or DataError, nothing else.

``python -m events.fuzz FOLDER SECONDS [SEED]`` damages the recordings of a folder and
the files of the writers for that long and prints what came
of it; tests/ must be in PYTHONPATH.
"""

import collections
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

LIMIT_BYTES = 60_000


def synthetic(rng):
    """A file of every format: {file name: bytes}."""
    from events import writers

    out = {}
    for name, (writer, suffix, _) in writers.WRITERS.items():
        t = np.cumsum(rng.integers(0, 90, 200)).tolist()
        xyp = (rng.integers(0, n, 200).tolist() for n in (34, 34, 2))
        out[f"{name}{suffix}"] = writer(list(zip(t, *xyp, strict=True)))
    if writers.HAS_LZ4 and writers.HAS_ZSTD:
        events = [(i, i % 34, i % 33, i % 2) for i in range(200)]
        for compression in (1, 3):
            out[f"c{compression}.aedat4"] = writers.aedat4(events, compression, packet=50)
    return out


def shortened(name, data):
    """The start of a recording, so that many rounds fit; headers stay whole."""
    start = data.rfind(b"\n#", 0, 1 << 20) if name.endswith(".aedat") else 0
    return data[: max(0, start) + LIMIT_BYTES]


def damage(data, rng):
    """Cut, flip, overwrite, repeat, insert, or make noise."""
    out = bytearray(data)
    kind = int(rng.integers(8))
    if kind == 0:
        return bytes(out[: int(rng.integers(len(out) + 1))])
    if kind == 1:
        return rng.bytes(int(rng.integers(0, 3000)))
    if kind == 2:
        at = int(rng.integers(len(out)))
        return bytes(out[:at] + rng.bytes(int(rng.integers(1, 40))) + out[at:])
    if kind == 3:
        a, b = sorted(rng.integers(0, len(out), 2).tolist())
        return bytes(out[:a] + out[b:])
    region = min(len(out), [len(out), 64, 600, 2500][kind % 4])
    tail = kind == 7 and rng.integers(2)
    for _ in range(int(rng.integers(1, 12))):
        at = int(rng.integers(region))
        out[len(out) - 1 - at if tail else at] = int(rng.choice([0, 255, 127, rng.integers(256)]))
    return bytes(out)


def attempt(path, name, rng, **options):
    """Read a damaged file; return "events", "error" or "warning"; others propagate."""
    from spikeloom.events import Events, EventWarning, read_events
    from spikeloom.spec.errors import DataError

    options = {"width": 34, "height": 34} if name.endswith(".npy") else options
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            events = read_events(
                path,
                lenient=bool(rng.integers(2)),
                order=str(rng.choice(["error", "sort"])),
                outside=str(rng.choice(["error", "drop", "clip"])),
                **options,
            )
        except DataError:
            return "error"
    assert {w.category for w in seen} <= {EventWarning}, [str(w.message) for w in seen]
    # What was read keeps every rule of events.
    Events(events.t, events.x, events.y, events.p, events.width, events.height)
    return "warning" if seen else "events"


def rounds(files, seed, folder, until):
    """Damage and read until ``until(count)``; count the outcomes by file."""
    rng = np.random.default_rng(seed)
    outcome = collections.Counter()
    names = sorted(files)
    while not until(sum(outcome.values())):
        name = names[int(rng.integers(len(names)))]
        path = Path(folder) / name
        path.write_bytes(damage(files[name], rng))
        try:
            outcome[name, attempt(path, name, rng)] += 1
        except Exception as error:
            kept = path.with_name(f"failed-{name}")
            path.rename(kept)
            raise AssertionError(f"seed {seed}, {name}: {error!r}; file {kept}") from error
    return outcome


def main():
    folder, seconds, seed = Path(sys.argv[1]), float(sys.argv[2]), int((*sys.argv, 0)[3])
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    suffixes = (".aedat4", ".aedat", ".raw", ".dat", ".bin", ".es")
    files = {
        f.name: shortened(f.name, f.read_bytes())
        for f in sorted(folder.iterdir())
        if f.suffix in suffixes
    }
    files |= synthetic(np.random.default_rng(seed))
    stop = time.monotonic() + seconds
    work = tempfile.mkdtemp()
    outcome = rounds(files, seed, work, lambda _: time.monotonic() > stop)
    for (name, what), count in sorted(outcome.items()):
        print(f"{name}: {what} {count}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"seed {seed}: {sum(outcome.values())} files, no other outcome, peak {peak} MB")


if __name__ == "__main__":
    main()

"""NIR files that are damaged, foreign or hostile."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="h5py is missing")
nir = pytest.importorskip("nir", reason="the nir package is missing")

from interchange.graphs import chain, if_node  # noqa: E402
from spikeloom.nir import reading  # noqa: E402
from spikeloom.nir.guard import DeathError, HangError, guarded  # noqa: E402
from spikeloom.nir.reading import read_graph  # noqa: E402
from spikeloom.spec.errors import DataError, NetworkError, SpikeLoomError  # noqa: E402


@pytest.fixture
def file(tmp_path, rng):
    items = [nir.Affine(rng.normal(size=(4, 3)), rng.normal(size=4)), if_node((4,))]
    return chain(tmp_path / "g.nir", (3,), *items, out=(4,))


def test_a_whole_file_is_read(file):
    graph = read_graph(file)
    assert [n.kind for n in graph.nodes.values()] == ["Input", "Affine", "IF", "Output"]
    assert graph.nodes["n0"].real("weight").shape == (4, 3)
    assert graph.edges == (("input", "n0"), ("n0", "n1"), ("n1", "output"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"^NIR file .*none.nir does not exist$"):
        read_graph(tmp_path / "none.nir")


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 50])
def test_what_is_no_hdf5_is_said_so(content, tmp_path):
    path = tmp_path / "g.nir"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read as a NIR file, which is HDF5: "):
        read_graph(path)


def test_an_hdf5_file_without_a_graph_is_said_so(tmp_path):
    path = tmp_path / "g.nir"
    with h5py.File(path, "w") as f:
        f["other"] = 1
    with pytest.raises(DataError, match="must hold a NIR graph in the group 'node'"):
        read_graph(path)


def test_links_to_other_files_are_not_followed(file, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as f:
        f["weight"] = np.ones((4, 3))
    with h5py.File(file, "r+") as f:
        del f["node/nodes/n0/weight"]
        f["node/nodes/n0/weight"] = h5py.ExternalLink("secret.h5", "weight")
    with pytest.raises(DataError, match="n0 has a link to another place instead of 'weight'"):
        read_graph(file)


@pytest.mark.parametrize("target", ["node/nodes", "/nowhere"])
def test_soft_links_are_not_followed(target, file):
    with h5py.File(file, "r+") as f:
        f["node/nodes/loop"] = h5py.SoftLink(target)
    with pytest.raises(DataError, match="links are not followed"):
        read_graph(file)


def test_values_in_other_files_are_not_read(file, tmp_path):
    (tmp_path / "raw").write_bytes(b"\0" * 96)
    with h5py.File(file, "r+") as f:
        group = f["node/nodes/n0"]
        del group["weight"]
        group.create_dataset(
            "weight", (4, 3), "f8", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
        )
    with pytest.raises(DataError, match="weight of n0 lies in another file, which is not opened"):
        read_graph(file)


def test_a_group_inside_itself_ends(file):
    with h5py.File(file, "r+") as f:
        f["node/nodes/n0/type"][()] = "NIRGraph"
        f["node/nodes/n0/nodes"] = f["node/nodes"]
    with pytest.raises(DataError, match="sub-graphs must be nested at most 8 deep"):
        read_graph(file)


def test_a_huge_array_is_refused_before_it_is_read(file):
    with h5py.File(file, "r+") as f:
        group = f["node/nodes/n0"]
        del group["weight"]
        group.create_dataset("weight", (1 << 20, 1 << 14), "f8", compression="gzip",
                             chunks=(1024, 1024))  # fmt: skip
    before = time.monotonic()
    with pytest.raises(DataError, match=f"must have at most {1 << 30} bytes up to weight of n0"):
        read_graph(file)
    assert time.monotonic() - before < 30


def test_every_fault_is_named_at_once(file):
    with h5py.File(file, "r+") as f:
        nodes = f["node/nodes"]
        nodes["n0/weight"][0, 0] = np.nan
        del nodes["n1/r"]
        nodes.create_group("odd")["type"] = "Izhikevich"
        del f["node/edges"]
        f["node/edges"] = np.array([["input", "n0"], ["n0", "n1"], ["n0", "n1"], ["n1", "out"]],
                                   dtype=h5py.string_dtype())  # fmt: skip
    with pytest.raises(NetworkError) as caught:
        read_graph(file)
    text = str(caught.value)
    assert "for 5 reasons: " in text
    for part in (
        "n0: weight must be finite",
        "n1: IF lacks its field r",
        "odd: nodes of the type 'Izhikevich' are not known (known are Input, Output, Affine",
        "n1: the edge n0 -> n1 is there twice",
        "out: the edge n1 -> out names the node 'out', which is not there (the nodes are input",
    ):
        assert part in text


@pytest.mark.parametrize(("field", "value", "message"), [
    ("tau", [-1.0], r"n1: tau must be positive, not -1"),
    ("v_leak", "x", r"n1: v_leak must be numbers, not "),
])  # fmt: skip
def test_a_field_out_of_its_range_is_named(field, value, message, tmp_path):
    node = nir.LIF(*[np.ones(3)] * 4, np.zeros(3))
    path = chain(tmp_path / "g.nir", (3,), nir.Scale(np.ones(3)), node, out=(3,))
    with h5py.File(path, "r+") as f:
        del f[f"node/nodes/n1/{field}"]
        f[f"node/nodes/n1/{field}"] = value
    with pytest.raises(NetworkError, match=message):
        read_graph(path)


def test_damage_anywhere_is_an_error_and_never_a_hang(file, tmp_path, rng, monkeypatch):
    monkeypatch.setattr(reading, "READ_SECONDS", 1.0)
    whole, path, refused = file.read_bytes(), tmp_path / "damaged.nir", 0
    for trial in range(150):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: rng.integers(len(data))]
        else:
            end = len(data) if trial % 3 == 1 else 3000
            for at in rng.integers(end, size=rng.integers(1, 6)):
                data[at] = rng.integers(256)
        path.write_bytes(data)
        try:
            read_graph(path)
        except SpikeLoomError:
            refused += 1
    assert refused > 50


def test_work_that_hangs_dies_or_fails_is_told_apart():
    assert guarded(lambda: b"done", seconds=10) == b"done"
    with pytest.raises(HangError):
        guarded(lambda: time.sleep(60) or b"", seconds=0.2)
    with pytest.raises(DeathError):
        guarded(lambda: os.abort() or b"", seconds=10)

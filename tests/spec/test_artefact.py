from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloom import artefact as module
from spikeloom.artefact import read_artefact, staged_folder, write_artefact
from spikeloom.spec.build import build_id
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import ArtefactError
from spikeloom.spec.manifest import (
    MANIFEST_FILE,
    NETWORK_FILE,
    BuildFacts,
    InputFacts,
    PlacedInput,
    PlacedPopulation,
    image_files,
)
from spikeloom.spec.memmap import memory_map

safetensors_numpy = pytest.importorskip("safetensors.numpy")

TINY = PRESETS["tiny"]
FILES = [NETWORK_FILE, *image_files(TINY).values()]


def build_facts() -> BuildFacts:
    placed = (PlacedPopulation("pixels", 6, (6,), True, False),)
    return BuildFacts(build_id(TINY), TINY, placed, (PlacedInput("pixels", (6,), 6),))


def images() -> dict[str, np.ndarray]:
    memories = memory_map(TINY)
    return {
        name: np.arange(3 * memories[name].row_words, dtype=np.uint32).reshape(3, -1)
        for name in image_files(TINY)
    }


@pytest.fixture
def path(tmp_path, small_network, small_input) -> Path:
    """A compiled artefact that a test may damage."""
    write_artefact(
        tmp_path / "art", small_network, small_input, build=build_facts(), images=images()
    )
    return tmp_path / "art"


def refused(text: str):
    return pytest.raises(ArtefactError, match=f"^{re.escape(text)}$")


def resign(path: Path, name: str, data: bytes) -> None:
    """Replace a file and its entry in the manifest, as an attacker would."""
    (path / name).write_bytes(data)
    tree = json.loads((path / MANIFEST_FILE).read_text())
    tree["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (path / MANIFEST_FILE).write_text(json.dumps(tree))


# Round trip


def test_an_artefact_comes_back(path, small_network, small_input):
    got = read_artefact(path)
    assert got.network() == small_network
    assert got.input == small_input
    assert got.build == build_facts()
    for name, words in images().items():
        assert got.images()[name].dtype == np.uint32
        assert got.images()[name].tolist() == words.tolist()
    assert sorted(p.relative_to(path).as_posix() for p in path.rglob("*.*")) == sorted(
        [*FILES, MANIFEST_FILE]
    )


def test_an_artefact_that_is_not_compiled_says_so(tmp_path, small_network, small_input):
    got = write_artefact(tmp_path / "art", small_network, small_input)
    assert got.network() == small_network
    for ask in (lambda: got.build, got.images):
        with refused(
            f"{tmp_path / 'art'} holds a network that is not compiled for a build; "
            f"run: spikeloom compile {tmp_path / 'art'} --preset PRESET --out ARTEFACT"
        ):
            ask()


def test_the_bytes_depend_on_the_arguments_only(tmp_path, small_network, small_input):
    for name in ("a", "b"):
        write_artefact(
            tmp_path / name, small_network, small_input, build=build_facts(), images=images()
        )
    for name in [*FILES, MANIFEST_FILE]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_empty_image_comes_back_empty(tmp_path, small_network, small_input):
    memory = memory_map(TINY)["projections"]
    some = images() | {"projections": np.zeros((0, memory.row_words), np.uint32)}
    got = write_artefact(
        tmp_path / "art", small_network, small_input, build=build_facts(), images=some
    )
    assert got.images()["projections"].shape == (0, memory.row_words)


# Damage


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found(path, name):
    data = bytearray((path / name).read_bytes())
    data[len(data) // 2] ^= 4
    (path / name).write_bytes(data)
    with pytest.raises(
        ArtefactError,
        match=rf"^{re.escape(str(path / name))} is damaged: its sha256 must be "
        r"[0-9a-f]{12}\.\.\., not [0-9a-f]{12}\.\.\.$",
    ):
        read_artefact(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", [-1, 1])
def test_a_truncated_or_longer_file_is_found(path, name, change):
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[:-1] if change < 0 else data + b"\0")
    with refused(f"{path / name} must have {len(data)} bytes, not {len(data) + change}"):
        read_artefact(path)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(path, name):
    (path / name).unlink()
    with refused(f"artefact {path} lacks the file {name}"):
        read_artefact(path)


@pytest.mark.parametrize("name", ["extra.txt", "images/extra.bin", "new/.hidden"])
def test_a_file_too_many_is_found(path, name):
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_bytes(b"")
    with refused(f"artefact {path} holds a file that the manifest lacks: {name}"):
        read_artefact(path)


@pytest.mark.parametrize("name", [*FILES, "extra", "images"])
def test_symbolic_links_are_refused_wherever_they_lead(path, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    if (path / name).exists():
        shutil.move(path / name, elsewhere)
    else:
        elsewhere.mkdir()
    (path / name).symlink_to(elsewhere)
    with refused(f"artefact {path} must not hold symbolic links: {name}"):
        read_artefact(path)


def test_a_manifest_behind_a_symbolic_link_is_refused(path, tmp_path):
    shutil.move(path / MANIFEST_FILE, tmp_path / "m.json")
    (path / MANIFEST_FILE).symlink_to(tmp_path / "m.json")
    with refused(f"artefact {path} has no manifest.json"):
        read_artefact(path)


def test_a_pipe_in_place_of_a_file_is_refused_without_waiting(path):
    (path / NETWORK_FILE).unlink()
    os.mkfifo(path / NETWORK_FILE)
    with refused(f"artefact {path} lacks the file {NETWORK_FILE}"):
        read_artefact(path)


def test_damage_after_opening_is_found_at_use(path):
    got = read_artefact(path)
    for name in FILES:
        (path / name).write_bytes(b"x" * (path / name).stat().st_size)
    for use in (got.network, got.images):
        with pytest.raises(ArtefactError, match=r" is damaged: its sha256 must be "):
            use()


@pytest.mark.parametrize("state", ["missing", "file", "empty"])
def test_what_is_no_artefact_is_refused(tmp_path, state):
    path = tmp_path / "art"
    text = f"artefact {path} must be a folder with manifest.json; it does not exist"
    if state == "file":
        path.write_text("x")
        text = f"artefact {path} must be a folder with manifest.json; it is a file"
    elif state == "empty":
        path.mkdir()
        text = f"artefact {path} has no manifest.json"
    with refused(text):
        read_artefact(path)


def test_manifests_that_are_no_text_or_too_long_or_no_json_are_refused(path):
    file = path / MANIFEST_FILE
    file.write_bytes(b"\xff\xfe")
    with refused(f"{file} is not UTF-8 text"):
        read_artefact(path)
    file.write_bytes(b" " * (1 << 20) + b"{}")
    with refused(f"{file} must have at most 1048576 bytes, not 1048578"):
        read_artefact(path)
    file.write_text("nonsense")
    with pytest.raises(
        ArtefactError, match=rf"^{re.escape(str(file))}: manifest\.json is not JSON: "
    ):
        read_artefact(path)


@given(data=st.data())
def test_any_flipped_bit_of_the_manifest_is_refused_or_changes_no_number(
    tmp_path_factory, data, small_network_bytes
):
    files, expected = small_network_bytes
    path = tmp_path_factory.mktemp("flip") / "art"
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    text = bytearray(files[MANIFEST_FILE])
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (path / MANIFEST_FILE).write_bytes(text)
    try:
        got = read_artefact(path).network()
    except ArtefactError:
        return
    assert got.tensors().keys() == expected.tensors().keys()


@pytest.fixture(scope="session")
def small_network_bytes(tmp_path_factory):
    """The files of a compiled artefact, and its network."""
    from spikeloom.spec.network import InputPopulation, Network, Population

    network = Network([InputPopulation("i", (2,))], [Population("p", (2,), 9, 9)], [], ["p"])
    path = tmp_path_factory.mktemp("art") / "art"
    write_artefact(path, network, InputFacts((2,), 3), build=build_facts(), images=images())
    return {name: (path / name).read_bytes() for name in [*FILES, MANIFEST_FILE]}, network


# Hostile content behind right checksums


def header(table: dict, data: bytes = b"") -> bytes:
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"must have a header of at most 1048576 bytes inside the file, not 0 bytes"),
        (b"\x01\0", r"must have a header of at most 1048576 bytes inside the file"),
        (struct.pack("<Q", 100 << 20) + b"{}", r"must have a header of at most .*104857600"),
        (struct.pack("<Q", 2**64 - 1) + b"{}", r"must have a header of at most "),
        (struct.pack("<Q", 9) + b"not json!", r"is damaged: "),
        (header({"a": {"dtype": "I8", "shape": [4], "data_offsets": [0, 9]}}), r"is damaged: "),
        (
            header(
                {
                    "a": {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]},
                    "b": {"dtype": "I8", "shape": [2], "data_offsets": [1, 3]},
                },
                b"abc",
            ),
            r"is damaged: ",
        ),
        (header({}) + b"hidden tail", r"is damaged: "),
        (
            header({"a": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"a"),
            r"must hold integer tensors: ",
        ),
    ],
)
def test_foreign_tensor_files_are_refused(path, data, message):
    resign(path, NETWORK_FILE, data)
    with pytest.raises(ArtefactError, match=rf"^{re.escape(str(path / NETWORK_FILE))} {message}"):
        read_artefact(path).network()


def test_too_many_tensors_are_refused(path):
    tensors = {f"t{i}": np.zeros(1, np.int8) for i in range(1025)}
    resign(path, NETWORK_FILE, safetensors_numpy.save(tensors))
    with refused(f"{path / NETWORK_FILE} must hold at most 1024 tensors, not 1025"):
        read_artefact(path).network()


def test_tensors_that_are_not_the_networks_are_refused(path, small_network):
    tensors = {k: np.array(v) for k, v in small_network.tensors().items()}
    tensors["population/out/threshold"] = np.float32([1])
    resign(path, NETWORK_FILE, safetensors_numpy.save(tensors))
    with refused(f"{path / MANIFEST_FILE}: threshold of out must be integers, not float32"):
        read_artefact(path).network()


class Marker:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return (os.mkdir, (self.folder,))


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_is_never_loaded(path, name, tmp_path):
    resign(path, name, pickle.dumps(Marker(tmp_path / "unpickled")))
    got = read_artefact(path)
    with contextlib.suppress(ArtefactError):  # a pickle may have the length of an image
        (got.network if name == NETWORK_FILE else got.images)()
    assert not (tmp_path / "unpickled").exists()
    pickle.loads((path / name).read_bytes())
    assert (tmp_path / "unpickled").exists()


def test_images_that_do_not_fit_the_memory_are_refused(path):
    file = image_files(TINY)["weights_odd"]
    memory = memory_map(TINY)["weights_odd"]
    resign(path, file, b"12345")
    with refused(f"{path / file} must hold words of 4 bytes, not 5 bytes"):
        read_artefact(path).images()
    resign(path, file, bytes(memory.n_bytes + 4 * memory.row_words))
    with refused(
        f"{path / file} must hold up to {memory.rows} rows of {memory.row_words} words, "
        f"not {(memory.rows + 1) * memory.row_words} words"
    ):
        read_artefact(path).images()
    file = image_files(TINY)["projections"]
    resign(path, file, bytes(12))
    with refused(f"{path / file} must hold up to 16 rows of 4 words, not 3 words"):
        read_artefact(path).images()


def test_input_facts_of_another_network_are_refused(path):
    tree = json.loads((path / MANIFEST_FILE).read_text())
    tree["input"]["shape"] = [7]
    (path / MANIFEST_FILE).write_text(json.dumps(tree))
    with refused(
        f"{path / MANIFEST_FILE}: input.shape belongs to a population of shape (7,), "
        "but the input population has shape (6,)"
    ):
        read_artefact(path).network()


# Writing


def test_a_target_that_exists_is_kept(path, small_network, small_input, tmp_path):
    before = (path / MANIFEST_FILE).read_bytes()
    with refused(f"{path} exists already; choose another name or remove it"):
        write_artefact(path, small_network, small_input)
    assert (path / MANIFEST_FILE).read_bytes() == before
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    for replace in (False, True):
        with refused(f"{other} exists already; choose another name or remove it"):
            write_artefact(other, small_network, small_input, replace=replace)
    assert (other / "thesis.txt").read_text() == "precious"


def test_an_artefact_is_replaced_on_demand(path, small_network, small_input):
    write_artefact(path, small_network, small_input, replace=True)
    assert read_artefact(path).manifest.build is None
    assert not (path / "images").exists()


def test_an_empty_folder_is_taken(tmp_path, small_network, small_input):
    (tmp_path / "art").mkdir()
    assert write_artefact(tmp_path / "art", small_network, small_input).network()


@pytest.mark.parametrize("exists", [False, True])
def test_nothing_half_written_is_left_when_writing_fails(
    tmp_path, small_network, small_input, monkeypatch, exists
):
    target = tmp_path / "art"
    if exists:
        write_artefact(target, small_network, small_input)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    write_bytes, written = Path.write_bytes, []

    def fail_at_the_third(self, data):
        written.append(self)
        if len(written) == 3:
            write_bytes(self, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", fail_at_the_third)
    with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device$"):
        write_artefact(
            target, small_network, small_input,
            build=build_facts(), images=images(), replace=True,
        )  # fmt: skip
    assert len(written) == 3
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == (["art"] if exists else [])


def test_provenance_too_long_for_the_manifest_leaves_nothing(tmp_path, small_network, small_input):
    with pytest.raises(
        ArtefactError, match=r"^manifest\.json must have at most 1048576 bytes, not \d+; "
    ):
        write_artefact(
            tmp_path / "art", small_network, small_input, provenance={"log": "x" * (1 << 20)}
        )
    assert not list(tmp_path.iterdir())


def test_an_interrupt_leaves_nothing(tmp_path):
    def interrupted():
        with staged_folder(tmp_path / "art") as folder:
            (folder / "file").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_input_facts_must_belong_to_the_network(tmp_path, small_network):
    with refused(
        "input shape (2, 3, 1) (channels_first) belongs to a population of shape (3, 1, 2), "
        "not (6,)"
    ):
        write_artefact(tmp_path / "art", small_network, InputFacts((2, 3, 1), 1, "channels_first"))


def test_the_module_unpickles_nothing():
    source = Path(module.__file__).read_text()
    for word in ("pickle", "np.load", "numpy.load", "torch"):
        assert word not in source.replace("nothing is unpickled", "")

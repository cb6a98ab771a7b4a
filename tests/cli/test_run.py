"""spikeloom run: what it writes, and that a bad run writes nothing."""

import importlib.util
import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from cli.helpers import (
    FACTS,
    expected,
    listing,
    network,
    printed_json,
    refused,
    run,
    samples,
    save,
    write,
)
from spikeloom.artefact import write_artefact
from spikeloom.spec.manifest import InputFacts

HAS_PYNQ = importlib.util.find_spec("pynq") is not None and np.__version__ < "2"
needs_pynq = pytest.mark.skipif(not HAS_PYNQ, reason="pynq is missing or numpy is 2 or later")
SLOW = (pytest.mark.rtl, pytest.mark.slow)
ENGINES = (
    "golden",
    pytest.param("pysim", marks=pytest.mark.rtl),
    pytest.param("cxxrtl", marks=SLOW),
    pytest.param("pynq-sim", marks=(*SLOW, pytest.mark.pynq, needs_pynq)),
)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_writes_the_golden_results(engine, artefact, inputs, tmp_path, capsys):
    out = tmp_path / "results" / "out.npz"
    assert run("run", artefact, "--engine", engine, "--input", inputs, "--output", out) == 0
    assert capsys.readouterr() == (f"3 samples on {engine}: results in {out}\n", "")
    spikes, potential, sops = expected(samples())
    assert 0 < spikes.sum() < spikes.size
    with np.load(out, allow_pickle=False) as got:
        names = {"spikes", "counts", "prediction", "potential", "sops"}
        assert set(got.files) == names | ({"cycles"} if engine != "golden" else set())
        assert got["spikes"].shape == (3, 5, 21)
        assert got["spikes"].dtype == np.uint8
        np.testing.assert_array_equal(got["spikes"], spikes)
        np.testing.assert_array_equal(got["counts"], spikes.sum(axis=1))
        np.testing.assert_array_equal(got["prediction"], spikes.sum(axis=1).argmax(axis=1))
        np.testing.assert_array_equal(got["potential"], potential)
        np.testing.assert_array_equal(got["sops"], sops)
        if engine != "golden":
            assert got["cycles"].shape == (3,)
            assert (got["cycles"] > 0).all()


@pytest.mark.parametrize("engine", ENGINES[::2])
def test_summary_as_json(engine, artefact, inputs, tmp_path, capsys):
    out = tmp_path / "out.npz"
    run("run", artefact, "--engine", engine, "--input", inputs, "--output", out, "--json")
    summary = printed_json(capsys)
    spikes, _, sops = expected(samples())
    cycles = summary.pop("cycles", None)
    assert (cycles is None) == (engine == "golden")
    assert summary == {
        "engine": engine,
        "samples": 3,
        "ticks": 5,
        "spikes": int(spikes.sum()),
        "sops": int(sops.sum()),
        "output": str(out),
    }


def test_golden_runs_a_network_that_is_not_compiled(tmp_path, inputs):
    write_artefact(tmp_path / "plain", network(), FACTS)
    out = tmp_path / "out.npz"
    assert run("run", tmp_path / "plain", "--input", inputs, "--output", out) == 0
    with np.load(out) as got:
        np.testing.assert_array_equal(got["spikes"], expected(samples())[0])


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint64, np.int64, ">i4"])
@pytest.mark.parametrize("save_with", [np.savez, np.savez_compressed])
def test_any_integers_and_any_number_of_ticks(dtype, save_with, artefact, tmp_path):
    array = np.minimum(samples(2, ticks=9), 1)
    save_with(tmp_path / "in.npz", input=array.astype(dtype), label=np.arange(2))
    out = tmp_path / "out.npz"
    assert run("run", artefact, "--input", tmp_path / "in.npz", "--output", out) == 0
    with np.load(out) as got:
        np.testing.assert_array_equal(got["spikes"], expected(array)[0])


@pytest.mark.parametrize("engine", ENGINES[::2])
def test_channels_first_input_is_brought_into_channels_last_order(engine, tmp_path):
    """(channels 2, height 1, width 3) to (height, width, channels), neuron by neuron."""
    net = network(shape=(1, 3, 2))
    path = write(tmp_path / "net", net, InputFacts((2, 1, 3), 5, "channels_first")).path
    array = samples(4, shape=(2, 1, 3))
    flat = np.zeros((4, 5, 6), np.uint8)
    for channel in range(2):
        for x in range(3):
            flat[:, :, 2 * x + channel] = array[:, :, channel, 0, x]
    assert not np.array_equal(flat, array.reshape(4, 5, 6))
    out = tmp_path / "out.npz"
    assert run("run", path, "--engine", engine, "--input", save(tmp_path / "in.npz", array),
               "--output", out) == 0  # fmt: skip
    spikes, potential, sops = expected(flat, net)
    with np.load(out) as got:
        np.testing.assert_array_equal(got["spikes"], spikes)
        np.testing.assert_array_equal(got["potential"], potential)
        np.testing.assert_array_equal(got["sops"], sops)


def test_an_earlier_result_is_replaced_whole_or_kept(artefact, inputs, tmp_path, capsys):
    out = tmp_path / "out.npz"
    out.write_bytes(b"earlier")
    bad = save(tmp_path / "bad.npz", np.full((1, 1, 6), 9))
    refused(capsys, "run", artefact, "--input", bad, "--output", out)
    assert out.read_bytes() == b"earlier"
    assert run("run", artefact, "--input", inputs, "--output", out) == 0
    assert np.load(out)["counts"].shape == (3, 21)


ARRAYS = {
    "floats": (np.zeros((1, 5, 6)), "'input' must be integers, not float64"),
    "text": (np.array([["a"]]), "'input' must be integers, not <U1"),
    "flat": (np.zeros(6, np.uint8), "must have shape (samples, ticks, 6), not (6,)"),
    "one number": (np.uint8(1), "must have shape (samples, ticks, 6), not ()"),
    "narrow": (np.zeros((1, 5, 5), int), "must have shape (samples, ticks, 6), not (1, 5, 5)"),
    "negative": (np.full((1, 5, 6), -1), "input[0, 0, 0] must be from 0 to 3, not -1"),
    "too many events": (np.full((1, 5, 6), 4), "input[0, 0, 0] must be from 0 to 3, not 4"),
    "huge": (np.full((1, 5, 6), 2**64 - 1, np.uint64), "from 0 to 3, not 18446744073709551615"),
    "no samples": (np.zeros((0, 5, 6), int), "input must have from 1 to 268435455 samples, not 0"),
    "no ticks": (np.zeros((2, 0, 6), int), "input must have from 1 to 268435455 ticks, not 0"),
}


@pytest.mark.parametrize("command", ["run", "verify"])
@pytest.mark.parametrize("engine", ["golden", "pysim", "cxxrtl"])
@pytest.mark.parametrize("what", ARRAYS)
def test_bad_input_is_refused_before_anything_is_built(
    what, engine, command, artefact, tmp_path, capsys, monkeypatch
):
    if command == "verify" and engine == "golden":
        engine = "verilator"
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path / "cache"))
    array, says = ARRAYS[what]
    file = save(tmp_path / "in.npz", array)
    argv = [command, artefact, "--engine", engine, "--input", file]
    before = listing(tmp_path)
    line = refused(capsys, *argv, *(["--output", tmp_path / "o.npz"] if command == "run" else []))
    assert says in line
    assert listing(tmp_path) == before


class Marker:
    """Unpickling it would leave a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def member(name, data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


HUGE = npy(np.zeros((1, 1, 6), np.uint8)).replace(b"(1, 1, 6), }     ", b"(1, 9999999999999, 6), }")
FILES = {
    "text": (b"hello\n", "cannot be read as an npz archive"),
    "empty": (b"", "cannot be read as an npz archive"),
    "half an archive": (member("input.npy", npy(np.zeros(999)))[:300], "cannot be read"),
    "npy": (npy(np.zeros((1, 5, 6), np.uint8)), "must be an npz archive with the array 'input'"),
    "other names": (member("data.npy", npy(np.zeros(3))), "array 'input', but holds data"),
    "no members": (b"PK\5\6" + bytes(18), "must hold the array 'input', but holds nothing"),
    "no npy inside": (member("input.npy", b"something else"), "npy"),
    "no npy name": (member("input", npy(np.zeros((1, 5, 6), np.uint8))), ""),
    "half an npy": (member("input.npy", npy(np.zeros(99, np.uint8))[:150]), "cannot be read"),
    "broken header": (member("input.npy", b"\x93NUMPY\1\0v\0{'descr'"), "cannot be read"),
    "structured": (member("input.npy", npy(np.zeros(2, "u1,u1"))), "must be integers"),
    "larger than it says": (member("input.npy", HUGE), ""),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_no_input_is_refused(what, artefact, tmp_path, capsys):
    data, says = FILES[what]
    (tmp_path / "in.npz").write_bytes(data)
    before = listing(tmp_path)
    line = refused(capsys, "run", artefact, "--input", tmp_path / "in.npz", "--output",
                   tmp_path / "o.npz")  # fmt: skip
    assert says in line
    assert str(tmp_path / "in.npz") in line or what == "larger than it says"
    assert listing(tmp_path) == before


def test_objects_are_not_unpickled(artefact, tmp_path, capsys):
    array = np.array([Marker(str(tmp_path / "marker"))], object)
    np.savez(tmp_path / "in.npz", input=array)
    line = refused(capsys, "run", artefact, "--input", tmp_path / "in.npz", "--output",
                   tmp_path / "o.npz")  # fmt: skip
    assert "in.npz cannot be read as an npz archive" in line
    assert not (tmp_path / "marker").exists()
    assert not (tmp_path / "o.npz").exists()


def test_any_damage_is_a_clear_error_or_harmless(artefact, tmp_path, capsys):
    """Bytes of a compressed archive changed at random; the seed is 20."""
    rng = np.random.default_rng(20)
    np.savez_compressed(tmp_path / "whole.npz", input=samples())
    whole = (tmp_path / "whole.npz").read_bytes()
    codes = set()
    for _ in range(400):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            data[at] = rng.integers(256)
        (tmp_path / "in.npz").write_bytes(data[: rng.integers(1, len(data) + 1)]
                                          if rng.random() < 0.2 else data)  # fmt: skip
        code = run("run", artefact, "--input", tmp_path / "in.npz", "--output", tmp_path / "o.npz")
        codes.add(code)
        err = capsys.readouterr().err
        assert (code, err.count("\n")) in {(0, 0), (2, 1)}
    assert codes == {0, 2}


def test_missing_input(artefact, tmp_path, capsys):
    before = listing(tmp_path)
    line = refused(capsys, "run", artefact, "--input", tmp_path / "x.npz", "--output", "o.npz")
    assert line == f"input file {tmp_path / 'x.npz'} does not exist"
    assert listing(tmp_path) == before


def test_unknown_engine(artefact, inputs, tmp_path, capsys):
    line = refused(capsys, "run", artefact, "--engine", "vcs", "--input", inputs, "--output", "o")
    assert line == "engine must be one of golden, pysim, cxxrtl, verilator, pynq-sim, not 'vcs'"


def edited(path, change):
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def damage(path):
    data = bytearray((path / "images" / "weights_odd.bin").read_bytes())
    data[3] ^= 1
    (path / "images" / "weights_odd.bin").write_bytes(data)


def replaced_by_file(path):
    for file in sorted(path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    path.rmdir()
    path.write_text("no folder")


DAMAGES = {
    "damaged": (damage, "weights_odd.bin is damaged: its sha256 must be"),
    "lost file": (lambda p: (p / "images" / "projections.bin").unlink(), "lacks the file images/"),
    "extra file": (lambda p: (p / "extra").touch(), "holds a file that the manifest lacks: extra"),
    "a file": (replaced_by_file, "must be a folder with manifest.json; it is a file"),
    "foreign": (lambda p: (p / "manifest.json").write_text('{"a": 1}'), "must have the schema"),
    "no JSON": (lambda p: (p / "manifest.json").write_text("a: 1"), "manifest.json is not JSON"),
    "no text": (lambda p: (p / "manifest.json").write_bytes(b"\xff\xfe"), "is not UTF-8 text"),
    "newer": (lambda p: edited(p, lambda m: m.update(schema_version=2)), "schema_version 1, not 2"),
}


@pytest.mark.parametrize("engine", ["golden", "cxxrtl"])
@pytest.mark.parametrize("what", DAMAGES)
def test_a_bad_artefact_is_refused(what, engine, artefact, inputs, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SPIKELOOM_CACHE", str(tmp_path / "cache"))
    change, says = DAMAGES[what]
    change(artefact)
    before = listing(tmp_path)
    line = refused(capsys, "run", artefact, "--engine", engine, "--input", inputs, "--output",
                   tmp_path / "o.npz")  # fmt: skip
    assert says in line
    assert listing(tmp_path) == before


@pytest.mark.parametrize("command", ["run", "verify"])
def test_an_engine_needs_a_compiled_artefact(command, inputs, tmp_path, capsys):
    write_artefact(tmp_path / "plain", network(), FACTS)
    before = listing(tmp_path)
    output = ["--output", tmp_path / "o.npz"] if command == "run" else []
    line = refused(capsys, command, tmp_path / "plain", "--engine", "cxxrtl", "--input", inputs,
                   *output)  # fmt: skip
    assert "holds a network that is not compiled for a build; run: spikeloom compile" in line
    assert listing(tmp_path) == before


def test_an_artefact_of_another_build_is_refused(inputs, tmp_path, capsys):
    path = write(tmp_path / "net", build_id="0123456789abcdef").path
    before = listing(tmp_path)
    line = refused(capsys, "run", path, "--engine", "pysim", "--input", inputs, "--output",
                   tmp_path / "o.npz")  # fmt: skip
    assert "was compiled for build 0123456789abcdef of small, but this SpikeLoom's small" in line
    assert line.endswith("compile it again with this version")
    assert listing(tmp_path) == before


def test_an_artefact_of_another_input_is_refused(inputs, tmp_path, capsys):
    path = write(tmp_path / "net").path
    edited(path, lambda m: m["input"].update(shape=[2, 3]))
    line = refused(capsys, "run", path, "--input", inputs, "--output", tmp_path / "o.npz")
    assert "input.shape belongs to a population of shape (2, 3)" in line


@pytest.mark.parametrize("where", ["file/out.npz", "folder", "x" * 300])
def test_an_output_that_cannot_be_written_leaves_nothing(where, artefact, inputs, tmp_path, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    before = listing(tmp_path)
    line = refused(capsys, "run", artefact, "--input", inputs, "--output", tmp_path / where)
    assert str(tmp_path / where.split("/")[0])[:200] in line
    assert listing(tmp_path) == before


def test_input_facts_with_another_number_of_ticks_do_not_bind(tmp_path, inputs):
    path = write(tmp_path / "net", facts=replace(FACTS, ticks=99)).path
    assert run("run", path, "--input", inputs, "--output", tmp_path / "o.npz") == 0

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloom.spec.build import build_id
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import ArtefactError
from spikeloom.spec.manifest import (
    NETWORK_FILE,
    BuildFacts,
    InputFacts,
    Manifest,
    PlacedInput,
    PlacedPopulation,
    image_files,
)

FILE = {"bytes": 3, "sha256": "0" * 64}
TINY = PRESETS["tiny"]
INPUTS = (PlacedInput("pixels", (6,), 6, max_magnitude=3),)


def manifest(compiled: bool = True) -> Manifest:
    placed = (
        PlacedPopulation("pixels", 6, (6,), is_input=True, is_output=False),
        PlacedPopulation("out", 3, (3,), is_input=False, is_output=True, n_rows=1),
    )
    files = [NETWORK_FILE, *image_files(TINY).values()] if compiled else [NETWORK_FILE]
    return Manifest(
        spikeloom="0.1.0",
        network={"inputs": []},
        input=InputFacts((2, 3, 1), 4, "channels_first", {"kind": "rate", "gain": 0.5}),
        provenance={"seed": 7},
        build=BuildFacts(build_id(TINY), TINY, placed, INPUTS) if compiled else None,
        files={name: FILE for name in files},
    )


def value() -> dict:
    return json.loads(manifest().to_json())


def refused(text: str):
    return pytest.raises(ArtefactError, match=f"^{re.escape(text)}$")


def put(tree, path: str, new):
    """Return ``tree`` with the item at the dotted path replaced, or removed (``...``)."""
    *way, last = [int(k) if k.isdigit() else k for k in path.split("/")]
    at = tree
    for key in way:
        at = at[key]
    if new is ...:
        del at[last]
    else:
        at[last] = new
    return tree


@pytest.mark.parametrize("compiled", [True, False])
def test_a_manifest_comes_back_from_its_text(compiled):
    expected = manifest(compiled)
    got = Manifest.from_json(expected.to_json())
    assert got == expected
    assert got.to_json() == expected.to_json()


def test_channels_first_input_belongs_to_a_channels_last_population():
    assert InputFacts((2, 28, 30), 5, "channels_first").population_shape == (28, 30, 2)
    assert InputFacts([784], 5).population_shape == (784,)


# Text that is no manifest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"manifest\.json is not JSON: "),
        ("{", r"manifest\.json is not JSON: "),
        ('{"a": 1} x', r"manifest\.json is not JSON: "),
        ('{"a": NaN}', r"manifest\.json must not hold NaN$"),
        ('{"a": -Infinity}', r"manifest\.json must not hold -Infinity$"),
        ('{"a": 1e999}', r"manifest\.json must not hold 1e999$"),
        ('{"a": ' + "9" * 5000 + "}", r"manifest\.json is not JSON: "),
        ('{"a": 1, "a": 2}', r"manifest\.json has the key 'a' twice$"),
        ('{"b": {"a": 1, "a": 1}}', r"manifest\.json has the key 'a' twice$"),
        ("[" * 100_000 + "]" * 100_000, r"manifest\.json is nested too deeply$"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, r"manifest\.json is nested too deeply$"),
        ("[]", r"manifest\.json must have the schema 'spikeloom-artefact', not 'list'$"),
        ("null", r"manifest\.json must have the schema 'spikeloom-artefact', not 'NoneType'$"),
        ("{}", r"manifest\.json must have the schema 'spikeloom-artefact', not None$"),
    ],
)
def test_text_that_is_no_manifest_is_refused(text, message):
    with pytest.raises(ArtefactError, match=f"^{message}"):
        Manifest.from_json(text)


@given(st.text())
def test_any_text_is_refused_with_our_error(text):
    with pytest.raises(ArtefactError):
        Manifest.from_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def paths(tree, prefix=()):
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, item in items:
        yield (*prefix, key)
        if isinstance(item, (dict, list)):
            yield from paths(item, (*prefix, key))


@given(st.sampled_from(list(paths(value()))), JSON)
def test_any_value_in_any_place_is_taken_or_refused_with_our_error(path, new):
    tree = value()
    at = tree
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    try:
        got = Manifest.from_json(json.dumps(tree, allow_nan=True))
    except ArtefactError:
        return
    assert Manifest.from_json(got.to_json()) == got


# Fields


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("spikeloom", "manifest"),
        ("network", "manifest"),
        ("input", "manifest"),
        ("provenance", "manifest"),
        ("build", "manifest"),
        ("files", "manifest"),
        ("input/ticks", "input"),
        ("build/id", "build"),
        ("build/config/lanes", "build.config"),
        ("build/populations/0/n_rows", "build.populations"),
        (f"files/{NETWORK_FILE}/sha256", f"files.{NETWORK_FILE}"),
    ],
)
def test_missing_and_unknown_fields_are_named(path, what):
    parent, _, name = path.rpartition("/")
    with refused(f"{what} lacks the field {name!r}"):
        Manifest.from_json(json.dumps(put(value(), path, ...)))
    extra = f"{parent}/colour" if parent else "colour"
    with refused(f"{what} has an unknown field 'colour'"):
        Manifest.from_json(json.dumps(put(value(), extra, 1)))


SHAPE = "must be positive integers with a product of at most 1048576"


@pytest.mark.parametrize(
    ("path", "new", "text"),
    [
        *[
            (
                "schema_version",
                v,
                f"manifest.json must have schema_version 1, not {v!r}; use a matching SpikeLoom",
            )
            for v in (0, 2, "1", 1.0, True, None)
        ],
        (
            "schema",
            "other",
            "manifest.json must have the schema 'spikeloom-artefact', not 'other'",
        ),
        ("spikeloom", 1, "spikeloom must be a version, not 1"),
        ("network", [], "network must be an object, not list"),
        ("provenance", 3, "provenance must be an object, not int"),
        ("input", None, "input must be an object, not NoneType"),
        ("input/axes", "hwc", "input.axes must be flat or channels_first, not 'hwc'"),
        ("input/axes", [], "input.axes must be flat or channels_first, not []"),
        ("input/shape", 5, f"input.shape {SHAPE}, not 5"),
        ("input/shape", [], f"input.shape {SHAPE}, not []"),
        ("input/shape", [2, 0, 1], f"input.shape {SHAPE}, not [2, 0, 1]"),
        ("input/shape", [True], f"input.shape {SHAPE}, not [True]"),
        ("input/shape", [1 << 40, 1 << 40, 1], f"input.shape {SHAPE}, not {[1 << 40] * 2 + [1]}"),
        (
            "input/shape",
            [6],
            "input.shape must be (channels, height, width) with axes channels_first, not (6,)",
        ),
        ("input/ticks", 0, "input.ticks must be a positive integer, not 0"),
        ("input/ticks", True, "input.ticks must be a positive integer, not True"),
        ("input/ticks", 1.5, "input.ticks must be a positive integer, not 1.5"),
        ("input/encoder", [], "input.encoder must be an object, not list"),
        ("build", 3, "build must be an object, not int"),
        ("build/id", "XYZ", "build.id must be 16 hexadecimal digits, not 'XYZ'"),
        ("build/id", None, "build.id must be 16 hexadecimal digits, not None"),
        (
            "build/config/lanes",
            3,
            "build.config: lanes must be a power of two from 4 to 256, not 3",
        ),
        ("build/populations", {}, "build.populations must be a list"),
        ("build/populations/0/shape", 5, f"build.populations pixels shape {SHAPE}, not 5"),
        (
            "build/populations/0/n_neurons",
            7,
            "build.populations pixels n_neurons must be from 6 to 6, not 7",
        ),
        (
            "build/populations/1/n_rows",
            -1,
            "build.populations out n_rows must be from 0 to 65535, not -1",
        ),
        (
            "build/populations/1/is_output",
            1,
            "build.populations out is_output must be true or false, not 1",
        ),
        ("files", [], "files must be an object, not list"),
    ],
)
def test_fields_with_wrong_values_are_named(path, new, text):
    with refused(text):
        Manifest.from_json(json.dumps(put(value(), path, new)))


@pytest.mark.parametrize("name", ["a b", 3, None, "../x"])
def test_populations_of_a_build_need_an_identifier(name):
    with pytest.raises(ArtefactError, match=r"^build\.populations name must be a letter"):
        Manifest.from_json(json.dumps(put(value(), "build/populations/0/name", name)))


@pytest.mark.parametrize("size", [-1, (1 << 30) + 1, "3", 3.0, True, None])
def test_file_sizes_out_of_range_are_refused(size):
    tree = value()
    tree["files"][NETWORK_FILE] = {"bytes": size, "sha256": "0" * 64}
    with refused(f"files.{NETWORK_FILE}.bytes must be from 0 to 1073741824, not {size!r}"):
        Manifest.from_json(json.dumps(tree))


@pytest.mark.parametrize("digest", ["", "0" * 63, "g" * 64, "0" * 64 + "\n", 5, None])
def test_digests_that_are_none_are_refused(digest):
    tree = value()
    tree["files"][NETWORK_FILE] = {"bytes": 3, "sha256": digest}
    with refused(f"files.{NETWORK_FILE}.sha256 must be 64 hexadecimal digits"):
        Manifest.from_json(json.dumps(tree))


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "images/other.bin", "manifest.json"])
def test_unknown_files_are_refused(name):
    tree = value()
    tree["files"][name] = FILE
    with refused(f"files names an unknown file {name!r}"):
        Manifest.from_json(json.dumps(tree))


@pytest.mark.parametrize("name", [NETWORK_FILE, *image_files(TINY).values()])
def test_a_file_less_than_the_build_needs_is_refused(name):
    tree = value()
    del tree["files"][name]
    with refused(f"files lacks {name!r}"):
        Manifest.from_json(json.dumps(tree))


def test_not_a_number_is_never_written():
    bad = Manifest("0.1.0", {}, InputFacts((6,), 1), {"loss": float("nan")}, None, {})
    with pytest.raises(ValueError, match=r"^Out of range float values are not JSON compliant"):
        bad.to_json()

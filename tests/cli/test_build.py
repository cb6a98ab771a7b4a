"""``spikeloom build``, as far as it goes without the tools of a vendor."""

import json

import pytest

pytest.importorskip("amaranth")

from spikeloom.cli import main

UTILIZATION = """
| Site Type              | Used | Fixed | Prohibited | Available | Util% |
| Slice LUTs*            | 3264 |     0 |          0 |     53200 |  6.14 |
|   LUT as Logic         | 2693 |     0 |          0 |     53200 |  5.06 |
| Slice Registers        | 3039 |     0 |          0 |    106400 |  2.86 |
| Block RAM Tile         |  4.5 |     0 |          0 |       140 |  3.21 |
|   RAMB36/FIFO*         |    4 |     0 |          0 |       140 |  2.86 |
| DSPs                   |    4 |     0 |          0 |       220 |  1.82 |
"""


def run(*arguments):
    return main(["build", *map(str, arguments)])


def test_without_vivado_it_stops_with_the_command_to_run_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "over lay"
    assert run("--board", "pynq-z2", "--preset", "tiny", "--out", folder) == 2
    said = capsys.readouterr().err
    assert said == (
        f"spikeloom: {folder} is ready, but Vivado (2022.1 to 2025.2) is not on PATH; on a machine "
        f"that has it run: cd '{folder}' && vivado -mode batch -notrace -source build.tcl\n"
    )
    assert (folder / "spikeloom_core.v").exists()
    assert json.loads((folder / "manifest.json").read_text())["state"] == "prepared"


def fake_vivado(folder, script):
    program = folder / "vivado"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)


def test_what_vivado_built_is_described(tmp_path, monkeypatch, capsys):
    result = '{"vivado": "2024.1", "slack_ns": 0.1, "clock_reached_mhz": 101.0}'
    files = "spikeloom.bit spikeloom.hwh spikeloom.xsa"
    script = f"for f in {files}; do echo $f > $f; done; echo '{result}' > result.json\n"
    fake_vivado(tmp_path, f"PATH=/usr/bin:/bin\n{script}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("--board", "pynq-z2", "--preset", "tiny", "--out", tmp_path / "o") == 0
    assert "by timing analysis 101 MHz" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "o" / "manifest.json").read_text())
    assert manifest["state"] == "built"
    assert manifest["tools"] == {"vivado": "2024.1"}
    assert set(manifest["files"]) == {"spikeloom.bit", "spikeloom.hwh", "spikeloom.xsa"}


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("echo 'ERROR: [Common 17] no licence'; exit 1", "failed with code 1: ERROR: [Common 17]"),
        ("exit 0", "spikeloom.bit is not"),
        ("exec /bin/sleep 60", "Vivado must end within 0.5 s"),
    ],
)
def test_failures_of_vivado_are_one_line(tmp_path, monkeypatch, capsys, script, match):
    fake_vivado(tmp_path, script + "\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    limit = ["--time-limit", "0.5"] if "sleep" in script else []
    assert run("--board", "kv260", "--preset", "tiny", "--out", tmp_path / "o", *limit) == 2
    said = capsys.readouterr().err
    assert match in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--board", "pynq-z9"], "board must be one of aup-zu3, kv260, pynq-z1, pynq-z2"),
        (["--board", "kv260", "--preset", "huge"], "preset must be one of tiny"),
        (["--board", "kv260", "--clock-mhz", "0"], "--clock-mhz must be from 1 to 500, not 0"),
        (["--board", "kv260", "--time-limit", "0"], "--time-limit must be above 0"),
        (["--board", "ulx3s-85f", "--prepare-only"], "--prepare-only belongs to boards that"),
        (["--board", "ulx3s-85f", "--built-elsewhere"], "--built-elsewhere belongs to boards that"),
        (["--board", "kv260", "--prepare-only", "--built-elsewhere"], "exclude each other"),
        (
            ["--board", "ulx3s-85f", "--clock-mhz", "61"],
            "clock_mhz of this board must be a multiple of 5",
        ),
    ],
)
def test_bad_arguments(capsys, arguments, match):
    assert run(*arguments) == 2
    assert match in capsys.readouterr().err


def test_boards_are_listed(capsys):
    assert run("--board", "help") == 0
    assert "AUP-ZU3" in capsys.readouterr().out


def test_a_folder_that_cannot_be_is_refused_before_any_tool_runs(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    for board in ("ulx3s-85f", "kv260"):
        for out in (tmp_path / "file", tmp_path / "file" / "below"):
            assert run("--board", board, "--preset", "tiny", "--out", out) == 2
            said = capsys.readouterr().err
            assert f"--out must be a folder that can be written, not {out}: " in said
            assert said.endswith(f"{tmp_path / 'file'} is a file\n")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert run("--board", "kv260", "--preset", "tiny", "--out", tmp_path / "new") == 2
    assert f"{tmp_path} cannot be written to" in capsys.readouterr().err


def test_what_vivado_built_elsewhere_is_described(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "o"
    argv = ["--board", "pynq-z2", "--preset", "tiny", "--out", folder]
    assert run(*argv, "--prepare-only") == 0
    assert run(*argv, "--built-elsewhere") == 2
    assert "spikeloom.bit is not" in capsys.readouterr().err
    for name in ("bit", "hwh", "xsa"):
        (folder / f"spikeloom.{name}").write_text(name)
    (folder / "result.json").write_text('{"vivado": "2024.1", "clock_reached_mhz": 101.0}')
    (folder / "utilization.rpt").write_text(UTILIZATION)
    assert run(*argv, "--built-elsewhere") == 0
    said = capsys.readouterr().out
    assert "clock 100 MHz, by timing analysis 101 MHz; " in said
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["state"], manifest["tools"]) == ("built", {"vivado": "2024.1"})
    assert manifest["resources"] == {"LUT": 3264, "FF": 3039, "RAMB36": 4.5, "DSP": 4}
    assert set(manifest["files"]) == {"spikeloom.bit", "spikeloom.hwh", "spikeloom.xsa"}

    wrong = ["--board", "pynq-z2", "--preset", "small", "--out", folder, "--built-elsewhere"]
    assert run(*wrong) == 2
    assert "must be of build" in capsys.readouterr().err
    (folder / "settings.tcl").write_text("")
    assert run(*argv, "--built-elsewhere") == 2
    assert "must be those of its manifest, and are not; prepare" in capsys.readouterr().err
    assert run("--board", "pynq-z2", "--out", tmp_path / "none", "--built-elsewhere") == 2
    assert "manifest.json must be readable JSON" in capsys.readouterr().err


def test_results_of_other_sources_do_not_stay(tmp_path):
    folder = tmp_path / "o"
    argv = ["--board", "pynq-z2", "--out", folder, "--prepare-only"]
    assert run(*argv, "--preset", "tiny") == 0
    (folder / "spikeloom.bit").write_text("of tiny")
    assert run(*argv, "--preset", "tiny") == 0
    assert (folder / "spikeloom.bit").read_text() == "of tiny"
    assert run(*argv, "--preset", "tiny", "--clock-mhz", "50") == 0
    assert not (folder / "spikeloom.bit").exists()

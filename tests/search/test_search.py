"""Searches: what varies, trials that processes share, and the front."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.helpers import refused, run
from spikeloom.artefact import read_artefact
from spikeloom.search.cost import DEVICE
from spikeloom.search.space import Between, Choice, parse_space, parse_variation
from spikeloom.search.study import Search, SearchConfig
from spikeloom.spec.errors import DataError, UsageError
from spikeloom.tailor import needed_build
from spikeloom.tailor.area import area
from spikeloom.train.config import TrainConfig

pytestmark = pytest.mark.torch
if not all(map(importlib.util.find_spec, ("torch", "optuna"))):
    pytest.skip("needs PyTorch and Optuna", allow_module_level=True)

ROOT = Path(__file__).parents[2]
BASE = TrainConfig(hidden=(8,), ticks=2, epochs_float=1, epochs_qat=1, validation=200, seed=3)
SPACE = ("hidden=4|8|12,6", "ticks=2..4", "lr=1e-3..1e-2:log", "lanes=4|16")


def config(**changes):
    space = parse_space(changes.pop("space", SPACE))
    return SearchConfig(BASE, space, **{"objectives": ("accuracy", "cycles", "luts"),
                                        "trials": 4, **changes})  # fmt: skip


def test_variations_are_read():
    assert parse_variation("hidden=64|128,64") == Choice("hidden", ("64", "128,64"))
    assert parse_variation("ticks=4..12") == Between("ticks", 4, 12, False)
    assert parse_variation("lr=1e-4..1e-2:log") == Between("lr", 1e-4, 1e-2, True)
    assert parse_variation("bias=true|false") == Choice("bias", ("true", "false"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("colour=1|2", r"^a search can vary .*, not 'colour'"),
        ("dataset=mnist|digits", r"^a search can vary .*, not 'dataset'"),
        ("ticks", r"^a variation must be NAME=A\|B\|C or"),
        ("ticks=", r"^a variation must be NAME=A\|B\|C or"),
        ("ticks=4|x", r"^ticks must be an integer, not 'x'"),
        ("lr=1|x", r"^lr must be a number, not 'x'"),
        ("bias=yes|no", r"^bias must be true or false, not 'yes'"),
        ("ticks=9..4", r"^ticks must go from a lower to a higher number"),
        ("lr=0..1:log", r"^lr must go from a lower to a higher number, both above 0 with log"),
        ("lr=0..1:cubic", r"^lr must vary as LOW\.\.HIGH or LOW\.\.HIGH:log, not 0\.\.1:cubic"),
        ("neuron=if..lif", r"^neuron must vary as LOW\.\.HIGH"),
    ],
)
def test_wrong_variations_are_named(text, match):
    with pytest.raises(UsageError, match=match):
        parse_variation(text)


@pytest.mark.parametrize(
    ("texts", "match"),
    [([], r"^a search needs something that varies"),
     (["ticks=1|2", "ticks=3|4"], r"^ticks varies twice")],
)  # fmt: skip
def test_wrong_spaces_are_named(texts, match):
    with pytest.raises(UsageError, match=match):
        parse_space(texts)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"objectives": ()}, r"^objectives must be different ones, not \(\)"),
        ({"objectives": ("luts", "luts")}, r"^objectives must be different ones"),
        ({"objectives": ("speed",)}, r"^an objective must be one of accuracy, cycles, sops"),
        ({"lanes": 5}, r"^lanes must be a power of two"),
        ({"trials": 0}, r"^trials must be a positive number, not 0"),
        ({"worker": -1}, r"^worker must be a positive number, not -1"),
    ],
)
def test_wrong_fields_are_named(change, match):
    with pytest.raises(UsageError, match=match):
        config(**change)


def test_a_search_is_judged_by_held_out_samples():
    with pytest.raises(UsageError, match=r"^validation must be at least 1 in a search, not 0"):
        SearchConfig(TrainConfig(), parse_space(SPACE))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    search = Search(config(), folder)
    search.run()
    return folder, search


def test_trials_are_trained_and_measured(searched):
    folder, search = searched
    results = search.results()
    assert [r.number for r in results] == [0, 1, 2, 3]
    for result in results:
        network = read_artefact(folder / "trials" / f"{result.number:04d}" / "network").network()
        hidden = [p.n_neurons for p in network.populations[:-1]]
        assert hidden == list(result.parameters["hidden"])
        assert 2 <= result.parameters["ticks"] <= 4
        assert 1e-3 <= result.parameters["lr"] <= 1e-2
        assert result.cost.cycles > 20
        least = needed_build(network, result.parameters["lanes"])
        assert result.cost.luts == round(area(least, DEVICE)["LUT"])


def test_the_front_holds_what_no_trial_beats(searched):
    folder, search = searched

    def beats(a, b):
        signs = (-1, 1, 1)
        ours, theirs = (
            [s * v for s, v in zip(signs, r.values(("accuracy", "cycles", "luts")), strict=True)]
            for r in (a, b)
        )
        return ours != theirs and all(x <= y for x, y in zip(ours, theirs, strict=True))

    results = search.results()
    expected = {r.number for r in results if not any(beats(other, r) for other in results)}
    assert {r.number for r in search.front()} == expected
    written = json.loads((folder / "front.json").read_text())
    assert [item["number"] for item in written] == [r.number for r in search.front()]


def test_one_process_repeats_its_trials(searched, tmp_path):
    again = Search(config(trials=2), tmp_path)
    again.run()
    assert again.results() == searched[1].results()[:2]


def test_a_search_goes_on_from_its_journal(searched):
    folder, search = searched
    Search(config(), folder).run(on_trial=lambda trial: pytest.fail("there are enough trials"))
    more = Search(config(trials=5), folder)
    more.run()
    assert [r.number for r in more.results()] == [0, 1, 2, 3, 4]
    assert len(search.results()) == 5  # both see the same journal


def test_the_folder_of_another_search_is_refused(searched):
    with pytest.raises(UsageError, match=r"journal\.log is of another search; give its options"):
        Search(config(space=("ticks=2..3",)), searched[0])


def test_a_damaged_journal_is_refused(tmp_path):
    (tmp_path / "journal.log").write_bytes(b"\x00garbage\n" * 5)
    with pytest.raises(DataError, match=r"journal\.log cannot be read as the journal of a search"):
        Search(config(), tmp_path)


def test_a_trial_that_cannot_be_done_is_noted_and_the_search_goes_on(tmp_path):
    said = []
    search = Search(config(space=("neuron=if|lif", "decay=0.5..0.9"), trials=3), tmp_path)
    search.run(said.append)
    texts = [s for s in said if isinstance(s, str)]
    assert len(said) == 3
    assert all("decay must be 1 with neuron if" in text for text in texts)
    assert len(search.results()) == 3 - len(texts)
    assert texts


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"needs the package optuna; run: pip install"):
        Search(config(), tmp_path)


OPTIONS = (
    "search", "--hidden", "6", "--ticks", "2", "--epochs-float", "1", "--epochs-qat", "0",
    "--validation", "200", "--vary", "lr=1e-3..1e-2", "--vary", "decay=0.5|0.9",
    "--objectives", "accuracy,sops", "--trials", "3",
)  # fmt: skip


@pytest.mark.slow
def test_two_processes_share_a_journal(tmp_path):
    folders = os.pathsep.join(str(ROOT / folder) for folder in ("hw", "sw", "sim"))
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "spikeloom.cli", *OPTIONS, "--out", str(tmp_path),
             "--worker", str(n), "--json"],
            env={**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(2)
    ]  # fmt: skip
    for worker in workers:
        _, error = worker.communicate(timeout=240)
        assert worker.returncode == 0, error
    trials = sorted(path.name for path in (tmp_path / "trials").iterdir())
    assert trials in ([f"{n:04d}" for n in range(3)], [f"{n:04d}" for n in range(4)])


def test_the_command_prints_the_front(tmp_path, capsys):
    assert run(*OPTIONS[:-1], "2", "--out", tmp_path) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("trial 0: ")
    assert out[2].split()[0] == "trial"
    assert "bias" not in out[2]
    match = "validation must be at least 1 in a search"
    assert match in refused(capsys, "search", "--vary", "ticks=1..2", "--out", tmp_path / "x")
    assert "a search needs something" in refused(capsys, "search", "--out", tmp_path / "x")

"""Runs in processes of their own: shared by several, and killed at any moment."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from spikeloom.artefact import read_artefact
from spikeloom.train.checkpoint import CHECKPOINT_FILE

pytestmark = [pytest.mark.torch, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
DEADLINE = 240
KILLS = 2

OPTIONS = (
    "train", "--dataset", "digits", "--hidden", "20", "--ticks", "4", "--epochs-float", "3",
    "--epochs-qat", "2", "--batch-size", "100", "--shards", "2", "--dropout", "0.2",
    "--validation", "100", "--patience", "2", "--seed", "4", "--json",
)  # fmt: skip


def start(*launcher, out, more=()):
    folders = os.pathsep.join(str(ROOT / folder) for folder in ("hw", "sw", "sim"))
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "spikeloom.cli", *OPTIONS, "--out", str(out), *more],
        env={**os.environ, "PYTHONPATH": folders, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run in one process, and the seconds it took."""
    folder, began = tmp_path_factory.mktemp("whole") / "run", time.monotonic()
    process = start(out=folder)
    _, error = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, error
    return folder, time.monotonic() - began


def metrics(folder):
    with (folder / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def assert_same_run(folder, other):
    assert metrics(folder) == metrics(other)
    assert read_artefact(folder / "network").network() == read_artefact(other / "network").network()
    ours, theirs = (
        torch.load(f / CHECKPOINT_FILE, weights_only=True)["model"] for f in (folder, other)
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_two_processes_give_the_bits_of_one(whole, tmp_path):
    """torchrun with two gloo processes on this machine."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    process = start(*torchrun, out=tmp_path / "two")
    out, error = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, error
    assert out.count('"accuracy_quantised"') == 1  # one process prints
    assert_same_run(tmp_path / "two", whole[0])


def test_processes_that_do_not_divide_the_shards_are_refused(tmp_path, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    process = start(out=tmp_path / "three")
    _, error = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2
    assert error == "spikeloom: shards must be a multiple of the 3 processes, not 2\n"


def test_a_run_that_is_killed_at_any_moment_goes_on(whole, tmp_path):
    """SIGKILL after random times; then the run goes on to its end."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    folder = tmp_path / "killed"
    for attempt in range(KILLS + 1):
        resume = ("--resume",) if (folder / CHECKPOINT_FILE).exists() else ()
        process = start(out=folder, more=resume)
        wait = chance.uniform(0.5, 1) * whole[1] if attempt < KILLS else DEADLINE
        try:
            _, error = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            continue
        assert process.returncode == 0, error
        break
    assert_same_run(folder, whole[0])

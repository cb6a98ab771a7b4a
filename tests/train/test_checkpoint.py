"""Checkpoints: whole or not at all, and never executed."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from spikeloom.files import write_atomically
from spikeloom.spec.errors import DataError, UsageError
from spikeloom.train import checkpoint as module
from spikeloom.train.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from spikeloom.train.config import TrainConfig

pytestmark = pytest.mark.torch

CONFIG = TrainConfig()


def state(value=1.0):
    return Checkpoint({"w": torch.full((3,), value)}, {"state": {}}, [{"epoch": 1, "loss": 0.1}])


def test_checkpoint_round_trip(tmp_path):
    save_checkpoint(tmp_path, CONFIG, state())
    got = load_checkpoint(tmp_path, CONFIG)
    assert torch.equal(got.model["w"], torch.ones(3))
    assert got.history == [{"epoch": 1, "loss": 0.1}]
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT_FILE]


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_failure_while_writing_leaves_the_last_checkpoint(tmp_path, monkeypatch, where):
    save_checkpoint(tmp_path, CONFIG, state(1.0))

    def fail(*args):
        raise OSError("no space")

    if where == "write":
        monkeypatch.setattr(module, "BytesIO", fail)
    else:
        monkeypatch.setattr(module.os, where, fail)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(tmp_path, CONFIG, state(2.0))
    monkeypatch.undo()
    assert load_checkpoint(tmp_path, CONFIG).model["w"][0] == 1.0


def test_kill_while_writing_leaves_the_last_file(tmp_path):
    """A process that dies between write and rename must not touch the file."""
    file = tmp_path / CHECKPOINT_FILE
    write_atomically(file, b"good")
    code = (
        "import os, sys, pathlib\n"
        "from spikeloom import files as c\n"
        "c.os.fsync = lambda fd: os.kill(os.getpid(), 9)\n"
        "c.write_atomically(pathlib.Path(sys.argv[1]), b'x' * 100000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], check=False, timeout=60)
    assert done.returncode == -9
    assert file.read_bytes() == b"good"
    write_atomically(file, b"better")
    assert file.read_bytes() == b"better"


@pytest.mark.parametrize("keep", [0, 1, 100, -1, -200])
def test_truncated_checkpoint_is_refused(tmp_path, keep):
    save_checkpoint(tmp_path, CONFIG, state())
    file = tmp_path / CHECKPOINT_FILE
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"checkpoint\.pt must be a whole checkpoint, but its"):
        load_checkpoint(tmp_path, CONFIG)


class _Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_pickled_code_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"schema": _Evil()}, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(DataError, match=r"must be a whole checkpoint"):
        load_checkpoint(tmp_path, CONFIG)
    (tmp_path / CHECKPOINT_FILE).write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(DataError, match=r"must be a whole checkpoint"):
        load_checkpoint(tmp_path, CONFIG)
    assert not (tmp_path / "evil").exists()


def test_foreign_checkpoint_is_refused(tmp_path):
    torch.save({"schema": "other"}, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(DataError, match=r"must have the schema 'spikeloom-checkpoint-1', not 'oth"):
        load_checkpoint(tmp_path, CONFIG)


def test_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(DataError, match=r"has no checkpoint\.pt to resume from"):
        load_checkpoint(tmp_path, CONFIG)


def test_other_configuration_is_refused_naming_the_field(tmp_path):
    save_checkpoint(tmp_path, CONFIG, state())
    with pytest.raises(UsageError, match=r"^ticks must be 12 as in .* not 9; train without"):
        load_checkpoint(tmp_path, replace(CONFIG, ticks=9))
    load_checkpoint(tmp_path, replace(CONFIG, threads=7, data_dir="elsewhere"))

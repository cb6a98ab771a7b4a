"""The benchmark of the training loops, on little work."""

import json

import pytest
import torch

from spikeloom.spec.errors import UsageError
from spikeloom.train import bench

pytestmark = pytest.mark.torch

SMALL = bench.Work(sizes=(20, 8, 4), ticks=3, batch=16, samples=40)


def test_batches_are_the_epoch_at_its_density_and_repeat():
    work = bench.Work(ticks=4, batch=100, samples=250)
    batches = work.batches()
    assert [tuple(e.shape) for e, _ in batches] == [(4, 100, 784), (4, 100, 784), (4, 50, 784)]
    assert abs(float(torch.cat([e for e, _ in batches], 1).mean()) - 0.1) < 0.01
    again = work.batches()
    assert all(torch.equal(a[0], b[0]) for a, b in zip(batches, again, strict=True))


@pytest.mark.parametrize("name", ["float", "qat"])
def test_our_loops_train(name):
    loop = bench.Loop(name, SMALL)
    parameters = [p for group in loop.optimizer.param_groups for p in group["params"]]
    before = [p.detach().clone() for p in parameters]
    assert loop.epoch(SMALL.batches()) > 0
    assert all(not torch.equal(a, b) for a, b in zip(before, parameters, strict=True))


def test_every_loop_is_measured_or_missing():
    seconds, missing = bench.measure(SMALL, rounds=1)
    assert {*seconds, *missing} == set(bench.LOOPS)
    assert {"float", "qat"} <= seconds.keys()


def test_command_prints_ratios(capsys):
    assert bench.main(["--samples", "128", "--ticks", "2", "--rounds", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ratio_to_float"]["float"] == 1
    assert bench.main(["--samples", "128", "--ticks", "2", "--rounds", "1"]) == 0
    assert "ratio to float" in capsys.readouterr().out


@pytest.mark.parametrize(("field", "value"), [("ticks", 0), ("samples", -1), ("density", 2.0)])
def test_wrong_work_is_refused(field, value):
    with pytest.raises(UsageError, match=rf"^{field} must be"):
        bench.Work(**{field: value})


def test_no_rounds_are_refused():
    with pytest.raises(UsageError, match=r"^rounds must be at least 1, not 0"):
        bench.measure(SMALL, 0)

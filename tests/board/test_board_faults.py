"""Every planted fault ends in its error, and the board works after it."""

import importlib.util

import numpy as np
import pytest

if importlib.util.find_spec("pynq") is None or np.__version__ >= "2":
    pytest.skip("pynq is missing or numpy is 2 or later", allow_module_level=True)
pytest.importorskip("safetensors")

from spikeloom.spec.errors import DeviceError, DeviceTimeout
from spikeloom_sim import board_faults
from spikeloom_sim.board_faults import Bench, Fault, faults, open_bench, try_fault

pytestmark = pytest.mark.pynq


@pytest.fixture(scope="module")
def bench():
    with open_bench() as opened:
        yield opened


def test_there_are_at_least_fifty_different_faults():
    names = [fault.name for fault in faults()]
    assert len(names) == len(set(names)) >= 50


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_fault_ends_in_its_error_and_the_board_works_after_it(bench, fault):
    outcome = try_fault(bench, fault)
    assert outcome.passed, outcome


def test_a_run_without_fault_or_with_another_error_does_not_pass(bench):
    assert not try_fault(bench, Fault("none", DeviceError, Bench.run)).passed
    stuck = next(f for f in faults() if f.error is DeviceTimeout)
    assert not try_fault(bench, Fault("other", DeviceError, stuck.act)).passed


def test_a_board_that_stays_broken_does_not_pass(bench):
    other = bench.expected
    bench.expected = board_faults.golden_trace(bench.artefact, 1 - bench.inputs)
    try:
        assert not try_fault(bench, faults()[0]).passed
    finally:
        bench.expected = other


def test_the_command_counts_and_returns_its_code(capsys, monkeypatch):
    some = [faults()[0], Fault("none", DeviceError, Bench.run)]
    monkeypatch.setattr(board_faults, "faults", lambda: some[:1])
    assert board_faults.main([]) == 0
    assert "1 of 1 faults ended in the right error" in capsys.readouterr().out
    monkeypatch.setattr(board_faults, "faults", lambda: some)
    assert board_faults.main([]) == 1
    assert "must be DeviceError" in capsys.readouterr().out
    assert board_faults.main(["--engine", "none"]) == 2

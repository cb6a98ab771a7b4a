"""The campaign finds what is wrong, and names how to repeat it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import EngineError, UsageError
from spikeloom_sim import campaign as module
from spikeloom_sim import cases
from spikeloom_sim.campaign import campaign, main
from spikeloom_sim.cases import Scope, draw, option_builds


def test_equal_networks_end_with_0_and_a_report(tmp_path, capsys):
    file = tmp_path / "campaign.json"
    argv = ["--engine", "golden", "--networks", "12", "--seed", "2", "--first", "5"]
    assert main([*argv, "--json", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("seed 2, networks 5 to 16\n")
    assert "12 networks, " in out
    assert "0 networks differ" in out
    assert err == ""
    found = json.loads(file.read_text())
    assert (found["networks"], found["seed"], found["first"]) == (12, 2, 5)
    assert found["failures"] == []
    cases = [draw(2, number) for number in range(5, 17)]
    runs = [2 if case.again else 1 for case in cases]
    assert found["runs"] == sum(runs)
    assert found["samples"] == sum(
        n * len(case.inputs["input"]) for n, case in zip(runs, cases, strict=True)
    )
    assert found["values"] == sum(
        n * p.n_neurons * len(case.inputs["input"]) * (2 * case.n_ticks + 1)
        for n, case in zip(runs, cases, strict=True)
        for p in case.network.populations
    )


def one_off(quantity, attempt):
    """Return a wrapper that adds 1 to one value of the chosen run of each network."""
    real, runs = module.as_trace, []

    def wrapped(result, like):
        trace = real(result, like)
        runs.append(1)
        if len(runs) == attempt:
            array = trace.sops if quantity == "sops" else next(iter(
                getattr(trace, quantity).values()))  # fmt: skip
            array.flat[-1] += 1
        return trace

    return wrapped


@pytest.mark.parametrize("quantity", ["spikes", "potentials", "final", "sops"])
def test_one_value_off_is_found_and_can_be_repeated(quantity, monkeypatch, capsys):
    monkeypatch.setattr(module, "as_trace", one_off(quantity, 1))
    assert main(["--engine", "golden", "--networks", "3", "--seed", "2"]) == 1
    out, err = capsys.readouterr()
    assert "1 networks differ" in out
    assert err.startswith(
        "network 0 (--engine golden --seed 2 --first 0 --networks 1): run 1: sample "
    )
    assert f": {quantity} must be " in err


def test_the_second_run_is_compared_too(monkeypatch):
    number = next(n for n in range(20) if draw(2, n).again)
    monkeypatch.setattr(module, "as_trace", one_off("final", 2))
    outcome = campaign("golden", 2, number, 1, progress=False)
    assert [": run 2: sample " in failure for failure in outcome.failures] == [True]


def test_other_weights_in_the_core_are_found(monkeypatch):
    """The images of a network with other weights; the golden model runs the first."""
    real = module.draw

    def redrawn(seed, number, *kinds):
        case = real(seed, number, *kinds)
        part = case.network.projections[0]
        weights = np.where(part.weights == 0, 1, -part.weights.astype(int)).clip(-128, 127)
        other = replace(case.network, projections=(
            replace(part, weights=weights), *case.network.projections[1:]))  # fmt: skip
        return replace(case, network=other)

    golden = module.GoldenModel
    monkeypatch.setattr(module, "draw", redrawn)
    numbers = iter(range(8))
    monkeypatch.setattr(module, "GoldenModel", lambda n: golden(real(2, next(numbers)).network))
    outcome = campaign("golden", 2, 0, 8, progress=False)
    assert len(outcome.failures) >= 4


def test_networks_of_the_contract(capsys):
    argv = ["--engine", "golden", "--networks", "6", "--seed", "3", "--contract"]
    assert main(argv) == 0
    assert "6 networks, " in capsys.readouterr().out


def test_networks_of_part_of_the_contract(capsys):
    argv = ["--engine", "golden", "--networks", "30", "--seed", "3", "--options"]
    assert main(argv) == 0
    assert "30 networks, " in capsys.readouterr().out


def test_a_failure_of_the_contract_is_named_with_its_arguments(monkeypatch, capsys):
    monkeypatch.setattr(module, "as_trace", one_off("final", 1))
    assert main(["--engine", "golden", "--networks", "1", "--seed", "3", "--contract"]) == 1
    assert "--seed 3 --first 0 --networks 1 --contract)" in capsys.readouterr().err


def test_a_failure_is_shrunk_and_replayed(monkeypatch, tmp_path, capsys):
    """Final potentials of one population are one too high where it fires in the last tick."""
    real, folder = module.as_trace, tmp_path / "small"

    def wrong(result, like):
        trace = real(result, like)
        name = next(iter(trace.final))
        trace.final[name][...] += trace.spikes[name][:, -1] > 0
        return trace

    argv = ["--engine", "golden", "--networks", "9", "--seed", "3", "--contract"]
    with monkeypatch.context() as patch:
        patch.setattr(module, "as_trace", wrong)
        assert main([*argv, "--shrink", str(folder)]) == 1
        out = capsys.readouterr().out.splitlines()[-1]
        assert out.startswith("shrunk to 1 samples of 1 ticks, ")
        assert out.endswith(f"repeat: --engine golden --replay {folder}")
        assert main(["--engine", "golden", "--replay", str(folder)]) == 1
        assert "golden: run 1: sample 0, " in capsys.readouterr().out
    assert main(["--engine", "golden", "--replay", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder} on golden: equal to the golden model\n"
    assert main([*argv, "--shrink", str(folder)]) == 2  # not before the folder is free


def test_nothing_is_written_where_nothing_fails(tmp_path):
    folder = tmp_path / "small"
    argv = ["--engine", "golden", "--networks", "2", "--shrink", str(folder)]
    assert main(argv) == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--engine", "vcs"], "engine must be one of golden, pysim"),
        (["--networks", "0"], "networks must be at least 1, not 0"),
        (["--seed=-1"], "seed must be at least 0, not -1"),
        (["--first=-1"], "first must be at least 0, not -1"),
    ],
    ids=str,
)
def test_bad_use_ends_with_2_and_one_line(argv, says, tmp_path, capsys):
    assert main([*argv, "--json", str(tmp_path / "x.json")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"campaign: {says}")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_bad_use_raises_its_own_errors():
    with pytest.raises(UsageError, match="networks must be at least 1"):
        campaign("golden", 1, 0, 0, progress=False)
    with pytest.raises(EngineError, match="engine must be one of"):
        campaign("vcs", 1, 0, 1, progress=False)


@pytest.mark.rtl
@pytest.mark.slow
def test_random_networks_on_the_gateware_with_stalls(monkeypatch, engine_cache):
    monkeypatch.setitem(cases.BUILDS_OF, Scope.DENSE, (PRESETS["small"],))
    print("seed 4")
    outcome = campaign("cxxrtl", 4, 0, 6, progress=False)
    assert outcome.failures == []
    assert min(outcome.cycles, outcome.sops) > 0
    assert outcome.spikes > 0


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("build", range(4))
def test_a_part_of_the_options_on_the_gateware(build, engine_cache):
    """The first builds have a third of the mixtures of three options."""
    print("seed 6")
    every = len(option_builds())
    for number in range(build, 15 * every, every):
        assert campaign("verilator", 6, number, 1, False, Scope.OPTIONS).failures == []


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize(
    ("scope", "networks"), [(Scope.CONTRACT, 120), (Scope.CLUSTER, 20), (Scope.COMPACT, 60)]
)
def test_networks_of_a_scope_on_the_gateware(scope, networks, engine_cache):
    print("seed 7")
    outcome = campaign("verilator", 7, 0, networks, False, scope)
    assert outcome.failures == []
    assert outcome.spikes > 0

"""The campaign finds what is wrong, and names how to repeat it."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from spikeloom.compile import compile_network
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import EngineError, UsageError
from spikeloom.spec.network import Dense
from spikeloom_sim import campaign as module
from spikeloom_sim.campaign import Scope, campaign, draw, main, option_builds


def test_a_case_depends_on_seed_and_number_alone():
    first, again = draw(3, 7), draw(3, 7)
    assert (first.network, first.config, first.stalls) == (
        again.network,
        again.config,
        again.stalls,
    )
    for name, array in first.inputs.items():
        np.testing.assert_array_equal(array, again.inputs[name])
    assert draw(3, 8).network != first.network != draw(4, 7).network


def test_cases_cover_builds_stalls_and_repeats():
    print("seed 5, numbers 0 to 59")
    cases = [draw(5, number) for number in range(60)]
    assert {case.config for case in cases} == set(module.BUILDS)
    assert {case.again for case in cases} == {"", "twice", "reset"}
    for name in ("stall_in", "stall_out"):
        assert {case.stalls[name] for case in cases} == set(module.STALLS)
    for case in cases:
        compile_network(case.network, case.config)
        assert case.inputs["input"].max(initial=0) <= case.network.inputs[0].max_magnitude


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
    cases = [draw(3, number, Scope.CONTRACT) for number in range(20)]
    assert {case.config for case in cases} == set(module.CONTRACT_BUILDS)
    assert {len(case.inputs) for case in cases} == {1, 2, 3}


def test_a_failure_of_the_contract_is_named_with_its_arguments(monkeypatch, capsys):
    monkeypatch.setattr(module, "as_trace", one_off("final", 1))
    assert main(["--engine", "golden", "--networks", "1", "--seed", "3", "--contract"]) == 1
    assert "--seed 3 --first 0 --networks 1 --contract)" in capsys.readouterr().err


def test_builds_of_options_have_every_mixture_of_three():
    """Each of these seven choices, with each of two others as they come."""
    choices = {
        "lanes": (4, 16), "weight_bits": (8, 4, 2), "groups": (0, 4096), "parameter_rows": (0, 128),
        "history_rows": (0, 16384), "refractory": (False, True), "current": (False, True),
        "multi_spike": (False, True),
    }  # fmt: skip
    there = {tuple(getattr(build, name) for name in choices) for build in option_builds()}
    for names in itertools.combinations(range(len(choices)), 3):
        wanted = itertools.product(*(list(choices.values())[i] for i in names))
        assert {tuple(build[i] for i in names) for build in there} == set(wanted), names
    assert any(build.graded and not build.multi_spike for build in option_builds())


def test_networks_of_options_use_what_their_build_has(capsys):
    builds = option_builds()
    cases = [draw(3, i, Scope.OPTIONS) for i in range(12 * len(builds))]
    assert [case.config for case in cases] == [*builds] * 12
    populations = [(p, case.config) for case in cases for p in case.network.populations]
    projections = [(p, case.config) for case in cases for p in case.network.projections]
    for option, found in (
        ("refractory", [b for p, b in populations if p.refractory]),
        ("current", [b for p, b in populations if p.current_decay is not None]),
        ("multi_spike", [b for p, b in populations if p.multi_spike]),
        ("parameter_rows", [b for p, b in populations if p.threshold.size > 1]),
        ("graded", [b for p, b in projections if p.shift]),
        ("groups", [b for p, b in projections if not isinstance(p.kind, Dense)]),
        ("history_rows", [b for p, b in projections if p.delay and p.source[:2] != "in"]),
    ):
        assert {b.name for b in found} == {b.name for b in builds if getattr(b, option)}, option
    argv = ["--engine", "golden", "--networks", "30", "--seed", "3", "--options"]
    assert main(argv) == 0
    assert "30 networks, " in capsys.readouterr().out


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
    monkeypatch.setattr(module, "BUILDS", (PRESETS["small"],))
    print("seed 4")
    outcome = campaign("cxxrtl", 4, 0, 6, progress=False)
    assert outcome.failures == []
    assert min(outcome.cycles, outcome.sops) > 0
    assert outcome.spikes > 0


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("build", range(6))
def test_a_part_of_the_options_on_the_gateware(build, engine_cache):
    """The first builds have more than half of the mixtures of three options."""
    print("seed 6")
    every = len(option_builds())
    for number in range(build, 12 * every, every):
        assert campaign("verilator", 6, number, 1, False, Scope.OPTIONS).failures == []

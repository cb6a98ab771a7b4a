"""Cases of campaigns: what is drawn, and what is kept of one."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from spikeloom.artefact import read_artefact
from spikeloom.cli import main
from spikeloom.compile import compile_network
from spikeloom.compile.capacity import capacity_report
from spikeloom.spec import numfmt
from spikeloom.spec.errors import SpikeLoomError
from spikeloom.spec.network import Dense
from spikeloom_sim import cases as module
from spikeloom_sim.cases import Scope, draw, option_builds, read_case, write_case


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


def test_cases_of_the_contract_have_one_to_three_inputs():
    found = [draw(3, number, Scope.CONTRACT) for number in range(20)]
    assert {case.config for case in found} == set(module.CONTRACT_BUILDS)
    assert {len(case.inputs) for case in found} == {1, 2, 3}


def test_least_builds_are_tight():
    """They hold the network, and no memory of one could have half of its rows."""
    for number in range(20):
        case = draw(3, number, Scope.LEAST)
        assert case.config.lanes == option_builds()[number].lanes
        uses = capacity_report(case.network, case.config).uses
        assert all(use.fits for use in uses)
        rows = next(use for use in uses if use.resource == "state_rows")
        assert rows.used > rows.available // 2 or rows.available == 4


def test_everything_is_the_others_in_turn():
    found = [draw(3, number, Scope.EVERYTHING) for number in range(8)]
    parts = [Scope.CONTRACT, Scope.CLUSTER, Scope.OPTIONS, Scope.COMPACT] * 2
    for number, (case, part) in enumerate(zip(found, parts, strict=True)):
        equal(case, replace(draw(3, number // 4, part), number=number))


def test_compact_builds_are_drawn_with_weights_of_every_width():
    found = [draw(3, number, Scope.COMPACT) for number in range(40)]
    assert all(case.config.compact for case in found)
    for case in found:
        low, high = numfmt.signed_range(case.config.weight_bits)
        weights = np.concatenate([p.weights.ravel() for p in case.network.projections])
        assert low <= weights.min() <= weights.max() <= high
    assert {case.config.weight_bits for case in found} == set(numfmt.WEIGHT_BITS)


def test_builds_of_options_have_every_mixture_of_three():
    """Every three of these choices meet in every way."""
    choices = {
        "lanes": (4, 16), "weight_bits": (8, 4, 2), "groups": (0, 4096), "parameter_rows": (0, 128),
        "history_rows": (0, 16384), "refractory": (False, True), "current": (False, True),
        "multi_spike": (False, True), "cores": (1, 2, 3),
    }  # fmt: skip
    there = {tuple(getattr(build, name) for name in choices) for build in option_builds()}
    for names in itertools.combinations(range(len(choices)), 3):
        wanted = itertools.product(*(list(choices.values())[i] for i in names))
        assert {tuple(build[i] for i in names) for build in there} == set(wanted), names
    assert any(build.graded and not build.multi_spike for build in option_builds())
    assert {build.cores for build in option_builds() if build.link_beats} == {3}


def test_networks_of_options_use_what_their_build_has():
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


def equal(first, second):
    assert first.network.describe() == second.network.describe()
    for name, tensor in first.network.tensors().items():
        np.testing.assert_array_equal(tensor, second.network.tensors()[name])
    for name, array in first.inputs.items():
        np.testing.assert_array_equal(array, second.inputs[name])
    for name in ("number", "config", "stalls", "again", "arrangement", "n_cores"):
        assert getattr(first, name) == getattr(second, name)


@pytest.mark.parametrize("scope", Scope)
def test_a_case_is_read_back_as_it_was_written(scope, tmp_path):
    print("seed 4")
    for number in range(5):
        case = draw(4, number, scope)
        folder = tmp_path / str(number)
        write_case(case, folder, "run 1: something")
        equal(case, read_case(folder))
        assert json.loads((folder / "case.json").read_text())["found"] == "run 1: something"


@pytest.mark.parametrize("dimensions", [1, 3])
def test_the_files_of_a_case_are_those_of_the_other_commands(dimensions, tmp_path):
    drawn = (draw(4, number, Scope.CONTRACT) for number in range(99))
    case = next(c for c in drawn if [len(p.shape) for p in c.network.inputs] == [dimensions])
    write_case(case, tmp_path / "case", "")
    assert read_artefact(tmp_path / "case" / "artefact").manifest.build.config == case.config
    files = [str(tmp_path / "case" / name) for name in ("artefact", "input.npz")]
    argv = ["run", files[0], "--input", files[1], "--engine", "golden"]
    assert main([*argv, "--output", str(tmp_path / "out.npz")]) == 0


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("case.json", None),
        ("case.json", "{}"),
        ("case.json", "[]"),
        ("case.json", "nothing"),
        ("input.npz", None),
        ("input.npz", "nothing"),
        ("artefact/manifest.json", None),
    ],
)
def test_a_damaged_case_is_refused(file, text, tmp_path):
    write_case(draw(4, 0), tmp_path / "case", "")
    (tmp_path / "case" / file).unlink()
    if text is not None:
        (tmp_path / "case" / file).write_text(text)
    with pytest.raises(SpikeLoomError, match="case"):
        read_case(tmp_path / "case")


def test_a_case_with_any_byte_of_its_input_changed_is_read_or_refused(tmp_path):
    write_case(draw(4, 0), tmp_path / "case", "")
    file = tmp_path / "case" / "input.npz"
    whole = file.read_bytes()
    refused = 0
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            read_case(tmp_path / "case")
        except SpikeLoomError:
            refused += 1
    assert refused > len(whole) // 2

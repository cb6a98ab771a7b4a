"""spikeloom verify: equal, or the first difference."""

import numpy as np
import pytest

from cli.helpers import network, printed_json, refused, run, samples, save, write
from spikeloom.spec.network import Network, Projection
from spikeloom_sim import run as module


@pytest.mark.rtl
@pytest.mark.slow
def test_equal_runs_end_with_0(artefact, inputs, capsys):
    assert run("verify", artefact, "--input", inputs, "--engine", "cxxrtl") == 0
    # per sample: 5 ticks of spikes and of potentials and one final potential, 21 neurons; SOPs
    n = 3 * (21 * 11 + 1)
    assert capsys.readouterr() == (
        f"3 samples on cxxrtl: {n} values compared, all equal to the golden model\n",
        "",
    )


@pytest.mark.rtl
@pytest.mark.slow
def test_two_cores_at_the_same_time_find_what_one_finds(artefact, tmp_path, capsys):
    many = save(tmp_path / "many.npz", np.tile(samples(), (50, 1, 1)))
    outcomes = []
    for jobs in (1, 2):
        argv = ("--engine", "cxxrtl", "--jobs", jobs, "--json")
        assert run("verify", artefact, "--input", many, *argv) == 0
        outcomes.append(printed_json(capsys))
    cycles = [outcome.pop("cycles") for outcome in outcomes]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]["samples"] == 150
    assert abs(cycles[0] - cycles[1]) <= 4  # of the first sample behind the load of memories


@pytest.mark.rtl
@pytest.mark.slow
def test_only_the_first_samples(artefact, inputs, capsys):
    run("verify", artefact, "--input", inputs, "--engine", "cxxrtl", "--samples", 2, "--json")
    outcome = printed_json(capsys)
    assert (outcome["samples"], outcome["mismatches"], outcome["difference"]) == (2, 0, None)
    assert outcome["compared"] == 2 * (21 * 11 + 1)
    assert outcome["cycles"] > 0
    assert outcome["sops"] > 0


def changed():
    """The network with one weight of out[1] changed by 1, for a source that spikes."""
    net = network()
    weights = net.projections[1].weights.copy()
    weights[1] += 1
    other = Projection("hidden", "out", weights)
    return Network(net.inputs, net.populations, (net.projections[0], other), net.outputs)


@pytest.mark.rtl
@pytest.mark.slow
def test_images_of_another_network_are_found_out(tmp_path, inputs, capsys):
    """Whole files, right hashes, one row of weights off by one."""
    path = write(tmp_path / "net", images_of=changed()).path
    ours, theirs = (module.MatrixModel(n).run(samples()) for n in (network(), changed()))
    sample, tick = np.argwhere(ours.potentials["out"] != theirs.potentials["out"])[0][:2]
    values = [int(t.potentials["out"][sample, tick, 1]) for t in (ours, theirs)]
    difference = (
        f"sample {sample}, tick {tick}, out[1]: potentials must be {values[0]}, not {values[1]}"
    )
    assert run("verify", path, "--input", inputs, "--engine", "cxxrtl") == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("cxxrtl differs from the golden model in ")
    assert out.endswith(f" of 696 values; first: {difference}\n")
    assert run("verify", path, "--input", inputs, "--engine", "cxxrtl", "--json") == 1
    outcome = printed_json(capsys)
    assert outcome["difference"] == difference
    assert outcome["mismatches"] == sum(
        int((getattr(ours, q)["out"] != getattr(theirs, q)["out"]).sum())
        for q in ("spikes", "potentials", "final")
    )


@pytest.mark.parametrize("n", ["0", "-3"])
@pytest.mark.parametrize("name", ["samples", "jobs"])
def test_numbers_of_samples_and_jobs_must_be_positive(name, n, artefact, inputs, capsys):
    line = refused(
        capsys, "verify", artefact, "--input", inputs, "--engine", "cxxrtl", f"--{name}={n}"
    )
    assert line == f"--{name} must be at least 1, not {n}"


def test_samples_of_one_number_are_refused(artefact, tmp_path, capsys):
    file = save(tmp_path / "one.npz", np.uint8(1))
    argv = ("verify", artefact, "--input", file, "--engine", "cxxrtl", "--samples", "1")
    assert "must have shape (samples, ticks, 6), not ()" in refused(capsys, *argv)


def test_golden_against_itself_is_refused(artefact, inputs, capsys):
    line = refused(capsys, "verify", artefact, "--input", inputs, "--engine", "golden")
    assert line.startswith("verify compares an engine with the golden model; name another")


def test_unknown_engine(artefact, inputs, capsys):
    line = refused(capsys, "verify", artefact, "--input", inputs, "--engine", "vcs")
    assert line == "engine must be one of pysim, cxxrtl, verilator, pynq-sim, not 'vcs'"

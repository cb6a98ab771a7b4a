"""Quantisation without training: search, report, and the run that is taken over."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spikeloom.artefact import read_artefact
from spikeloom.spec.errors import CapacityError, DataError, UsageError
from spikeloom.train.calibrate import calibrate, lines
from spikeloom.train.checkpoint import FLOAT_FILE
from spikeloom.train.config import TrainConfig
from spikeloom.train.model import NeuronConfig, SpikingNetwork
from spikeloom.train.run import train
from train import contract

pytestmark = pytest.mark.torch

FLOAT = TrainConfig(hidden=(24, 16), ticks=6, epochs_float=4, epochs_qat=0, bias=True, seed=5)


def make(bits=4, readout=False, seed=1):
    return SpikingNetwork(
        (12, 30, 9, 4), NeuronConfig(bias=True), weight_bits=bits, seed=seed, readout=readout
    )


def events(seed=1, samples=40):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(8, samples, 12, generator=generator) < 0.4).float()


def agreements(model, real):
    trace = model.trace(events())
    return [float((trace.spikes[k] == real.spikes[k]).float().mean()) for k in real.spikes]


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_report_is_what_the_network_does(bits):
    model = make(bits)
    real = model.trace(events())
    reports = calibrate(model, events())
    assert model.quantised
    assert [r.agreement for r in reports] == pytest.approx(agreements(model, real))
    trace = model.trace(events())
    for r, layer in zip(reports, model.populations(), strict=True):
        assert r.threshold == int(layer.threshold)
        assert r.spikes_float == pytest.approx(float(real.spikes[r.name].sum()) / 40)
        assert r.spikes_quantised == pytest.approx(float(trace.spikes[r.name].sum()) / 40)
    assert [r.name for r in reports] == ["hidden1", "hidden2", "output"]


def test_first_population_has_the_best_of_all_steps():
    model, other = make(), make()
    real = model.trace(events())
    calibrate(model, events())
    layer = next(other.populations())
    scores = {}
    for threshold in layer.candidates():
        layer.threshold.fill_(threshold)
        scores[threshold] = agreements(other, real)[0]
    assert agreements(model, real)[0] == max(scores.values())
    assert min(scores.values()) < max(scores.values())


def test_search_agrees_at_least_as_well_as_the_least_error_of_weights():
    """Summed over seeds, on the first population, where both see the same events."""
    searched, plain = 0.0, 0.0
    for seed in range(6):
        a, b = make(seed=seed), make(seed=seed)
        real = a.trace(events())
        calibrate(a, events())
        b.quantise()
        searched += agreements(a, real)[0]
        plain += agreements(b, real)[0]
    assert searched >= plain


def test_readout_is_judged_by_its_potentials():
    model = make(bits=8, readout=True)
    real = model.trace(events())
    report = calibrate(model, events())[-1]
    layer = list(model.populations())[-1]
    final = model.trace(events()).final["output"] / int(layer.threshold)
    error = float((final - real.final["output"]).square().mean().sqrt())
    assert report.potential_error == pytest.approx(error)
    assert report.spikes_quantised == 0
    assert 0 < error < 0.5


def test_lines_name_every_population():
    text = "\n".join(lines(calibrate(make(), events())))
    for name in ("hidden1", "hidden2", "output"):
        assert f"{name}: threshold " in text


def test_weights_that_no_step_can_hold_are_refused():
    model = SpikingNetwork((1000, 2), max_magnitude=127)
    with torch.no_grad():
        model.layers[0].weight.fill_(12700.0)
    with pytest.raises(CapacityError, match=r"^the input of population output may reach"):
        calibrate(model, torch.ones(1, 1, 1000))


@pytest.fixture(scope="module")
def real_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("float")
    return folder, train(FLOAT, folder, progress=False)


def start_of(real_run, **fields):
    return replace(FLOAT, epochs_float=0, start=str(real_run[0]), **fields)


def test_float_run_is_calibrated_and_says_so(real_run, tmp_path):
    result = real_run[1]
    assert [r.name for r in result.calibration] == ["hidden1", "hidden2", "output"]
    assert result.accuracy_float - result.accuracy_quantised <= 0.02
    result.write(tmp_path / "network")
    record = read_artefact(tmp_path / "network").manifest.provenance
    assert record["calibration"] == [r.to_dict() for r in result.calibration]
    assert record["accuracy_float"] == result.accuracy_float


def test_a_run_is_quantised_without_training_in_one_command(real_run, tmp_path):
    result = train(start_of(real_run), tmp_path, progress=False)
    assert result.network == real_run[1].network
    assert result.accuracy_float == real_run[1].accuracy_float
    assert result.history == []
    assert len(result.provenance["start"]["sha256"]) == 64
    four = train(start_of(real_run, weight_bits=4), tmp_path, progress=False)
    assert four.network.projections[0].weight_bits == 4
    assert four.calibration[0].agreement < result.calibration[0].agreement
    inputs = four.test_inputs[:6]
    spikes = four.quantised_spikes(inputs)["output"]
    assert np.array_equal(spikes, contract.run_network(four.network, inputs)["output"][1])


def test_integers_are_trained_from_a_float_stage_and_resumed(real_run, tmp_path):
    config = start_of(real_run, epochs_qat=2, weight_bits=2)
    result = train(config, tmp_path, progress=False)
    plain = train(start_of(real_run, weight_bits=2), tmp_path / "b", progress=False)
    assert result.accuracy_quantised > plain.accuracy_quantised
    assert not result.calibration
    again = train(config, tmp_path, progress=False, resume=True)
    assert again.network == result.network
    assert again.provenance == result.provenance


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden": (24,)}, r"hidden must be \[24, 16\] as in"),
        ({"bias": False}, "bias must be True as in"),
        ({"loss": "membrane"}, "loss must be 'rate' as in"),
    ],
)
def test_another_network_is_refused(real_run, tmp_path, fields, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        train(start_of(real_run, **fields), tmp_path, progress=False)


def test_folder_without_a_float_stage_is_refused(tmp_path):
    config = replace(FLOAT, epochs_float=0, start=str(tmp_path))
    with pytest.raises(DataError, match=rf"^start must be the folder of a run with a {FLOAT_FILE}"):
        train(config, tmp_path, progress=False)

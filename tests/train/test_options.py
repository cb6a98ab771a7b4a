"""Every loss, neuron and encoder in a short run: resumable, exported, equal to the contract."""

import numpy as np
import pytest

from spikeloom.artefact import write_artefact
from spikeloom.spec.network import Reset
from spikeloom.train import run as module
from spikeloom.train.choices import LOSS_NAMES, NEURON_NAMES
from spikeloom.train.config import TrainConfig
from spikeloom.train.datasets import load_dataset
from spikeloom.train.defaults import default_config
from spikeloom.train.encoders import encode
from spikeloom.train.run import train
from train import contract

pytestmark = pytest.mark.torch

SHORT = {"hidden": (20,), "ticks": 4, "epochs_float": 2, "epochs_qat": 2, "seed": 3}


def short(**fields):
    return default_config("digits", **{**SHORT, **fields})


def assert_equals_contract(result, samples=8):
    inputs = result.test_inputs[:samples]
    got = (result.quantised_potentials(inputs), result.quantised_spikes(inputs),
           result.quantised_final(inputs))  # fmt: skip
    for name, expected in contract.run_network(result.network, inputs).items():
        for mine, theirs in zip(got, expected, strict=True):
            assert np.array_equal(mine[name], theirs)


OPTIONS = [
    *({"loss": loss} for loss in LOSS_NAMES if loss != "rate"),
    *({"neuron": neuron} for neuron in NEURON_NAMES if neuron != "lif"),
    {"neuron": "plif", "reset": "zero", "reset_order": "after_decay", "bias": True},
    {"bias": True, "loss": "membrane", "encoder": "direct"},
    {"rate_penalty": 1.0, "sop_penalty": 0.1, "sop_target": 500},
    {"input_gate": True, "sop_penalty": 1.0, "sop_target": 1000, "lr": 1e-2},
    {"encoder": "phase"},
    {"encoder": "delta", "ticks": 8},
    {"encoder": "population"},
    {"augment_rotate": 10.0, "augment_scale": 0.1, "augment_elastic": 0.5, "augment_shift": 1},
    {"surrogate": "triangle"},
]


@pytest.mark.parametrize("fields", OPTIONS, ids=str)
def test_run_equals_contract_and_its_continuation(fields, tmp_path, monkeypatch):
    result = train(short(**fields), tmp_path / "a", progress=False)
    assert_equals_contract(result)
    if "sop_penalty" not in fields:
        assert result.history[-1]["loss"] < result.history[0]["loss"]
    real, calls = module.train_epoch, []

    def interrupted(*args):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*args)

    monkeypatch.setattr(module, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(short(**fields), tmp_path / "b", progress=False)
    monkeypatch.undo()
    again = train(short(**fields), tmp_path / "b", progress=False, resume=True)
    assert again.network == result.network
    assert again.provenance == result.provenance
    assert again.input_facts == result.input_facts


def test_plif_learns_a_decay_for_each_population(tmp_path):
    result = train(short(neuron="plif", epochs_float=4, lr=0.02), tmp_path, progress=False)
    decays = [int(p.decay) for p in result.network.populations]
    assert len(set(decays)) == 2
    assert all(0 < d < 32768 and d != 29491 for d in decays)


def test_bias_is_learnt_and_exported(tmp_path):
    result = train(short(bias=True, epochs_float=4, lr=0.02), tmp_path, progress=False)
    assert any(int(p.bias) for p in result.network.populations)
    assert_equals_contract(result)


def test_if_keeps_everything(tmp_path):
    result = train(short(neuron="if"), tmp_path, progress=False)
    assert {int(p.decay) for p in result.network.populations} == {32768}


def test_gate_meets_its_target_and_the_encoder_keeps_it(tmp_path):
    plain = train(short(epochs_qat=6), tmp_path / "a", progress=False)
    before = plain.provenance["synaptic_operations_per_test_sample"]
    config = short(
        input_gate=True, sop_penalty=1.0, sop_target=int(before * 0.6), epochs_qat=6, lr_qat=5e-3
    )
    result = train(config, tmp_path / "b", progress=False)
    after = result.provenance["synaptic_operations_per_test_sample"]
    assert after < 0.7 * before
    values = load_dataset("digits").test_values
    assert np.array_equal(encode(result.input_facts, values), result.test_inputs)
    spikes = result.quantised_spikes(result.test_inputs)["output"]
    assert (spikes.sum(1).argmax(1) == result.test_labels).mean() == result.accuracy_quantised
    matrix = pytest.importorskip("spikeloom_sim.matrix")
    assert matrix.MatrixModel(result.network).run(result.test_inputs).sops.mean() == pytest.approx(
        after, abs=0.06
    )


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_prediction_is_that_of_the_board_driver(loss, tmp_path):
    """Trainer, golden model and driver agree on every class, and so on the accuracy."""
    transports = pytest.importorskip("spikeloom_sim.transports")
    from spikeloom.board import Board
    from spikeloom.compile import compile_network
    from spikeloom.spec.config import preset

    result = train(short(loss=loss), tmp_path, progress=False)
    compiled = compile_network(result.network, preset("small"))
    artefact = write_artefact(
        tmp_path / "artefact", result.network, result.input_facts, build=compiled.build,
        images=compiled.images,
    )  # fmt: skip
    with Board(transports.open_transport("golden", artefact)) as board:
        board.load(artefact)
        answer = board.run(result.test_inputs)
    fires = result.network.population("output").reset is not Reset.NONE
    assert answer.fires == fires == (loss != "membrane")
    assert (answer.prediction == result.test_labels).mean() == result.accuracy_quantised
    assert np.array_equal(answer.potential, result.quantised_final(result.test_inputs)["output"])


def test_first_spikes_of_the_latency_loss_are_recorded(tmp_path):
    config = TrainConfig(hidden=(32,), ticks=8, loss="latency", epochs_float=12, epochs_qat=3)
    result = train(config, tmp_path, progress=False)
    spikes = result.quantised_spikes(result.test_inputs)["output"].astype(int)
    first = np.where(spikes.any(1), spikes.argmax(1), 8)
    score = (8 - first) * 9 + spikes.sum(1)
    right = (score.argmax(1) == result.test_labels).mean()
    assert result.provenance["accuracy_first_spike"] == right
    assert right > 0.8

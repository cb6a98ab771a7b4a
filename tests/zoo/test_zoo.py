"""Every network of the zoo: whole, described by its card, and as good as the card says."""

import os
from pathlib import Path

import numpy as np
import pytest

from spikeloom.artefact import read_artefact
from spikeloom.compile.proof import prove_no_overflow
from spikeloom.spec.network import Reset
from spikeloom.train.card import CARD_FILE, NETWORK_FOLDER, card_text, main
from spikeloom.train.test_sets import encode_test_set, held_out_speaker
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel

ROOT = Path(__file__).resolve().parents[2]
ZOO = sorted(p.parent for p in (ROOT / "zoo").glob(f"*/{NETWORK_FOLDER}"))
DATA = Path(os.environ.get("SPIKELOOM_DATA", ROOT.parent / "shared" / "data"))
SAMPLES = 100


def test_there_is_a_zoo():
    assert ZOO


@pytest.mark.parametrize("folder", ZOO, ids=lambda p: p.name)
def test_card_says_what_the_artefact_holds(folder):
    artefact = read_artefact(folder / NETWORK_FOLDER)
    assert (folder / CARD_FILE).read_text() == card_text(folder.name, artefact)
    prove_no_overflow(artefact.network())


def for_population(inputs):
    inputs = np.moveaxis(inputs, 2, -1) if inputs.ndim == 5 else inputs
    return inputs.reshape(*inputs.shape[:2], -1)


@pytest.mark.parametrize("folder", ZOO, ids=lambda p: p.name)
def test_network_is_as_good_as_its_card_says(folder):
    """On the first test samples: the golden models agree, and the accuracy is near the whole's."""
    artefact = read_artefact(folder / NETWORK_FOLDER)
    made, network = artefact.manifest.provenance, artefact.network()
    data = None if made["dataset"] == "digits" else DATA / made["dataset"]
    if data is not None and not data.is_dir():
        pytest.skip(f"no data set in {data}; set SPIKELOOM_DATA")
    speaker = held_out_speaker(made)
    inputs, labels = encode_test_set(artefact.input, made["dataset"], data, SAMPLES, speaker)
    events = for_population(inputs)
    trace = MatrixModel(network).run(events)
    readout = network.population("output").reset is Reset.NONE
    score = trace.final["output"] if readout else trace.counts["output"]
    wrong = int((score.argmax(1) != labels).sum())
    assert wrong <= max(2, 3 * SAMPLES * (1 - made["accuracy_quantised"]) + 1)
    first = GoldenModel(network).run(events[:1])
    for name, potentials in first.potentials.items():
        assert np.array_equal(potentials, trace.potentials[name][:1])
    assert first.sops[0] == trace.sops[0]


def test_card_command_refuses_a_folder_without_a_network(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert str(tmp_path / NETWORK_FOLDER) in capsys.readouterr().err

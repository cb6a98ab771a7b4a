"""Every network of the zoo: whole, described by its card, and as good as the card says."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from spikeloom.artefact import read_artefact
from spikeloom.cli import main as cli
from spikeloom.cli.files import read_input
from spikeloom.cli.zoo import SAMPLES_FILE
from spikeloom.compile.proof import prove_no_overflow
from spikeloom.spec.errors import DataError
from spikeloom.spec.network import Reset
from spikeloom.train.card import (
    CARD_FILE,
    MEASURED_FILE,
    NETWORK_FOLDER,
    card_text,
    main,
    read_measured,
)
from spikeloom.train.test_sets import encode_test_set, held_out_speaker
from spikeloom_sim import run as run_module
from spikeloom_sim.compare import first_difference
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel
from spikeloom_sim.run import Verification

ROOT = Path(__file__).resolve().parents[2]
ZOO = sorted(p.parent for p in (ROOT / "zoo").glob(f"*/{NETWORK_FOLDER}"))
DATA = Path(os.environ.get("SPIKELOOM_DATA", ROOT.parent / "shared" / "data"))
SAMPLES = 100


def test_there_is_a_zoo():
    assert ZOO


@pytest.mark.parametrize("folder", ZOO, ids=lambda p: p.name)
def test_card_says_what_the_artefact_holds(folder):
    artefact = read_artefact(folder / NETWORK_FOLDER)
    measured = read_measured(folder)
    assert (folder / CARD_FILE).read_text() == card_text(folder.name, artefact, measured)
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


def zoo_command(folder, *options):
    """Run ``spikeloom zoo`` on one sample that is kept with the network, or on the data set's."""
    kept = (folder / SAMPLES_FILE).is_file()
    if not kept and not DATA.is_dir():
        pytest.skip(f"no {SAMPLES_FILE} and no data sets in {DATA}; set SPIKELOOM_DATA")
    data = [] if kept else ["--data-dir", str(DATA)]
    return cli(["zoo", str(folder), "--samples", "1", *data, *options])


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("folder", ZOO, ids=lambda p: p.name)
def test_network_runs_on_the_gateware_bit_for_bit(folder, engine_cache, capsys):
    assert zoo_command(folder, "--json") == 0
    (outcome,) = json.loads(capsys.readouterr().out)
    assert outcome["difference"] is None
    assert outcome["values_equal"] > 0
    assert outcome["cycles_per_sample"] > 0
    measured = read_measured(folder)
    if measured is not None:
        assert outcome["build"]["name"] == measured["build"]["name"]


@pytest.mark.parametrize("folder", ZOO, ids=lambda p: p.name)
def test_kept_samples_are_the_first_of_the_data_set(folder):
    if not (folder / SAMPLES_FILE).is_file():
        pytest.skip(f"{folder.name} keeps no samples")
    artefact = read_artefact(folder / NETWORK_FOLDER)
    inputs = read_input(folder / SAMPLES_FILE)
    assert inputs.shape[1:] == (artefact.input.ticks, *artefact.input.shape)
    made = artefact.manifest.provenance
    data = None if made["dataset"] == "digits" else DATA / made["dataset"]
    if data is not None and not data.is_dir():
        pytest.skip(f"no data set in {data}; set SPIKELOOM_DATA")
    speaker = held_out_speaker(made)
    found, _ = encode_test_set(artefact.input, made["dataset"], data, len(inputs), speaker)
    assert np.array_equal(inputs, found)


def test_a_difference_and_missing_files_end_the_command(tmp_path, monkeypatch, capsys):
    """One wrong potential; no samples; figures of another network."""
    folder = tmp_path / "net"
    shutil.copytree(ZOO[0], folder)
    artefact = read_artefact(folder / NETWORK_FOLDER)
    inputs = read_input(folder / SAMPLES_FILE)[:1]
    expected, found = (run_module.golden_trace(artefact, inputs) for _ in "ef")
    found.potentials["output"][0, -1, 3] += 1

    def answer(*args):
        return Verification("verilator", 1, 9, 1, first_difference(expected, found), 1, 1)

    monkeypatch.setattr(run_module, "verify_artefact", answer)
    assert cli(["zoo", str(folder)]) == 1
    assert "net: verilator differs from the golden model: " in capsys.readouterr().out
    (folder / SAMPLES_FILE).unlink()
    assert cli(["zoo", str(folder)]) == 2
    assert f"{SAMPLES_FILE} does not exist" in capsys.readouterr().err
    assert cli(["zoo", str(folder), "--write"]) == 2
    assert "--write needs --data-dir" in capsys.readouterr().err
    assert cli(["zoo", str(folder), "--samples", "0"]) == 2
    assert "--samples must be at least 1, not 0" in capsys.readouterr().err
    other = {**json.loads((folder / MEASURED_FILE).read_text()), "manifest_sha256": "0" * 64}
    (folder / MEASURED_FILE).write_text(json.dumps(other))
    assert main([str(folder)]) == 2
    assert "must be of the network in" in capsys.readouterr().err


def test_card_command_refuses_a_folder_without_a_network(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert str(tmp_path / NETWORK_FOLDER) in capsys.readouterr().err


def test_card_names_what_the_provenance_lacks():
    artefact = read_artefact(ROOT / "tests" / "data" / "mnist_784_128_10")
    message = "provenance of old must have synaptic_operations_per_test_sample, as spikeloom"
    with pytest.raises(DataError, match=message):
        card_text("old", artefact)

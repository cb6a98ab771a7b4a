"""Recordings and sounds as training data: encoded as the artefact says, distorted as asked."""

import numpy as np
import pytest
import torch

from spikeloom.cli import main
from spikeloom.datasets.events import load_nmnist
from spikeloom.events import Events
from spikeloom.events.frames import frames
from spikeloom.spec.errors import DataError, UsageError
from spikeloom.spec.manifest import InputFacts
from spikeloom.train.augment import distort_events, distort_sound, shift_channels
from spikeloom.train.card import card_text
from spikeloom.train.defaults import default_config
from spikeloom.train.export import export_network
from spikeloom.train.filterbank import encode_sounds
from spikeloom.train.frame_encoder import check_frames, encode_recordings, frame_facts
from spikeloom.train.run import build_model, train
from spikeloom.train.sources import for_population, make_source, to_events
from spikeloom.train.test_sets import encode_test_set, load_samples
from spikeloom_sim.golden import GoldenModel

pytestmark = pytest.mark.torch

SHORT = {"epochs_float": 1, "epochs_qat": 1, "ticks": 3}


def recording(n=400, seed=1, size=34):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, 300_000, n))
    x, y = (rng.integers(0, size, n).astype(np.uint16) for _ in "xy")
    return Events(t, x, y, rng.integers(0, 2, n).astype(np.uint8), size, size, "")


def test_frames_are_an_encoder():
    facts = frame_facts({"kind": "frames", "max_magnitude": 3, "downscale": 2}, (34, 34), 5)
    assert (facts.shape, facts.population_shape) == ((2, 17, 17), (17, 17, 2))
    assert facts.encoder == {"kind": "frames", "by": "time", "max_magnitude": 3, "downscale": 2}
    events = [recording(seed=1), recording(seed=2)]
    found = encode_recordings(facts, events)
    for got, one in zip(found, events, strict=True):
        expected = frames(one, ticks=5, downscale=2, max_magnitude=3)
        assert np.array_equal(got, expected)
    by_count = frame_facts({"kind": "frames", "by": "count"}, (34, 34), 5)
    sums = encode_recordings(by_count, events).astype(int).sum((2, 3, 4))
    assert sums.min() > 70


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"kind": "rate"}, "encoder.kind must be frames, not 'rate'"),
        ({"kind": "frames", "by": "x"}, "encoder.by must be time or count, not 'x'"),
        ({"kind": "frames", "downscale": 0}, "encoder.downscale must be an integer from 1 to 64"),
        ({"kind": "frames", "a": 1}, "encoder.a is no parameter of the encoder frames"),
    ],
)
def test_wrong_frames_are_named(encoder, message):
    with pytest.raises(DataError, match=f"^{message}"):
        check_frames(encoder)


def test_recording_of_another_size_is_refused():
    facts = frame_facts({"kind": "frames"}, (34, 34), 3)
    with pytest.raises(DataError, match=r"^recording 1 must give frames of \(2, 34, 34\)"):
        encode_recordings(facts, [recording(), recording(size=20)])


def test_channels_go_last():
    inputs = np.arange(2 * 3 * 2 * 4 * 5).reshape(2, 3, 2, 4, 5).astype(np.uint8)
    events = to_events(inputs).numpy()
    assert events.shape == (3, 2, 40)
    y, x, c = 2, 3, 1
    assert events[1, 0, (y * 5 + x) * 2 + c] == inputs[0, 1, c, y, x]
    assert np.array_equal(for_population(inputs), events.swapaxes(0, 1))


def test_recordings_are_distorted_reproducibly_inside_the_sensor():
    config = default_config(
        "nmnist", augment_shift=2, augment_rotate=20.0, augment_scale=0.2, augment_drop=0.3
    )
    events = recording()
    a, b = (distort_events(events, config, np.random.default_rng(3)) for _ in "ab")
    assert np.array_equal(a.x, b.x)
    assert 200 < len(a) < len(events)
    assert max(a.x.max(), a.y.max()) < 34
    assert distort_events(events, default_config("nmnist"), np.random.default_rng(3)) is events
    moved = default_config("nmnist", augment_shift=2)
    inner = Events(events.t, events.x // 2 + 8, events.y // 2 + 8, events.p, 34, 34, "")
    got = distort_events(inner, moved, np.random.default_rng(5))
    steps = [set((getattr(got, a).astype(int) - getattr(inner, a)).tolist()) for a in "xy"]
    assert [len(s) for s in steps] == [1, 1]
    assert max(map(abs, steps[0] | steps[1])) in (1, 2)


def test_sounds_are_distorted():
    config = default_config(
        "fsdd", augment_time=0.2, augment_noise=0.5, augment_shift=2, augment_drop=0.5
    )
    sound = (np.sin(np.arange(2000) / 5) * 9000).astype(np.int16)
    lengths = {len(distort_sound(sound, config, np.random.default_rng(k))) for k in range(5)}
    assert len(lengths) > 2
    assert 1600 < min(lengths) < max(lengths) < 2600
    plain = default_config("fsdd")
    assert np.array_equal(distort_sound(sound, plain, np.random.default_rng(1)), sound)
    inputs = np.zeros((30, 8, 4), np.uint8)
    inputs[:, 3] = 1
    moved = shift_channels(inputs, config, np.random.default_rng(2))
    assert set(np.unique(np.argwhere(moved)[:, 1])) == {1, 2, 3, 4, 5}
    assert 60 < moved.sum() < 120


def test_layers_of_windows_want_one_input_a_pixel():
    config = default_config("digits", layers="4c3", encoder="population")
    with pytest.raises(DataError, match=r"^encoder must give one input a pixel for layers of wi"):
        make_source(config)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("nmnist", {"layers": "4c5s4", "encoder_parameters": {"max_magnitude": 2}}),
        ("fsdd", {"layers": "8r", "batch_size": 400, "epochs_qat": 0, "calibration_samples": 50}),
    ],
)
def test_short_runs_on_real_recordings_equal_golden(data, name, fields, tmp_path):
    config = default_config(name, data_dir=data / name, **{**SHORT, **fields})
    result = train(config, tmp_path, progress=False)
    inputs, labels = encode_test_set(result.input_facts, name, data / name, 6)
    assert np.array_equal(inputs, result.test_inputs[:6])
    assert np.array_equal(labels, result.test_labels[:6])
    golden = GoldenModel(result.network).run(for_population(inputs))
    for population, spikes in result.quantised_spikes(inputs).items():
        assert np.array_equal(spikes, golden.spikes[population])
    for population, potentials in result.quantised_potentials(inputs).items():
        assert np.array_equal(potentials, golden.potentials[population])
    assert result.write(tmp_path / "net").input == result.input_facts


def test_an_unseen_speaker_is_the_test_set(data, tmp_path, capsys):
    fields = {**SHORT, "layers": "8", "batch_size": 500, "holdout_speaker": "theo"}
    config = default_config("fsdd", data_dir=data / "fsdd", **fields)
    result = train(config, tmp_path, progress=False)
    assert len(result.test_labels) == 450
    assert result.provenance["config"]["holdout_speaker"] == "theo"
    artefact = result.write(tmp_path / "net")
    data_row = "| data | fsdd, all recordings of the speaker theo, who is not in training |"
    assert data_row in card_text("net", artefact)
    argv = ["encode", str(tmp_path / "net"), "--dataset", "fsdd", "--data-dir", str(data / "fsdd")]
    for options, words, inputs in [
        ([], "450 samples of fsdd, all of the speaker theo", result.test_inputs),
        (["--holdout-speaker", "lucas"], "450 samples of fsdd, all of the speaker lucas", None),
    ]:
        assert main([*argv, *options, "--output", str(tmp_path / "in.npz")]) == 0
        assert capsys.readouterr().out == f"{words} in {tmp_path / 'in.npz'}\n"
        with np.load(tmp_path / "in.npz") as archive:
            same = inputs is not None
            assert np.array_equal(archive["input"], result.test_inputs) == same
    with pytest.raises(DataError, match=r"^holdout_speaker must be one of george, .*, not 'ann'"):
        make_source(default_config("fsdd", data_dir=data / "fsdd", holdout_speaker="ann"))
    with pytest.raises(DataError, match=r"^holdout_speaker must be absent with nmnist, not 'theo'"):
        load_samples("nmnist", data / "nmnist", "theo")


@pytest.mark.parametrize("name", ["digits", "nmnist"])
def test_data_without_speakers_have_none_to_hold_out(name):
    facts = InputFacts((64,), 3, "flat", {"kind": "rate"})
    message = f"^holdout_speaker must be absent with {name}, not 'theo': only fsdd has speakers"
    with pytest.raises(DataError, match=message):
        encode_test_set(facts, name, None, holdout_speaker="theo")


def test_another_encoder_than_the_data_want_is_refused(data):
    facts = InputFacts((784,), 3, "flat", {"kind": "rate"})
    message = r"^the artefact's encoder must be frames for samples of nmnist, not 'rate'"
    with pytest.raises(DataError, match=message):
        encode_test_set(facts, "nmnist", data / "nmnist")
    with pytest.raises(DataError, match=r"^data_dir must name the folder"):
        make_source(default_config("fsdd"))


def test_training_data_are_those_of_the_files(data):
    source = make_source(default_config("nmnist", data_dir=data / "nmnist", ticks=2))
    found = load_nmnist(data / "nmnist")
    assert np.array_equal(source.train_labels, found.train.labels)
    chosen = np.array([5, 2])
    plain = source.train_inputs(chosen)
    assert np.array_equal(plain[1], frames(found.train[2], ticks=2))
    batch = source.batch(chosen, np.random.default_rng(1), 1)
    assert torch.equal(batch, to_events(plain))


def test_colours_train_and_keep_their_order():
    """Through the picture source: channels first in the files, last in the population."""
    from spikeloom.train.datasets import Dataset
    from spikeloom.train.sources import PictureSource

    rng = np.random.default_rng(4)
    values = rng.integers(0, 17, (6, 3 * 4 * 5)).astype(np.uint8)
    labels = np.arange(6, dtype=np.uint8)
    dataset = Dataset("digits", values, labels, values, labels, (3, 4, 5), 16)
    config = default_config("digits", layers="4c3", ticks=2)
    source = PictureSource(config, dataset)
    assert source.facts.population_shape == (4, 5, 3)
    batch = source.batch(np.arange(6), rng, 1)
    assert torch.equal(batch, to_events(source.test_inputs(source.facts)))


def test_filter_bank_of_the_configuration_is_that_of_the_artefact():
    config = default_config("fsdd", encoder_parameters={"channels": 8, "code": "delta"}, ticks=4)
    facts = InputFacts((16,), 4, "flat", config.encoder_facts())
    assert encode_sounds(facts, [np.zeros(10, np.int16)]).shape == (1, 4, 16)
    model = build_model(config, facts.population_shape, 10)
    model.eval().quantise()
    network = export_network(model)
    assert [p.delay for p in network.projections] == [0, 1, 0]
    with pytest.raises(UsageError, match=r"^encoder.channels must be an integer from 1 to 256"):
        default_config("fsdd", encoder_parameters={"channels": 0})

"""The configuration: every wrong field is named."""

import json

import pytest

from spikeloom.spec.errors import UsageError
from spikeloom.spec.network import Reset
from spikeloom.train.choices import DATASETS, MAXIMA, OWN_ENCODERS
from spikeloom.train.config import TrainConfig
from spikeloom.train.defaults import DEFAULTS, default_config


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "dataset",
            "cifar",
            "must be one of digits, mnist, fashion_mnist, cifar10, nmnist, dvs128_gesture, fsdd, "
            "not 'cifar'",
        ),
        ("hidden", (64, 0), "must be integers from 1 to 65536"),
        ("hidden", "64", "must be integers from 1 to 65536"),
        ("ticks", 0, "must be from 1 to 1024, not 0"),
        ("ticks", 2.5, "must be an integer, not 2.5"),
        ("ticks", True, "must be an integer, not True"),
        ("weight_bits", 3, "must be one of 8, 4, 2, not 3"),
        ("reset", "bounce", "must be one of subtract, zero, value, none, not 'bounce'"),
        ("reset", "none", "must be subtract, zero or value, not none"),
        ("reset_order", "x", "must be one of before_decay, after_decay, not 'x'"),
        ("reset_value", 0.5, "must be 0 unless reset is value"),
        ("floor", 1.0, "must be from -10000 to 0, not 1.0"),
        ("surrogate", "tanh", "must be one of arctan"),
        ("surrogate_width", -1.0, "must be from 0 to 1000"),
        (
            "holdout_speaker",
            "theo",
            "must be absent with dataset digits, not 'theo': only fsdd has",
        ),
        ("holdout_speaker", 3, "must be a name, not 3"),
        ("lr", float("nan"), "must be from 0 to 10, not nan"),
        ("decay", 1.5, "must be from 0 to 1, not 1.5"),
        ("seed", -1, "must be from 0 to"),
        ("neuron", "hodgkin", "must be one of lif, plif, if, cuba, multi_spike, not 'hodgkin'"),
        ("neuron", "alif", "must be one of .*, not alif, which the accelerator cannot run: its"),
        ("neuron", "izhikevich", "the accelerator cannot run: it multiplies potentials"),
        ("loss", "hinge", "must be one of rate, tet, membrane, latency, not 'hinge'"),
        ("bias", 1, "must be true or false, not 1"),
        ("input_gate", "yes", "must be true or false, not 'yes'"),
        ("sop_target", 0, "must be from 1 to"),
        ("rate_low", 0.9, "must be at most rate_high, 0.5, not 0.9"),
        ("augment_rotate", 200.0, "must be from 0 to 180"),
        ("augment_elastic", -1.0, "must be from 0 to 10"),
        ("tet_share", 1.5, "must be from 0 to 1"),
        ("calibration_samples", 0, "must be from 1 to"),
        ("encoder_parameters", {"mask": "00"}, "must not hold mask"),
        ("detach_reset", 1, "must be true or false, not 1"),
        ("encoder", "morse", ""),
        ("encoder_parameters", {"gain": 2}, ""),
        ("encoder_parameters", {"maximum": 2}, "must not hold maximum"),
    ],
)
def test_wrong_field_is_named(field, value, message):
    with pytest.raises(UsageError, match=f"^{field.removesuffix('_parameters')}.*{message}"):
        TrainConfig(**{field: value})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"neuron": "if"}, "decay must be 1 with neuron if, not 0.9"),
        ({"neuron": "plif", "decay": 1.0}, "decay must be above 0 and below 1 with neuron plif"),
        ({"neuron": "plif", "decay": 0.0}, "decay must be above 0 and below 1 with neuron plif"),
        (
            {"dataset": "fsdd", "encoder": "filterbank", "input_gate": True},
            "input_gate must be false with dataset fsdd, not true",
        ),
        ({"readout_decay": 1.0}, "readout_decay must be absent with loss rate, not 1"),
        ({"start": "runs/a"}, "epochs_float must be 0 with start, not 36"),
    ],
)
def test_fields_that_do_not_go_together_are_named(fields, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        TrainConfig(**fields)


def test_defaults_follow_the_neuron_and_the_start():
    assert default_config("digits", neuron="if").decay == 1
    assert default_config("digits", start="a").epochs_float == 0
    with pytest.raises(UsageError, match=r"^decay must be 1 with"):
        default_config("digits", neuron="if", decay=0.5)


def test_no_epochs_at_all_are_refused():
    with pytest.raises(UsageError, match=r"^epochs_float \+ epochs_qat must be at least 1"):
        TrainConfig(epochs_float=0, epochs_qat=0)


def test_configuration_is_json_ready_and_rebuilds_itself():
    config = default_config("mnist", reset="zero", data_dir="somewhere", floor=-1)
    value = json.loads(json.dumps(config.to_dict()))
    assert TrainConfig(**value) == config
    assert config.reset is Reset.ZERO
    assert config.floor == -1.0


def test_every_dataset_has_defaults_and_a_maximum():
    assert tuple(DEFAULTS) == DATASETS == (*MAXIMA, *OWN_ENCODERS)
    assert all(DEFAULTS[name].ticks <= 16 for name in MAXIMA)


def test_unknown_override_is_refused():
    with pytest.raises(UsageError, match=r"^epochs is no field of a training configuration"):
        default_config("digits", epochs=3)

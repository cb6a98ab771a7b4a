"""The configuration: every wrong field is named."""

import json

import pytest

from spikeloom.spec.errors import UsageError
from spikeloom.spec.network import Reset
from spikeloom.train.config import DEFAULTS, MAXIMA, TrainConfig, default_config
from spikeloom.train.datasets import DATASETS


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dataset", "cifar", "must be one of digits, mnist, fashion_mnist, not 'cifar'"),
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
        ("lr", float("nan"), "must be from 0 to 10, not nan"),
        ("decay", 1.5, "must be from 0 to 1, not 1.5"),
        ("seed", -1, "must be from 0 to"),
        ("detach_reset", 1, "must be true or false, not 1"),
        ("encoder", "morse", ""),
        ("encoder_parameters", {"gain": 2}, ""),
        ("encoder_parameters", {"maximum": 2}, "must not hold maximum"),
    ],
)
def test_wrong_field_is_named(field, value, message):
    with pytest.raises(UsageError, match=f"^{field.removesuffix('_parameters')}.*{message}"):
        TrainConfig(**{field: value})


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
    assert tuple(DEFAULTS) == DATASETS == tuple(MAXIMA)
    assert all(config.ticks <= 16 for config in DEFAULTS.values())


def test_unknown_override_is_refused():
    with pytest.raises(UsageError, match=r"^epochs is no field of a training configuration"):
        default_config("digits", epochs=3)

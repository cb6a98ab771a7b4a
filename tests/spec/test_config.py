from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloom.spec.config import PRESETS, BuildConfig, preset
from spikeloom.spec.errors import UsageError
from spikeloom.spec.memmap import address_bits, memory_map
from spikeloom.spec.tables import POPULATIONS, PROJECTIONS

SIZES = {
    "lanes": (4, 256),
    "state_rows": (4, 1024),
    "weight_rows": (16, 65536),
    "populations": (4, 256),
    "projections": (4, 256),
}


def powers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low.bit_length() - 1, high.bit_length() - 1).map(lambda n: 1 << n)


CONFIGS = st.builds(
    BuildConfig, st.just("any"), **{name: powers(*limits) for name, limits in SIZES.items()}
)


def test_there_are_presets_and_each_has_its_own_name():
    assert PRESETS
    for name, config in PRESETS.items():
        assert config.name == name
        assert preset(name) is config


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(
        UsageError,
        match=r"^preset must be one of tiny, small, medium, pynq-z2, pynq-z2-full, zu3, "
        "not 'huge'$",
    ):
        preset("huge")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_second_name_with_the_sensor_input(name):
    config = preset(f"{name}-sensor")
    assert config == replace(PRESETS[name], name=f"{name}-sensor", sensor=True)
    assert not PRESETS[name].sensor
    with pytest.raises(UsageError, match=r"^preset must be one of .*, not 'huge-sensor'$"):
        preset("huge-sensor")


@pytest.mark.parametrize("wrong", [0, 1, "yes", None])
def test_a_sensor_that_is_no_bool_is_refused(wrong):
    with pytest.raises(UsageError, match=rf"^sensor must be true or false, not {wrong!r}$"):
        BuildConfig("any", 4, 4, 16, sensor=wrong)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("wrong", ["zero", "odd", "below", "above", "text", "float", "bool"])
def test_a_size_that_is_no_power_of_two_in_range_is_refused(name, wrong):
    low, high = SIZES[name]
    values = {
        "zero": 0, "odd": low + 1, "below": low // 2, "above": high * 2,
        "text": "16", "float": 16.0, "bool": True,
    }  # fmt: skip
    sizes = {k: v[0] for k, v in SIZES.items()} | {name: values[wrong]}
    with pytest.raises(
        UsageError,
        match=rf"^{name} must be a power of two from {low} to {high}, not {values[wrong]!r}$",
    ):
        BuildConfig("any", **sizes)


@pytest.mark.parametrize("name", ["", "a b", "9a", "a;b", None, 3])
def test_a_name_that_is_no_identifier_is_refused(name):
    with pytest.raises(UsageError, match=r"^name of a build configuration must be a letter"):
        BuildConfig(name, 4, 4, 16)


def test_a_config_comes_back_from_its_dict():
    for config in PRESETS.values():
        assert BuildConfig(**config.to_dict()) == config
        assert config.neurons == config.lanes * config.state_rows


@given(CONFIGS)
def test_memories_are_aligned_disjoint_and_above_the_registers(config):
    memories = list(memory_map(config).values())
    assert [m.name for m in memories] == [
        "populations", "projections", "weights_even", "weights_odd",
    ]  # fmt: skip
    end = 0x1000
    for memory in memories:
        assert memory.base >= end
        assert memory.base % memory.n_bytes == 0
        assert memory.row_words & (memory.row_words - 1) == 0
        end = memory.base + memory.n_bytes
    assert end <= 1 << address_bits(config)
    assert end > 1 << (address_bits(config) - 1)


@given(CONFIGS)
def test_memories_have_the_size_of_the_build(config):
    memories = memory_map(config)
    assert memories["populations"].rows == config.populations
    assert memories["populations"].row_words == POPULATIONS.words
    assert memories["projections"].rows == config.projections
    assert memories["projections"].row_words == PROJECTIONS.words
    for bank in ("weights_even", "weights_odd"):
        assert memories[bank].n_bytes == config.weight_rows * config.lanes

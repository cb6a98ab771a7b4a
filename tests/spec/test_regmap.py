from __future__ import annotations

import pytest

from spikeloom.spec import regmap
from spikeloom.spec.config import BuildConfig, preset
from spikeloom.spec.regmap import (
    CLUSTER_REGISTERS,
    COUNTERS,
    REGISTERS,
    SENSOR_REGISTERS,
    Access,
    core_registers,
)

EVERY = (*REGISTERS, *CLUSTER_REGISTERS, *SENSOR_REGISTERS)


def test_offsets_are_unique_aligned_and_below_the_memory_window():
    offsets = [r.offset for r in EVERY]
    assert offsets
    assert len(offsets) == len(set(offsets))
    assert all(o % 4 == 0 and 0 <= o < 0x1000 for o in offsets)


def test_names_are_unique():
    assert len(regmap.BY_NAME) == len(REGISTERS)
    assert len(regmap.BY_NAME | regmap.CLUSTER_BY_NAME | regmap.SENSOR_BY_NAME) == len(EVERY)
    assert all(regmap.named(r.name) is r for r in EVERY)


@pytest.mark.parametrize("cores", [1, 2, 3, 4])
def test_a_build_has_the_registers_of_its_cores(cores):
    found = [r.name for r in core_registers(BuildConfig("few", 4, 4, 16, cores=cores))]
    networks = [regmap.network_register(core) for core in range(cores)]
    assert [name for name in found if name.startswith("NETWORK")] == networks
    assert ("CLUSTER" in found) == (cores > 1)


@pytest.mark.parametrize("register", EVERY, ids=lambda r: r.name)
def test_fields_lie_inside_the_register_and_do_not_overlap(register):
    assert register.fields
    union = 0
    for field in register.fields:
        mask = register.mask(field.name)
        assert mask == ((1 << field.bits) - 1) << field.lsb
        assert 0 < mask < 1 << 32
        assert not union & mask
        union |= mask
        assert register.field(field.name) is field


@pytest.mark.parametrize("name", [name for name, _ in COUNTERS])
def test_a_counter_has_a_low_and_a_high_half_side_by_side(name):
    low, high = regmap.BY_NAME[f"{name}_LO"], regmap.BY_NAME[f"{name}_HI"]
    assert low.offset >= regmap.COUNTER_BASE
    assert low.offset % 8 == 0
    assert high.offset == low.offset + 4
    assert low.fields[0].access is high.fields[0].access is Access.READ


def test_id_spells_the_name():
    assert regmap.ID_VALUE.to_bytes(4, "big") == b"SLOM"
    assert f"0x{regmap.ID_VALUE:08X}" in regmap.BY_NAME["ID"].doc


def test_every_access_is_in_use():
    assert {f.access for r in REGISTERS for f in r.fields} == set(Access)


def test_the_group_of_the_sensor_is_in_builds_with_a_sensor_only():
    assert regmap.registers(preset("tiny")) == REGISTERS
    assert regmap.registers(preset("tiny-sensor")) == (*REGISTERS, *SENSOR_REGISTERS)
    for register in SENSOR_REGISTERS:
        assert register.name.startswith("SENSOR_")
        assert regmap.SENSOR_BASE <= register.offset < regmap.SENSOR_END
    assert all(r.offset < regmap.SENSOR_BASE for r in REGISTERS)
    assert set(regmap.SENSOR_FREE) < set(regmap.SENSOR_BY_NAME)

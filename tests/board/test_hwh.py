from xml.etree import ElementTree

import pytest

from spikeloom.board.hwh import CORE_BASE, CORE_VLNV, DMA_BASE, core_bytes, hwh_text
from spikeloom.spec import regmap
from spikeloom.spec.config import PRESETS, BuildConfig, preset
from spikeloom.spec.memmap import memory_map

GREATEST = BuildConfig("greatest", lanes=256, state_rows=1024, weight_rows=65536)


@pytest.mark.parametrize("config", [*PRESETS.values(), GREATEST], ids=lambda c: c.name)
def test_address_ranges_hold_the_core_and_do_not_overlap(config):
    size = core_bytes(config)
    assert size >= max(m.base + m.n_bytes for m in memory_map(config).values())
    assert CORE_BASE % size == 0
    ranges = sorted(
        (int(r.get("BASEVALUE"), 16), int(r.get("HIGHVALUE"), 16))
        for r in ElementTree.fromstring(hwh_text(config)).iter("MEMRANGE")
        if r.get("MEMTYPE") == "REGISTER"
    )
    assert [first for first, _ in ranges] == [DMA_BASE, CORE_BASE]
    assert ranges[0][1] < ranges[1][0]
    assert ranges[1][1] - ranges[1][0] + 1 == size


@pytest.mark.parametrize("name", ["tiny", "tiny-sensor"])
def test_every_register_and_field_is_listed(name):
    root = ElementTree.fromstring(hwh_text(preset(name)))
    core = next(m for m in root.iter("MODULE") if m.get("VLNV") == CORE_VLNV)
    found = {}
    for register in core.iter("REGISTER"):
        offset = next(
            p.get("VALUE")
            for p in register.findall("PROPERTY")
            if p.get("NAME") == "ADDRESS_OFFSET"
        )
        found[register.get("NAME")] = (
            int(offset, 16),
            [f.get("NAME") for f in register.iter("FIELD")],
        )
    registers = regmap.registers(preset(name))
    assert found == {r.name: (r.offset, [f.name for f in r.fields]) for r in registers}
    assert len(found) > 20

from xml.etree import ElementTree

import pytest

from spikeloom.board.hwh import (
    CORE_BASE,
    CORE_VLNV,
    DMA_BASE,
    SYSTEMS,
    core_bytes,
    hwh_text,
)
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


@pytest.mark.pynq
@pytest.mark.parametrize("family", SYSTEMS)
def test_pynqmetadata_finds_core_registers_and_dma(tmp_path, family):
    pytest.importorskip("pynqmetadata")
    from pynqmetadata.frontends import Metadata
    from pynqmetadata.views.runtime.runtime_metadata_parser import RuntimeMetadataParser

    path = tmp_path / "spikeloom.hwh"
    path.write_text(hwh_text(PRESETS["small"], family=family, clock_mhz=75))
    parser = RuntimeMetadataParser(Metadata(str(path)))
    system = SYSTEMS[family]
    core, dma = parser.ip_dict["core"], parser.ip_dict["dma"]
    assert core["type"] == CORE_VLNV
    assert core["phys_addr"] == system.core_base
    assert core["addr_range"] == core_bytes(PRESETS["small"])
    found = {
        name: (register["address_offset"], set(register["fields"]))
        for name, register in core["registers"].items()
    }
    assert found == {r.name: (r.offset, {f.name for f in r.fields}) for r in regmap.REGISTERS}
    assert dma["type"] == "xilinx.com:ip:axi_dma:7.1"
    assert dma["phys_addr"] == system.dma_base
    assert parser.clock_dict[0]["enable"] == 1

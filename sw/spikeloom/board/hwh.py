"""The hardware handoff file (.hwh) of a system with one core, from the register map.

Vivado writes the one of a real bitstream; this one serves simulated devices, and says
what ``pynq`` must find: a processing system (Zynq-7000 or Zynq UltraScale+), an AXI DMA 7.1
with 64-bit streams, and our core with every register and field, so that ``register_map``
works.  The recipes of the boards take their addresses from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..spec import regmap
from ..spec.config import BuildConfig
from ..spec.memmap import address_bits

CORE_VLNV = "spikeloom.org:spikeloom:spikeloom_core:1.0"
DMA_BYTES = 0x1_0000
DDR_BYTES = 0x2000_0000
DMA_LENGTH_BITS = 26
CLOCK_MHZ = 100.0


@dataclass(frozen=True)
class System:
    """What differs between processing systems: names, and where register ranges begin."""

    vlnv: str
    arch: str
    device: str
    master: str
    slave: str
    core_base: int
    dma_base: int
    address_bits: int


SYSTEMS = {
    "zynq": System(
        "xilinx.com:ip:processing_system7:5.5", "zynq", "7z020", "M_AXI_GP0", "S_AXI_HP0",
        0x4400_0000, 0x4040_0000, 32,
    ),
    "zynqmp": System(
        "xilinx.com:ip:zynq_ultra_ps_e:3.5", "zynquplus", "xczu3eg", "M_AXI_HPM0_FPD",
        "S_AXI_HP0_FPD", 0xA400_0000, 0xA040_0000, 40,
    ),
}  # fmt: skip
"""By family: Zynq-7000 and Zynq UltraScale+."""

CORE_BASE = SYSTEMS["zynq"].core_base
DMA_BASE = SYSTEMS["zynq"].dma_base
PS_NAME = "ps"

ACCESS = {
    regmap.Access.READ: "read-only",
    regmap.Access.READ_WRITE: "read-write",
    regmap.Access.PULSE: "read-write",
    regmap.Access.STICKY: "read-write",
}
"""Access of a field in the words of IP-XACT."""


def core_bytes(config: BuildConfig) -> int:
    """Return the size of the core's address range, at least 64 KiB."""
    return max(1 << address_bits(config), 0x1_0000)


def hwh_text(
    config: BuildConfig,
    vlnv: str = CORE_VLNV,
    family: str = "zynq",
    clock_mhz: float = CLOCK_MHZ,
) -> str:
    """Return the .hwh of a system of a family of :data:`SYSTEMS` with a core of ``config``."""
    system = SYSTEMS[family]
    root = Element("EDKSYSTEM", EDWVERSION="1.2", TIMESTAMP="")
    SubElement(root, "SYSTEMINFO", ARCH=system.arch, NAME="spikeloom", DEVICE=system.device)
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    _processing_system(modules, system, core_bytes(config), clock_mhz)
    _dma(modules, system)
    core = _module(modules, "core", vlnv, {"C_LANES": config.lanes})
    _registers(core, config)
    _buses(core, {"s_axi": "SLAVE"})
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, "unicode") + "\n"


def _module(modules: Element, name: str, vlnv: str, parameters: dict[str, object]) -> Element:
    module = SubElement(
        modules,
        "MODULE",
        FULLNAME=f"/{name}",
        INSTANCE=name,
        IPTYPE="PERIPHERAL",
        IS_PL="FALSE" if name == PS_NAME else "TRUE",
        MODTYPE=vlnv.split(":")[2],
        VLNV=vlnv,
    )
    box = SubElement(module, "PARAMETERS")
    for key, value in parameters.items():
        SubElement(box, "PARAMETER", NAME=key, VALUE=str(value))
    SubElement(module, "PORTS")
    return module


def _buses(module: Element, buses: dict[str, str]) -> None:
    box = SubElement(module, "BUSINTERFACES")
    for name, kind in buses.items():
        SubElement(box, "BUSINTERFACE", NAME=name, TYPE=kind, VLNV="xilinx.com:interface:aximm:1.0")


def _range(memory_map: Element, base: int, size: int, **facts: str) -> None:
    bounds = {"BASEVALUE": f"0x{base:08X}", "HIGHVALUE": f"0x{base + size - 1:08X}"}
    SubElement(memory_map, "MEMRANGE", bounds | facts)


def _processing_system(modules: Element, system: System, n_bytes: int, clock_mhz: float) -> None:
    parameters = {
        name: value
        for clock in range(4)
        for name, value in _clock(system, clock, clock_mhz).items()
    }
    ps = _module(modules, PS_NAME, system.vlnv, parameters)
    _buses(ps, {system.master: "MASTER", system.slave: "SLAVE"})
    memory_map = SubElement(ps, "MEMORYMAP")
    for instance, bus, base, size in (
        ("core", "s_axi", system.core_base, n_bytes),
        ("dma", "S_AXI_LITE", system.dma_base, DMA_BYTES),
    ):
        _range(
            memory_map,
            base=base,
            size=size,
            INSTANCE=instance,
            ADDRESSBLOCK="Reg",
            MASTERBUSINTERFACE=system.master,
            SLAVEBUSINTERFACE=bus,
            MEMTYPE="REGISTER",
        )


def _clock(system: System, clock: int, clock_mhz: float) -> dict[str, object]:
    """Return the parameters of clock ``clock`` of the four; only the first runs."""
    out: dict[str, object] = {
        # pynq 4.0.0 asks a Zynq-7000 for this name of the UltraScale+ and fails without.
        f"PSU__CRL_APB__PL{clock}_REF_CTRL__ACT_FREQMHZ": clock_mhz,
    }
    if system.arch == "zynq":
        divisors = {0: 5, 1: 3} if clock_mhz == CLOCK_MHZ else {0: round(1500 / clock_mhz), 1: 1}
        out[f"PCW_FPGA_FCLK{clock}_ENABLE"] = int(clock == 0)
        out[f"PCW_FCLK{clock}_PERIPHERAL_CLKSRC"] = "IO PLL"
        for index, value in divisors.items():
            out[f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR{index}"] = value
    else:
        out[f"PSU__FPGA_PL{clock}_ENABLE"] = int(clock == 0)
        out[f"PSU__CRL_APB__PL{clock}_REF_CTRL__SRCSEL"] = "IOPLL"
        out[f"PSU__CRL_APB__PL{clock}_REF_CTRL__DIVISOR0"] = round(1500 / clock_mhz)
        out[f"PSU__CRL_APB__PL{clock}_REF_CTRL__DIVISOR1"] = 1
    return out


def _dma(modules: Element, system: System) -> None:
    parameters: dict[str, object] = {
        "c_include_sg": 0,
        "c_sg_length_width": DMA_LENGTH_BITS,
        "c_micro_dma": 0,
        "c_addr_width": system.address_bits,
    }
    for channel, stream in (("mm2s", "m_axis_mm2s"), ("s2mm", "s_axis_s2mm")):
        parameters[f"c_include_{channel}"] = 1
        parameters[f"c_include_{channel}_dre"] = 0
        parameters[f"c_m_axi_{channel}_data_width"] = 64
        parameters[f"c_{stream}_tdata_width"] = 64
    dma = _module(modules, "dma", "xilinx.com:ip:axi_dma:7.1", parameters)
    _buses(dma, {"S_AXI_LITE": "SLAVE", "M_AXI_MM2S": "MASTER", "M_AXI_S2MM": "MASTER"})
    memory_map = SubElement(dma, "MEMORYMAP")
    for bus in ("M_AXI_MM2S", "M_AXI_S2MM"):
        _range(
            memory_map,
            base=0,
            size=DDR_BYTES,
            INSTANCE=PS_NAME,
            ADDRESSBLOCK="HP0_DDR_LOW",
            MASTERBUSINTERFACE=bus,
            SLAVEBUSINTERFACE=system.slave,
            MEMTYPE="MEMORY",
        )


def _registers(core: Element, config: BuildConfig) -> None:
    blocks = SubElement(core, "ADDRESSBLOCKS")
    block = SubElement(
        blocks, "ADDRESSBLOCK", NAME="Reg", INTERFACE="s_axi", USAGE="register", ACCESS="read-write"
    )
    box = SubElement(block, "REGISTERS")
    for register in regmap.registers(config):
        element = SubElement(box, "REGISTER", NAME=register.name)
        access = {ACCESS[field.access] for field in register.fields}
        _properties(
            element,
            DESCRIPTION=register.doc,
            ADDRESS_OFFSET=f"0x{register.offset:X}",
            SIZE=32,
            ACCESS="read-write" if "read-write" in access else "read-only",
            IS_ENABLED="true",
        )
        fields = SubElement(element, "FIELDS")
        for field in register.fields:
            _properties(
                SubElement(fields, "FIELD", NAME=field.name),
                DESCRIPTION=field.doc,
                ADDRESS_OFFSET=f"0x{register.offset:X}",
                BIT_OFFSET=field.lsb,
                BIT_WIDTH=field.bits,
                ACCESS=ACCESS[field.access],
            )


def _properties(element: Element, **values: object) -> None:
    for name, value in values.items():
        SubElement(element, "PROPERTY", NAME=name, VALUE=str(value))

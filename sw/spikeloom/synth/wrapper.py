"""A frame around a design whose ports outnumber the pins of a package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOP = "spikeloom_frame"
"""Name of the frame's module; its ports are ``clock``, ``serial_in`` and ``serial_out``."""


@dataclass(frozen=True)
class Port:
    """A port of the framed module: its name, width in bits and direction."""

    name: str
    width: int
    is_input: bool


def wrapper_verilog(module: str, ports: Sequence[Port], clock: str) -> str:
    """Return Verilog that drives a module from one pin and folds its outputs into another.

    Every input bit comes from a stage of one shift register, so it begins at a flip-flop.
    Every output bit ends in a flip-flop of its own; a second shift register takes each of them
    in by an exclusive or.  No path of the frame itself has more than one LUT, and nothing of the
    framed module is without effect on the output pin, so synthesis removes nothing of it.

    Parameters
    ----------
    module
        Name of the module to frame.
    ports
        All its ports, the clock included.
    clock
        Name of its clock port.
    """
    inputs = [p for p in ports if p.is_input and p.name != clock]
    outputs = [p for p in ports if not p.is_input]
    n_in = sum(p.width for p in inputs)
    n_out = sum(p.width for p in outputs)
    pins = [f".{clock}(clock)", *_slices(inputs, "stimulus"), *_slices(outputs, "raw")]
    joined = ",\n    ".join(pins)
    return f"""module {TOP}(input clock, input serial_in, output serial_out);
  reg [{n_in - 1}:0] stimulus;
  wire [{n_out - 1}:0] raw;
  reg [{n_out - 1}:0] captured;
  reg [{n_out}:0] folded;
  assign serial_out = folded[{n_out}];
  always @(posedge clock) begin
    stimulus <= {{stimulus[{n_in - 2}:0], serial_in}};
    captured <= raw;
    folded <= {{folded[{n_out - 1}:0] ^ captured, 1'b0}};
  end
  {module} core (
    {joined}
  );
endmodule
"""


def _slices(ports: Sequence[Port], vector: str) -> list[str]:
    """Return the connections of ``ports`` to consecutive bits of ``vector``."""
    out, low = [], 0
    for port in ports:
        out.append(f".{port.name}({vector}[{low + port.width - 1}:{low}])")
        low += port.width
    return out

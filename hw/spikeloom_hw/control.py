"""What drives all lanes alike: control by stage, and the parameters of a population."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from spikeloom.spec import numfmt
from spikeloom.spec.config import BuildConfig

from .layouts import parameter_row_bits, row_bits

ACC = signed(numfmt.ACCUMULATOR_BITS)
POTENTIAL = signed(numfmt.POTENTIAL_BITS)
REST_BITS = numfmt.REFRACTORY_MAX.bit_length()
SCALE = signed(numfmt.MAGNITUDE_BITS + numfmt.SHIFT_MAX)
DIGITS = numfmt.MAGNITUDE_BITS - 1
"""Binary digits of the number of spikes of a multi-spike neuron."""

Parameters = data.StructLayout(
    {
        "minus_threshold": signed(16),
        "decay": unsigned(16),
        "bias": signed(16),
        "current_decay": unsigned(16),
        "floor": signed(16),
        "constant": signed(16),
        "top": signed(16),
        "floor_some": unsigned(1),
        "fire_select": unsigned(2),
        "fires": unsigned(1),
        "clip_before": unsigned(1),
        "multi_spike": unsigned(1),
        "refractory": unsigned(REST_BITS),
        "held": signed(16),
    }
)
"""Parameters of the population that is swept; stable from issue to write-back.

``minus_threshold`` is the threshold negated.  ``constant`` is ``initial`` when a sample ends; else
``fire_constant``, or in builds without parameter rows -threshold where a spike subtracts it behind
the decay.  With ``clip_before`` it is added to a potential of 0 only and lies in the range of the
clip, as the compiler has it: nothing is clipped behind the decay then.  ``top`` is the highest
potential, or ``fire_constant`` if a spike puts it there before the decay; ``floor_some``: the floor
is not 0.
"""


def late_stages(config: BuildConfig) -> int:
    """Return by how many stages those from 3 on are later than the table of :mod:`.lane` says."""
    return int(config.graded)


def control_layout(config: BuildConfig) -> data.StructLayout:
    """Return the layout of the signals that drive all lanes alike, named by stage.

    It has what the lanes of the build look at.  Stages from 3 on are those of the table of
    :mod:`.lane`; :func:`late_stages` comes on top.  ``write`` and ``write_row`` are the write-back
    of an ADD in stage 4 or of a SWEEP in stage 10, which ``write10`` says.
    """
    rows, current = row_bits(config), config.current
    members: dict[str, tuple[Any, bool]] = {
        "row2": (rows, True),
        "row3": (rows, config.refractory),
        **{
            f"parameters{stage}": (parameter_row_bits(config), bool(config.parameter_rows) & used)
            for stage, used in {
                1: not current,
                2: current,
                3: not current,
                5: current,
                6: True,
            }.items()
        },
        "bias2": (1, not current),
        "scale3": (SCALE, config.graded),
        "forward3": (1, True),
        "forward_older3": (1, True),
        "valid4": (1, True),
        "sweep5": (1, current),
        "ending": (1, True),
        "write": (1, True),
        "write_row": (rows, True),
        "write10": (1, True),
        "divide_load": (1, config.multi_spike),
        "divide_step": (1, config.multi_spike),
    }
    return data.StructLayout({name: shape for name, (shape, used) in members.items() if used})


def shared_parameters(config: BuildConfig) -> list[str]:
    """Return the members of :data:`Parameters` that the lanes of a build look at."""
    own = ("minus_threshold", "decay", "bias", "current_decay") if config.parameter_rows else ()
    options = {
        "current_decay": config.current,
        "multi_spike": config.multi_spike,
        "refractory": config.refractory,
        "held": config.refractory,
        "top": bool(config.parameter_rows),
    }
    return [name for name in Parameters.members if name not in own and options.get(name, True)]

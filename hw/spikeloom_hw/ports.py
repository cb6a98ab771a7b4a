"""What every core shows its surroundings: streams, the host's side, events and faults."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import memory_map

from .layouts import Beat
from .table import host_members

Events = data.StructLayout(
    {
        "spikes_in": unsigned(2),
        "spikes_out": unsigned(2),
        "dropped": unsigned(2),
        "sops": unsigned(12),
        "tick": unsigned(1),
        "sample": unsigned(1),
        "busy": unsigned(1),
        "stall_in": unsigned(1),
        "stall_out": unsigned(1),
    }
)
"""What happened in a cycle, for the performance counters."""

Faults = data.StructLayout(
    {"kind": unsigned(1), "address": unsigned(1), "frame": unsigned(1), "overflow": unsigned(1)}
)
"""Faults of a cycle, for the sticky flags."""


def core_members(config: BuildConfig) -> dict[str, wiring.Member]:
    """Return the members of a core without its AXI4-Lite port.

    Members
    -------
    i, o : streams of Beat
    run : In(1), n_populations, n_replays : In(9)
        See :class:`~spikeloom_hw.sequencer.Sequencer`.
    ready, idle : Out(1)
    events, faults : Out
    host_memory : In(3)
        Number of the memory in the window (:func:`spikeloom.spec.memmap.memory_map`).
    host_row, host_word, host_data : In
        Row and 32-bit word in it.
    host_write : In(1)
        Write ``host_data`` (while stopped only).
    host_value : Out(32)
        The word, five cycles after row and word stand still (while stopped only);
        0 for parameters, which can only be written.
    """
    memories = memory_map(config).values()
    rows = max(memory.rows for memory in memories)
    words = max(memory.row_words for memory in memories)
    return {
        "i": In(stream.Signature(Beat)),
        "o": Out(stream.Signature(Beat)),
        "run": In(1),
        "n_populations": In(9),
        "n_replays": In(9),
        "ready": Out(1),
        "idle": Out(1),
        "events": Out(Events),
        "faults": Out(Faults),
        "host_memory": In(3),
        **host_members(rows, words),
    }

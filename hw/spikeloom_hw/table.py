"""A run-time table: the host writes it while stopped, the core reads it while running."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.tables import Table

from .layouts import table_row


def host_members(rows: int, words: int) -> dict[str, wiring.Member]:
    """Return the members with which the host reads and writes 32-bit words of a memory."""
    return {
        "host_row": In(range(max(rows, 2))),
        "host_word": In(range(max(words, 2))),
        "host_data": In(32),
        "host_write": In(1),
        "host_value": Out(32),
    }


class TableMemory(wiring.Component):
    """Rows of ``table``, with ``ports`` read ports.

    Members
    -------
    run : In(1)
        The ports belong to the core; else all of them show ``host_row``.
    index0, read0, row0, ... : In, In(1), Out
        Read ports: ``row`` shows the row of ``index``, looked at where ``read`` is 1, one cycle
        later and until ``read`` is 1 again.
    host_row, host_word, host_data, host_write
        Access of the host to one 32-bit word.
    host_value : Out(32)
        The word, two cycles later.
    """

    def __init__(self, table: Table, rows: int, ports: int = 1) -> None:
        self.table = table
        self.rows = rows
        self.ports = ports
        members: dict[str, wiring.Member] = {
            "run": In(1),
            **host_members(rows, table.words),
        }
        for port in range(ports):
            members |= {
                f"index{port}": In(range(max(rows, 2))),
                f"read{port}": In(1, init=1),
                f"row{port}": Out(table_row(table)),
            }
        super().__init__(members)

    def serve(self, m: Module, host: Any, run: Value, write: Value) -> None:
        """Join the table to the host's side of ``host``, which has :func:`host_members`."""
        m.d.comb += [
            self.run.eq(run),
            self.host_row.eq(host.host_row),
            self.host_word.eq(host.host_word),
            self.host_data.eq(host.host_data),
            self.host_write.eq(write),
        ]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = self.table.words
        m.submodules.rows = mem = memory.Memory(
            shape=unsigned(32 * words), depth=self.rows, init=[]
        )
        write = mem.write_port(granularity=32)
        m.d.comb += [
            write.addr.eq(self.host_row),
            write.data.eq(self.host_data.replicate(words)),
        ]
        for word in range(words):
            m.d.comb += write.en[word].eq(
                self.host_write & ((self.host_word == word) if words > 1 else 1)
            )
        for port in range(self.ports):
            read = mem.read_port(domain="sync")
            m.d.comb += [
                read.addr.eq(Mux(self.run, getattr(self, f"index{port}"), self.host_row)),
                read.en.eq(getattr(self, f"read{port}") | ~self.run),
                getattr(self, f"row{port}").as_value().eq(read.data),
            ]
            if port == 0:
                # registered, for the memory's own delay is long; the core is held in reset then
                value = Signal(32, reset_less=True)
                m.d.sync += value.eq(
                    read.data.word_select(self.host_word, 32) if words > 1 else read.data
                )
                m.d.comb += self.host_value.eq(value)
        return m

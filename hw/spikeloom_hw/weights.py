"""Weight memory: two banks, even and odd sources, each a row of P weights per address."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import memory_map

from .layouts import WEIGHT_BITS, weight_address_bits
from .spread import LANES_PER_COPY, copies

LANES_PER_MEMORY = 8


class WeightBank(wiring.Component):
    """Weights of the even or of the odd sources.

    The bank is cut into memories of eight lanes: the same block RAMs, but compiled
    simulation of a narrow memory is several times faster.

    Members
    -------
    address : In
        Row to read.
    valid : In(1)
        Qualifies ``address``; an invalid read gives zero weights.
    weights : Out
        Signed weights of all lanes, ``LATENCY_CYCLES`` after the address; stored in
        ``weight_bits`` bits each.
    word : In, value : Out(32)
        The 32-bit word of the weights that are shown, for read-back.
    write_row, write_word, write_data, write : In
        Write one 32-bit word of a row.
    """

    LATENCY_CYCLES = 2

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        bits = weight_address_bits(config)
        self.words = memory_map(config)["weights_even"].row_words
        super().__init__(
            {
                "address": In(bits),
                "valid": In(1),
                "weights": Out(data.ArrayLayout(signed(WEIGHT_BITS), config.lanes)),
                "word": In(range(max(self.words, 2))),
                "value": Out(32),
                "write_row": In(bits),
                "write_word": In(range(max(self.words, 2))),
                "write_data": In(32),
                "write": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        words = min(max(LANES_PER_MEMORY * config.weight_bits // 32, 1), self.words)
        raw = []
        for group in range(self.words // words):
            m.submodules[f"memory{group}"] = mem = memory.Memory(
                shape=unsigned(32 * words), depth=config.weight_rows, init=[]
            )
            write = mem.write_port(granularity=32)
            read = mem.read_port(domain="sync")
            m.d.comb += [
                read.addr.eq(self.address),
                write.addr.eq(self.write_row),
                write.data.eq(self.write_data.replicate(words)),
            ]
            for word in range(words):
                m.d.comb += write.en[word].eq(
                    self.write & (self.write_word == group * words + word)
                )
            raw.append(read.data)
        bits = config.weight_bits
        out = Signal(bits * config.lanes, reset_less=True)
        # without a reset: the host reads while the core is held in reset
        valid = copies(m, self.valid, config, "valid")
        m.d.sync += out.eq(Cat(raw) & Cat(copy.replicate(bits * LANES_PER_COPY) for copy in valid))
        m.d.comb += self.value.eq(out.word_select(self.word, 32) if self.words > 1 else out)
        for lane in range(config.lanes):
            m.d.comb += self.weights[lane].eq(out.word_select(lane, bits).as_signed())
        return m

"""A network of two neurons whose memories, input and answer are written out word by word."""

import numpy as np
from core_bench import TIMEOUT, CoreBench

import cocotb

# Three inputs; two neurons with threshold 10 that lose half of their potential per tick.
#
#             input 0  input 1  input 2
#   neuron 0        6        5       -3
#   neuron 1        1       20        0
IMAGES = {
    "populations": [
        # the input: 3 neurons, 1 projection from row 0 of the projection table
        [0x00000000, 0x00000003, 0x00000000, 0x00000000, 0, 0x00000000, 0x00000000, 0x00000100],
        # the neurons: 1 row from row 0; 2 neurons; decay 0x4000, threshold 10; floor -32768;
        # subtract, fires, clip before, opens input, spikes and potentials sent; 2 lanes
        [0x00010000, 0x00000002, 0x4000000A, 0x80000000, 0, 0x0000074D, 0x00000002, 0x00000000],
    ],
    "projections": [[0x00010000, 0x00020000, 0x00000002, 0x00000000]],
    "weights_even": [[0x00000106], [0x000000FD]],
    "weights_odd": [[0x00001405], [0x00000000]],
}

PACKET = [
    0x10000001_10000000,  # spikes of inputs 0 and 1
    0x00000000_30000000,  # tick 0
    0x30000001_10000002,  # spike of input 2, tick 1
    0x40000007_30000002,  # tick 2 without a spike, end of sample 7
]

ANSWER = [
    0x6000000B_50100000,  # neuron 0: H = 6 + 5 = 11, fires, V = trunc((11 - 10) / 2) = 0
    0x60000015_50100001,  # neuron 1: H = 1 + 20 = 21, fires, V = trunc((21 - 10) / 2) = 5
    0x10100001_10100000,  # both spikes
    0x00000000_30000000,  # tick 0
    0x6FFFFFFD_50100000,  # neuron 0: H = 0 - 3 = -3, V = trunc(-1.5) = -1
    0x60000005_50100001,  # neuron 1: H = 5, V = 2
    0x00000000_30000001,  # tick 1
    0x6FFFFFFF_50100000,  # neuron 0: H = -1, V = 0
    0x60000002_50100001,  # neuron 1: H = 2, V = 1
    0x00000000_30000002,  # tick 2
    0x60000000_50100000,  # neuron 0: V = 0
    0x60000001_50100001,  # neuron 1: V = 1
    0x80000006_70000000,  # 3 events of 2 neurons each: 6 synaptic operations; cycles apart
    0x00000000_40000007,  # end of sample 7
]

CYCLES_AT = 12


@cocotb.test(**TIMEOUT)
async def every_word(dut):
    """The answer, beat by beat, three times over."""
    bench = await CoreBench.started(dut)
    await bench.load_images({name: np.array(rows, np.uint32) for name, rows in IMAGES.items()})
    await bench.start(2)
    for _ in range(3):
        got = [int(beat) for beat in await bench.run([PACKET])]
        cycles = got[CYCLES_AT] & 0x0FFFFFFF
        assert 40 < cycles < 400
        got[CYCLES_AT] -= cycles
        assert [f"{beat:#018x}" for beat in got] == [f"{beat:#018x}" for beat in ANSWER]


@cocotb.test(**TIMEOUT)
async def samples_without_spikes(dut):
    """A sample of ticks only, and one without a tick, leave nothing but their marks."""
    bench = await CoreBench.started(dut)
    await bench.load_images({name: np.array(rows, np.uint32) for name, rows in IMAGES.items()})
    await bench.start(2)
    got = await bench.run([[0x30000001_30000000, 0x40000000], [0x40000001]])
    words = [int(beat) & 0xFFFFFFFF for beat in got]
    kinds = [word >> 28 for word in words]
    assert kinds == [3, 3, 7, 4, 7, 4]
    assert [word & 0x0FFFFFFF for word, kind in zip(words, kinds, strict=True) if kind != 7] == [
        0, 1, 0, 1,
    ]  # fmt: skip
    assert [int(beat) >> 32 for beat in got] == [0, 0, 0x80000000, 0, 0x80000000, 0]

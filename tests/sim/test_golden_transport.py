"""The golden transport at the level of registers and words."""

import numpy as np
import pytest

from sim.networks import one_neuron
from spikeloom.spec import aer, memmap, regmap, tables
from spikeloom.spec.aer import Kind, addressed, word
from spikeloom.spec.build import build_id
from spikeloom.spec.errors import DeviceError, DeviceTimeout, UsageError
from spikeloom_sim.compare import first_difference
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.random_networks import random_input, random_network
from spikeloom_sim.transports.golden import GoldenTransport
from spikeloom_sim.words import Shown, decode_answer, encode_inputs

R = regmap.BY_NAME
RUN = R["CONTROL"].mask("RUN")
ALL = {"emit_spikes": 1, "probe_ticks": 1, "probe_end": 1}


def offset(name):
    return R[name].offset


def rows_of(network, flags):
    """Return the population table that a driver would write, as far as the model looks at it."""
    rows = [{"n_neurons": p.n_neurons} for p in network.inputs]
    rows += [{"n_neurons": p.n_neurons, **flags} for p in network.order()]
    return np.concatenate([tables.pack_row(tables.POPULATIONS, row) for row in rows])


def started(network, config, flags=ALL):
    transport = GoldenTransport(network, config)
    table = rows_of(network, flags)
    transport.write_block(memmap.memory_map(config)["populations"].base, table)
    transport.write32(offset("NETWORK"), len(table) // tables.POPULATIONS.words)
    transport.write32(offset("CONTROL"), RUN)
    return transport


def beats(*words):
    return aer.to_beats(np.array(words, np.uint32))


def test_identity_and_geometry(config):
    transport = GoldenTransport(one_neuron(), config)
    expected = {"ID": 0x534C4F4D, "MAP_VERSION": regmap.MAP_VERSION, "LANES": 4}
    expected |= {"STATE_ROWS": 64, "WEIGHT_ROWS": 2048, "STATUS": 1, "CONTROL": 0, "ERRORS": 0}
    assert {name: transport.read32(offset(name)) for name in expected} == expected
    low, high = (transport.read32(offset(f"BUILD_ID_{half}")) for half in ("LO", "HI"))
    assert f"{high:08x}{low:08x}" == build_id(config)


def test_memories_store_words(config):
    transport = GoldenTransport(one_neuron(), config)
    for number, memory in enumerate(memmap.memory_map(config).values()):
        words = np.arange(memory.rows * memory.row_words, dtype=np.uint32) + 1000 * number
        transport.write_block(memory.base, words)
        transport.write32(memory.base + 4, 0xFFFFFFFF)
        words[1] = 0xFFFFFFFF
        np.testing.assert_array_equal(transport.read_block(memory.base, len(words)), words)
        assert transport.read32(memory.base + 8) == words[2]


def test_registers_keep_what_may_be_written(config):
    transport = GoldenTransport(one_neuron(), config)
    transport.write32(offset("TAG"), 0xDEADBEEF)
    transport.write32(offset("NETWORK"), 0xFFFFFFFF)
    assert transport.read32(offset("TAG")) == 0xDEADBEEF
    assert transport.read32(offset("NETWORK")) == 0x01FF01FF
    with pytest.raises(UsageError, match="a word must be from 0"):
        transport.write32(offset("TAG"), -1)


@pytest.mark.parametrize("name", ["ID", "LANES", "STATUS", "SOPS_LO"])
def test_read_only_registers_refuse_writes(config, name):
    with pytest.raises(DeviceError, match="is read-only"):
        GoldenTransport(one_neuron(), config).write32(offset(name), 0)


def test_holes_answer_with_an_error(config):
    transport = GoldenTransport(one_neuron(), config)
    last = list(memmap.memory_map(config).values())[-1]
    for address in (0x01C, 0x0FC, last.base + last.n_bytes):
        with pytest.raises(DeviceError, match="no register or memory"):
            transport.read32(address)
        with pytest.raises(DeviceError, match="no register or memory"):
            transport.write32(address, 0)


def test_running_core_keeps_its_memories(config):
    transport = started(one_neuron(), config)
    base = memmap.memory_map(config)["weights_even"].base
    with pytest.raises(DeviceError, match="stopped only"):
        transport.write32(base, 1)
    assert transport.read32(offset("ERRORS")) == R["ERRORS"].mask("BUSY")
    transport.write32(offset("ERRORS"), R["ERRORS"].mask("BUSY"))
    assert transport.read32(offset("ERRORS")) == 0
    with pytest.raises(DeviceError, match="stopped only"):
        transport.read32(base)
    with pytest.raises(DeviceError, match="stopped only"):
        transport.write32(offset("NETWORK"), 1)
    transport.write32(offset("CONTROL"), R["CONTROL"].mask("RESET") | RUN)
    assert transport.read32(offset("CONTROL")) == 0
    assert transport.read32(base) == 0


def test_answer_word_by_word(config):
    transport = started(one_neuron(weight=40, threshold=60, decay=16384), config)
    spike = addressed(Kind.SPIKE, 0, 0)
    answer = transport.exchange(
        beats(spike, word(Kind.TICK, 7), spike, word(Kind.TICK, 8), word(Kind.END, 99)), 100, 1
    )
    readout = addressed(Kind.READOUT, 1, 0)
    assert aer.to_words(answer).tolist() == [
        readout, word(Kind.VALUE, 40),
        word(Kind.TICK, 7), 0,
        readout, word(Kind.VALUE, 60),
        addressed(Kind.SPIKE, 1, 0), 0,
        word(Kind.TICK, 8), 0,
        readout, word(Kind.VALUE, 0),
        word(Kind.CYCLES), word(Kind.SOPS, 2),
        word(Kind.END, 99), 0,
    ]  # fmt: skip


def test_negative_values_are_sent_in_28_bits(config):
    transport = started(one_neuron(weight=-3), config)
    spike = addressed(Kind.SPIKE, 0, 0)
    answer = transport.exchange(beats(spike, word(Kind.TICK), word(Kind.END)), 100, 1)
    assert aer.to_words(answer)[1] == word(Kind.VALUE, (1 << 28) - 3)


@pytest.mark.parametrize(
    ("flag", "kinds"),
    [
        ("emit_spikes", [Kind.SPIKE, Kind.TICK]),
        ("probe_ticks", [Kind.READOUT, Kind.VALUE, Kind.TICK]),
        ("probe_end", [Kind.TICK, Kind.READOUT, Kind.VALUE]),
    ],
)
def test_flags_of_the_table_choose_what_is_shown(config, flag, kinds):
    transport = started(one_neuron(weight=100), config, {flag: 1})
    packet = beats(addressed(Kind.SPIKE, 0, 0), word(Kind.TICK), word(Kind.END))
    words = aer.to_words(transport.exchange(packet, 100, 1))
    found = aer.kind_of(words[words != 0]).tolist()
    assert found == [*kinds, Kind.CYCLES, Kind.SOPS, Kind.END]


def test_random_networks_come_back_whole(config):
    for seed in range(25):
        rng = np.random.default_rng(seed)
        network = random_network(rng, config)
        inputs = random_input(rng, network, 3, 4)
        names = [p.name for p in network.order()]
        transport = started(network, config)
        answer = transport.exchange(encode_inputs(network, inputs, 5), 1 << 20, 1)
        found = decode_answer(network, answer, 3, 4, Shown.of(names, names, names))
        expected = GoldenModel(network).run(inputs)
        assert list(found.spikes) == list(found.potentials) == list(found.final) == names
        assert first_difference(expected, found) is None
        ends = aer.to_words(answer)[::2]
        ends = ends[aer.kind_of(ends) == Kind.END]
        assert aer.payload_of(ends).tolist() == [5, 6, 7]
        assert transport.read32(offset("SOPS_LO")) == expected.sops.sum()
        assert transport.read32(offset("EVENTS_IN_LO")) == inputs.sum()
        assert transport.read32(offset("TICKS_LO")) == 12
        assert transport.read32(offset("SAMPLES_LO")) == 3
        sent = sum(int(s.sum()) for s in expected.spikes.values())
        assert transport.read32(offset("EVENTS_OUT_LO")) == sent


def test_samples_may_have_different_numbers_of_ticks(config):
    transport = started(one_neuron(weight=10), config, {"probe_end": 1})
    spike, tick = addressed(Kind.SPIKE, 0, 0), word(Kind.TICK)
    ends = [word(Kind.END, n) for n in range(3)]
    words = [spike, tick, spike, tick, ends[0], ends[1], spike, tick, ends[2]]
    answer = aer.to_words(transport.exchange(beats(*words), 100, 1))
    values = answer[aer.kind_of(answer) == Kind.VALUE]
    assert aer.payload_of(values).tolist() == [20, 0, 10]
    assert aer.payload_of(answer[aer.kind_of(answer) == Kind.END]).tolist() == [0, 1, 2]


def test_a_word_behind_the_last_end_belongs_to_the_next_packet(config):
    transport = started(one_neuron(weight=10), config, {"probe_end": 1})
    spike, tick, end = addressed(Kind.SPIKE, 0, 0), word(Kind.TICK), word(Kind.END)
    transport.exchange(beats(tick, 0, end, spike), 100, 1)
    answer = aer.to_words(transport.exchange(beats(tick, end), 100, 1))
    assert word(Kind.VALUE, 10) in answer


def test_strange_words_are_dropped_counted_and_flagged(config):
    transport = started(one_neuron(weight=10), config, {"probe_end": 1})
    strange = [0xF0000000, word(Kind.VALUE, 3), addressed(Kind.SPIKE, 0, 1),
               addressed(Kind.SPIKE, 1, 0), addressed(Kind.SPIKE, 200, 0)]  # fmt: skip
    spike = addressed(Kind.SPIKE, 0, 0)
    packet = beats(*strange, spike, word(Kind.TICK), word(Kind.END))
    assert word(Kind.VALUE, 10) in aer.to_words(transport.exchange(packet, 100, 1))
    flags = R["ERRORS"].mask("KIND") | R["ERRORS"].mask("ADDRESS")
    assert transport.read32(offset("ERRORS")) == flags
    assert transport.read32(offset("DROPPED_LO")) == 5
    assert transport.read32(offset("EVENTS_IN_LO")) == 1
    transport.write32(offset("CONTROL"), RUN | R["CONTROL"].mask("CLEAR_COUNTERS"))
    assert transport.read32(offset("DROPPED_LO")) == 0


def test_a_stopped_core_does_not_answer(config):
    transport = started(one_neuron(), config)
    transport.write32(offset("CONTROL"), 0)
    with pytest.raises(DeviceTimeout, match=r"is stopped .*STATUS 0x1, ERRORS 0x0"):
        transport.exchange(beats(word(Kind.END)), 10, 10)


def test_a_packet_without_end_does_not_answer(config):
    transport = started(one_neuron(), config)
    with pytest.raises(DeviceTimeout, match="no END in the packet's last beat"):
        transport.exchange(beats(word(Kind.END), 0, word(Kind.TICK)), 10, 10)
    assert transport.read32(offset("ERRORS")) == R["ERRORS"].mask("FRAME")


def test_an_answer_longer_than_the_capacity_is_an_error(config):
    transport = started(one_neuron(), config)
    with pytest.raises(DeviceError, match="at most 1 beats, not 3"):
        transport.exchange(beats(word(Kind.END)), 1, 10)


def test_an_overflow_sets_the_flag(config):
    network = one_neuron(weight=127, shift=7, magnitude=1)
    transport = started(network, config)
    packet = beats(*[addressed(Kind.SPIKE, 0, 0)] * 9, word(Kind.TICK), word(Kind.END))
    with pytest.raises(DeviceError, match=r"an accumulator overflowed: H of n\[0\]"):
        transport.exchange(packet, 100, 10)
    assert transport.read32(offset("ERRORS")) == R["ERRORS"].mask("OVERFLOW")


def test_tables_of_another_network_are_refused(config):
    transport = started(one_neuron(n_inputs=2), config)
    transport.write32(offset("CONTROL"), 0)
    transport.write_block(
        memmap.memory_map(config)["populations"].base, rows_of(one_neuron(n_inputs=3), ALL)
    )
    transport.write32(offset("CONTROL"), RUN)
    with pytest.raises(DeviceError, match=r"populations of \[2, 1\] neurons, not \[3, 1\]"):
        transport.exchange(beats(word(Kind.END)), 10, 10)

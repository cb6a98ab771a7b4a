"""Longest paths of small designs, added up by hand from the data of the cells."""

import copy

import pytest

from spikeloom.spec.errors import EngineError
from spikeloom.synth import arcs
from spikeloom.synth.netlist import netlist_from_json
from spikeloom.synth.timing import GROUPS, TimingGraph

LAUNCH = 303  # FDRE, clock to Q
ENABLE = 109  # FDRE, set-up of CE
RESET = 404  # FDRE, set-up of R; D has 0

REGISTERED = {
    "ff_to_ff": LAUNCH,
    "lut_chain": LAUNCH + 238 + 631 + 127,
    # S[0] to CO[3], CI to CO[3], CI to O[3]
    "carry_chain": LAUNCH + 508 + 114 + 313,
    "bram_to_ff": 2454 + 127,
    "bram_to_ff_registered": 882 + 127,
    # ADDRA[0] to DOA against the clock of the memory to DOA[1]
    "lutram": max(LAUNCH + 642, 1188),
    # into A, out of P
    "dsp_registered": max(LAUNCH + 324, 329),
    "dsp_product_only": LAUNCH + 2739,
    "dsp_bare": LAUNCH + 2823,
}
# other[0] by LUT2.I1; other[1] by LUT6.I0; the reset.  The write enable of the memory.
FROM_PORT = {"lut_chain": max(127 + 631 + 127, 642 + 127, RESET), "lutram": 654}


def longest(designs, library, top, group=GROUPS[0]):
    paths = TimingGraph(netlist_from_json(designs, top), library).longest(group)
    return paths[0].delay_ps if paths else None


@pytest.mark.parametrize("top", REGISTERED)
def test_the_longest_path_between_registers_is_that_added_by_hand(designs, library, top):
    assert longest(designs, library, top) == REGISTERED[top]


@pytest.mark.parametrize("top", FROM_PORT)
def test_the_longest_path_from_a_port_is_that_added_by_hand(designs, library, top):
    assert longest(designs, library, top, GROUPS[1]) == FROM_PORT[top]


def test_the_path_to_a_port_begins_at_the_clock(designs, library):
    assert longest(designs, library, "lut_chain", GROUPS[2]) == LAUNCH


def test_there_is_no_path_from_port_to_port_here(designs, library):
    assert longest(designs, library, "lut_chain", GROUPS[3]) is None


PLANTED = [
    ("ff_to_ff", "FDRE", "launch", ("Q", None)),
    ("lut_chain", "LUT2", "through", ("I0", None, "O", None)),
    ("lut_chain", "LUT6", "through", ("I1", None, "O", None)),
    ("carry_chain", "CARRY4", "through", ("S", 0, "CO", 3)),
    ("carry_chain", "CARRY4", "through", ("CI", None, "CO", 3)),
    ("carry_chain", "CARRY4", "through", ("CI", None, "O", 3)),
    ("lutram", "RAM32M", "launch", ("DOA", 1)),
]


@pytest.mark.parametrize(("top", "cell", "kind", "arc"), PLANTED)
def test_a_planted_wrong_arc_changes_the_sum(designs, library, top, cell, kind, arc):
    wrong = copy.deepcopy(library)
    getattr(wrong[cell], kind)[arc] += 1
    assert longest(designs, wrong, top) == REGISTERED[top] + 1


def test_a_lost_arc_is_an_error(designs, library):
    wrong = copy.deepcopy(library)
    del wrong["LUT2"].through["I0", None, "O", None]
    with pytest.raises(EngineError, match=r"^every pin in use must .*; LUT2 has none for I0\[0\]"):
        longest(designs, wrong, "lut_chain")


def test_a_wrong_delay_of_a_block_ram_is_found(designs, library, monkeypatch):
    right = arcs.block_ram

    def wrong(base, parameters):
        return right(base, {**parameters, "DOA_REG": 1 - int(parameters["DOA_REG"])})

    monkeypatch.setattr(arcs, "block_ram", wrong)
    assert longest(designs, library, "bram_to_ff") == REGISTERED["bram_to_ff_registered"]


def test_the_path_names_its_cells_in_order(designs, library):
    graph = TimingGraph(netlist_from_json(designs, "lut_chain"), library)
    (path,) = graph.longest(GROUPS[0])
    assert [s.type for s in path.steps] == ["FDRE", "LUT2", "LUT6", "LUT1"]
    assert [s.delay_ps for s in path.steps] == [303, 238, 631, 127]
    assert [s.arrival_ps for s in path.steps] == [303, 541, 1172, 1299]
    assert [s.net for s in path.steps] == ["a", "b", "c", "e"]
    assert (path.start, path.end) == ("a", "q.D[0]")


def test_only_the_longest_path_to_each_end_is_listed(designs, library):
    graph = TimingGraph(netlist_from_json(designs, "lut_chain"), library)
    paths = graph.longest(GROUPS[1], count=5)
    assert [(p.delay_ps, p.start, p.end) for p in paths] == [
        (885, "other[0]", "q.D[0]"),
        (0, "d", "a.D[0]"),
    ]


def test_the_set_up_of_an_enable_counts(designs, library):
    wrong = copy.deepcopy(library)
    for key in wrong["LUT6"].through:
        wrong["LUT6"].through[key] = 0
    wrong["LUT1"].through["I0", None, "O", None] = 0
    assert longest(designs, wrong, "lut_chain") == LAUNCH + 238 + ENABLE


BAD = {
    "loop": r"^a netlist must have a register in every loop; .*: LUT[12] \w+ <- LUT[12] \w+ <- LUT",
    "two_clocks": r"^a netlist must have one clock for this analysis; found clk, other",
    "not_driven": r"^every net in use must have a driver of known delay; \w+ has none",
    "latch": r"^cell u must be of a type whose delays are known; LDCE is not",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("top", BAD)
def test_what_cannot_be_timed_is_said(designs, library, top):
    with pytest.raises(EngineError, match=BAD[top]):
        longest(designs, library, top)


def test_a_group_that_is_not_there_is_refused(designs, library):
    graph = TimingGraph(netlist_from_json(designs, "ff_to_ff"), library)
    with pytest.raises(ValueError, match=r"^group must be one of register to register, "):
        graph.longest("here to there")

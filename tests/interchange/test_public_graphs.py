"""The public graphs: what they must do in real numbers, and what becomes of it in integers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("h5py", reason="h5py is missing")

from spikeloom.nir.agreement import compare
from spikeloom.nir.calibrate import calibrate_on, convert
from spikeloom.nir.graph import Node
from spikeloom.nir.interpret import Interpreter
from spikeloom.nir.meaning import choose
from spikeloom.nir.reading import read_graph
from spikeloom.spec.errors import NetworkError, UsageError

EULER = [460, 510, 710, 760]
EXPONENTIAL = [450, 500, 710, 760]


def interpreter(path, dialect, **choices):
    graph = read_graph(path)
    return Interpreter(graph, choose(graph, dialect, choices))


@pytest.fixture(scope="module")
def pulses(examples):
    table = np.loadtxt(examples / "paper" / "lif_norse.csv", delimiter=",")
    return table[:, 0].astype(np.int64).reshape(1, -1, 1), table[:, 1]


@pytest.mark.parametrize(
    ("dialect", "choices"),
    [
        ("norse", {}),
        ("lava", {}),
        ("spikingjelly", {}),
        (None, {"decay": "euler", "reset": "zero", "reset_order": "before-decay", "fires": "gt"}),
    ],
)
def test_the_leak_fires_as_all_with_euler_do(dialect, choices, examples, pulses):
    run = interpreter(examples / "paper" / "lif_norse.nir", dialect, dt=1e-4, **choices)
    samples = calibrate_on(run, pulses[0])
    assert np.flatnonzero(samples.trace.spikes["1"]).tolist() == EULER
    assert compare(convert(run, 8), samples).populations[0].agreement == 1


def test_the_leak_under_other_choices_fires_as_sinabs_and_rockpool_do(examples, pulses):
    run = interpreter(
        examples / "paper" / "lif_norse.nir", "norse", dt=1e-4, decay="exp", gain="tau"
    )
    assert np.flatnonzero(run.run(pulses[0]).spikes["1"]).tolist() == EXPONENTIAL


def test_the_graph_of_rockpool_is_refused_for_its_shapes_and_reads_without(examples, pulses):
    path = examples / "paper" / "lif_rockpool.nir"
    with pytest.raises(
        NetworkError,
        match=r"for 1 reason: \[1\] output: its shape must be \(1,\), that of what leads to it, "
        r"not \(1, 1, 1\) \(correct the shape in the file\)$",
    ):
        interpreter(path, "rockpool", dt=1e-4)
    graph = read_graph(path)
    graph.nodes["output"] = Node("output", "Output", {"shape": (1,)})
    run = Interpreter(graph, choose(graph, "rockpool", {"dt": 1e-4, "reset": "zero",
                                                        "multi_spike": False}))  # fmt: skip
    assert np.flatnonzero(run.run(pulses[0]).spikes["1_LIFNeuronTorch"]).tolist() == EXPONENTIAL


def test_the_convolutions_of_sinabs_are_exact_with_all_it_means(examples):
    data = np.load(examples / "refs" / "cnn_sinabs_synthetic.npz")
    inputs = np.moveaxis(data["input_spikes"], 0, 1)
    expected = np.moveaxis(data["sinabs_out"], 0, 1)
    path = examples / "paper" / "cnn_sinabs.nir"
    run = interpreter(path, "sinabs")
    trace = run.run(inputs)
    np.testing.assert_array_equal(trace.outputs["output"], expected)
    assert trace.outputs["output"].sum(axis=(1, 2)).tolist() == [150, 133, 159, 66]
    assert {k: int(v.max()) for k, v in trace.spikes.items()} == {
        "1": 3, "3": 4, "6": 12, "10": 13, "12": 8,
    }  # fmt: skip
    for name, value in (("multi_spike", False), ("clamp", "no")):
        other = interpreter(path, "sinabs", **{name: value}).run(inputs[:2])
        assert (other.outputs["output"] != expected[:2]).any()


@pytest.mark.parametrize(
    ("name", "reset"), [("bias_zero", "zero"), ("noBias_subtract", "subtract")]
)
def test_both_braille_graphs_are_exact(name, reset, examples):
    data = np.load(examples / "refs" / f"braille_noDelay_{name}_synthetic.npz")
    inputs = np.moveaxis(data["input_spikes"], 0, 1)
    expected = {key: np.moveaxis(data[key], 0, 1) for key in ("lif1", "out")}
    path = examples / "paper" / f"braille_noDelay_{name}.nir"
    run = interpreter(path, "norse", dt=1e-4, reset=reset, bias_at_start=True)
    samples = calibrate_on(run, inputs)
    np.testing.assert_array_equal(samples.trace.spikes["lif1.lif"], expected["lif1"])
    np.testing.assert_array_equal(samples.trace.outputs["output"], expected["out"])
    # Norse itself drops a recurrent bias in the first tick
    norse = interpreter(path, "norse", dt=1e-4, reset=reset).run(inputs)
    differing = int((norse.outputs["output"] != expected["out"]).sum())
    assert differing == (3207 if name == "bias_zero" else 0)
    hidden, _ = compare(convert(run, 8), samples).populations
    assert hidden.agreement > 0.99


def test_a_neuron_above_its_threshold_fires_without_input(examples):
    run = interpreter(examples / "paper" / "two_lif_neurons.nir", "norse", start="zero")
    samples = calibrate_on(run, np.zeros((1, 200, 1), np.int64))
    assert samples.trace.spikes["lif1"].sum() == 11
    report = compare(convert(run, 8, samples), samples)
    assert [p.spikes_whole for p in report.populations] == [11, 0]
    assert report.populations[0].agreement == 1


@pytest.mark.parametrize("name", ["bias_zero", "noBias_subtract"])
def test_sub_graphs_with_edges_to_nowhere_are_refused(name, examples):
    path = examples / "paper" / "subgraph_unreadable" / f"braille_noDelay_{name}_subgraph.nir"
    with pytest.raises(NetworkError, match=r"for 4 reasons: \[1\] lif: the edge input -> lif "):
        read_graph(path)


def test_what_nir_leaves_open_is_asked_for_all_at_once(examples):
    graph = read_graph(examples / "paper" / "braille_noDelay_bias_zero.nir")
    with pytest.raises(UsageError) as caught:
        choose(graph, None, {"dt": 1e-4})
    text = str(caught.value)
    for name in ("reset", "reset-order", "fires", "current-first", "decay", "bias-at-start"):
        assert f"--{name} (" in text
    assert "--dt" not in text
    assert "--dialect snntorch|norse|spikingjelly|sinabs|rockpool|lava" in text

"""Export: read back as the same integers, and by other frameworks as the same spikes."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("nir", reason="the nir package is missing")

from interchange.conftest import SCRIPTS, frameworks_python
from interchange.digits import classifier
from interchange.test_convert import CHAINS, chain, interpreter, shape_behind
from spikeloom.artefact import read_artefact
from spikeloom.nir.calibrate import convert
from spikeloom.nir.export import export_graph, real_network
from spikeloom.nir.interpret import Interpreter
from spikeloom.nir.meaning import choose
from spikeloom.nir.reading import read_graph
from spikeloom.spec.errors import NetworkError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.matrix import MatrixModel


def written(network, path):
    """Export and return the interpreter of what was written, with the options it names."""
    exported = export_graph(real_network(network))
    path.write_bytes(exported.data)
    graph = read_graph(path)
    given = {k.replace("-", "_"): v for k, v in exported.options.items()}
    for name, value in given.items():
        given[name] = {"yes": True, "no": False}.get(value, value)
    given["dt"] = float(given["dt"])
    return Interpreter(graph, choose(graph, None, given)), exported


def same_numbers(first, second):
    """Check that two networks have the same integers, names apart."""
    for a, b in zip(first.order(), second.order(), strict=True):
        for name in ("threshold", "decay", "bias"):
            np.testing.assert_array_equal(a.per_neuron(name), b.per_neuron(name))
        assert (a.shape, a.reset, a.reset_order) == (b.shape, b.reset, b.reset_order)
    for a, b in zip(first.projections, second.projections, strict=True):
        np.testing.assert_array_equal(a.weights.astype(int) << a.shift,
                                      b.weights.astype(int) << b.shift)  # fmt: skip
        assert (a.kind, a.delay) == (b.kind, b.delay)


def test_a_trained_network_comes_back_to_the_bit(tmp_path, request):
    network = read_artefact(request.config.rootpath / "tests/data/mnist_784_128_10").network()
    run, exported = written(network, tmp_path / "m.nir")
    assert exported.notes == ()
    same_numbers(network, convert(run, 8).network)


def test_leaks_currents_and_recurrence_come_back_to_the_bit(tmp_path, rng):
    def weights(*shape):
        return rng.integers(-127, 128, shape).astype(np.int8)

    network = Network(
        (InputPopulation("pixels", (9,)),),
        (
            Population("a", (12,), threshold=300, decay=29491, current_decay=20000),
            Population("b", (12,), threshold=200, decay=32768, bias=3),
            Population("c", (8,), threshold=111, decay=16384, bias=rng.integers(-9, 9, 8)),
        ),
        (
            Projection("pixels", "a", weights(12, 9)),
            Projection("a", "a", weights(12, 12), delay=1),
            Projection("a", "b", weights(12, 12)),
            Projection("b", "c", weights(8, 12), delay=3),
        ),
        ("c", "a"),
    )
    run, _ = written(network, tmp_path / "n.nir")
    back = convert(run, 8).network
    np.testing.assert_array_equal(back.populations[0].current_decay, 20000)
    assert len(back.outputs) == 2
    same_numbers(network, back)


@pytest.mark.parametrize(
    "name", ["affine", "strided", "same", "average pool and conv", "sum pool", "scale"]
)
def test_every_kind_comes_back_as_the_same_spikes(name, tmp_path, rng):
    shape, items = CHAINS[name](rng)
    path = chain(tmp_path / "g.nir", shape, *items, out=shape_behind(items))
    first = convert(interpreter(path), 8).network
    run, _ = written(first, tmp_path / "h.nir")
    second = convert(run, 8).network
    events = (rng.random((4, 15, first.inputs[0].n_neurons)) < 0.4).astype(np.int64)
    one = MatrixModel(first).run({first.inputs[0].name: events}).spikes
    two = MatrixModel(second).run({second.inputs[0].name: events}).spikes
    assert sum(int(s.sum()) for s in one.values()) > 0
    for a, b in zip(one.values(), two.values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_thresholds_per_neuron_become_one_threshold(tmp_path, small_network):
    network = replace(small_network, outputs=("hidden",))
    run, _ = written(network, tmp_path / "s.nir")
    node = next(n for n in run.graph.nodes.values() if n.kind == "LIF")
    assert np.unique(node.real("v_threshold")).size == 1


def test_what_nir_has_no_words_for_is_noted(small_network):
    notes = export_graph(real_network(small_network)).notes
    assert "NIR cannot say that out has the initial potential 4" in notes
    assert "NIR cannot say that out has a floor of its potential" in notes


def test_what_cannot_be_written_is_refused_with_all_reasons(small_network):
    p, q = small_network.populations
    p = replace(p, current_decay=np.int32(9), bias=np.int32(7))
    alone = Population("alone", (2,), threshold=9, decay=0)
    network = Network(
        small_network.inputs, (p, q, alone), small_network.projections, ("hidden", "out")
    )
    with pytest.raises(NetworkError, match=r"for 2 reasons: .*hidden: a bias beside") as caught:
        export_graph(real_network(network))
    assert "alone: nothing leads to it" in str(caught.value)


def read_by(framework, folder, model, inputs):
    python = frameworks_python()
    if not python.exists():
        pytest.skip(f"{python} is missing: run make frameworks-env")
    done = subprocess.run(
        [python, SCRIPTS / "read_back.py", folder, framework, model, inputs],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(folder / "out.npz")["output"]


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["snntorch", "norse"])
def test_a_framework_reads_the_network_that_was_written(framework, digits, tmp_path):
    found = classifier(digits, "fc_zero", 8, plain=True)
    network = found.converted.network
    run, _ = written(network, tmp_path / "z.nir")
    events = found.samples.events[:200]
    np.savez(tmp_path / "in.npz", input=events)
    trace = run.run(events)
    output = read_by(framework, tmp_path, tmp_path / "z.nir", tmp_path / "in.npz")
    assert trace.outputs["output"].sum() > 1000
    np.testing.assert_array_equal(output, trace.outputs["output"])
    if framework == "snntorch":  # and the graph that it writes of what it read
        graph = read_graph(tmp_path / "again.nir")
        meaning = choose(graph, "snntorch", {"reset": "zero"})
        same_numbers(network, convert(Interpreter(graph, meaning), 8).network)
